# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The pitfalls of the field's devices, each presented by a device; and devices that come and go."""

from __future__ import annotations

from typing import ClassVar

from device_support import ModelCase
from lab import DeviceModel, Guest
from lab.runner import long
from support import DEVICES, PATIENCE, facts, probe


class Pitfalls(ModelCase):
    guest: ClassVar[Guest]
    models: ClassVar[dict[str, DeviceModel]]

    PROFILES = {
        "never": ("revision-0", "--size", "1M", "--late", "4294967295"),
        "late": ("revision-0", "--size", "1M", "--late", "700"),
        "intx": ("revision-0", "--size", "1M", "--intx"),
        "acrn-hv": ("acrn-hv", "--size", "1M", "--id", "1"),
        "express": ("qemu", "--size", "1M", "--vectors", "2", "--express"),
        "doomed": ("qemu", "--size", "1M", "--vectors", "2"),
        "doomed-0": ("revision-0", "--size", "1M"),
    }
    PORTS = ("late", "express")
    """Behind a port, the kernel resets a device when a program opens it, and QEMU can report an error."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.models = {name: cls.model(*words, name=name) for name, words in cls.PROFILES.items()}
        devices = [model.device(place="port" if name in cls.PORTS else "root") for name, model in cls.models.items()]
        cls.guest = cls.enterClassContext(cls.new_guest("guest", devices))

    def address(self, name: str) -> str:
        return self.guest.address(list(self.PROFILES).index(name))

    def test_id_that_never_comes(self) -> None:
        address = self.address("never")
        self.guest.bind(address, "vfio-pci")
        self.assertFails(probe(self.guest, "info", address), "position_timeout", address)

    def test_id_that_comes_late(self) -> None:
        address = self.address("late")
        self.guest.bind(address, "vfio-pci")
        self.assertEqual(facts(probe(self.guest, "info", address))["id"], "0")
        self.alone(self.guest, address)

    def test_intx(self) -> None:
        address = self.address("intx")
        self.guest.bind(address, "vfio-pci")
        self.alone(self.guest, address, "self.wait.0")

    def test_rings_at_masked_vectors_are_dropped(self) -> None:
        # ACRN keeps no pending bit.
        address = self.address("acrn-hv")
        self.guest.unbind(address)
        probe(self.guest, "ring", address, 1, 3).check()
        self.guest.bind(address, "vfio-pci")
        self.assertFails(probe(self.guest, "wait", address, 3, 2), "timed_out", "vector 3")
        self.alone(self.guest, address, "self.wait.7", vectors=8)

    def test_only_whole_registers_are_written(self) -> None:
        address = self.address("acrn-hv")
        self.guest.unbind(address)
        self.guest.run(f"echo 1 >{DEVICES}/{address}/enable")
        self.guest.run(f"register-poker {address} 1 2000 registers", timeout=PATIENCE)
        self.guest.bind(address, "vfio-pci")
        self.assertEqual(facts(probe(self.guest, "info", address))["id"], "1")

    def test_registers_of_all_ones(self) -> None:
        # Through VFIO, the guest would change its IOMMU's mappings, and QEMU aborts if a device model misses that.
        for name in ("doomed", "doomed-0"):
            with self.subTest(name=name):
                address = self.address(name)
                self.guest.unbind(address)
                probe(self.guest, "info", address).check()
                self.models[name].kill()
                # On revision 0 too, whose IVPosition is -1 at first: all registers are.
                self.assertFails(probe(self.guest, "info", address), "device_gone", address)
                self.assertEqual(self.guest.run(f"cat {DEVICES}/{address}/enable").stdout, "0\n")
                self.assertEqual(self.guest.run("echo alive").stdout, "alive\n")

    def test_device_error(self) -> None:
        address = self.address("express")
        self.guest.bind(address, "vfio-pci")
        job = self.guest.spawn(f"exec probe events {address}")
        job.wait_output("waiting", PATIENCE)
        self.guest.report_error(list(self.PROFILES).index("express"))
        job.wait_output("event: device error 0\n", PATIENCE)
        # That is an event, not the end: the device goes on.
        job.signal("KILL")
        job.wait()
        self.alone(self.guest, address, "self.wait.1", vectors=2)


@long("it boots a guest for one question")
class Hotplug(ModelCase):
    """Devices over vfio-user are plugged and unplugged like others.

    QEMU 11.1 aborts if one with MSI-X is unplugged (vfio_user_msix_teardown comes too late), whatever its model does.
    """

    def test_plugging_and_unplugging(self) -> None:
        plain = self.model("qemu", "--size", "1M", "--vectors", "0", name="plain")
        doorbell = self.model("qemu", "--size", "1M", "--vectors", "2", name="doorbell")
        with self.new_guest("guest", [], spare_ports=1) as guest:
            for round in (1, 2):
                with self.subTest(round=round):
                    index = guest.plug(plain.device(place="port"))
                    address = self.plugged(guest, index)
                    self.alone(guest, address)
                    job = guest.spawn(f"probe events {address}")
                    job.wait_output("waiting", PATIENCE)
                    guest.request_unplug(index)
                    self.assertIn("event: removal requested 0\n", job.wait(PATIENCE).check().stdout)
                    guest.wait_unplugged(index, 60)
                    self.assertTrue(plain.running)
            address = self.plugged(guest, guest.plug(doorbell.device(place="port")))
            self.alone(guest, address, "self.wait.1", vectors=2)

    def plugged(self, guest: Guest, index: int) -> str:
        """Wait until the kernel has set up a device, bind it, and return its address."""
        guest.wait_for(f"test -e {DEVICES}/0000:01:00.0/resource2")
        guest.bind(guest.address(index), "vfio-pci")
        return guest.address(index)
