# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Debian packages, downloaded and extracted into the cache, never installed."""

from __future__ import annotations

import functools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import cache
from .errors import LabError


@dataclass(frozen=True)
class Package:
    """A package that apt can fetch, in one version."""

    name: str
    version: str

    def unpack(self, target: Path) -> None:
        """Download the package and extract it into this folder."""
        # apt's sandbox user may lack write permission here.
        command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{self.name}={self.version}"]
        done = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False)
        archives = list(target.glob("*.deb"))
        if done.returncode != 0 or len(archives) != 1:
            raise LabError(
                f"package {self.name} {self.version}: download failed: {done.stderr.strip() or done.stdout.strip()}; "
                "try again after apt-get update"
            )
        done = subprocess.run(
            ["dpkg-deb", "-x", str(archives[0]), str(target)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise LabError(f"package {self.name} {self.version}: extraction failed: {done.stderr.strip()}")
        archives[0].unlink()

    def tree(self) -> Path:
        """The folder in the cache that holds the extracted package."""
        return cache.entry(f"packages/{self.name}_{_for_path(self.version)}", self.unpack)


def _for_path(version: str) -> str:
    # A colon separates entries in make's and the shell's lists.
    return version.replace(":", "%3a")


@functools.cache
def _record(name: str, version: str | None = None) -> dict[str, str]:
    wanted = name if version is None else f"{name}={version}"
    done = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", wanted], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not done.stdout.strip():
        raise LabError(
            f"package {wanted}: not known to apt: {done.stderr.strip() or 'no such package'}; "
            "try test/install-deps vm, or apt-get update"
        )
    fields: dict[str, str] = {}
    for line in done.stdout.split("\n\n", 1)[0].splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith(" "):
            fields[key] = value.strip()
    return fields


def find(name: str, version: str | None = None) -> Package:
    """Return the package of this name: apt's candidate, or exactly this version."""
    return Package(name, _record(name, version)["Version"])


def depends(package: Package, pattern: str) -> Package:
    """Return the dependency of a package whose whole name matches this pattern, in the required version."""
    for alternative in re.split(r"[,|]", _record(package.name, package.version).get("Depends", "")):
        match = re.fullmatch(r"\s*([^\s:(]+)(?::\w+)?\s*(?:\((\S+)\s+(\S+)\))?\s*", alternative)
        if match and re.fullmatch(pattern, match[1]):
            return find(match[1], match[3] if match[2] == "=" else None)
    raise LabError(f"package {package.name} {package.version}: depends on nothing that matches {pattern}")
