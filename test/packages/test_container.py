# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The packages in a minimal system, as in a container: no systemd, no udev, no network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import repository
import snapshot
from build import TOP
from lab.debian import Inside
from lab.runner import long
from suites import ALL, SuiteCase, for_each_suite

_NO_DEVICE = 32
"""lsivshmem's status without a device."""


def use_repository(inside: Inside) -> None:
    """Make apt know only the repository's packages."""
    (inside.upper / "etc/apt").mkdir(parents=True, exist_ok=True)
    (inside.upper / "etc/apt/sources.list").write_text(repository.SOURCE, "utf-8")
    inside.run("apt-get update -q")


class Container(SuiteCase):
    @contextlib.contextmanager
    def system(self) -> Iterator[Inside]:
        with Inside.throwaway(self.root.minbase(), {repository.PLACE: self.repository()}) as inside:
            use_repository(inside)
            yield inside

    def assertUnchanged(self, before: str, after: str) -> None:
        self.assertEqual(snapshot.difference(before, after), [])

    def test_purge_leaves_nothing(self) -> None:
        with self.system() as inside:
            before = inside.run(snapshot.command()).stdout
            inside.run(f"apt-get install -y -q {ALL}")
            self.assertEqual(inside.run("systemd-detect-virt --version; udevadm --version", check=False).rc, 127)
            inside.run("getent group ivshmem")
            listed = inside.run("lsivshmem", check=False)
            self.assertEqual(listed.rc, _NO_DEVICE, listed.stdout + listed.stderr)
            self.assertIn("no ivshmem device", listed.stdout + listed.stderr)
            inside.run("ivshmem-server --version")
            inside.run("ivshmem-device --version")
            inside.run(f"apt-get purge -y -q {ALL}")
            self.assertEqual(inside.run("getent group ivshmem", check=False).rc, 2)
            # Removes the dependencies of the packages.
            inside.run("apt-get autoremove -y -q --purge")
            self.assertUnchanged(before, inside.run(snapshot.command()).stdout)

    @long("apt works eight times")
    def test_a_group_of_the_administrator_survives(self) -> None:
        with self.system() as inside:
            for made in ("groupadd -g 1500 ivshmem", "groupadd -r ivshmem && useradd -G ivshmem somebody"):
                with self.subTest(made=made):
                    inside.run(made)
                    before = inside.run("getent group ivshmem").stdout
                    for step in ("install", "remove", "install", "purge"):
                        inside.run(f"apt-get {step} -y -q ivshmem-tools")
                        self.assertEqual(inside.run("getent group ivshmem", check=False).stdout, before, step)
                    inside.run("groupdel -f ivshmem")

    @long("it compiles all examples")
    def test_autopkgtest(self) -> None:
        """Run debian/tests in the build root, which has their dependencies."""
        build_root = self.root.build(TOP / "debian/control")
        binds = {repository.PLACE: self.repository(), "/mnt": self.built.folder}
        with Inside.throwaway(build_root, binds) as inside:
            use_repository(inside)
            debs = " ".join(f"/mnt/{path.name}" for path in self.built.debs().values())
            ran = inside.run(f"autopkgtest -B {debs} /mnt/{self.built.source.name} -- null", check=False)
            self.assertEqual(ran.rc, 0, (ran.stdout + ran.stderr)[-6000:])
            self.assertNotIn("SKIP", ran.stderr)


load_tests = for_each_suite(Container)
