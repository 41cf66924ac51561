# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""lsivshmem in a guest, against the devices that QEMU really gave it."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from lab import Doorbell, Guest, Plain, Server
from lab.devices import Device
from support import DEVICES, LSIVSHMEM, DeviceCase, bar

VECTORS = 5
SIZE = 2 << 20
UNREAD = 64
"""The status if something could not be read or found."""


class Lsivshmem(DeviceCase):
    guest: ClassVar[Guest]
    doorbell: ClassVar[str]
    plain: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="2M"))
        memory = cls.work / "memory"
        memory.write_bytes(bytes(1 << 20))
        devices: list[Device] = [Doorbell(server.socket, VECTORS), Plain(memory, 1 << 20, place="bridge")]
        cls.guest = cls.enterClassContext(
            Guest(cls.work, "guest", devices=devices, programs=[LSIVSHMEM], extra_modules=["igb_uio"])
        )
        cls.doorbell, cls.plain = cls.guest.address(0), cls.guest.address(1)

    def use(self, driver: str | None) -> None:
        for address in (self.doorbell, self.plain):
            self.guest.unbind(address)
            if driver is not None:
                self.guest.bind(address, driver)

    def listed(self, *options: str, user: str | None = None, status: int = 0) -> dict[str, dict[str, Any]]:
        """Return the JSON of each device."""
        result = self.guest.run(" ".join(["lsivshmem", "-J", *options]), user=user, check=False)
        self.assertEqual(result.rc, status, result.stderr)
        document = json.loads(result.stdout)
        self.assertEqual(document["version"], 1)
        return {device["address"]: device for device in document["devices"]}

    def group(self, address: str) -> int:
        return int(self.guest.run(f"basename $(readlink {DEVICES}/{address}/iommu_group)").stdout)

    def check_facts(self, found: dict[str, dict[str, Any]]) -> None:
        """Check the facts that do not depend on the driver."""
        self.assertEqual(sorted(found), sorted([self.doorbell, self.plain]))
        for address, kind, size in ((self.doorbell, "doorbell", SIZE), (self.plain, "plain", 1 << 20)):
            device = found[address]
            self.assertEqual((device["type"], device["size"], device["id"]), (kind, size, "1af4:1110"))
            self.assertEqual((device["revision"], device["generation"], device["region"]), (1, "v1", None))
            self.assertEqual(device["group"], self.group(address))
            resources = self.guest.run(f"cat {DEVICES}/{address}/resource").stdout.splitlines()
            for each in device["bars"]:
                start, end, _ = (int(word, 16) for word in resources[each["index"]].split())
                self.assertEqual((each["start"], each["size"]), (start, end - start + 1))
            wanted = [0, 1, 2] if kind == "doorbell" else [0, 2]
            self.assertEqual([each["index"] for each in device["bars"]], wanted)
        self.assertEqual(found[self.doorbell]["vectors"], VECTORS)
        self.assertIsNone(found[self.plain]["vectors"])

    def test_drivers(self) -> None:
        cases = (
            ("vfio-pci", "vfio", (True, True, True), None),
            ("igb_uio", "uio", (True, True, True), f"igb_uio delivers vector 0 only, of {VECTORS}"),
            ("uio_pci_generic", "uio", (True, True, False), "interrupt"),
            (None, "uio", (True, True, False), "interrupt"),
        )
        for driver, backend, uses, problem in cases:
            with self.subTest(driver=driver):
                self.use(driver)
                found = self.listed()
                self.check_facts(found)
                device = found[self.doorbell]
                self.assertEqual((device["driver"], device["backend"]), (driver, backend))
                self.assertEqual((device["map"], device["ring"], device["interrupt"]), uses)
                if problem is None:
                    self.assertIsNone(device["problem"])
                else:
                    self.assertIn(problem, device["problem"])
                    self.assertIn(f"ivshmemctl bind --driver vfio-pci {self.doorbell}", device["remedy"])
                plain = found[self.plain]
                self.assertEqual((plain["map"], plain["ring"], plain["interrupt"]), (True, False, False))

    def test_text(self) -> None:
        self.use("vfio-pci")
        table = self.guest.run("lsivshmem").stdout
        row = next(line.split() for line in table.splitlines() if line.startswith(self.doorbell))
        self.assertEqual(row[1:5], ["doorbell", "2M", str(VECTORS), "vfio-pci"], table)
        block = self.guest.run(f"lsivshmem -vv {self.doorbell}").stdout
        self.assertTrue(block.startswith(f"{self.doorbell} ivshmem v1 doorbell, {VECTORS} vectors, 2M\n"), block)
        for number in (0, 1, 2):
            self.assertIn(f"{bar(self.guest, self.doorbell, number):#x}", block)
        self.assertRegex(block, rf"\tIOMMU group: {self.group(self.doorbell)}\b")
        self.assertNotIn(self.plain, block)
        tree = self.guest.run("lsivshmem -t").stdout
        self.assertIn(f"vectors 0-{VECTORS - 1}", tree)

    def test_unprivileged(self) -> None:
        self.use("vfio-pci")
        node = f"/dev/vfio/{self.group(self.doorbell)}"
        self.guest.run(f"chmod 600 {node}")
        result = self.guest.run_as_nobody(f"lsivshmem -v {self.doorbell}", check=False)
        self.assertEqual(result.rc, UNREAD)
        self.assertIn(f"{self.doorbell} ivshmem v1 of unknown type, 2M", result.stdout)
        self.assertIn(f"Problem: {node}: this process may not open it", result.stdout)
        self.assertIn(f"{self.doorbell}/config: only 64 of 256 bytes can be read", result.stderr)
        device = self.listed(user="nobody", status=UNREAD)[self.doorbell]
        self.assertEqual((device["type"], device["vectors"], device["size"]), ("unknown", None, SIZE))
        self.assertEqual((device["map"], device["interrupt"]), (False, False))
        self.assertTrue(any("config" in str(each) for each in device["unread"]), device["unread"])

    def test_statuses(self) -> None:
        for words, status in (
            ("", 0),
            (self.doorbell, 0),
            ("-s 00:1f.0", 32),
            ("-d 8086:", 32),
            ("0000:00:1b.0", 32),
            (f"{self.doorbell} 0000:00:1b.0", UNREAD),
            ("--nonsense", 1),
        ):
            with self.subTest(words=words):
                self.assertEqual(self.guest.run(f"lsivshmem {words}", check=False).rc, status)
