# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl info, dump, read, write, fill and bench in guests, through every way to map the memory."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from lab import Doorbell, Guest, Plain, Server, booted
from lab.devices import Device
from lab.runner import long
from support import IVSHMEMCTL, PATIENCE, DeviceCase

MODES = ("write-back", "write-combining", "uncached")
DOORBELL, PLAIN = 0, 1
SMALL, LARGE = 1 << 20, 2 << 30
"""The second one makes QEMU's firmware place both above 4 GiB, where write-back is available."""
VECTORS = 2


class Memory(DeviceCase):
    """Two guests that share a doorbell device and a plain one with each other and with the host."""

    left: ClassVar[Guest]
    right: ClassVar[Guest]
    server: ClassVar[Server]
    memory: ClassVar[Path]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="1M"))
        cls.memory = cls.work / "memory"
        cls.memory.touch()
        os.truncate(cls.memory, LARGE)
        devices: list[Device] = [Doorbell(cls.server.socket, VECTORS), Plain(cls.memory, LARGE)]
        cls.left, cls.right = cls.enterClassContext(
            booted(
                Guest(cls.work, "left", devices=devices, programs=[IVSHMEMCTL], extra_modules=["igb_uio"]),
                Guest(cls.work, "right", devices=devices, programs=[IVSHMEMCTL]),
            )
        )
        cls.left.bind(cls.left.address(DOORBELL), "vfio-pci")

    def tool(self, guest: Guest, device: int, words: str, *, status: int = 0, user: str | None = None) -> str:
        """Return the tool's output, or its error message."""
        command = f"ivshmemctl -D {guest.address(device)} {words}"
        result = guest.run(command, timeout=PATIENCE, check=False, user=user)
        self.assertEqual(result.rc, status, f"{command}\n{result.stdout}\n{result.stderr}")
        return result.stderr if status else result.stdout

    def on_host(self, *words: str) -> bytes:
        command = [str(IVSHMEMCTL), "--socket", str(self.server.socket), *words]
        return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True).stdout

    def test_each_sees_what_the_others_write(self) -> None:
        for device, offset in ((DOORBELL, 0x1003), (PLAIN, LARGE - 4099)):
            with self.subTest(device=device):
                self.left.run("printf 'from the left' >/tmp/text")
                self.tool(self.left, device, f"write -i /tmp/text {offset}")
                self.assertEqual(self.tool(self.right, device, f"read {offset} 13"), "from the left")
                self.tool(self.right, device, f"fill 0x21,0x3f {offset + 13} 4")
                line = "66 72 6f 6d 20 74 68 65  20 6c 65 66 74 21 3f 21  |from the left!?!|"
                dumped = self.tool(self.left, device, f"dump {offset} 17").splitlines()
                self.assertEqual(dumped[0], f"{offset:08x}  {line}")
                self.assertTrue(dumped[1].startswith(f"{offset + 16:08x}  3f "), dumped)
                self.assertEqual(dumped[2], f"{offset + 17:08x}")
        self.assertEqual(self.on_host("read", str(0x1003), "17"), b"from the left!?!?")
        with self.memory.open("rb") as memory:
            memory.seek(LARGE - 4099)
            self.assertEqual(memory.read(17), b"from the left!?!?")
        subprocess.run(
            [str(IVSHMEMCTL), "--socket", str(self.server.socket), "write", "9"],
            input=b"from the host", timeout=PATIENCE, check=True,
        )
        self.assertEqual(self.tool(self.left, DOORBELL, "read 9 13"), "from the host")

    @long("it starts eighteen programs")
    def test_every_cache_mode(self) -> None:
        data = random.Random(3).randbytes(70_001)  # more than one piece, and aligned to nothing
        self.left.put("/tmp/data", data)
        for device in (DOORBELL, PLAIN):
            for mode, other in zip(MODES, (*MODES[1:], MODES[0])):
                with self.subTest(device=device, mode=mode):
                    self.tool(self.left, device, f"fill --cache {mode} 0x55 8K 72K")
                    self.tool(self.left, device, f"write --cache {mode} -i /tmp/data 8195")
                    self.tool(self.left, device, f"read --cache {other} -o /tmp/back 8192 {len(data) + 6}")
                    self.assertEqual(self.left.get("/tmp/back"), b"UUU" + data + b"UUU")

    def test_ranges(self) -> None:
        said = self.tool(self.left, DOORBELL, f"read {SMALL} 1", status=1)
        self.assertIn(f"{self.left.address(DOORBELL)}: 1 bytes from 0x100000 on are past the end", said)

    def printed(self, device: int, status: int = 0, user: str | None = None) -> Any:
        command = f"ivshmemctl -J -D {self.left.address(device)} info"
        result = self.left.run(command, timeout=PATIENCE, check=False, user=user)
        self.assertEqual(result.rc, status, result.stderr)
        return json.loads(result.stdout)

    def test_info(self) -> None:
        address = self.left.address(DOORBELL)
        self.addCleanup(self.left.bind, address, "vfio-pci")
        cases: tuple[tuple[str | None, str, int], ...] = (
            ("vfio-pci", "vfio", VECTORS),
            ("igb_uio", "uio", 1),
            ("uio_pci_generic", "uio", 0),
            (None, "uio", 0),
        )
        for driver, backend, interrupts in cases:
            with self.subTest(driver=driver):
                self.left.unbind(address)
                if driver is not None:
                    self.left.bind(address, driver)
                printed = self.printed(DOORBELL)
                self.assertEqual((printed["address"], printed["driver"], printed["backend"]), (address, driver, backend))
                self.assertEqual((printed["ring"], printed["vectors"], printed["interrupts"]), (True, VECTORS, interrupts))
                self.assertEqual((printed["type"], printed["size"], printed["error"]), ("doorbell", SMALL, None))
                text = self.tool(self.left, DOORBELL, "info")
                self.assertIn(f"{address} ivshmem v1 doorbell, {VECTORS} vectors, 1M\n", text)
                if interrupts == 0:
                    self.assertRegex(text, r"(?m)^vectors +2, of which none can be waited for: \S")
        printed = self.printed(PLAIN)
        self.assertEqual((printed["id"], printed["ring"], printed["cache_mode"]), (None, False, "write-back"))
        text = self.tool(self.left, PLAIN, "info -v")
        self.assertRegex(text, r"(?m)^hypervisor +TCGTCGTCGTCG$")
        self.assertRegex(text, r"(?m)^machine +QEMU ")
        self.assertRegex(text, r"(?m)^id +none: a plain device$")

    def test_info_without_permission(self) -> None:
        self.left.run("chmod 600 /dev/vfio/[0-9]*")
        printed = self.printed(DOORBELL, status=1, user="nobody")
        self.assertEqual((printed["driver"], printed["size"] if "size" in printed else None), ("vfio-pci", None))
        self.assertIn("/dev/vfio/", printed["error"])
        self.assertIn("/dev/vfio/", printed["problem"])

    @long("it measures for seconds")
    def test_bench(self) -> None:
        before = self.on_host("read")
        printed = json.loads(self.tool(self.left, DOORBELL, "-J bench --write --channel 0x2001 64K"))
        modes = {each["cache_mode"]: each for each in printed["memory"]}
        for mode in MODES:
            self.assertGreater(min(modes[mode][what] for what in ("read", "write", "copy")), 0)
        self.assertGreater(printed["ring_ns"], 0)
        self.assertGreater(printed["self_ring_ns"]["median"], 0)
        self.assertGreater(printed["message_ns"]["median"], 0)
        self.assertEqual(self.on_host("read"), before, "what was there is there again")
        text = self.tool(self.right, PLAIN, "bench")
        self.assertRegex(text, r"(?m)^write-back +read \d+ MiB/s$")
        self.assertRegex(text, r"(?m)^ring +the device has no doorbell$")
