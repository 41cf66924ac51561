# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Devices of revision 0, with INTx and with MSI-X, through each driver; and a device with other registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from device_support import ModelCase
from lab import Guest, booted
from lab.devices import VfioUser
from lab.runner import long
from support import DEVICES, IVSHMEMCTL, PATIENCE, PROGRAMS, facts, probe

SIZE = ("--size", "1M")


@dataclass(frozen=True)
class WithIdsOfV1(VfioUser):
    """A device that has v1's PCI ids, whatever it is."""

    def properties(self, name: str) -> dict[str, Any]:
        return {**super().properties(name), "x-pci-vendor-id": 0x1AF4, "x-pci-device-id": 0x1110}


class Revision0(ModelCase):
    left: ClassVar[Guest]
    right: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        intx = cls.model("revision-0", *SIZE, "--intx", guests=2, name="intx")
        msix = cls.model("revision-0", *SIZE, "--vectors", "4", guests=2, name="msix")
        foreign = cls.model("v2", "--max-peers", "3", name="foreign")
        programs = [*PROGRAMS, IVSHMEMCTL]
        more = {"programs": programs, "extra_modules": ["igb_uio"]}
        devices = [intx.device(0), msix.device(0), WithIdsOfV1(foreign.sockets[0])]
        cls.left, cls.right = cls.enterClassContext(
            booted(
                cls.new_guest("left", devices, **more),
                cls.new_guest("right", [intx.device(1), msix.device(1)], **more),
            )
        )

    def use(self, guest: Guest, driver: str | None, index: int = 0) -> str:
        address = guest.address(index)
        if driver is None:
            guest.unbind(address)
        elif guest.driver(address) != driver:
            guest.bind(address, driver)
        return address

    def test_intx_alone(self) -> None:
        for driver in ("vfio-pci", "igb_uio", "uio_pci_generic"):
            with self.subTest(driver=driver):
                address = self.use(self.left, driver)
                self.alone(self.left, address, "self.wait.0", "self.take-any.0", "self.many", "asio.interrupt.0")
                self.assertEqual(facts(probe(self.left, "info", address))["interrupts"], "1")

    def test_intx_without_a_driver(self) -> None:
        address = self.use(self.left, None)
        self.alone(self.left, address, "interrupt.unsupported.0")

    @long("it repeats with each driver what other tests do with one")
    def test_intx_of_two_guests(self) -> None:
        # After INTx, QEMU's vfio takes the mapping of BAR2 away for a second or more, so no large messages here.
        for left, right in (("vfio-pci", "uio_pci_generic"), ("igb_uio", "vfio-pci")):
            with self.subTest(left=left, right=right):
                ends = [(guest, self.use(guest, driver)) for guest, driver in ((self.left, left), (self.right, right))]
                for (to, address), (sender, other) in (ends, ends[::-1]):
                    own = facts(probe(to, "info", address))["id"]
                    self.rung(to, address, sender, other, own)

    def rung(self, to: Guest, address: str, sender: Guest, other: str, peer: str, vector: int = 0, count: int = 1) -> None:
        """Wait in one guest, ring it from the other one, and assert that this ends the wait."""
        waiting = to.spawn(f"probe wait {address} 0 60")
        waiting.wait_output("waiting")
        probe(sender, "ring", other, peer, vector, count).check()
        self.assertRegex(waiting.wait(90).check().stdout, r"rung [1-9]")

    @long("a storm takes seconds of all processors")
    def test_a_storm_of_rings_ends(self) -> None:
        address = self.use(self.left, "vfio-pci")
        sender = self.use(self.right, "uio_pci_generic")
        own = facts(probe(self.left, "info", address))["id"]
        for _ in range(3):
            self.rung(self.left, address, self.right, sender, own, count=1000)
        self.alone(self.left, address, "self.wait.0")

    def test_any_vector_arrives_as_vector_0(self) -> None:
        address = self.use(self.left, "uio_pci_generic")
        sender = self.use(self.right, "vfio-pci")
        own = facts(probe(self.left, "info", address))["id"]
        self.rung(self.left, address, self.right, sender, own, vector=200)

    def test_one_program_has_intx(self) -> None:
        address = self.use(self.left, "igb_uio")
        holder = self.left.spawn(f"probe wait {address} 0 60")
        holder.wait_output("waiting")
        result = probe(self.left, "wait", address, 0, 3600)
        self.assertFails(result, "interrupts_unsupported", "another program has the device's interrupts")
        probe(self.left, "ring", address, facts(probe(self.left, "info", address))["id"], 0).check()
        holder.wait(90).check()

    def test_intx_without_root(self) -> None:
        address = self.use(self.left, "uio_pci_generic")
        files = ["/dev/uio*", *(f"{DEVICES}/{address}/{name}" for name in ("resource0", "resource2", "resource2_wc"))]
        self.left.run(f"chown nobody {' '.join(files)}")
        self.addCleanup(self.left.run, f"chown root {' '.join(files)}")
        result = probe(self.left, "wait", address, 0, 3600, user="nobody")
        self.assertFails(result, "interrupts_unsupported", "INTx is masked when it arrives", "root")

    def test_doctor(self) -> None:
        for driver in ("vfio-pci", "uio_pci_generic"):
            with self.subTest(driver=driver):
                address = self.use(self.left, driver)
                done = self.left.run(f"ivshmemctl doctor {address}", timeout=PATIENCE, check=False)
                self.assertEqual(done.rc, 0, done.stdout)
                self.assertIn("INTx instead", done.stdout)
                self.assertIn("1 of 1 vectors rang back", done.stdout)

    def test_msix(self) -> None:
        for driver, vectors in (("vfio-pci", 4), ("igb_uio", 1)):
            with self.subTest(driver=driver):
                address = self.use(self.left, driver, 1)
                self.alone(self.left, address, *(f"self.wait.{v}" for v in range(vectors)), vectors=4)

    def test_other_registers_are_refused(self) -> None:
        for driver in ("vfio-pci", "igb_uio", None):
            with self.subTest(driver=driver):
                address = self.use(self.left, driver, 2)
                result = probe(self.left, "info", address)
                self.assertFails(result, "protocol_unsupported", address, "not those of ivshmem v1", "4096 bytes")
        self.assertIn("BAR0 has 4096 bytes", self.left.run(f"lsivshmem -vv {address}").stdout)
