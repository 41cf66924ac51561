# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Every device of the field, each presented by a device model to one guest with a stock kernel."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from device_support import ModelCase
from lab import Guest
from support import facts, probe

SIZE = 1 << 20

PROFILES: dict[str, tuple[str, ...]] = {
    "qemu": ("qemu", "--size", "1M", "--vectors", "4"),
    "plain": ("qemu", "--size", "1M", "--vectors", "0"),
    "acrn-hv": ("acrn-hv", "--size", "1M", "--id", "5"),
    "acrn-dm": ("acrn-dm", "--size", "2M"),
    "cloud-hypervisor": ("cloud-hypervisor", "--size", "1M"),
    "revision-0": ("revision-0", "--size", "1M", "--vectors", "2"),
    "v2": ("v2", "--max-peers", "3", "--vectors", "3", "--rw-size", "64K", "--output-size", "64K"),
    "v2-protected": ("v2", "--max-peers", "3", "--rw-size", "64K", "--output-size", "64K", "--protect"),
}
"""The profiles and options, by the names of the devices. A guest has all of them at once."""


class Profiles(ModelCase):
    guest: ClassVar[Guest]
    addresses: ClassVar[dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        models = [cls.model(*words, name=name) for name, words in PROFILES.items()]
        cls.guest = cls.enterClassContext(cls.new_guest("guest", [model.device() for model in models]))
        cls.addresses = {name: cls.guest.address(index) for index, name in enumerate(PROFILES)}

    def listed(self, name: str) -> dict[str, Any]:
        """Return what lsivshmem prints of a device."""
        rows = json.loads(self.guest.run("lsivshmem --json").stdout)["ivshmem"]
        return next(row for row in rows if row["slot"] == self.addresses[name])

    def conforms(self, name: str, vectors: int, driver: str | None = "vfio-pci", memory: int = SIZE) -> dict[str, str]:
        """Run the conformance program on a device, with a driver or with none; return the facts of the device."""
        address = self.addresses[name]
        if driver is None:
            self.guest.unbind(address)
        else:
            self.guest.bind(address, driver)
        hears = [f"self.wait.{vector}" for vector in range(vectors if driver == "vfio-pci" else 0)]
        self.alone(self.guest, address, *hears, vectors=vectors)
        found = facts(probe(self.guest, "info", address))
        self.assertEqual(int(found["size"]), memory, found)
        return found

    def test_qemu(self) -> None:
        self.assertEqual(self.conforms("qemu", 4)["id"], "0")
        self.conforms("qemu", 4, None)

    def test_qemu_plain(self) -> None:
        self.conforms("plain", 0)
        result = probe(self.guest, "ring", self.addresses["plain"], 0, 0)
        self.assertFails(result, "doorbell_unsupported", "ivshmem-plain")

    def test_acrn_of_the_hypervisor(self) -> None:
        found = self.conforms("acrn-hv", 8)
        self.assertEqual((found["id"], found["vectors"], found["interrupts"]), ("5", "8", "8"))

    def test_acrn_of_the_device_model(self) -> None:
        found = self.conforms("acrn-dm", 0, memory=2 << 20)
        self.assertEqual((found["vectors"], found["ring"]), ("0", "0"))
        # Its BAR2 is not prefetchable.
        self.conforms("acrn-dm", 0, None, memory=2 << 20)
        folder = f"/sys/bus/pci/devices/{self.addresses['acrn-dm']}"
        self.assertNotEqual(self.guest.run(f"test -e {folder}/resource2_wc", check=False).rc, 0)

    def test_cloud_hypervisor(self) -> None:
        found = self.conforms("cloud-hypervisor", 0)
        self.assertEqual((found["vectors"], found["ring"]), ("0", "0"))
        folder = f"/sys/bus/pci/devices/{self.addresses['cloud-hypervisor']}"
        self.assertNotEqual(self.guest.run(f"test -e {folder}/resource1", check=False).rc, 0)

    def test_revision_0(self) -> None:
        self.conforms("revision-0", 2)

    def test_v2(self) -> None:
        self.conforms("v2", 3, memory=64 << 10)

    def test_v2_protected(self) -> None:
        self.conforms("v2-protected", 2, memory=64 << 10)
