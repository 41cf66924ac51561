# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The Debian archive that this machine's apt uses: its address, its keys and its proxies."""

from __future__ import annotations

import functools
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class Archive:
    uri: str
    keyring: Path
    settings: str
    """apt's settings for downloads (proxies, checks), as lines of its configuration."""
    proxy: str
    """The proxy for the archive, or nothing."""

    def source(self, suite: str, keyring: str) -> str:
        return f"deb [signed-by={keyring}] {self.uri} {suite} main\n"


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or f'status {done.returncode}'}")
    return done.stdout


def codename() -> str:
    """Return the name of this machine's suite, or nothing."""
    found = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else ""


@functools.cache
def mine() -> Archive:
    known = _output("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
    # Not -security or -updates, which are not complete suites.
    for line in known.splitlines():
        suite, component, uri = line.split(" ", 2)
        if (suite, component) == (codename(), "main"):
            break
    else:
        raise LabError(
            "apt-get indextargets: no main archive of this Debian among apt's sources; "
            "try apt-get update, and look at /etc/apt/sources.list"
        )
    if not _KEYRING.exists():
        raise LabError(f"{_KEYRING}: not found; try test/install-deps packages")
    dump = _output("apt-config", "dump", "--format", '%F "%v";%n')
    settings = [
        line
        for line in dump.splitlines()
        if re.match(r'Acquire::[^"]* "[^"]+";', line) and not line.startswith(("Acquire::IndexTargets", "Acquire::Changelogs"))
    ]
    scheme = uri.partition(":")[0]
    proxies = dict(re.findall(r'^Acquire::(\w+)::Proxy "([^"]+)";', "\n".join(settings), re.MULTILINE))
    return Archive(uri.rstrip("/"), _KEYRING, "\n".join(settings) + "\n", proxies.get(scheme, ""))
