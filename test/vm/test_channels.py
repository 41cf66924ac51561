# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Messages through channels between all backends: the same on each, but faster on some."""

from __future__ import annotations

from typing import ClassVar

from channel_support import CHANNEL_PROGRAMS, ChannelCase, fact
from lab import Doorbell, Guest, Plain, Server, booted
from lab.devices import Device
from lab.runner import long
from support import Party

SIZE = 1 << 20


class _TwoGuests(ChannelCase):
    server: ClassVar[Server]
    guests: ClassVar[tuple[Guest, ...]]

    @classmethod
    def boot(cls, iommu: bool) -> None:
        super().setUpClass()
        memory = cls.work / "memory"
        memory.write_bytes(bytes(SIZE))
        cls.server = cls.enterClassContext(Server(cls.work, vectors=4, size="1M"))
        devices: list[Device] = [Doorbell(cls.server.socket, 4), Plain(memory, SIZE)]
        guests = [
            Guest(
                cls.work,
                name,
                iommu=iommu,
                vfio_noiommu=not iommu,
                devices=devices,
                programs=CHANNEL_PROGRAMS,
                extra_modules=["igb_uio"],
            )
            for name in ("left", "right")
        ]
        cls.guests = cls.enterClassContext(booted(*guests))

    def use(self, guest: int, driver: str | None, index: int = 0) -> Party:
        """Bind a device of a guest to a driver, or to none."""
        chosen = self.guests[guest]
        address = chosen.address(index)
        if driver is None:
            chosen.unbind(address)
        elif chosen.driver(address) != driver:
            chosen.bind(address, driver)
        return Party(chosen, address)

    def host(self) -> Party:
        return Party(None, f"server:{self.server.socket}")


class WithIommu(_TwoGuests):
    """VFIO with an IOMMU, a process on the host, and memory without a doorbell."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.boot(iommu=True)

    def test_vfio_and_vfio(self) -> None:
        self.both_ways(self.use(0, "vfio-pci"), self.use(1, "vfio-pci"), (4, 4))

    def test_vfio_and_host(self) -> None:
        self.both_ways(self.use(0, "vfio-pci"), self.host(), (4, 4))

    @long("it repeats with each driver what other tests do with one")
    def test_vfio_and_uio_pci_generic(self) -> None:
        self.both_ways(self.use(0, "vfio-pci"), self.use(1, "uio_pci_generic"), (4, 0))

    def test_plain_and_plain(self) -> None:
        self.both_ways(self.use(0, None, 1), self.use(1, None, 1), (0, 0))

    @long("it repeats with each driver what other tests do with one")
    def test_plain_with_vfio_and_without_driver(self) -> None:
        self.both_ways(self.use(0, "vfio-pci", 1), self.use(1, None, 1), (0, 0))

    def test_one_polls_though_it_could_be_rung(self) -> None:
        self.transfer(self.use(0, "vfio-pci"), self.use(1, "vfio-pci"), options=("-p", ""))

    @long("it repeats for each mode what other tests do for one")
    def test_modes_of_the_memory(self) -> None:
        left, right = self.use(0, "vfio-pci"), self.use(1, "vfio-pci")
        for modes in (("write-combining", "write-combining"), ("write-combining", "uncached")):
            with self.subTest(modes=modes):
                printed = self.transfer(left, right, options=(f"-m {modes[0]}", f"-m {modes[1]}"))
                served, asked = printed.split("backend: ")[1:]
                self.assertEqual((fact(served, "mode"), fact(asked, "mode")), modes)


class WithoutIommu(_TwoGuests):
    """VFIO's no-IOMMU groups, igb_uio, uio_pci_generic, and no driver at all."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.boot(iommu=False)

    def test_vfio_and_vfio(self) -> None:
        self.both_ways(self.use(0, "vfio-pci"), self.use(1, "vfio-pci"), (4, 4))

    def test_vfio_and_igb_uio(self) -> None:
        self.both_ways(self.use(0, "vfio-pci"), self.use(1, "igb_uio"), (4, 1))

    def test_igb_uio_and_host(self) -> None:
        self.both_ways(self.use(0, "igb_uio"), self.host(), (1, 4))

    def test_uio_pci_generic_and_no_driver(self) -> None:
        self.both_ways(self.use(0, "uio_pci_generic"), self.use(1, None), (0, 0))
