# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Rings that must have no effect or a limited one, registers at odd addresses, and a device that does not
answer."""

from __future__ import annotations

import errno
from typing import ClassVar

from lab import Doorbell, Guest, Plain, Server, booted
from lab.devices import Device
from lab.runner import long
from support import DEVICES, PROGRAMS, DeviceCase, bar, facts, probe


PAGE = 4096


class Rings(DeviceCase):
    server: ClassVar[Server]
    left: ClassVar[Guest]
    right: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=4, size="1M"))
        devices = [Doorbell(cls.server.socket, 4)]
        cls.left, cls.right = cls.enterClassContext(
            booted(*(Guest(cls.work, name, devices=devices, programs=PROGRAMS) for name in ("left", "right")))
        )
        cls.left.bind(cls.left.address(), "vfio-pci")

    def setUp(self) -> None:
        self.right.bind(self.right.address(), "vfio-pci")
        self.peer = int(facts(probe(self.right, "info", self.right.address()))["id"])

    def ring(self, *words: object) -> None:
        probe(self.left, "ring", self.left.address(), *words).check()

    def test_before_the_peer_listens(self) -> None:
        self.right.unbind(self.right.address())
        for vector in range(4):
            self.ring(self.peer, vector, 100)
        self.right.bind(self.right.address(), "vfio-pci")
        self.alone(self.right, self.right.address(), "self.wait.3", vectors=4)

    def test_absent_peers(self) -> None:
        for peer, vector in ((4242, 0), (65535, 3)):
            self.ring(peer, vector)
        result = probe(self.right, "wait", self.right.address(), 0, 1)
        self.assertFails(result, "timed_out", self.right.address(), "vector 0")

    def test_vectors_that_the_device_lacks_itself(self) -> None:
        # QEMU drops such rings, and makes 256 of vector 0.
        address = self.left.address()
        waiting = self.right.spawn(f"probe wait {self.right.address()} 0 5")
        waiting.wait_output("waiting")
        for vector in (4, 255, 256, 65535, 65536):
            result = probe(self.left, "ring", address, self.peer, vector)
            self.assertFails(result, "vector_out_of_range", address, f"vector {vector}")
        self.assertFails(probe(self.left, "ring", address, 65536, 0), "peer_out_of_range", address, "peer 65536")
        self.assertFails(waiting.wait(60), "timed_out", self.right.address())

    def test_storm(self) -> None:
        waiting = self.right.spawn(f"probe wait {self.right.address()} 2 60")
        waiting.wait_output("waiting")
        self.ring(self.peer, 2, 1000)
        printed = waiting.wait(60).check().stdout
        self.assertRegex(printed, r"rung [1-9]\d*\n")
        self.assertLessEqual(int(printed.split()[-1]), 1000)


class Places(DeviceCase):
    """A guest whose devices are moved and disabled."""

    guest: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=2, size="1M"))
        memory = cls.work / "memory"
        memory.write_bytes(bytes(1 << 20))
        devices: list[Device] = [Doorbell(server.socket, 2), Doorbell(server.socket, 2), Plain(memory, 1 << 20)]
        cls.guest = cls.enterClassContext(
            Guest(cls.work, "guest", devices=devices, programs=PROGRAMS, extra_modules=["igb_uio"])
        )

    @long("it repeats with each driver what other tests do with one")
    def test_registers_inside_a_page_of_others(self) -> None:
        # Firmware gives each device its own page, but Linux packs the BARs that it places itself.
        addresses = [self.guest.address(index) for index in range(3)]
        for address in addresses:
            self.guest.unbind(address)
            self.guest.run(f"echo 1 >{DEVICES}/{address}/remove")
        self.guest.rescan()
        starts = [bar(self.guest, address, 0) for address in addresses]
        self.assertEqual(len({start // PAGE for start in starts}), 1, starts)
        self.assertTrue(any(start % PAGE for start in starts[:2]), starts)
        for driver in ("vfio-pci", "igb_uio", "uio_pci_generic", None):
            for index in range(3):
                address = self.guest.address(index)
                with self.subTest(driver=driver, index=index):
                    if driver is None:
                        self.guest.unbind(address)
                    else:
                        self.guest.bind(address, driver)
                    described = facts(probe(self.guest, "info", address))["description"]
                    # VFIO does not map a page that other devices share.
                    self.assertEqual("through system calls" in described, driver == "vfio-pci", described)
                    hears = index < 2 and driver in ("vfio-pci", "igb_uio")
                    self.alone(self.guest, address, *(["self.wait.0"] if hears else []))
        self.assertNotEqual(*(facts(probe(self.guest, "info", self.guest.address(i)))["id"] for i in (0, 1)))

    def test_memory_decoding_switched_off(self) -> None:
        address = self.guest.address(0)
        for driver in ("uio_pci_generic", None):
            with self.subTest(driver=driver):
                self.guest.unbind(address)
                if driver is not None:
                    self.guest.bind(address, driver)
                else:
                    self.guest.run(f"echo 1 >{DEVICES}/{address}/enable")
                probe(self.guest, "info", address).check()
                self._command(address, 0)
                result = probe(self.guest, "info", address)
                self.assertFails(result, "device_gone", address, "memory decoding is switched off", "setpci")
                self._command(address, 2)
                probe(self.guest, "info", address).check()
        self.guest.run(f"echo 0 >{DEVICES}/{address}/enable")
        # VFIO enables it itself.
        self._command(address, 0)
        self.guest.bind(address, "vfio-pci")
        self.alone(self.guest, address, "self.wait.1", vectors=2)

    def _command(self, address: str, value: int) -> None:
        config = f"{DEVICES}/{address}/config"
        self.guest.run(f"printf '\\{value:03o}\\000' | dd of={config} bs=2 seek=2 count=1 conv=notrunc")

    def test_plain_device_rings_no_peer(self) -> None:
        address = self.guest.address(2)
        for driver in ("vfio-pci", "uio_pci_generic"):
            with self.subTest(driver=driver):
                self.guest.bind(address, driver)
                result = probe(self.guest, "ring", address, 0, 0)
                self.assertFails(result, "doorbell_unsupported", address, "ivshmem-plain", "ivshmem-doorbell")
                result = probe(self.guest, "wait", address, 0, 5)
                self.assertFails(result, "interrupts_unsupported", address, "ivshmem-plain")


class Scarcity(DeviceCase):
    """More vectors than one processor can take."""

    @long("it boots a guest for one question")
    def test_vectors_that_the_kernel_cannot_give(self) -> None:
        server = self.enterContext(Server(self.work, vectors=256, size="1M"))
        devices = [Doorbell(server.socket, 256)]
        guest = self.enterContext(Guest(self.work, "guest", devices=devices, programs=PROGRAMS))
        guest.bind(guest.address(), "vfio-pci")
        for _ in (1, 2):
            # The kernel returns a positive number or an error. Neither may leave the device open or
            # busy.
            result = probe(guest, "info", guest.address())
            self.assertEqual(result.rc, 3, result.stdout)
            self.assertRegex(result.stdout, rf"^error (generic|system) {errno.ENOSPC} {guest.address()}: .*256")
        # Without interrupts the same device works.
        guest.unbind(guest.address())
        self.assertEqual(facts(probe(guest, "info", guest.address()))["vectors"], "256")
        probe(guest, "ring", guest.address(), 0, 255).check()
