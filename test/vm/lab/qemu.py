# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A QEMU that has the device vfio-user-pci: this machine's own, or that of trixie-backports.

Debian 12's and 13's are older. Then the newer one and the libraries that it needs are fetched from the archive that
apt uses on this machine, with apt's own choice of versions and its check of signatures, and unpacked into the cache.
Nothing is installed, no root and no container is needed: it runs with its own loader and libraries.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import cache, processes
from .debian import archive, step
from .errors import LabError

_NEEDED = (10, 1)
"""The first version with vfio-user-pci."""
_SUITE = "trixie"
_PACKAGE = "qemu-system-x86"
_PROGRAM = "qemu-system-x86_64"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"

# No package is installed from apt's point of view, so it takes all that the program needs.
_APT = """\
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
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
APT::Sandbox::User "root";
"""


@dataclass(frozen=True)
class Qemu:
    """A QEMU for x86-64 guests that is not the default one."""

    version: str
    command: tuple[str, ...]
    """The program, with what it needs in front of it."""


@functools.cache
def with_vfio_user() -> Qemu:
    """Return a QEMU that has vfio-user-pci; fetch it if this machine has none and the cache has none."""
    installed = shutil.which(_PROGRAM)
    if installed is not None and _at_least(version := _version([installed]), _NEEDED):
        return Qemu(version, (installed,))
    root = cache.entry(f"qemu/{_SUITE}-backports-1", _fetch)
    # QEMU finds its modules and its firmware by absolute paths, unless it is given others.
    command = ["env", f"QEMU_MODULE_DIR={root / _LIBRARIES}/qemu", str(root / "usr/lib64/ld-linux-x86-64.so.2")]
    command += ["--inhibit-cache", "--library-path", str(root / _LIBRARIES)]
    command.append(str(root / "usr/bin" / _PROGRAM))
    version = _version(command)
    for firmware in ("qemu", "seabios"):
        command += ["-L", str(root / "usr/share" / firmware)]
    return Qemu(version, tuple(command))


def _version(command: list[str]) -> str:
    ran = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\d+\.\d+\S*)", ran.stdout)
    if ran.returncode != 0 or found is None:
        raise LabError(f"{command[-1]} --version: status {ran.returncode}: {(ran.stderr or ran.stdout).strip()}")
    return found[1]


def _at_least(version: str, wanted: tuple[int, int]) -> bool:
    return tuple(int(number) for number in version.split(".")[:2]) >= wanted


def _fetch(target: Path) -> None:
    with step(f"QEMU of {_SUITE}-backports, which has vfio-user-pci: fetching and unpacking it"), cache.scratch() as folder:
        for name in ("state", "lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
            (folder / name).mkdir(parents=True)
        (folder / "status").write_text("", "ascii")
        mirror = archive.mine()
        sources = "".join(mirror.source(suite, str(mirror.keyring)) for suite in (_SUITE, f"{_SUITE}-backports"))
        (folder / "sources.list").write_text(sources, "utf-8")
        (folder / "apt.conf").write_text(mirror.settings + _APT.replace("FOLDER", str(folder)), "utf-8")
        _run(["apt-get", "-q", "update"], folder)
        _run(["apt-get", "-q", "-t", f"{_SUITE}-backports", "install", "--download-only", _PACKAGE], folder)
        packages = sorted((folder / "cache/archives").glob("*.deb"))
        for package in packages:
            _run(["dpkg-deb", "-x", str(package), str(target)], folder)
        if not (target / "usr/bin" / _PROGRAM).exists():
            raise LabError(f"{_SUITE}-backports: no usr/bin/{_PROGRAM} in the {len(packages)} packages of {_PACKAGE}")


def _run(command: list[str], folder: Path) -> None:
    """Run a command with this folder's apt configuration; it must succeed, and ends with this process."""
    log = folder / "log"
    with open(log, "wb") as output:
        child = processes.start(["env", f"APT_CONFIG={folder / 'apt.conf'}", "LC_ALL=C", *command], output)
    try:
        status = child.wait()
    finally:
        processes.stop(child)
    if status != 0:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-20:])
        raise LabError(f"{' '.join(command)}: {processes.describe(status)}: {tail}; try again, and look at the network")
