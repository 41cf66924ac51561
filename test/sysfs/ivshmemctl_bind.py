# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_bind.py MAKE_TREES IVSHMEMCTL: bind and unbind with --dry-run on captured trees."""

import subprocess
import unittest

from ivshmemctl_trees import ADDRESS, DEVICE, Trees


class Bind(Trees):
    def commands(self, *words):
        return self.run_tool(*words, "--dry-run").stdout.splitlines()

    def refused(self, *words, status=1):
        done = self.run_tool(*words, status=status)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr

    def test_vfio_is_the_default_with_a_group(self):
        self.assertEqual(self.commands("bind", "--sysroot", "other-driver"), [
            "modprobe vfio-pci",
            "modprobe vfio_iommu_type1",
            f"echo {ADDRESS} >/sys/bus/pci/drivers/uio_ivshmem/unbind",
            f"echo vfio-pci >{DEVICE}/driver_override",
            f"echo {ADDRESS} >/sys/bus/pci/drivers/vfio-pci/bind",
            "timeout 5 sh -c 'until [ -c /dev/vfio/4 ]; do sleep 0.1; done'",
        ])

    def test_igb_uio_is_the_default_without_a_group(self):
        self.modules("no-driver", "uio/igb_uio")
        self.assertEqual(self.commands("bind", "--sysroot", "no-driver", ADDRESS), [
            "modprobe igb_uio intr_mode=msix wc_activate=1",
            f"echo igb_uio >{DEVICE}/driver_override",
            f"echo {ADDRESS} >/sys/bus/pci/drivers/igb_uio/bind",
            f"timeout 5 sh -c 'until [ -c /dev/$(ls {DEVICE}/uio) ]; do sleep 0.1; done'",
        ])

    def test_no_default_without_either(self):
        self.modules("no-driver", "uio/uio_pci_generic")
        printed = self.refused("bind", "--sysroot", "no-driver", "--dry-run")
        for words in (ADDRESS, "intel-iommu", "dpdk-kmods-dkms", "--driver none"):
            self.assertIn(words, printed)

    def test_nothing_to_do(self):
        for words in (("bind", "--sysroot", "vfio"), ("bind", "--driver", "igb_uio", "--sysroot", "igb_uio"),
                      ("bind", "--driver", "none", "--sysroot", "no-driver"), ("unbind", "--sysroot", "no-driver")):
            with self.subTest(words=words):
                done = self.run_tool(*words, "--dry-run")
                self.assertEqual(done.stdout, "")
                self.assertIn("nothing to do", done.stderr)

    def test_two_devices_load_a_module_once(self):
        for address in (ADDRESS, "0000:00:05.0"):
            (self.top / "vfio-pair/sys/bus/pci/devices" / address / "driver").unlink()
        lines = self.commands("bind", "--sysroot", "vfio-pair", "00:04.0", "00:05.0", "00:04.0")
        self.assertEqual(len([line for line in lines if line == "modprobe vfio-pci"]), 1)
        self.assertEqual(len([line for line in lines if line.endswith("/vfio-pci/bind")]), 2)

    def test_none(self):
        self.assertEqual(self.commands("bind", "--driver", "none", "--sysroot", "uio_pci_generic"), [
            f"echo {ADDRESS} >/sys/bus/pci/drivers/uio_pci_generic/unbind",
            f"echo 1 >{DEVICE}/enable",
            f"mkdir -p /run/ivshmemctl && echo {ADDRESS} >/run/ivshmemctl/{ADDRESS}.enabled",
        ])

    def no_iommu_mode(self, tree, value):
        self.write(tree, "sys/module/vfio/parameters/enable_unsafe_noiommu_mode", f"{value}\n")

    def test_no_iommu(self):
        parameter = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
        record = "/run/ivshmemctl/no-iommu"
        bind = ("bind", "--no-iommu", "--sysroot", "no-driver")
        wanted = [
            "modprobe vfio-pci",
            f"mkdir -p /run/ivshmemctl && echo N >{record}",
            f"echo Y >{parameter}",
            f"echo vfio-pci >{DEVICE}/driver_override",
            f"echo {ADDRESS} >/sys/bus/pci/drivers/vfio-pci/bind",
            f"timeout 5 sh -c 'until [ -c /dev/vfio/noiommu-$(basename $(readlink {DEVICE}/iommu_group)) ]; "
            "do sleep 0.1; done'",
        ]
        self.assertEqual(self.commands(*bind), wanted) # whether the kernel has it is unknown yet
        self.no_iommu_mode("no-driver", "N")
        self.assertEqual(self.commands(*bind), wanted)
        self.no_iommu_mode("no-driver", "Y")
        self.assertEqual(self.commands(*bind), wanted[:1] + wanted[3:])
        # The mode that bind switched on is switched off with the last device.
        self.no_iommu_mode("noiommu", "Y")
        unbind = ("unbind", "--sysroot", "noiommu")
        self.assertNotIn(f"echo N >{parameter}", self.commands(*unbind))
        self.write("noiommu", record[1:], "N\n")
        end = [f"echo N >{parameter}", f"rm -f {record}"]
        self.assertEqual(self.commands(*unbind)[-2:], end)
        self.assertEqual(self.commands("bind", "--driver", "none", "--sysroot", "noiommu")[-2:], end)
        self.assertEqual(self.commands("bind", "--no-iommu", "--sysroot", "noiommu"), [])
        group = self.top / "noiommu/sys/kernel/iommu_groups/1"
        (group / "devices/0000:00:09.0").mkdir(parents=True)
        (group / "name").write_text("vfio-noiommu\n")
        self.assertNotIn(end[0], self.commands(*unbind))

    def test_no_iommu_is_refused(self):
        bind = ("bind", "--no-iommu", "--dry-run", "--sysroot")
        self.assertIn("the machine has an IOMMU", self.refused(*bind, "vfio"))
        self.assertIn("the machine has an IOMMU", self.refused(*bind, "other-driver"))
        self.write("no-driver", "sys/module/vfio/version", "0.3\n")
        printed = self.refused(*bind, "no-driver")
        self.assertIn("has no no-IOMMU mode", printed)
        self.assertIn("intel-iommu", printed)
        self.assertIn("vfio-pci", self.refused(*bind, "no-driver", "--driver", "none"))
        self.assertIn("modprobe.d", self.refused(*bind, "no-driver", "--persist"))

    def test_persist(self):
        self.write("vfio", "run/udev/control", "")
        lines = self.commands("bind", "--persist", "--sysroot", "vfio")
        text = "\n".join(lines)
        rules = f"/etc/udev/rules.d/61-ivshmemctl-{ADDRESS}.rules"
        self.assertTrue(lines[0].startswith("mkdir -p /etc/udev/rules.d && echo '# "), text)
        self.assertTrue(text.endswith(f" >{rules}"), text)
        for words in ('KERNEL=="0000:00:04.0"', 'ATTR{vendor}=="0x1af4"', 'ATTR{device}=="0x1110"',
                      'ATTR{driver_override}="vfio-pci"', 'RUN+="/sbin/modprobe vfio-pci"'):
            self.assertIn(words, text)
        # unbind finds the line that a shell has written.
        script = text.replace("/etc/", f"{self.top}/vfio/etc/")
        subprocess.run(["sh", "-e", "-c", script], check=True)
        self.assertEqual(self.commands("bind", "--persist", "--sysroot", "vfio"), [])
        self.assertIn(f"rm -f {rules}", self.commands("unbind", "--sysroot", "vfio"))

    def test_persist_is_refused(self):
        self.assertIn("udev does not run", self.refused("bind", "--persist", "--dry-run", "--sysroot", "vfio"))
        self.write("vfio", f"etc/driverctl.d/pci-{ADDRESS}", "uio_pci_generic\n")
        printed = self.refused("bind", "--persist", "--dry-run", "--sysroot", "vfio")
        self.assertIn(f"driverctl unset-override {ADDRESS}", printed)
        self.assertIn("--persist", self.refused("bind", "--persist", "--driver", "none", "--sysroot", "vfio"))

    def high(self, tree):
        """Move BAR2 above 4 GiB, into a range that the firmware made uncachable."""
        resource = self.top / tree / "sys/bus/pci/devices" / ADDRESS / "resource"
        lines = resource.read_text().splitlines()
        lines[2] = "0x000000e000000000 0x000000e0003fffff 0x000000000014220c"
        resource.write_text("\n".join(lines) + "\n")
        self.write(tree, "proc/mtrr",
                   "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n"
                   "reg03: base=0xe000000000 (917504MB), size= 32768MB, count=1: uncachable\n")

    def test_cached(self):
        self.high("vfio")
        record = f"/run/ivshmemctl/{ADDRESS}.mtrr-0xe000000000-0x800000000"
        line = "base=0xe000000000 size=0x800000000 type=uncachable"
        self.assertEqual(self.commands("bind", "--cached", "--sysroot", "vfio"), [
            f"mkdir -p /run/ivshmemctl && echo '{line}' >{record}",
            "echo disable=3 >/proc/mtrr",
        ])
        # Each range is dropped once; one that another device had dropped is recorded for this one,
        # too.
        self.write("vfio", "proc/mtrr", "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n")
        self.assertEqual(self.commands("bind", "--cached", "--sysroot", "vfio"), [])
        other = record.replace(ADDRESS, "0000:00:09.0")
        self.write("vfio", other[1:], line)
        self.assertEqual(self.commands("bind", "--cached", "--sysroot", "vfio"),
                         [f"mkdir -p /run/ivshmemctl && echo '{line}' >{record}"])
        # The last device restores it.
        self.write("vfio", record[1:], line)
        self.assertNotIn(f"echo '{line}' >/proc/mtrr", self.commands("unbind", "--sysroot", "vfio"))
        (self.top / "vfio" / other[1:]).unlink()
        self.assertEqual(self.commands("unbind", "--sysroot", "vfio")[-2:],
                         [f"rm -f {record}", f"echo '{line}' >/proc/mtrr"])

    def test_cached_is_refused(self):
        self.assertIn("MTRR", self.refused("bind", "--cached", "--dry-run", "--sysroot", "vfio"))
        self.write("vfio", "proc/mtrr", "reg00: base=0x080000000 ( 2048MB), size= 2048MB, count=1: uncachable\n")
        self.assertIn("below 4 GiB", self.refused("bind", "--cached", "--dry-run", "--sysroot", "vfio"))
        self.high("vfio")
        self.write("vfio", "sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        self.assertIn("locked down", self.refused("bind", "--cached", "--dry-run", "--sysroot", "vfio"))

    def test_refusals(self):
        printed = self.refused("bind", "--sysroot", "vfio-not-viable", "--driver", "vfio-pci", "--dry-run", "0000:00:03.0",
                            status=32)
        self.assertIn("0000:00:03.0", printed)
        (self.top / "vfio-not-viable/sys/bus/pci/devices" / ADDRESS / "driver").unlink()
        printed = self.refused("bind", "--dry-run", "--sysroot", "vfio-not-viable")
        self.assertIn("0000:00:03.0 is still bound to e1000e", printed)
        self.assertIn("no IOMMU group", self.refused("bind", "--driver", "vfio-pci", "--dry-run", "--sysroot", "no-driver"))
        self.modules("no-driver", "vfio/vfio-pci")
        printed = self.refused("bind", "--driver", "igb_uio", "--dry-run", "--sysroot", "no-driver")
        self.assertIn("apt install dpdk-kmods-dkms", printed)
        self.assertIn("ivshmem-v2", self.refused("bind", "--driver", "none", "--dry-run", "--sysroot", "jailhouse"))
        # If one of several devices cannot be bound, none is changed.
        printed = self.refused("bind", "--driver", "vfio-pci", "--dry-run", "--sysroot", "unprivileged", "index:0", "index:1")
        self.assertIn(ADDRESS, printed)

    def test_bad_input(self):
        self.assertIn("--dry-run", self.refused("bind", "--sysroot", "other-driver"))
        self.assertIn("--dry-run", self.refused("unbind", "--sysroot", "vfio"))
        self.assertIn("--driver", self.refused("bind", "--driver", "e1000e", "--sysroot", "vfio"))
        self.refused("bind", "--sysroot", "vfio", "00:07.0", status=32)
        self.refused("unbind", "--sysroot", "vfio", "00:07.0", status=32)
        self.refused("unbind", "--sysroot", "empty", status=32)
        self.refused("bind", "--sysroot", "vfio", "eth0")
        self.refused("bind", "--sysroot", "vfio", "server:/run/none")
        self.refused("unbind", "--frobnicate")
        self.assertIn("0000:01:01.0", self.refused("bind", "--sysroot", "many", "--dry-run"))

    def test_a_closed_pipe(self):
        self.reports_a_full_output("bind", "--dry-run", "--sysroot", "other-driver")

    def test_help(self):
        self.names_options("bind", "--driver", "--persist", "--cached", "--no-iommu", "--dry-run")
        self.names_options("unbind", "--dry-run")


if __name__ == "__main__":
    unittest.main()
