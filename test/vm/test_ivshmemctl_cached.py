# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl bind --cached under a firmware that makes the window of large BARs uncachable."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import ClassVar

from lab import Guest, LabError, Plain, booted
from lab.runner import long
from support import IVSHMEMCTL, PATIENCE, DeviceCase

FIRMWARE = Path("/usr/share/ovmf/OVMF.fd")
LARGE = 2 << 30
"""Above 4 GiB."""


class Cached(DeviceCase):
    """A guest that OVMF starts."""

    guest: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if not FIRMWARE.exists():
            raise LabError(f"{FIRMWARE}: is not there; test/install-deps vm installs it")
        memory = cls.work / "memory"
        memory.touch()
        os.truncate(memory, LARGE)
        (cls.guest,) = cls.enterClassContext(
            booted(
                Guest(cls.work, "ovmf", devices=[Plain(memory, LARGE)], iommu=False, memory=512, programs=[IVSHMEMCTL],
                      extra_modules=["igb_uio"], firmware=FIRMWARE)
            )
        )  # fmt: skip

    def mode(self) -> str:
        return str(json.loads(self.guest.run("ivshmemctl info -J", timeout=PATIENCE).stdout)["cache_mode"])

    @long("it boots a guest for one question")
    def test_there_and_back(self) -> None:
        ranges = self.guest.run("cat /proc/mtrr").stdout
        self.assertIn("uncachable", ranges)
        self.addCleanup(self.guest.run, "ivshmemctl unbind -q")
        for driver in ("none", "igb_uio"):
            with self.subTest(driver=driver):
                self.guest.run(f"ivshmemctl bind -q --driver {driver}", timeout=PATIENCE)
                self.assertEqual(self.mode(), "write-combining")
                self.guest.run(f"ivshmemctl bind -q --driver {driver} --cached", timeout=PATIENCE)
                self.assertEqual(self.mode(), "write-back")
                self.guest.run("ivshmemctl unbind", timeout=PATIENCE)
                self.assertEqual(self.guest.run("cat /proc/mtrr").stdout, ranges)
