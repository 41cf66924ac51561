# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl bind --no-iommu: on a kernel with VFIO's no-IOMMU mode, and on Debian's own, which has none."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from lab import Doorbell, Guest, Result, Server, booted
from lab.runner import long
from support import DEVICES, IVSHMEMCTL, PATIENCE, PROGRAMS, DeviceCase, probe

VECTORS = 4
PARAMETER = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
RECORD = "/run/ivshmemctl/no-iommu"
TAINT_USER = 1 << 6


class NoIommu(DeviceCase):
    guest: ClassVar[Guest]
    debian: ClassVar[Guest]
    one: ClassVar[str]
    other: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="1M"))
        devices = [Doorbell(server.socket, VECTORS)] * 2
        programs = [*PROGRAMS, IVSHMEMCTL]
        cls.guest, cls.debian = cls.enterClassContext(
            booted(
                Guest(cls.work, "noiommu", iommu=False, vfio_noiommu=True, devices=devices, programs=programs),
                Guest(cls.work, "debian", iommu=False, devices=devices[:1], programs=programs),
            )
        )
        cls.one, cls.other = (cls.guest.address(index) for index in (0, 1))
        for guest in (cls.guest, cls.debian):
            guest.modprobe("vfio")

    def tearDown(self) -> None:
        self.tool(f"unbind -q {self.one} {self.other}")
        self.assertEqual(self.mode(), "N")
        self.assertEqual(self.guest.run(f"ls {RECORD}", check=False).stdout, "")
        for address in (self.one, self.other):
            self.assertIsNone(self.guest.driver(address))

    def tool(self, words: str, *, status: int = 0, guest: Guest | None = None, user: str | None = None) -> Result:
        result = (guest or self.guest).run(f"ivshmemctl {words}", timeout=PATIENCE, check=False, user=user)
        self.assertEqual(result.rc, status, f"{result.command}\n{result.stdout}\n{result.stderr}")
        return result

    def mode(self) -> str:
        return self.guest.run(f"cat {PARAMETER}").stdout.strip()

    def check(self, guest: Guest, address: str, name: str) -> Any:
        done = guest.run(f"ivshmemctl doctor -J {address}", timeout=PATIENCE, check=False)
        return next(check for check in json.loads(done.stdout)["checks"] if check["name"] == name)

    def test_doctor_offers_it_where_the_kernel_has_it(self) -> None:
        found = self.check(self.guest, self.one, "no-IOMMU mode")
        self.assertEqual((found["status"], found["next"]), ("warn", f"ivshmemctl bind --no-iommu {self.one}"))
        self.guest.run(found["next"], timeout=PATIENCE)
        self.assertIn("in use", self.check(self.guest, self.one, "no-IOMMU mode")["finding"])
        self.assertIn(f"{VECTORS} of {VECTORS} vectors", self.check(self.guest, self.one, "self-ring")["finding"])
        # The mode is on, so that the other device needs no more than vfio-pci.
        self.assertEqual(self.check(self.guest, self.other, "no-IOMMU mode")["status"], "ok")

    def test_debian_s_kernel_has_none(self) -> None:
        address = self.debian.address()
        found = self.check(self.debian, address, "no-IOMMU mode")
        self.assertEqual((found["status"], found["next"]), ("skip", None))
        self.assertIn("CONFIG_VFIO_NOIOMMU is not set", found["finding"])
        printed = self.tool("bind --no-iommu", status=1, guest=self.debian).stderr
        self.assertIn(f"{address}: cannot be bound to vfio-pci: --no-iommu: the kernel", printed)
        self.assertIn("intel-iommu", printed)
        self.assertIsNone(self.debian.driver(address))
        self.assertEqual(self.debian.run(f"cat {DEVICES}/{address}/driver_override").stdout, "(null)\n")

    def test_bound_and_unbound(self) -> None:
        done = self.tool(f"bind --no-iommu {self.one}")
        self.assertRegex(done.stdout, rf"^{self.one}: bound to vfio-pci, /dev/vfio/noiommu-\d+\n$")
        for words in ("CAP_SYS_RAWIO, whatever the mode", "all memory", PARAMETER, "whole system", "tainted"):
            self.assertIn(words, done.stderr)
        self.assertEqual((self.mode(), self.guest.run(f"cat {RECORD}").stdout), ("Y", "N\n"))
        taint = int(self.guest.run("cat /proc/sys/kernel/tainted").stdout)
        self.assertTrue(taint & TAINT_USER, taint)
        self.alone(self.guest, self.one, *(f"self.wait.{v}" for v in range(VECTORS)), vectors=VECTORS)
        node = done.stdout.split()[-1]
        self.guest.run(f"chown nobody {node}")
        self.assertFails(probe(self.guest, "info", self.one, user="nobody"), "permission_denied", "CAP_SYS_RAWIO")
        done = self.tool(f"bind --no-iommu {self.one}")
        self.assertIn("as before", done.stdout)
        self.tool(f"unbind {self.one}")
        self.assertEqual(self.mode(), "N")

    def test_the_last_device_switches_it_off(self) -> None:
        self.tool(f"bind -q --no-iommu {self.one} {self.other}")
        self.tool(f"unbind {self.one}")
        self.assertEqual(self.mode(), "Y")
        self.alone(self.guest, self.other, f"self.wait.{VECTORS - 1}", vectors=VECTORS)
        self.tool(f"bind --driver none {self.other}")
        self.assertEqual(self.mode(), "N")

    @long("it repeats what other tests do, in another order")
    def test_both_at_once(self) -> None:
        self.tool(f"bind -q --no-iommu {self.one} {self.other}")
        self.tool(f"bind -q --driver uio_pci_generic {self.one} {self.other}")
        self.assertEqual(self.mode(), "N")

    def test_a_mode_that_was_on_before_stays_on(self) -> None:
        self.guest.run(f"echo Y >{PARAMETER}")
        try:
            self.tool(f"bind -q --no-iommu {self.one}")
            self.tool(f"unbind {self.one}")
            self.assertEqual(self.mode(), "Y")
        finally:
            self.guest.run(f"echo N >{PARAMETER}")

    @long("it repeats what other tests do, in another order")
    def test_a_mode_that_was_switched_off_meanwhile(self) -> None:
        self.tool(f"bind -q --no-iommu {self.one}")
        self.guest.run(f"echo N >{PARAMETER}")
        result = probe(self.guest, "info", self.one)
        self.assertRegex(result.stdout, r"^error (generic|system) \d+ .*no-IOMMU mode was switched off; try: ivshmemctl")
        self.tool(f"unbind -q {self.one}")
        self.tool(f"bind -q --no-iommu {self.one}")
        probe(self.guest, "info", self.one).check()

    @long("it repeats what other tests do, in another order")
    def test_pasted_into_a_shell(self) -> None:
        commands = self.tool(f"bind --dry-run --no-iommu {self.one}").stdout
        self.assertEqual(self.mode(), "N")
        self.guest.put("/tmp/commands", commands.encode())
        self.guest.run("sh -e /tmp/commands", timeout=PATIENCE)
        self.assertIn("as before", self.tool(f"bind -q --no-iommu {self.one}").stdout)
        self.guest.run(f"ivshmemctl unbind --dry-run {self.one} | sh -e", timeout=PATIENCE)

    @long("a program waits for a node until its time limit")
    def test_a_failure_switches_it_off(self) -> None:
        self.guest.run("mkdir -p /dev/vfio && mount -t tmpfs tmpfs /dev/vfio")
        self.addCleanup(self.guest.run, "umount /dev/vfio")
        printed = self.tool(f"bind --no-iommu {self.one}", status=1).stderr
        self.assertIn("did not appear", printed)
        self.assertIn("were undone", printed)
        self.assertEqual((self.mode(), self.guest.driver(self.one)), ("N", None))

    def test_bad_input(self) -> None:
        for words, wanted in (
            ("--no-iommu --driver igb_uio", "the driver is vfio-pci"),
            ("--no-iommu --persist", "/etc/modprobe.d"),
        ):
            with self.subTest(words=words):
                self.assertIn(wanted, self.tool(f"bind {words} {self.one}", status=1).stderr)
        self.assertIn("only root", self.tool(f"bind --no-iommu {self.one}", status=1, user="nobody").stderr)
        self.assertEqual(self.mode(), "N")
