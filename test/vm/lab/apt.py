# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Packages of another suite or architecture than this machine's, fetched by an apt with a configuration of its own.

They come from the archive that apt uses on this machine, with apt's own choice of versions and its check of
signatures. Nothing is installed, and neither root nor a foreign architecture of dpkg is needed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import archive, cache, processes
from .errors import LabError

# No package is installed from this apt's point of view, so it takes all that a program needs.
_SETTINGS = """\
Dir "FOLDER";
Dir::State "FOLDER/state";
Dir::State::Lists "FOLDER/lists";
Dir::State::Status "FOLDER/status";
Dir::Cache "FOLDER/cache";
Dir::Etc "FOLDER/etc";
Dir::Etc::SourceList "FOLDER/sources.list";
Dir::Etc::SourceParts "-";
Dir::Etc::TrustedParts "-";
Acquire::Languages "none";
APT::Architecture "ARCHITECTURE";
APT::Architectures "ARCHITECTURE";
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
APT::Sandbox::User "root";
"""


class Apt:
    """An apt for one architecture and some suites; `opened` returns one."""

    def __init__(self, folder: Path, architecture: str, suites: Sequence[str]) -> None:
        self._folder = folder
        for name in ("state", "lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
            (folder / name).mkdir(parents=True)
        (folder / "status").write_text("", "ascii")
        mirror = archive.mine()
        (folder / "sources.list").write_text("".join(mirror.source(suite, str(mirror.keyring)) for suite in suites), "utf-8")
        settings = _SETTINGS.replace("FOLDER", str(folder)).replace("ARCHITECTURE", architecture)
        (folder / "apt.conf").write_text(mirror.settings + settings, "utf-8")
        self._run("apt-get", "-q", "update")

    def depends(self, package: str) -> str:
        """Return the field Depends of apt's candidate."""
        lines = self._run("apt-cache", "show", "--no-all-versions", package).splitlines()
        return next((line.partition(": ")[2] for line in lines if line.startswith("Depends: ")), "")

    def unpack(self, target: Path, packages: Sequence[str], *, release: str = "", alone: bool = False) -> None:
        """Unpack packages into a folder, with all that they depend on, unless `alone`. `release`: the preferred suite."""
        preferred = ["-t", release] if release else []
        archives = self._folder / "cache/archives"
        if alone:
            self._run("apt-get", "-q", "download", *packages, folder=archives)
        else:
            self._run("apt-get", "-q", *preferred, "install", "--download-only", *packages)
        found = sorted(archives.glob("*.deb"))
        for package in found:
            self._run("dpkg-deb", "-x", str(package), str(target))
            package.unlink()
        if not found:
            raise LabError(f"apt-get fetched nothing for {' '.join(packages)}")

    def _run(self, *command: str, folder: Path | None = None) -> str:
        """Run a command with this configuration, and return its output; it must succeed, and ends with this process."""
        log = self._folder / "log"
        # Started in this folder, because apt-get downloads into the current one.
        where = ["env", *(["-C", str(folder)] if folder else []), f"APT_CONFIG={self._folder / 'apt.conf'}", "LC_ALL=C"]
        with open(log, "wb") as output:
            child = processes.start([*where, *command], output)
        try:
            status = child.wait()
        finally:
            processes.stop(child)
        text = log.read_text("utf-8", "replace")
        if status != 0:
            tail = "\n".join(text.splitlines()[-20:])
            raise LabError(f"{' '.join(command)}: {processes.describe(status)}: {tail}; try again, and look at the network")
        return text


@contextlib.contextmanager
def opened(architecture: str, *suites: str) -> Iterator[Apt]:
    """Return an apt with fresh lists of these suites."""
    with cache.scratch() as folder:
        yield Apt(folder, architecture, suites)

