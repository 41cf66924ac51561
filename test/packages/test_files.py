# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The packages as files: the results of Debian's tools, the contents and the dependencies."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

from build import TOP
from lab.debian import Inside
from suites import PACKAGES, SuiteCase, for_each_suite

_LIB = r"usr/lib/x86_64-linux-gnu"
_DOC = ("copyright", r"changelog\.gz")

_PROMISED = {
    "libivshmem0": [rf"{_LIB}/libivshmem\.so\.0", rf"{_LIB}/libivshmem\.so\.0\.0\.0"],
    "libivshmem-dev": [
        *(f"usr/include/{path.relative_to(TOP / 'include')}" for path in (TOP / "include").rglob("*.hpp")),
        *(f"usr/include/{path.relative_to(TOP / 'include')}" for path in (TOP / "include").rglob("*.h")),
        r"usr/include/ivshmem/version\.hpp",
        r"usr/include/ivshmem_peer\.h",
        r"usr/include/ivshmem_peer_topics\.h",
        r"usr/share/libivshmem/ivshmem_peer\.c",
        r"usr/share/libivshmem/ivshmem_peer_topics\.c",
        r"usr/share/libivshmem/ivshmem_peer_private\.h",
        rf"{_LIB}/cmake/ivshmem/ivshmemConfig\.cmake",
        rf"{_LIB}/cmake/ivshmem/ivshmemConfigVersion\.cmake",
        rf"{_LIB}/libivshmem\.a",
        rf"{_LIB}/libivshmem\.so",
        rf"{_LIB}/pkgconfig/ivshmem\.pc",
        *(f"usr/share/doc/libivshmem-dev/examples/{path.name}" for path in (TOP / "examples").glob("*.[ch]pp")),
        "usr/share/doc/libivshmem-dev/examples/Makefile",
        *(
            f"usr/share/doc/libivshmem-dev/{path.relative_to(TOP)}"
            for path in (TOP / "examples/bare-metal").rglob("*")
            if path.is_file() and path.name != "meson.build"
        ),
        *(f"usr/share/doc/libivshmem-dev/examples/c/{path.name}" for path in (TOP / "examples/c").glob("*.[ch]")),
        "usr/share/doc/libivshmem-dev/examples/c/Makefile",
        r"usr/share/doc/libivshmem-dev/channel-layout\.md\.gz",
        r"usr/share/doc/libivshmem-dev/connections\.md(\.gz)?",
        r"usr/share/doc/libivshmem-dev/porting\.md(\.gz)?",
        r"usr/share/man/man3/ivshmem\.3\.gz",
    ],
    "libivshmem-doc": [
        "usr/share/doc-base/libivshmem-doc.*",
        r"usr/share/doc/libivshmem-doc/html/index\.html",
    ],
    "python3-ivshmem": [
        *(f"usr/lib/python3/dist-packages/ivshmem/{path.name}" for path in (TOP / "lib/python/ivshmem").glob("*.py")),
        r"usr/lib/python3/dist-packages/ivshmem/py\.typed",
        *(f"usr/share/doc/python3-ivshmem/examples/{path.name}" for path in (TOP / "examples/python").glob("*.py")),
    ],
    "ivshmem-tools": [
        "usr/bin/ivshmem-forward",
        "usr/bin/ivshmem-share",
        "usr/bin/ivshmemctl",
        "usr/bin/lsivshmem",
        "usr/lib/systemd/system/ivshmem-forward.service",
        "usr/lib/systemd/system/ivshmem-share@.service",
        "usr/lib/systemd/system/ivshmem-share@.socket",
        "usr/lib/sysusers.d/ivshmem-tools.conf",
        "usr/lib/udev/ivshmem-access",
        "usr/lib/udev/rules.d/60-ivshmem.rules",
        "usr/share/bash-completion/completions/ivshmem-forward",
        "usr/share/bash-completion/completions/ivshmem-share",
        r"usr/share/doc/ivshmem-tools/forward-example\.conf",
        "usr/share/bash-completion/completions/ivshmemctl",
        "usr/share/bash-completion/completions/lsivshmem",
        r"usr/share/man/man7/ivshmem\.7\.gz",
        r"usr/share/man/man8/ivshmem-forward\.8\.gz",
        r"usr/share/man/man8/ivshmem-share\.8\.gz",
        r"usr/share/man/man8/ivshmemctl\.8\.gz",
        r"usr/share/man/man8/lsivshmem\.8\.gz",
    ],
    "ivshmem-gateway": [
        "usr/bin/ivshmem-gateway",
        "usr/lib/systemd/system/ivshmem-gateway.service",
        "usr/share/bash-completion/completions/ivshmem-gateway",
        r"usr/share/doc/ivshmem-gateway/example\.conf",
        r"usr/share/man/man8/ivshmem-gateway\.8\.gz",
    ],
    "ivshmem-server": [
        "usr/bin/ivshmem-device",
        "usr/bin/ivshmem-server",
        "usr/lib/systemd/system/ivshmem-device@.service",
        "usr/lib/systemd/system/ivshmem-device@.socket",
        "usr/lib/systemd/system/ivshmem-server@.service",
        "usr/lib/systemd/system/ivshmem-server@.socket",
        "usr/share/bash-completion/completions/ivshmem-device",
        "usr/share/bash-completion/completions/ivshmem-server",
        r"usr/share/man/man8/ivshmem-device\.8\.gz",
        r"usr/share/man/man8/ivshmem-server\.8\.gz",
        r"(etc/ivshmem|usr/share/doc/ivshmem-server)/.*example.*",
    ],
}
"""Patterns of the main files of each package. A newer systemd has its units under /usr, an older one under /lib."""

