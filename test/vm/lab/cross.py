# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""This project's programs for guests of another architecture: built when they are needed, by Debian's cross compiler.

The headers and libraries are Debian's, in a folder of the cache: nothing but the compiler is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from . import apt, archive, cache, processes
from .arch import Arch
from .daemon import REPOSITORY, build_folder
from .errors import LabError
from .step import step

_PACKAGES = (
    # For the compiler, ...
    "libc6-dev libstdc++-12-dev|libstdc++-14-dev "
    # ... for the library, the tools, and the programs of the tests and benchmarks, ...
    "libboost1.81-dev|libboost-dev libfmt-dev libcli11-dev libsmartcols-dev libpci-dev libudev-dev "
    "catch2 libssl-dev relacy-dev libreaderwriterqueue-dev libzmq3-dev "
    # ... and for every guest.
    "busybox-static"
).split()
"""For Debian 12, and after a bar for Debian 13."""

_SETTINGS = """\
[constants]
root = 'ROOT'
[binaries]
c = [CCACHE'COMPILER-gcc']
cpp = [CCACHE'COMPILER-g++']
ar = 'COMPILER-ar'
strip = 'COMPILER-strip'
pkgconfig = 'pkg-config'
[built-in options]
c_args = ['--sysroot=' + root]
c_link_args = ['--sysroot=' + root]
cpp_args = ['--sysroot=' + root]
cpp_link_args = ['--sysroot=' + root]
[properties]
sys_root = root
pkg_config_libdir = [root / 'usr/lib/COMPILER/pkgconfig', root / 'usr/share/pkgconfig']
boost_root = root / 'usr'
[host_machine]
system = 'linux'
cpu_family = 'NAME'
cpu = 'NAME'
endian = 'little'
"""

# The programs do not run on this machine, so it needs no manual pages.
_OPTIONS = ("-Dunity=on", "-Dman=disabled", "-Doptimization=2", "-Ddebug=false")


@functools.cache
def sysroot(arch: Arch) -> Path:
    """Return the folder with Debian's headers and libraries for an architecture: those of this machine's Debian."""
    suite = archive.codename()
    packages = [names.split("|")[0 if suite == "bookworm" else -1] for names in _PACKAGES]

    def fill(target: Path) -> None:
        with step(f"{suite}: headers and libraries for {arch.debian}"), apt.opened(arch.debian, suite) as fetcher:
            fetcher.unpack(target, packages)

    return cache.entry(f"sysroots/{arch.debian}-{suite}-1", fill)


def folder(arch: Arch) -> Path:
    """Return the build folder of an architecture."""
    return build_folder() / arch.name


def counterpart(program: Path, arch: Arch) -> Path:
    """Return a program of the build folder as it is built for an architecture; build it if that is another's."""
    if arch.native or not program.is_relative_to(build_folder()):
        return program
    name = program.relative_to(build_folder())
    with _locked(arch):
        _configure(arch)
        _run(["ninja", "-C", str(folder(arch)), str(name)], arch)
    return folder(arch) / name


@contextlib.contextmanager
def _locked(arch: Arch) -> Iterator[None]:
    # Classes of tests run in parallel, and ninja must not run twice in a folder.
    folder(arch).mkdir(parents=True, exist_ok=True)
    with open(folder(arch) / ".lab.lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _configure(arch: Arch) -> None:
    if (folder(arch) / "build.ninja").exists():
        return
    if shutil.which(f"{arch.compiler}-g++") is None:
        raise LabError(f"{arch.compiler}-g++: not found; try test/install-deps cross")
    text = _SETTINGS.replace("ROOT", str(sysroot(arch))).replace("COMPILER", arch.compiler).replace("NAME", arch.name)
    settings = folder(arch) / "cross.ini"
    settings.write_text(text.replace("CCACHE", "'ccache', " if shutil.which("ccache") else ""), "utf-8")
    _run(["meson", "setup", *_OPTIONS, "--cross-file", str(settings), str(folder(arch)), str(REPOSITORY)], arch)


def _run(command: list[str], arch: Arch) -> None:
    """Run a command of the build; it must succeed, and ends with this process."""
    log = folder(arch) / ".lab.log"
    with open(log, "wb") as output:
        child = processes.start(command, output)
    try:
        status = child.wait()
    finally:
        processes.stop(child)
    if status != 0:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-30:])
        raise LabError(f"{' '.join(command)}: {processes.describe(status)}; {log} ends with:\n{tail}")
