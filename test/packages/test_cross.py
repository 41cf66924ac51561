# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The packages for other architectures, from this machine's cross compilers: they have what the native ones have."""

from __future__ import annotations

import shutil
import subprocess
import unittest
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import build
import contents
from build import TOP
from lab import cache
from lab.debian import Inside
from lab.runner import long
from suites import PACKAGES, SuiteCase

_SUITE = "bookworm"
_NATIVE = "x86_64-linux-gnu"


_LIBGCC = "libgcc-s1 (>= 3.4)"
"""On amd64. Each architecture has its own functions of libgcc, and the versions that brought them."""


@dataclass(frozen=True)
class Foreign:
    debian: str
    triplet: str
    machine: int
    """e_machine of its programs."""
    emulator: str
    """Debian's qemu-user."""
    libgcc: str
    more: dict[str, list[str]] = field(default_factory=dict)
    """What else is not as on amd64: lines of contents.difference(), by package."""

    def differs(self, package: str) -> list[str]:
        """Return the lines of contents.difference() for a package as they must be."""
        libgcc = [f"field Depends: - {_LIBGCC}", f"field Depends: + {self.libgcc}"]
        return [*([] if package == "libivshmem-dev" else libgcc), *self.more.get(package, [])]


ARM64 = Foreign("arm64", "aarch64-linux-gnu", 183, "qemu-aarch64", "libgcc-s1 (>= 4.5)")
_CMAKE = "usr/lib/TRIPLET/cmake/ivshmem/ivshmemConfigVersion.cmake"
_CMAKE_OF_32_BIT = [
    f"{_CMAKE}: {sign} {line.format(size)}"
    for sign, size in (("-", 8), ("+", 4))
    for line in (
        "if(CMAKE_SIZEOF_VOID_P AND NOT CMAKE_SIZEOF_VOID_P EQUAL {})",
        '  set(PACKAGE_VERSION "${{PACKAGE_VERSION}} (for pointers of {} bytes)")',
    )
]
ARMHF = Foreign("armhf", "arm-linux-gnueabihf", 40, "qemu-arm", "libgcc-s1 (>= 3.5)", {"libivshmem-dev": _CMAKE_OF_32_BIT})


class Cross(SuiteCase):
    suite = _SUITE
    foreign: ClassVar[Foreign]
    other: ClassVar[build.Built]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.other = build.build(cls.suite, cls.foreign.debian)

    def test_packages(self) -> None:
        """All packages with programs were built, and their programs are the other architecture's."""
        native = {name for name, deb in self.built.debs().items() if deb.stem.endswith("_amd64")}
        self.assertEqual(sorted(self.other.debs()), sorted(native))
        self.assertLess(native, set(PACKAGES))
        for name, deb in self.other.debs().items():
            self.assertIn(contents.machine(deb), ({self.foreign.machine}, set()), name)

    def test_contents(self) -> None:
        """Fields, dependencies with their versions, scripts, symbols and files are those of this architecture."""
        for name, deb in self.other.debs().items():
            with self.subTest(package=name):
                native = contents.of(self.built.debs()[name], _NATIVE)
                self.assertIn("field Version", native)
                other = contents.of(deb, self.foreign.triplet)
                self.assertEqual(contents.difference(native, other), self.foreign.differs(name))

    def test_hardening(self) -> None:
        """blhc finds no call of the cross compiler in the log that lacks a hardening flag."""
        root = self.root.cross(TOP / "debian/control", self.foreign.debian)
        with Inside.throwaway(root, {"/mnt": self.other.folder}) as inside:
            # meson's report of this machine's own compiler is no call of it.
            known = "--ignore-line '.* linker for the build machine: .*'"
            run = f"blhc --debian --bindnow --arch {self.foreign.debian} {known} /mnt/build.log"
            done = inside.run(run, check=False)
        self.assertEqual((done.rc, done.stdout), (0, ""), done.stderr)

    def test_programs_run(self) -> None:
        """The programs of the packages load their libraries, under qemu-user."""
        if shutil.which(self.foreign.emulator) is None:
            self.skipTest(f"{self.foreign.emulator}: not found; test/install-deps cross installs it")
        with cache.scratch() as folder:
            for deb in self.other.debs().values():
                subprocess.run(["dpkg-deb", "-x", str(deb), str(folder)], check=True)
            libraries = folder / "usr/lib" / self.foreign.triplet
            for program in sorted((folder / "usr/bin").iterdir()):
                with self.subTest(program=program.name):
                    self.assertEqual(self.version(program, libraries), f"{program.name} {self.other.version()}\n")

    def version(self, program: Path, libraries: Path) -> str:
        root = self.root.cross(TOP / "debian/control", self.foreign.debian)
        command = [self.foreign.emulator, "-L", str(root), "-E", f"LD_LIBRARY_PATH={libraries}", str(program), "--version"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@long("a compiler builds all packages again")
class CrossArm64(Cross):
    foreign = ARM64


@long("a compiler builds all packages again")
class CrossArmhf(Cross):
    foreign = ARMHF


def load_tests(loader: unittest.TestLoader, _found: unittest.TestSuite, _pattern: str | None) -> unittest.TestSuite:
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (CrossArm64, CrossArmhf))
