# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A QEMU that has the device vfio-user-pci: this machine's own, or that of trixie-backports.

Debian 12's and 13's are older. Then the newer one and the libraries that it needs are unpacked into the cache, and it
runs from there with its own loader and libraries: no root and no container is needed.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import apt, cache
from .arch import X86_64, Arch
from .errors import LabError
from .step import step

_NEEDED = (10, 1)
"""The first version with vfio-user-pci."""
_SUITE = "trixie"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"


@dataclass(frozen=True)
class Qemu:
    """A QEMU that is not the default one."""

    version: str
    command: tuple[str, ...]
    """The program, with what it needs in front of it."""


@functools.cache
def with_vfio_user(arch: Arch = X86_64) -> Qemu:
    """Return a QEMU that has vfio-user-pci; fetch it if this machine has none and the cache has none."""
    installed = shutil.which(arch.qemu)
    if installed is not None and _at_least(version := _version([installed]), _NEEDED):
        return Qemu(version, (installed,))
    kind = "" if arch is X86_64 else f"-{arch.name}"
    root = cache.entry(f"qemu/{_SUITE}-backports{kind}-1", functools.partial(_fetch, arch))
    # QEMU finds its modules and its firmware by absolute paths, unless it is given others.
    command = ["env", f"QEMU_MODULE_DIR={root / _LIBRARIES}/qemu", str(root / "usr/lib64/ld-linux-x86-64.so.2")]
    command += ["--inhibit-cache", "--library-path", str(root / _LIBRARIES)]
    command.append(str(root / "usr/bin" / arch.qemu))
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


def _fetch(arch: Arch, target: Path) -> None:
    with step(f"QEMU of {_SUITE}-backports for {arch.name}: fetching and unpacking it"):
        with apt.opened("amd64", _SUITE, f"{_SUITE}-backports") as archive:
            archive.unpack(target, [arch.package], release=f"{_SUITE}-backports")
        if not (target / "usr/bin" / arch.qemu).exists():
            raise LabError(f"{_SUITE}-backports: no usr/bin/{arch.qemu} in {arch.package} and what it needs")
