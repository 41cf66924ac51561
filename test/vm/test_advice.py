# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Machines that cannot do everything: what still works, and what the tools advise."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, ClassVar

from lab import Doorbell, Guest, Plain, Server, booted
from lab.kernel import stock
from support import IVSHMEMCTL, LSIVSHMEM, PATIENCE, DeviceCase

VECTORS = 2
LARGE = 64 << 30


class Advice(DeviceCase):
    nomsi: ClassVar[Guest]
    server: ClassVar[Server]
    small: ClassVar[Guest]
    sizes: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="1M"))
        large = cls.work / "large"
        with large.open("wb") as file:
            file.truncate(LARGE)
        shared = cls.work / "shared"
        shared.write_bytes(bytes(8 << 20))
        tools = [IVSHMEMCTL, LSIVSHMEM]
        more = Doorbell(cls.server.socket, 2 * VECTORS)
        cls.nomsi, cls.small, cls.sizes = cls.enterClassContext(
            booted(
                Guest(cls.work, "nomsi", devices=[Doorbell(cls.server.socket, VECTORS)], programs=tools, append="pci=nomsi"),
                Guest(cls.work, "small", devices=[Plain(large, LARGE), more], programs=tools, memory=256),
                Guest(cls.work, "sizes", devices=[Plain(shared, 4 << 20), Plain(shared, 8 << 20)], programs=tools),
            )
        )

    def checks(self, guest: Guest, address: str) -> dict[str, dict[str, Any]]:
        result = guest.run(f"ivshmemctl doctor -J {address}", timeout=PATIENCE, check=False)
        return {check["name"]: check for check in json.loads(result.stdout)["checks"]}

    def test_a_kernel_without_msi(self) -> None:
        address = self.nomsi.address()
        self.nomsi.run(f"ivshmemctl bind {address}")
        found = self.checks(self.nomsi, address)["MSI-X"]
        self.assertEqual(found["status"], "fail")
        self.assertIn("pci=nomsi", found["finding"])
        self.assertIn("remove pci=nomsi", found["next"])
        self.assertEqual(self.nomsi.run("lsivshmem -n -o use").stdout.strip(), "map ring")
        # Memory and ring need no interrupt.
        for words in ("info", "ring 0 0", "dump 0 16"):
            self.nomsi.run(f"ivshmemctl {words}")
        self.assertIn("pci=nomsi", self.nomsi.run("ivshmemctl wait", check=False).stderr)

    def test_a_large_memory_in_a_small_guest(self) -> None:
        address = self.small.address(0)
        self.assertIn("64G", self.small.run(f"ivshmemctl -D {address} info").stdout)
        self.small.run(f"ivshmemctl -D {address} fill 0x5a {LARGE - 16}", timeout=PATIENCE)
        shown = self.small.run(f"ivshmemctl -D {address} dump {LARGE - 16}", timeout=PATIENCE).stdout
        self.assertIn(" ".join(["5a"] * 8), shown)
        job = self.small.spawn(f"exec ivshmemctl -D {address} serve 2>&1")
        job.wait_output("in slot 0")
        self.assertIn("slot 0", self.small.run(f"ivshmemctl -D {address} peers").stdout)
        self.small.run(f"ivshmemctl -D {address} ping -c 3 -i 0.1 -w 30", timeout=PATIENCE)
        self.small.run("kill $(pidof ivshmemctl)")
        job.wait()
        self.assertNotIn("out of memory", self.small.run("dmesg").stdout.lower())

    def test_one_memory_in_two_sizes(self) -> None:
        small, whole = self.sizes.address(0), self.sizes.address(1)
        job = self.sizes.spawn(f"exec ivshmemctl -D {whole} serve 2>&1")
        job.wait_output("in slot 0")
        printed = self.sizes.run(f"ivshmemctl -D {small} ping -c 1 -w 5", check=False).stderr
        self.assertIn(f"a peer with a larger memory laid it out: the device has {4 << 20} bytes here", printed)
        self.assertNotIn("reformat", printed)
        self.sizes.run("kill $(pidof ivshmemctl)")
        job.wait()

    def test_more_vectors_than_the_server_gives(self) -> None:
        address = self.small.address(1)
        self.small.run(f"ivshmemctl bind {address}")
        found = self.checks(self.small, address)["self-ring"]
        self.assertEqual(found["status"], "fail")
        self.assertIn(f"{VECTORS} of {2 * VECTORS} vectors rang back", found["finding"])
        self.assertIn(f"vectors={VECTORS}", found["next"])

    def test_i440fx(self) -> None:
        socket = self.server.socket
        device = f"ivshmem-doorbell,chardev=c,vectors={VECTORS},bus=pci.0,addr=0x10"
        options = ["-chardev", f"socket,id=c,path={socket}", "-device", device]
        usual = stock("x86_64")
        old = dataclasses.replace(usual, arch=dataclasses.replace(usual.arch, machine=("-machine", "pc")))
        guest = Guest(
            self.work, "old", devices=[], programs=[IVSHMEMCTL], iommu=False, options=options, kernel=old
        )
        self.enterContext(guest)
        self.assertIn("q35", self.checks(guest, "any")["vIOMMU"]["next"])
        self.assertIn("q35", guest.run("ivshmemctl bind", check=False).stderr)
