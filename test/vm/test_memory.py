# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The mapping of BAR2: the mode that the library reports is the one in the kernel's own list."""

from __future__ import annotations

import os
import re
from typing import ClassVar

from lab import Doorbell, Guest, Plain, Server, booted
from lab.initramfs import NOBODY
from lab.runner import long
from support import PAT, PROBE, PROGRAMS, DeviceCase, bar, facts, probe

KERNEL = {"write-back": "write-back", "write-combining": "write-combining", "uncached": "uncached-minus"}
"""The library's names of modes, and the kernel's."""
_WIRED = ("vfio-pci", "uio_pci_generic", None)


class Modes(DeviceCase):
    """One guest whose BAR2 is below 4 GiB, and one in which the firmware puts all BARs above."""

    low: ClassVar[Guest]
    high: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=2, size="1M"))
        memory = cls.work / "memory"
        memory.touch()
        os.truncate(memory, 2 << 30)
        cls.low, cls.high = cls.enterClassContext(
            booted(
                Guest(
                    cls.work,
                    "low",
                    devices=[Doorbell(server.socket, 2)],
                    programs=PROGRAMS,
                    extra_modules=["igb_uio"],
                ),
                Guest(cls.work, "high", devices=[Plain(memory, 2 << 30)], programs=PROGRAMS),
            )
        )

    def use(self, guest: Guest, driver: str | None) -> str:
        address = guest.address()
        if driver is None:
            guest.unbind(address)
        elif guest.driver(address) != driver:
            guest.bind(address, driver)
        return address

    def mapped(self, guest: Guest, *options: str, user: str | None = None) -> dict[str, str]:
        """Return the library's facts about an open device, after comparing its mode with the kernel's list."""
        address = guest.address()
        start = bar(guest, address, 2)
        job = guest.spawn(" ".join([PROBE.name, *options, "hold", address]), user=user)
        job.wait_output("open")
        listed = guest.run(f"cat {PAT}").stdout
        guest.run("kill $(pidof probe)")
        found = facts(job.wait())
        kernel = re.findall(rf"^PAT: \[mem {start:#018x}-\S+\] (\S+)$", listed, re.MULTILINE)
        if user is None or found["mode"] == "uncached":
            self.assertEqual(set(kernel), {KERNEL[found["mode"]]}, f"{found}\n{listed}")
        self.assertEqual(guest.run(f"grep -c {start:#018x} {PAT}", check=False).stdout, "0\n", "closed: unmapped")
        return found

    def test_below_4_gib_write_combining_is_the_best(self) -> None:
        for driver in _WIRED:
            with self.subTest(driver=driver):
                address = self.use(self.low, driver)
                self.assertLess(bar(self.low, address, 2), 4 << 30)
                found = self.mapped(self.low)
                self.assertEqual(found["mode"], "write-combining")
                self.assertIn(f"{address}/resource2_wc", found["reason"])
                self.assertIn("below 4 GiB", found["reason"])
                self.assertNotIn("not verified", found["reason"])

    def test_above_4_gib_write_back_is_to_be_had(self) -> None:
        for driver in _WIRED:
            with self.subTest(driver=driver):
                address = self.use(self.high, driver)
                self.assertGreaterEqual(bar(self.high, address, 2), 4 << 30)
                found = self.mapped(self.high)
                self.assertEqual((found["mode"], found["size"]), ("write-back", str(2 << 30)))
                self.assertIn("write-back through /dev/mem", found["reason"])

    @long("it repeats in each guest what other tests do in one")
    def test_insisting_on_a_mode(self) -> None:
        for guest in (self.low, self.high):
            for mode in ("write-combining", "uncached"):
                for driver in ("vfio-pci", None):
                    with self.subTest(guest=guest.name, mode=mode, driver=driver):
                        self.use(guest, driver)
                        self.assertEqual(self.mapped(guest, "-m", mode)["mode"], mode)

    def test_insisting_on_what_is_not_to_be_had(self) -> None:
        for driver in _WIRED:
            with self.subTest(driver=driver):
                address = self.use(self.low, driver)
                result = probe(self.low, "-m", "write-back", "info", address)
                self.assertFails(result, "cache_mode_unavailable", address, "write-back", "below 4 GiB")

    def test_igb_uio_maps_first(self) -> None:
        # A mapping cannot be better than an existing one: igb_uio maps BAR2 uncached when it is
        # bound.
        address = self.low.address()
        self.use(self.low, "igb_uio")
        found = facts(probe(self.low, "info", address))
        self.assertEqual((found["mode"], found["description"]), ("uncached", "uio, igb_uio"))
        self.assertNotIn("not verified", found["reason"])
        result = probe(self.low, "-m", "write-combining", "info", address)
        self.assertFails(result, "cache_mode_unavailable", address, "another mapping made the range uncached first")
        self.low.unbind(address)
        self.low.run("rmmod igb_uio")
        self.low.modprobe("igb_uio", intr_mode="msix", wc_activate=1)
        self.use(self.low, "igb_uio")
        self.assertEqual(facts(probe(self.low, "info", address))["mode"], "write-combining")
        self.low.unbind(address)
        self.low.run("rmmod igb_uio")

    def test_with_nothing_but_the_group(self) -> None:
        address = self.use(self.low, "vfio-pci")
        node = self.low.run(f"echo /dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{address}/iommu_group))")
        self.low.run(f"chown {NOBODY} {node.stdout}")
        found = self.mapped(self.low, user=NOBODY)
        self.assertEqual((found["backend"], found["mode"], found["interrupts"]), ("vfio", "uncached", "2"))
        self.assertIn("uncached through VFIO", found["reason"])
        self.assertIn(f"{address}/resource2_wc: open: Permission denied", found["reason"])
        result = probe(self.low, "-m", "write-combining", "info", address, user=NOBODY)
        self.assertFails(result, "permission_denied", address, "resource2_wc")

    def test_what_cannot_be_verified_is_said(self) -> None:
        self.use(self.low, None)
        self.low.run("umount /sys/kernel/debug")
        self.addCleanup(self.low.run, "mount -t debugfs debugfs /sys/kernel/debug")
        found = facts(probe(self.low, "info", self.low.address()))
        self.assertEqual(found["mode"], "write-combining")
        self.assertIn("not verified", found["reason"])


