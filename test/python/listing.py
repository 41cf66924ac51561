# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""listing.py MAKE_TREES LSIVSHMEM CODE_H: discovery, the monitor and `python3 -m ivshmem`."""

from __future__ import annotations

import asyncio
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import ivshmem
from ivshmem import Code, Error, discover

CODE_H = pathlib.Path(sys.argv.pop())
LSIVSHMEM = pathlib.Path(sys.argv.pop()).resolve()
MAKE_TREES = pathlib.Path(sys.argv.pop()).resolve()
PATIENCE = 60


class Trees(unittest.TestCase):
    top: pathlib.Path

    @classmethod
    def setUpClass(cls) -> None:
        cls.top = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-trees-"))
        cls.addClassCleanup(shutil.rmtree, cls.top)
        subprocess.run([MAKE_TREES, cls.top], check=True)

    def printed(self, *command: object) -> tuple[int, str]:
        done = subprocess.run(command, cwd=self.top, text=True, capture_output=True, timeout=PATIENCE, check=False)  # type: ignore[call-overload]
        self.assertNotIn("Traceback", done.stderr)
        return done.returncode, done.stdout

    def test_as_lsivshmem(self) -> None:
        """The same lines, for every machine that lsivshmem can list."""
        compared = 0
        for tree in sorted(self.top.iterdir()):
            listed = self.printed(LSIVSHMEM, "--sysroot", tree.name)
            own = self.printed(sys.executable, "-m", "ivshmem", "--sysroot", tree.name)
            self.assertEqual(own[1], listed[1], tree.name)
            if listed[0] in (0, 1, 32):
                self.assertEqual(own[0], listed[0], tree.name)
            compared += bool(listed[1])
        self.assertGreater(compared, 20)

    def test_facts(self) -> None:
        (device,) = discover(self.top / "vfio")
        self.assertEqual((device.address, device.type, device.driver, device.backend, device.vectors),
                         ("0000:00:04.0", "doorbell", "vfio-pci", "vfio", 4))
        self.assertEqual((device.vendor, device.device, device.generation, device.iommu_group, device.memory_size),
                         (0x1af4, 0x1110, 1, 4, 4 << 20))
        self.assertIsNotNone(device.diagnosis)
        assert device.diagnosis is not None
        self.assertTrue(device.diagnosis.can_interrupt)
        (second,) = discover(self.top / "jailhouse")
        self.assertEqual(second.generation, 2)
        assert second.sections is not None
        self.assertEqual((second.sections.state_table, second.sections.output), (4096, 65536))
        self.assertEqual(discover(self.top / "empty"), [])
        with self.assertRaises(Error) as raised:
            discover(self.top / "no-pci")
        self.assertEqual(raised.exception.code, Code.SYSFS_UNAVAILABLE)

    def test_the_monitor_reports_what_is_there(self) -> None:
        async def first() -> list[str]:
            found = []
            async with ivshmem.DeviceMonitor() as monitor:
                try:
                    async with asyncio.timeout(0.5):
                        async for change, info in monitor:
                            found.append(f"{change} {info.address}")
                except TimeoutError:
                    pass
            with self.assertRaises(Error):
                monitor.next()
            return found

        self.assertEqual(asyncio.run(first()), [f"added {one.address}" for one in discover()])


class Interface(unittest.TestCase):
    def test_codes(self) -> None:
        listed = dict(re.findall(r"IVSHMEM_(\w+) = (\d+)", CODE_H.read_text()))
        del listed["OK"]
        self.assertEqual({name: int(number) for name, number in listed.items()},
                         {code.name: code.value for code in Code})

    def test_version(self) -> None:
        printed = subprocess.run([LSIVSHMEM, "--version"], text=True, capture_output=True, check=True).stdout
        self.assertIn(ivshmem.__version__, printed)


if __name__ == "__main__":
    unittest.main()
