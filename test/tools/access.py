# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""access.py IVSHMEM-ACCESS: the permissions that udev's script grants to the group, on trees of devices.

The script runs with its first lines changed: another /sys, another /dev, and a group that is there
on every machine. Only root can give files away; others skip the test."""

import fcntl
import os
import pathlib
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(sys.argv.pop(1))
GROUP = "games"
NONE = (0, 0, 0)
REGISTERS = (0xFEBF1000, 0xFEBF10FF, 0x40200)
TABLE = (0xFEBF2000, 0xFEBF2FFF, 0x40200)
MEMORY = (0x700000000, 0x7003FFFFF, 0x14220C)
BARS = ("resource0", "resource2", "resource2_wc")


class Access(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-access-"))
        self.addCleanup(shutil.rmtree, self.top)
        self.script = self.top / "script"
        text = SCRIPT.read_text()
        for name, value in (("group", GROUP), ("sys", self.top / "sys"), ("dev", self.top / "dev"),
                            ("run", self.top / "run")):
            text, count = re.subn(f"(?m)^{name}=.*$", f"{name}={value}", text)
            self.assertEqual(count, 1)
        self.script.write_text(text)
        (self.top / "dev/vfio").mkdir(parents=True)
        (self.top / "run").mkdir()
        self.ours = self.add("0000:00:04.0", "0x1af4:0x1110", REGISTERS, TABLE, MEMORY)

    def add(self, address, ids, *bars, code="0x050000", vfs=()):
        device = self.top / "sys/bus/pci/devices" / address
        device.mkdir(parents=True)
        for name, text in (("vendor", ids.split(":")[0]), ("device", ids.split(":")[1]), ("class", code)):
            (device / name).write_text(text + "\n")
        lines = [*bars, *[NONE] * (7 - len(bars)), *vfs]
        lines += [NONE] * (13 - len(lines))
        (device / "resource").write_text("".join("0x%016x 0x%016x 0x%016x\n" % line for line in lines))
        for name in ("config", "resource0", "resource1", "resource2", "resource2_wc", "resource3"):
            (device / name).touch(0o600)
        return device

    def group(self, number, *addresses):
        members = self.top / f"sys/kernel/iommu_groups/{number}/devices"
        members.mkdir(parents=True, exist_ok=True)
        for address in addresses:
            (members / address).symlink_to(self.top / "sys/bus/pci/devices" / address)
        return self.node(f"vfio/{number}")

    def node(self, name):
        path = self.top / "dev" / name
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        return path

    def run_script(self, *words):
        done = subprocess.run(["sh", self.script, *words], capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def given(self, *words):
        """Returns the names of the files that the group can use after the script has run."""
        self.run_script(*(words or ("update",)))
        found = []
        for path in self.top.rglob("*"):
            if path.is_symlink() or path.group() != GROUP:
                continue
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660, path)
            found.append(path.name)
        return sorted(found)

    def test_the_node_of_a_shared_device_is_not_given(self):
        (self.ours / "uio/uio0").mkdir(parents=True)
        self.node("uio0")
        before = self.given()
        self.assertIn("uio0", before)
        (self.top / "run/ivshmem/share").mkdir(parents=True)
        path = self.top / "run/ivshmem/share/0000:00:04.0"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(str(path))
            self.assertEqual(self.given(), [name for name in before if name != "uio0"])
        path.unlink()
        self.assertEqual(self.given(), before)

    def test_no_user_can_block_it(self):
        with open(self.script, "rb") as script:
            fcntl.flock(script, fcntl.LOCK_EX)  # as any user can, because all can read it
            self.run_script("update")
        for path in (self.top / "run").iterdir():
            self.assertEqual((stat.S_IMODE(path.stat().st_mode), path.stat().st_uid), (0o600, 0), path)

    def test_a_device_alone(self):
        self.assertEqual(self.given("update", str(self.ours)), sorted(BARS))
        self.assertEqual(self.given(), sorted(BARS))
        self.assertEqual(self.given("revoke"), [])

    def test_other_devices_are_left_alone(self):
        self.add("0000:00:05.0", "0x1af4:0x1000", (0xFEBF3000, 0xFEBF30FF, 0x40200))
        self.assertEqual(self.given(), sorted(BARS))

    def test_jailhouse(self):
        self.add("0000:00:0e.0", "0x110a:0x4106", (0xFEBF7000, 0xFEBF7FFF, 0x40200))
        self.assertEqual(self.given(), sorted([*BARS, "resource0"]))

    def test_a_page_that_another_device_is_in(self):
        self.assertEqual(self.given(), sorted(BARS))
        self.add("0000:00:05.0", "0x8086:0x1234", (0xFEBF1100, 0xFEBF11FF, 0x40200))
        self.assertEqual(self.given(), ["resource2", "resource2_wc"])
        shutil.rmtree(self.top / "sys/bus/pci/devices/0000:00:05.0")
        self.assertEqual(self.given(), sorted(BARS))

    def test_a_page_that_its_own_table_is_in(self):
        shutil.rmtree(self.ours)
        self.add("0000:00:04.0", "0x1af4:0x1110", REGISTERS, (0xFEBF1800, 0xFEBF1FFF, 0x40200), MEMORY)
        self.assertEqual(self.given(), ["resource2", "resource2_wc"])

    def test_a_page_that_a_virtual_function_is_in(self):
        self.add("0000:00:05.0", "0x8086:0x1234", vfs=[(0xFEBF1800, 0xFEBF18FF, 0x40200)])
        self.assertEqual(self.given(), ["resource2", "resource2_wc"])

    def test_ports_and_the_windows_of_bridges_do_not_count(self):
        window = [(0xFEB00000, 0xFEBFFFFF, 0x40200)]
        self.add("0000:00:01.0", "0x1b36:0x000c", code="0x060400", vfs=window)
        self.add("0000:00:05.0", "0x8086:0x1234", (0xFEBF1000, 0xFEBF10FF, 0x40101))
        self.assertEqual(self.given(), sorted(BARS))

    def test_a_vfio_group(self):
        self.add("0000:00:01.0", "0x1b36:0x000c", code="0x060400")
        self.group(7, "0000:00:04.0", "0000:00:01.0")
        self.assertIn("7", self.given())
        foreign = self.add("0000:00:05.0", "0x8086:0x1234")
        joined = self.top / "sys/kernel/iommu_groups/7/devices/0000:00:05.0"
        joined.symlink_to(foreign)
        self.assertNotIn("7", self.given())
        joined.unlink()
        self.assertIn("7", self.given())
        self.assertEqual(self.given("revoke"), [])

    def test_groups_of_others(self):
        self.add("0000:00:05.0", "0x8086:0x1234")
        self.group(8, "0000:00:05.0")
        self.group(9)
        self.node("vfio/vfio")
        self.assertEqual(self.given(), sorted(BARS))

    def test_a_group_without_iommu(self):
        members = self.top / "sys/kernel/iommu_groups/0/devices"
        members.mkdir(parents=True)
        (members / "0000:00:04.0").symlink_to(self.ours)
        self.node("vfio/noiommu-0")
        self.assertIn("noiommu-0", self.given())

    def test_a_uio_node(self):
        (self.ours / "uio/uio3").mkdir(parents=True)
        self.node("uio3")
        self.node("uio4")
        self.assertEqual(self.given(), sorted([*BARS, "uio3"]))
        self.add("0000:00:05.0", "0x8086:0x1234", (0xFEBF1100, 0xFEBF11FF, 0x40200))
        self.assertEqual(self.given(), ["resource2", "resource2_wc"])

    def test_nodes_of_another_group(self):
        node = self.group(7, "0000:00:04.0")
        shutil.chown(node, group="tty")
        self.assertEqual(self.given(), sorted(BARS))
        self.run_script("revoke")
        self.assertEqual(node.group(), "tty")

    def test_a_device_that_loses_its_files(self):
        (self.ours / "resource").unlink()
        subprocess.run(["sh", self.script, "update"], capture_output=True, check=False)
        self.assertNotEqual((self.ours / "resource0").group(), GROUP)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("only root can give files away")
        sys.exit(77)
    unittest.main(verbosity=0)