class LockedDown(DeviceCase):
    """A kernel that lets only drivers map device memory."""

    guest: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=2, size="1M"))
        cls.guest = cls.enterClassContext(
            Guest(
                cls.work,
                "locked",
                devices=[Doorbell(server.socket, 2)],
                programs=PROGRAMS,
                append="lockdown=integrity",
            )
        )
        cls.guest.run("mount -t securityfs securityfs /sys/kernel/security")
        assert "[integrity]" in cls.guest.run("cat /sys/kernel/security/lockdown").stdout

    def test_vfio_still_works(self) -> None:
        address = self.guest.address()
        self.guest.bind(address, "vfio-pci")
        found = facts(probe(self.guest, "info", address))
        self.assertEqual((found["backend"], found["mode"], found["interrupts"]), ("vfio", "uncached", "2"))
        self.assertIn("uncached through VFIO", found["reason"])
        self.assertIn("Operation not permitted", found["reason"])
        self.alone(self.guest, address, "self.wait.1", vectors=2)
        result = probe(self.guest, "-m", "write-combining", "info", address)
        self.assertFails(result, "locked_down", address, "write-combining", "lockdown")

    def test_without_vfio_it_is_refused(self) -> None:
        address = self.guest.address()
        for driver in ("uio_pci_generic", None):
            with self.subTest(driver=driver):
                self.guest.unbind(address)
                if driver is not None:
                    self.guest.bind(address, driver)
                result = probe(self.guest, "info", address)
                self.assertFails(result, "locked_down", address, "lockdown")
