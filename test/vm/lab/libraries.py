# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The shared libraries of a program."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import cross
from .arch import Arch
from .debian_programs import library_folders
from .errors import LabError


def libraries(program: Path, arch: Arch) -> dict[str, Path]:
    """Return the shared libraries of a program and its loader: their paths in a guest and on the host.

    The loader of a program of a Debian package is that of the guest's other programs.
    """
    if folders := library_folders(program, arch):
        return _in_folders(program, folders)
    return _native(program) if arch.native else _foreign(program, arch)


def _native(program: Path) -> dict[str, Path]:
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    found: dict[str, Path] = {}
    for line in done.stdout.splitlines():
        if "not found" in line:
            raise LabError(f"{program}: shared library missing: {line.strip()}")
        # "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x...)", or the loader: "/lib64/ld-... (0x...)"
        match = re.match(r"\s*(?:(\S+) => )?(/\S+) \(0x", line)
        if match:
            found[f"/lib/{os.path.basename(match[1])}" if match[1] else match[2]] = Path(match[2])
    return found


def _foreign(program: Path, arch: Arch) -> dict[str, Path]:
    root = cross.sysroot(arch)
    folders = [cross.folder(arch) / "lib", *(root / parent / arch.compiler for parent in ("lib", "usr/lib"))]
    return {arch.loader: root / arch.loader[1:], **_in_folders(program, folders)}


def _in_folders(program: Path, folders: Sequence[Path]) -> dict[str, Path]:
    """As ldd does it, which finds libraries of this machine only."""
    found: dict[str, Path] = {}
    pending = [program]
    while pending:
        for name in _needed(pending.pop()):
            path = f"/lib/{name}"
            if path in found:
                continue
            source = next((folder / name for folder in folders if (folder / name).exists()), None)
            if source is None:
                raise LabError(f"{program}: shared library missing: {name}")
            found[path] = source
            pending.append(source)
    return found


def _needed(file: Path) -> list[str]:
    done = subprocess.run(["readelf", "--dynamic", "--wide", str(file)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"readelf {file}: {done.stderr.strip()}")
    return re.findall(r"\(NEEDED\).*\[(\S+)\]", done.stdout)
