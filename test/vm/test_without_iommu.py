# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Without a vIOMMU: VFIO's no-IOMMU groups, igb_uio, uio_pci_generic, and no driver at all."""

from __future__ import annotations

from typing import ClassVar

from lab import Doorbell, Guest, Plain, Server, booted
from lab.devices import Device
from support import PROGRAMS, DeviceCase, Party, probe

SIZE = 1 << 20


class WithoutIommu(DeviceCase):
    server: ClassVar[Server]
    guests: ClassVar[tuple[Guest, ...]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        memory = cls.work / "memory"
        memory.write_bytes(bytes(SIZE))
        cls.server = cls.enterClassContext(Server(cls.work, vectors=4, size="1M"))
        devices: list[Device] = [Doorbell(cls.server.socket, 4), Plain(memory, SIZE)]
        cls.guests = cls.enterClassContext(
            booted(
                *(
                    Guest(
                        cls.work,
                        name,
                        iommu=False,
                        vfio_noiommu=True,
                        devices=devices,
                        programs=PROGRAMS,
                        extra_modules=["igb_uio"],
                    )
                    for name in ("left", "right")
                )
            )
        )

    def use(self, guest: Guest, driver: str | None, index: int = 0) -> Party:
        """Bind a device to a driver, or to none."""
        address = guest.address(index)
        if driver is None:
            guest.unbind(address)
        elif guest.driver(address) != driver:
            guest.bind(address, driver)
        return Party(guest, address)

    def _alone(self, driver: str | None, *wanted: str, index: int = 0) -> None:
        party = self.use(self.guests[0], driver, index)
        assert party.guest is not None
        self.alone(party.guest, party.device, *wanted, vectors=4 if index == 0 else 0)

    def _together(self, left: str | None, right: str | None, rung: tuple[int, int], index: int = 0) -> None:
        parties = [self.use(guest, driver, index) for guest, driver in zip(self.guests, (left, right))]
        self.together(parties, rung)

    # Among the checks that are requested by name, "self" and "asio" test interrupts that arrive,
    # and "interrupt.unsupported" tests waits that fail at once.

    def test_vfio_alone(self) -> None:
        self._alone("vfio-pci", "self.wait.3", "self.take-any.3", "asio.interrupt.3", "asio.any-interrupt.3")

    def test_vfio_needs_a_capability(self) -> None:
        guest, address = self.guests[0], self.use(self.guests[0], "vfio-pci").device
        node = guest.run("ls /dev/vfio/noiommu-*").stdout.split()[0]
        guest.run(f"chown nobody {node}")
        result = probe(guest, "info", address, user="nobody")
        self.assertFails(result, "permission_denied", f"{node}: ", "CAP_SYS_RAWIO")

    def test_igb_uio_alone(self) -> None:
        self._alone("igb_uio", "self.wait.0", "self.take-any.0", "asio.interrupt.0", "interrupt.unsupported.1")

    def test_uio_pci_generic_alone(self) -> None:
        self._alone("uio_pci_generic", *(f"interrupt.unsupported.{vector}" for vector in range(4)))

    def test_no_driver_alone(self) -> None:
        self._alone(None, *(f"interrupt.unsupported.{vector}" for vector in range(4)))

    def test_waits_that_cannot_end_say_what_to_do(self) -> None:
        for driver, vector, why, remedy in (
            ("uio_pci_generic", 0, "uio_pci_generic delivers no interrupts", "ivshmemctl bind --driver igb_uio {}"),
            (None, 0, "no driver is bound", "ivshmemctl bind --driver igb_uio {}"),
            ("igb_uio", 1, "igb_uio delivers vector 0 only", "start the VM with a vIOMMU"),
        ):
            with self.subTest(driver=driver):
                address = self.use(self.guests[0], driver).device
                result = probe(self.guests[0], "wait", address, vector, 3600)
                self.assertFails(
                    result, "interrupts_unsupported", f"{address}: vector {vector}: {why}",
                    remedy.format(address),
                )  # fmt: skip

    def test_two_of_vfio(self) -> None:
        self._together("vfio-pci", "vfio-pci", (4, 4))

    def test_two_of_igb_uio(self) -> None:
        self._together("igb_uio", "igb_uio", (1, 1))

    def test_uio_pci_generic_rings_vfio(self) -> None:
        self._together("uio_pci_generic", "vfio-pci", (0, 4))

    def test_no_driver_rings_igb_uio(self) -> None:
        self._together(None, "igb_uio", (0, 1))

    def test_guest_and_host(self) -> None:
        guest = self.use(self.guests[0], "vfio-pci")
        self.together([guest, Party(None, f"server:{self.server.socket}")], (4, 4), vectors=4)

    def test_plain_alone(self) -> None:
        for driver in ("vfio-pci", "igb_uio", "uio_pci_generic", None):
            with self.subTest(driver=driver):
                self._alone(driver, "ring.out-of-range", index=1)

    def test_two_of_plain(self) -> None:
        for left, right in (("vfio-pci", None), ("igb_uio", "uio_pci_generic")):
            with self.subTest(left=left, right=right):
                self._together(left, right, (0, 0), index=1)
