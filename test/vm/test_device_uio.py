# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Devices of models through UIO drivers that Debian does not have: Jailhouse's named maps, ACRN's ioctl."""

from __future__ import annotations

from device_support import ModelCase
from lab.runner import long
from support import facts, probe


@long("it boots a guest, and builds a module for it")
class NamedMaps(ModelCase):
    """uio_ivshmem, as Jailhouse has it."""

    def test_v2(self) -> None:
        model = self.model("v2", "--max-peers", "3", "--rw-size", "64K", "--output-size", "64K")
        bare = self.model("v2", "--max-peers", "3", "--output-size", "64K", "--rw-size", "0", name="bare")
        with self.new_guest("guest", [model.device(), bare.device()], iommu=False, extra_modules=["uio_ivshmem"]) as guest:
            for index, maps in enumerate(("registers state_table rw_section input_sections output_section",
                                          "registers state_table input_sections output_section")):
                address = guest.address(index)
                guest.bind(address, "uio_ivshmem")
                names = guest.run(f"cat /sys/bus/pci/devices/{address}/uio/uio*/maps/map*/name").stdout.split()
                self.assertEqual(names, maps.split())
                self.assertEqual(guest.run(f"state-peer info {address}").stdout.splitlines()[0], "id: 0")
            self.alone(guest, guest.address(0), "self.wait.0")


@long("it boots a guest, and builds a module for it")
class AcrnIoctl(ModelCase):
    """uio_pci_generic, as ACRN's kernel has it."""

    def test_every_vector(self) -> None:
        model = self.model("acrn-hv", "--size", "1M", "--id", "3")
        with self.new_guest("guest", [model.device()], iommu=False, extra_modules=["acrn_uio"]) as guest:
            guest.bind(guest.address(), "uio_pci_generic")
            found = facts(probe(guest, "info", guest.address()))
            self.assertEqual((found["backend"], found["id"], found["interrupts"]), ("uio", "3", "8"))
            self.alone(guest, guest.address(), *(f"self.wait.{vector}" for vector in range(8)), vectors=8)
