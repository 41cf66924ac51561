# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Devices of models through UIO drivers that Debian does not have: Jailhouse's named maps, ACRN's ioctl."""

from __future__ import annotations

from device_support import ModelCase
from hostile_client import honest
from lab import Guest
from lab.runner import long
from support import DEVICES, facts, probe

HIDDEN_BAR = 4
"""The memory of a model with --no-bar2."""


SECTIONS = ("--max-peers", "3", "--output-size", "64K")


@long("it boots guests, and builds a module for them")
class NamedMaps(ModelCase):
    """uio_ivshmem, as Jailhouse has it."""

    def assertMaps(self, guest: Guest, address: str, names: str) -> None:
        guest.bind(address, "uio_ivshmem")
        found = guest.run(f"cat {DEVICES}/{address}/uio/uio*/maps/map*/name").stdout.split()
        self.assertEqual(found, names.split())
        self.assertEqual(guest.run(f"state-peer info {address}").stdout.splitlines()[0], "id: 0")

    def test_v2(self) -> None:
        model = self.model("v2", *SECTIONS, "--rw-size", "64K")
        bare = self.model("v2", *SECTIONS, "--rw-size", "0", name="bare")
        with self.new_guest("guest", [model.device(), bare.device()], iommu=False, extra_modules=["uio_ivshmem"]) as guest:
            first, second = (guest.address(index) for index in (0, 1))
            self.assertMaps(guest, first, "registers state_table rw_section input_sections output_section")
            self.assertMaps(guest, second, "registers state_table input_sections output_section")
            self.alone(guest, first, "self.wait.0")
            # Without a model, all registers read as ones.
            model.kill()
            self.assertFails(probe(guest, "info", first), "device_gone", first)
            self.assertIn("id: 0\n", guest.run(f"state-peer info {second}").stdout)

    def test_memory_at_a_fixed_address(self) -> None:
        """Without BAR2, as under Jailhouse, vfio-pci does not reach the memory, and the driver does."""
        model = self.model("v2", *SECTIONS, "--rw-size", "64K", "--no-bar2", guests=2, name="fixed")
        with self.new_guest("guest", [model.device()], extra_modules=["uio_ivshmem"]) as guest:
            address = guest.address()
            guest.bind(address, "vfio-pci")
            self.assertFails(probe(guest, "info", address), "bar_missing", address, "no BAR2", "fixed address", "uio_ivshmem")
            self.assertIn("no BAR2: its memory has a fixed address", guest.run(f"lsivshmem -vv {address}", check=False).stdout)
            self.assertMaps(guest, address, "registers state_table rw_section input_sections output_section")
            self.alone(guest, address, "self.wait.0")
            guest.run(f"state-peer write {address} by-0")
            self.assertEqual(guest.run(f"state-peer read {address} 0").stdout, "by-0\n")
            # Another VM finds it there too, in the first output section.
            with honest(model.sockets[1]) as other:
                self.assertEqual(other.read(HIDDEN_BAR, 4096 + (64 << 10), 5), (0, b"by-0\0"))


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