# Patterns of other files that a package may have.
_AND = r"usr/share/doc/.*|usr/share/lintian/overrides/.*|lib/(udev|systemd)/.*|etc/ivshmem/.*"


def field(deb: Path, name: str) -> str:
    done = subprocess.run(["dpkg-deb", "-f", str(deb), name], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def files(deb: Path) -> list[str]:
    """Return all files that are not folders, with merged /usr."""
    done = subprocess.run(["dpkg-deb", "-c", str(deb)], capture_output=True, text=True, check=True)
    names = []
    for line in done.stdout.splitlines():
        if not line.startswith("d"):
            name = line.split(None, 5)[5].partition(" -> ")[0].removeprefix("./")
            names.append(f"usr/{name}" if name.startswith("lib/") else name)
    return names


def depends(deb: Path) -> list[str]:
    """Return the names of the dependencies, the first of each line of alternatives."""
    both = f"{field(deb, 'Pre-Depends')}, {field(deb, 'Depends')}".split(",")
    return sorted({entry.split()[0] for entry in both if entry.strip()})


class Files(SuiteCase):
    def test_lintian(self) -> None:
        """lintian reports nothing without an override, including pedantic and informational tags."""
        with Inside.throwaway(self.root.build(TOP / "debian/control"), {"/mnt": self.built.folder}) as inside:
            run = f"lintian --allow-root -I --pedantic --tag-display-limit 0 /mnt/{self.built.changes.name}"
            done = inside.run(run, check=False)
        # Each suite's lintian expects the Standards-Version of its time, so one of the two always
        # complains.
        said = [line for line in done.stdout.splitlines() if re.match(r"[EWIP]: (?!.*-standards-version)", line)]
        self.assertEqual(said, [], done.stderr)
        self.assertEqual(done.rc, 0, done.stdout + done.stderr)

    def test_hardening(self) -> None:
        """blhc finds no compiler call in the log that lacks a hardening flag."""
        with Inside.throwaway(self.root.build(TOP / "debian/control"), {"/mnt": self.built.folder}) as inside:
            done = inside.run("blhc --debian --bindnow /mnt/build.log", check=False)
        self.assertEqual((done.rc, done.stdout), (0, ""), done.stderr)

    def test_library_needs_little(self) -> None:
        needed = [name for name in depends(self.built.debs()["libivshmem0"])]
        self.assertEqual(needed, ["libc6", "libgcc-s1", "libstdc++6", "libudev1"])

    def test_packages(self) -> None:
        self.assertEqual(sorted(self.built.debs()), sorted(PACKAGES))

    def test_files(self) -> None:
        for name, deb in self.built.debs().items():
            found = files(deb)
            wanted = [*_PROMISED[name], *(f"usr/share/doc/{name}/{file}" for file in _DOC)]
            if name == "libivshmem0":
                wanted = wanted[:-1] + [rf"usr/share/doc/{name}/changelog\.gz"]
            with self.subTest(package=name):
                missing = [p for p in wanted if not any(re.fullmatch(p, path) for path in found)]
                self.assertEqual(missing, [], "expected, but missing")
                more = [path for path in found if not any(re.fullmatch(p, path) for p in [*wanted, _AND])]
                self.assertEqual(more, [], "present, but not expected")

    def test_no_file_in_two_packages(self) -> None:
        owners = Counter(name for deb in self.built.debs().values() for name in files(deb))
        self.assertEqual([name for name, count in owners.items() if count > 1], [])

    def test_manual_pages_read_well(self) -> None:
        """man prints no warnings about them; the build root has man-db through debhelper."""
        with Inside.throwaway(self.root.build(TOP / "debian/control"), {"/mnt": self.built.folder}) as inside:
            for name in ("ivshmem-tools", "ivshmem-gateway", "ivshmem-server"):
                (deb,) = self.built.folder.glob(f"{name}_*.deb")
                inside.run(f"dpkg-deb -x /mnt/{deb.name} /tmp/{name}")
                pages = inside.run(f"find /tmp/{name}/usr/share/man -type f", check=False).stdout.split()
                self.assertTrue(pages, f"{name} has no manual page")
                for page in pages:
                    shown = inside.run(f"MANROFFSEQ= MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z {page} >/dev/null")
                    self.assertEqual(shown.stderr, "", page)


load_tests = for_each_suite(Files)
