# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Access to a device from other processes, children and other users, and with other devices in its group."""

from __future__ import annotations

from typing import ClassVar

from lab import Doorbell, Guest, Server
from lab.initramfs import NOBODY
from lab.runner import long
from support import DEVICES, PROGRAMS, DeviceCase, facts, probe


class Sharing(DeviceCase):
    """One device in its own group, two in one group."""

    guest: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=2, size="1M"))
        own, shared = Doorbell(server.socket, 2), Doorbell(server.socket, 2, place="bridge")
        cls.guest = cls.enterClassContext(
            Guest(cls.work, "guest", devices=[own, shared, shared], programs=PROGRAMS, extra_modules=["igb_uio"])
        )

    def node(self, address: str) -> str:
        return self.guest.run(f"echo /dev/vfio/$(basename $(readlink {DEVICES}/{address}/iommu_group))").stdout.strip()

    def own(self) -> str:
        address = self.guest.address(0)
        self.guest.bind(address, "vfio-pci")
        return address

    def pair(self, second: str | None = "vfio-pci") -> tuple[str, str]:
        """The two devices of one group, the second bound to this driver."""
        one, other = self.guest.address(1), self.guest.address(2)
        self.guest.bind(one, "vfio-pci")
        if second is None:
            self.guest.unbind(other)
        else:
            self.guest.bind(other, second)
        self.assertEqual(self.node(one), self.node(other))
        return one, other

    # -- one group ------------------------------------------------------------------------------------

    def test_two_devices_of_one_group_in_one_process(self) -> None:
        one, other = self.pair()
        for first, second in ((one, other), (other, one)):
            printed = probe(self.guest, "pair", first, second).check().stdout
            self.assertIn(f"again: ivshmem {self.errc('device_busy')}\n", printed)
            self.assertIn("pair: ok", printed)

    def test_two_devices_of_one_group_in_two_processes(self) -> None:
        one, other = self.pair()
        job = self.guest.spawn(f"probe hold {one}")
        job.wait_output("open")
        self.assertFails(probe(self.guest, "info", other), "device_busy", self.node(other), "fuser -v")
        self.guest.run("kill $(pidof probe)")
        job.wait().check()
        probe(self.guest, "info", other).check()

    def test_group_that_is_not_viable(self) -> None:
        one, other = self.pair("uio_pci_generic")
        result = probe(self.guest, "info", one)
        remedy = f"{other} is still bound to uio_pci_generic; bind it to vfio-pci or unbind it"
        self.assertFails(result, "group_not_viable", f"{self.node(one)}: group not viable: {remedy}")
        listed = self.guest.run(f"lsivshmem -v {one}", check=False).stdout
        self.assertIn(f"Problem: {self.node(one)}: group not viable: {remedy}", listed)
        # The remedy in the message works.
        self.pair(None)
        self.alone(self.guest, one, "self.wait.1", vectors=2)

    # -- processes ------------------------------------------------------------------------------------

    def test_opened_by_another_process(self) -> None:
        address = self.own()
        job = self.guest.spawn(f"probe hold {address}")
        job.wait_output("open")
        self.assertFails(probe(self.guest, "info", address), "device_busy", self.node(address), "fuser -v")
        # The device is free again, however the other process ends.
        job.signal("KILL")
        job.wait()
        self.alone(self.guest, address, "self.wait.1", vectors=2)

    def test_fork(self) -> None:
        for driver, vectors in (("vfio-pci", 2), ("igb_uio", 1)):
            with self.subTest(driver=driver):
                address = self.own()
                if driver != "vfio-pci":
                    self.guest.bind(address, driver)
                printed = probe(self.guest, "fork", address).check().stdout
                for what in ("ring", "take", "wait", "interrupt_fd"):
                    self.assertIn(f"child {what}: ivshmem {self.errc('forked')}\n", printed)
                if driver == "vfio-pci":
                    self.assertIn(f"child open: ivshmem {self.errc('device_busy')}\n", printed)
                self.assertIn("child closed: 1\n", printed)
                self.assertIn("parent: ok\n", printed)
                self.assertEqual(facts(probe(self.guest, "info", address))["interrupts"], str(vectors))

    def test_signals(self) -> None:
        for driver in ("vfio-pci", "igb_uio"):
            with self.subTest(driver=driver):
                address = self.own()
                if driver != "vfio-pci":
                    self.guest.bind(address, driver)
                self.assertRegex(probe(self.guest, "signals", address, 1).check().stdout, r"rounds: \d+\n")

    @long("it repeats with each driver what other tests do with one")
    def test_limit_of_descriptors(self) -> None:
        for driver in ("vfio-pci", "igb_uio", "uio_pci_generic", None):
            with self.subTest(driver=driver):
                address = self.own()
                if driver is None:
                    self.guest.unbind(address)
                else:
                    self.guest.bind(address, driver)
                found = facts(probe(self.guest, "descriptors", address))
                self.assertGreater(int(found["needed"]), 0)
                # A temporary lack of descriptors has no lasting effect.
                self.assertEqual(found["mode"], facts(probe(self.guest, "info", address))["mode"])

    # -- users ----------------------------------------------------------------------------------------

    def refused(self, address: str, *fragments: str) -> None:
        result = probe(self.guest, "info", address, user=NOBODY)
        self.assertFails(result, "permission_denied", "permission denied", *fragments)

    def test_unprivileged_with_vfio(self) -> None:
        address = self.own()
        node = self.node(address)
        self.guest.run(f"chown root:root {node}; chmod 600 {node}")
        self.refused(address, f"{node}: ", f"chgrp GROUP {node} && chmod g+rw {node}")
        # What it says helps, and needs no privilege.
        self.guest.run(f"chgrp nogroup {node} && chmod g+rw {node}")
        result = self.guest.run_as_nobody(f"conformance {address} --vectors 2", timeout=120, check=False)
        self.assertConforms(result, "self.wait.1", "asio.any-interrupt.1", "memory.every-page")
        self.guest.run(f"chgrp root {node}; chmod 600 {node}")

    def test_unprivileged_with_uio(self) -> None:
        address = self.own()
        self.guest.bind(address, "igb_uio")
        self.refused(address, "/dev/uio0: ", "chgrp GROUP /dev/uio0")
        self.guest.run("chown nobody /dev/uio0")
        resource = f"{DEVICES}/{address}/resource"
        printed = probe(self.guest, "info", address, user=NOBODY)
        self.assertFails(printed, "permission_denied", f"{address}", "resource")
        self.guest.run(f"chown nobody {resource}0 {resource}2 {resource}2_wc")
        found = facts(probe(self.guest, "info", address, user=NOBODY))
        self.assertEqual((found["backend"], found["interrupts"]), ("uio", "1"))

    def test_unprivileged_without_driver(self) -> None:
        address = self.guest.address(0)
        self.guest.unbind(address)
        self.refused(address, f"{DEVICES}/{address}/enable: ")


class NoRemapping(DeviceCase):
    """A vIOMMU that remaps no interrupts."""

    @long("it boots a guest for one question")
    def test_it_is_said(self) -> None:
        server = self.enterContext(Server(self.work, vectors=2, size="1M"))
        options = ["-device", "intel-iommu,intremap=off"]
        guest = self.enterContext(
            Guest(
                self.work,
                "guest",
                iommu=False,
                options=options,
                append="intel_iommu=on iommu=pt",
                devices=[Doorbell(server.socket, 2)],
                programs=PROGRAMS,
            )
        )
        guest.bind(guest.address(), "vfio-pci")
        guest.modprobe("vfio_iommu_type1")
        result = probe(guest, "info", guest.address())
        self.assertFails(result, "permission_denied", "/dev/vfio/", "remaps no interrupts", "intremap=on")
        guest.run("echo 1 >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts")
        self.alone(guest, guest.address(), "self.wait.1", vectors=2)
