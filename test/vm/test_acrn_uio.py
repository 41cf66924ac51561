# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""uio_pci_generic of ACRN's kernel, which delivers every MSI-X vector as an eventfd.

The test's own module (test/vm/modules/acrn_uio) has the interface of that driver; the device is QEMU's.
"""

from __future__ import annotations

from typing import ClassVar

from lab import Doorbell, Guest, Server, booted, build_folder
from support import DEVICES, IVSHMEMCTL, PROGRAMS, DeviceCase, Party, facts, probe

VECTORS = 8
"""As many as ACRN's device has."""
UIO_MSIX = build_folder() / "test/vm/guest/uio-msix"
NODE = "/dev/uio0"


class AcrnUio(DeviceCase):
    server: ClassVar[Server]
    guest: ClassVar[Guest]
    stock: ClassVar[Guest]
    """A guest with Debian's uio_pci_generic."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="1M"))
        devices = [Doorbell(cls.server.socket, VECTORS)]
        programs = [*PROGRAMS, IVSHMEMCTL, UIO_MSIX]
        cls.guest, cls.stock = cls.enterClassContext(
            booted(
                Guest(cls.work, "acrn", iommu=False, devices=devices, programs=programs, extra_modules=["acrn_uio"]),
                Guest(cls.work, "stock", iommu=False, devices=devices, programs=programs),
            )
        )

    def setUp(self) -> None:
        self.address = self.guest.address()
        self.guest.bind(self.address, "uio_pci_generic")
        self.own = int(facts(probe(self.guest, "info", self.address))["id"])
        peer = self.stock.address()
        self.stock.bind(peer, "uio_pci_generic")
        self.peer = peer

    def ring(self, vector: int) -> None:
        """Ring the guest from the other one."""
        probe(self.stock, "ring", self.peer, self.own, vector).check()

    def rung(self, vector: int, seconds: int = 60) -> None:
        waiting = self.guest.spawn(f"probe wait {self.address} {vector} {seconds}")
        waiting.wait_output("waiting")
        self.ring(vector)
        self.assertRegex(waiting.wait(seconds + 30).check().stdout, r"rung [1-9]")

    def test_alone(self) -> None:
        every = [f"{check}.{v}" for v in range(VECTORS) for check in ("self.wait", "self.take-any", "asio.interrupt")]
        self.alone(self.guest, self.address, *every, vectors=VECTORS)
        # A driver that was bound again has nothing left of it.
        self.guest.bind(self.address, "uio_pci_generic")
        self.alone(self.guest, self.address, *every, vectors=VECTORS)

    def test_guest_and_host(self) -> None:
        host = Party(None, f"server:{self.server.socket}")
        self.together([Party(self.guest, self.address), host], (VECTORS, VECTORS), vectors=VECTORS)

    def test_from_a_guest_without_interrupts(self) -> None:
        for vector in (0, VECTORS - 1):
            self.rung(vector)

    def test_what_the_tools_say(self) -> None:
        done = self.guest.run(f"ivshmemctl doctor {self.address}", timeout=60, check=False)
        self.assertEqual(done.rc, 0, done.stdout)
        self.assertIn("uio_pci_generic of ACRN's kernel, with MSI-X", done.stdout)
        self.assertIn(f"{VECTORS} of {VECTORS} vectors rang back", done.stdout)
        self.assertEqual(self.guest.run("lsivshmem -no use").stdout.strip(), "map ring interrupt")
        # On a stock kernel the same driver has no interrupts, and is still said to have none.
        done = self.stock.run(f"ivshmemctl doctor {self.peer}", timeout=60, check=False)
        self.assertEqual(done.rc, 64, done.stdout)
        self.assertIn("uio_pci_generic delivers no interrupts of this device", done.stdout)
        self.assertEqual(self.stock.run("lsivshmem -no use").stdout.strip(), "map ring")
        result = probe(self.stock, "wait", self.peer, 0, 3600)
        self.assertFails(result, "interrupts_unsupported", "uio_pci_generic delivers no interrupts")

    def test_bind(self) -> None:
        self.guest.run(f"ivshmemctl unbind -q {self.address}")
        done = self.guest.run(f"ivshmemctl bind --driver uio_pci_generic {self.address}")
        self.assertIn(f"bound to uio_pci_generic, {NODE}", done.stdout)
        self.assertEqual(done.stderr, "")
        self.rung(VECTORS - 1)

    def test_one_program_has_the_interrupts(self) -> None:
        holder = self.guest.spawn(f"probe wait {self.address} 3 60")
        holder.wait_output("waiting")
        # Others can still use memory and doorbell, and leave the interrupts to the first.
        self.assertEqual(facts(probe(self.guest, "info", self.address))["interrupts"], "0")
        result = probe(self.guest, "wait", self.address, 3, 3600)
        self.assertFails(result, "interrupts_unsupported", "another program has the device's interrupts", NODE)
        self.ring(3)
        holder.wait(90).check()
        self.assertEqual(facts(probe(self.guest, "info", self.address))["interrupts"], str(VECTORS))

    def test_a_disabled_vector(self) -> None:
        for vector, arrives in ((3, False), (2, True)):
            waiting = self.guest.spawn(f"probe wait {self.address} {vector} {60 if arrives else 2}")
            waiting.wait_output("waiting")
            self.guest.run(f"{UIO_MSIX.name} {NODE} 3")
            # Closing the node has switched bus mastering off.
            self.guest.run(f"printf '\\006\\000' | dd of={DEVICES}/{self.address}/config bs=2 seek=2 count=1 conv=notrunc")
            self.ring(vector)
            result = waiting.wait(90)
            if arrives:
                result.check()
            else:
                self.assertFails(result, "timed_out", "vector 3")
        self.assertIn("errno 22", self.guest.run(f"{UIO_MSIX.name} {NODE} {VECTORS}", check=False).stdout)

    def test_without_root(self) -> None:
        files = [NODE, *(f"{DEVICES}/{self.address}/{name}" for name in ("resource0", "resource2", "resource2_wc"))]
        self.guest.run(f"chown nobody {' '.join(files)}")
        self.addCleanup(self.guest.run, f"chown root {' '.join(files)}")
        # QEMU's device sends no interrupts without bus mastering, which only root can switch on.
        result = probe(self.guest, "wait", self.address, 0, 3600, user="nobody")
        self.assertFails(result, "interrupts_unsupported", "bus mastering is off", f"setpci -s {self.address}")
        self.assertEqual(facts(probe(self.guest, "info", self.address, user="nobody"))["interrupts"], "0")
