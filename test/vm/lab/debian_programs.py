# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Programs of Debian packages for guests: unpacked into the cache with all that they depend on, never installed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from . import apt, archive, cache
from .arch import Arch
from .errors import LabError
from .step import step

_FOLDER = "programs"


@functools.cache
def debian_programs(arch: Arch, *packages: str) -> Path:
    """Return the folder with these packages of this machine's Debian, as they lie below the root of a system."""
    suite = archive.codename()

    def fill(target: Path) -> None:
        with step(f"{suite}: {', '.join(packages)} for {arch.debian}"), apt.opened(arch.debian, suite) as fetcher:
            fetcher.unpack(target, packages)

    return cache.entry(f"{_FOLDER}/{arch.debian}-{suite}-{'-'.join(packages)}", fill)


def programs_of(root: Path, names: Sequence[str]) -> list[Path]:
    """Return programs of such a folder by their names."""
    folders = ("usr/bin", "usr/sbin", "bin", "sbin", "usr/lib/openssh")
    found = []
    for name in names:
        at = next((path for folder in folders if (path := root / folder / name).exists()), None)
        if at is None:
            raise LabError(f"{name}: no program of the packages in {root}")
        found.append(at)
    return found


def library_folders(program: Path, arch: Arch) -> list[Path]:
    """Return the folders with the libraries of a program, if it is one of a Debian package; else nothing."""
    place = cache.root() / _FOLDER
    if not program.is_relative_to(place):
        return []
    root = place / program.relative_to(place).parts[0]
    return [root / parent / arch.compiler for parent in ("lib", "usr/lib")]
