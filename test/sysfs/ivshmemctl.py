# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl.py MAKE_TREES IVSHMEMCTL: doctor, and bind and unbind with --dry-run, on captured trees."""

import gzip
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

IVSHMEMCTL = pathlib.Path(sys.argv.pop()).resolve()
MAKE_TREES = pathlib.Path(sys.argv.pop()).resolve()

ADDRESS = "0000:00:04.0"
DEVICE = f"/sys/bus/pci/devices/{ADDRESS}"
RELEASE = "6.1.0-1-amd64"


class Trees(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-trees-"))
        self.addCleanup(shutil.rmtree, self.top)
        subprocess.run([MAKE_TREES, self.top], check=True)

    def run_tool(self, *words, status=0):
        done = subprocess.run([IVSHMEMCTL, *words], cwd=self.top, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
        self.assertEqual(done.returncode, status, f"{words}\n{done.stdout}\n{done.stderr}")
        self.assertNotIn("terminate called", done.stderr)
        return done

    def write(self, tree, path, content):
        file = self.top / tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def modules(self, tree, *names):
        """Give the kernel of this tree these modules and no others."""
        self.write(tree, "proc/sys/kernel/osrelease", f"{RELEASE}\n")
        lines = "".join(f"kernel/drivers/{name}.ko.xz: kernel/drivers/base.ko.xz\n" for name in names)
        self.write(tree, f"lib/modules/{RELEASE}/modules.dep", lines)


class Doctor(Trees):
    def doctor(self, tree, *words, status):
        done = self.run_tool("doctor", "-J", "--sysroot", tree, *words, status=status)
        document = json.loads(done.stdout)
        self.assertEqual(document["version"], 1)
        self.assertEqual(document["works"], status == 0)
        for check in document["checks"]:
            self.assertIn(check["status"], ("ok", "warn", "fail", "skip"))
            self.assertNotEqual(check["finding"], "")
        return {check["name"]: check for check in document["checks"]}

    def failed(self, tree, *words, status=64):
        return sorted(name for name, check in self.doctor(tree, *words, status=status).items()
                      if check["status"] == "fail")

    def test_usable_devices(self):
        for tree in ("vfio", "plain", "igb_uio", "acrn-dm", "cloud-hypervisor"):
            with self.subTest(tree=tree):
                self.assertEqual(self.failed(tree, status=0), [])

    def test_unusable_devices(self):
        for tree, wanted in (
            ("vfio-not-viable", ["IOMMU group"]),
            ("uio_pci_generic", ["driver", "vIOMMU"]),
            ("no-driver", ["driver", "vIOMMU"]),
            ("other-driver", ["driver"]),
            ("jailhouse", ["BARs", "driver"]),
            ("no-bar2", ["BARs"]),
            ("config-gone", ["device"]),
            ("noiommu", ["node"]),
        ):
            with self.subTest(tree=tree):
                self.assertLessEqual(set(wanted), set(self.failed(tree)))

    def test_every_tree(self):
        # Whatever a tree contains, the tool never hangs or crashes, and prints something.
        for tree in sorted(path.name for path in self.top.iterdir()):
            with self.subTest(tree=tree):
                done = subprocess.run([IVSHMEMCTL, "doctor", "--sysroot", tree, "index:0"], cwd=self.top, text=True,
                                      capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
                self.assertIn(done.returncode, (0, 1, 32, 64), done.stderr)
                self.assertNotEqual(done.stdout + done.stderr, "")

    def test_next_steps(self):
        found = self.doctor("no-driver", status=64)
        self.assertIn("intel-iommu,intremap=on", found["vIOMMU"]["next"])
        self.assertIn("igb_uio", found["vIOMMU"]["next"])
        found = self.doctor("other-driver", status=64)
        self.assertEqual(found["driver"]["next"], f"ivshmemctl bind --driver vfio-pci {ADDRESS}")
        self.assertIn("0000:00:03.0 is still bound to e1000e", self.doctor("vfio-not-viable", status=64)["IOMMU group"]["finding"])
        for tree in ("vfio", "plain"):
            for name in ("open", "write-back", "write-combining", "uncached", "self-ring"):
                self.assertEqual(self.doctor(tree, status=0)[name]["status"], "skip")

    def test_the_kernel(self):
        self.modules("no-driver", "vfio/vfio_pci", "uio/igb-uio")
        found = self.doctor("no-driver", status=64)
        self.assertIn("vfio-pci not loaded", found["modules"]["finding"])
        self.assertIn("vfio_iommu_type1 missing", found["modules"]["finding"])
        self.assertEqual(found["modules"]["status"], "ok")
        self.assertIn(f"ivshmemctl bind --driver igb_uio {ADDRESS}", found["vIOMMU"]["next"])
        self.assertEqual(found["driver"]["next"], f"ivshmemctl bind --driver igb_uio {ADDRESS}")
        self.modules("vfio", "uio/uio_pci_generic")
        found = self.doctor("vfio", status=64)
        self.assertEqual(found["modules"]["status"], "fail")
        self.assertIn(f"{RELEASE} has no vfio-pci", found["modules"]["finding"])
        self.assertIn("linux-image", found["modules"]["next"])

    def test_the_kernel_s_configuration(self):
        self.assertEqual(self.doctor("vfio", status=0)["kernel config"]["status"], "skip")
        text = "#\nCONFIG_PCI=y\nCONFIG_VFIO_PCI=m\n# CONFIG_VFIO_NOIOMMU is not set\nCONFIG_STRICT_DEVMEM=y\n"
        packed = gzip.compress(text.encode() + b"# more\n" * 10000, mtime=0)
        self.write("vfio", "proc/sys/kernel/osrelease", RELEASE)
        for path, content in (("proc/config.gz", packed), (f"boot/config-{RELEASE}", text)):
            self.write("vfio", path, content)
            found = self.doctor("vfio", status=0)["kernel config"]
            self.assertEqual(found["status"], "ok")
            for words in (path, " VFIO_PCI=m", " VFIO_NOIOMMU=n", " STRICT_DEVMEM=y", " IO_STRICT_DEVMEM=n"):
                self.assertIn(words, found["finding"])
        for cut in (packed[:-1000], packed[:12], b"", b"\x1f\x8b\x08\x00" + b"\xff" * 40):
            self.write("plain", "proc/config.gz", cut)
            self.assertEqual(self.doctor("plain", status=0)["kernel config"]["status"], "skip")
        self.write("vfio", f"boot/config-{RELEASE}", "CONFIG_PCI=y\nCONFIG_NET=y\n")
        self.assertEqual(self.failed("vfio"), ["kernel config"])

    def test_lockdown(self):
        for mode, status in (("[none] integrity confidentiality", "ok"), ("none [integrity] confidentiality", "warn")):
            self.write("vfio", "sys/kernel/security/lockdown", mode + "\n")
            self.assertEqual(self.doctor("vfio", status=0)["lockdown"]["status"], status)
        self.write("plain", "sys/kernel/security/lockdown", "none integrity [confidentiality]\n")
        self.assertEqual(self.failed("plain"), ["lockdown"])

    def test_remapping(self):
        for text, status, end in (
            ("  0: 7 IR-IO-APIC 2-edge timer\n", "ok", 0),
            ("  0: 7 IO-APIC 2-edge timer\n", "fail", 64),
            ("  0: 7 GICv3 27 timer\n", "skip", 0),
        ):
            with self.subTest(text=text):
                self.write("vfio", "proc/interrupts", text)
                self.assertEqual(self.doctor("vfio", status=end)["remapping"]["status"], status)
        self.write("vfio", "proc/interrupts", "  0: 7 IO-APIC 2-edge timer\n")
        self.write("vfio", "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n")
        self.assertEqual(self.doctor("vfio", status=0)["remapping"]["status"], "warn")

    def test_a_vIOMMU_that_the_kernel_does_not_use(self):
        self.write("no-driver", "sys/firmware/acpi/tables/DMAR", "")
        found = self.doctor("no-driver", status=64)["vIOMMU"]
        self.assertEqual(found["status"], "fail")
        self.assertIn("intel_iommu=on", found["next"])

    def test_no_iommu_mode(self):
        self.write("no-driver", "sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n")
        offer = ("warn", f"ivshmemctl bind --no-iommu {ADDRESS}")
        found = self.doctor("no-driver", status=64)["no-IOMMU mode"]
        self.assertEqual((found["status"], found["next"]), offer)
        # It is not offered beside a vIOMMU, or if the kernel lacks it.
        self.write("no-driver", "sys/firmware/acpi/tables/DMAR", "")
        found = self.doctor("no-driver", status=64)["no-IOMMU mode"]
        self.assertEqual((found["status"], found["next"]), ("skip", None))
        (self.top / "no-driver/sys/firmware/acpi/tables/DMAR").unlink()
        self.write("no-driver", "sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n")
        self.assertEqual(self.doctor("no-driver", status=64)["no-IOMMU mode"]["status"], "ok")
        shutil.rmtree(self.top / "no-driver/sys/module/vfio/parameters")
        self.assertIn("is not set", self.doctor("no-driver", status=64)["no-IOMMU mode"]["finding"])
        # Before the module is loaded, the kernel's configuration says so.
        shutil.rmtree(self.top / "no-driver/sys/module/vfio")
        self.assertIn("does not report", self.doctor("no-driver", status=64)["no-IOMMU mode"]["finding"])
        for line, wanted in (("CONFIG_VFIO_NOIOMMU=y", offer), ("CONFIG_UIO=m", ("skip", None))):
            self.write("no-driver", "proc/sys/kernel/osrelease", RELEASE)
            self.write("no-driver", f"boot/config-{RELEASE}", f"#\nCONFIG_VFIO_PCI=m\n{line}\n")
            found = self.doctor("no-driver", status=64)["no-IOMMU mode"]
            self.assertEqual((found["status"], found["next"]), wanted)

    def test_acrns_driver_delivers_interrupts(self):
        found = self.doctor("acrn-kernel", status=0)
        self.assertEqual((found["driver"]["status"], found["vIOMMU"]["status"]), ("ok", "skip"))
        self.assertIn("uio_pci_generic of ACRN's kernel", found["driver"]["finding"])
        self.assertIn("8 vectors", found["MSI-X"]["finding"])

    def test_other_registers(self):
        found = self.doctor("axvisor", status=64)["BARs"]
        self.assertEqual(found["status"], "warn")
        self.assertIn("BAR0 of ivshmem v1 has 256 bytes", found["finding"])

    def test_text(self):
        done = self.run_tool("doctor", "--sysroot", "uio_pci_generic", status=64)
        lines = done.stdout.splitlines()
        self.assertIn("FAIL  driver           uio_pci_generic delivers no interrupts of this device", lines)
        self.assertRegex(lines[-1], rf"^{ADDRESS}: \d checks failed; begin with vIOMMU$")
        self.assertTrue(any(line.startswith("      try: ") for line in lines))
        self.assertNotIn("\x1b", done.stdout)
        done = self.run_tool("doctor", "--color", "--sysroot", "uio_pci_generic", status=64)
        self.assertIn("\x1b[1;31mFAIL\x1b[0m", done.stdout)

    def test_no_device_and_too_many(self):
        done = self.run_tool("doctor", "--sysroot", "empty", status=32)
        self.assertTrue(done.stdout.startswith("FAIL  device "), done.stdout)
        self.assertEqual(self.failed("empty", status=32), ["device"])
        self.assertEqual(self.failed("vfio", "00:07.0", status=32), ["device"])
        self.assertIn("0000:01:02.0", self.run_tool("doctor", "--sysroot", "many", status=1).stderr)
        self.assertEqual(self.failed("many", "0000:01:01.0", status=0), [])
        self.assertEqual(self.failed("many", "-D", "0000:01:01.0", status=0), [])
        self.run_tool("doctor", "--sysroot", "many", "0000:01:01.0", "0000:01:02.0", status=1)
        self.run_tool("doctor", "--sysroot", "vfio", "eth0", status=1)
        self.run_tool("doctor", "--socket", "/run/none", status=1)


class Info(Trees):
    def info(self, tree, *words):
        done = self.run_tool("info", "--sysroot", tree, *words, status=1)
        self.assertIn("a captured tree has no device to open", done.stderr)
        return done.stdout

    def test_v2(self):
        text = self.info("jailhouse")
        self.assertIn("\nprotocol       0x0001, Ethernet\n", text)
        self.assertIn("\nsections       state table 4K, read/write 0B, output 64K a peer\n", text)
        # It is a register, which only an open device has.
        self.assertNotIn("max peers", text)
        printed = json.loads(self.info("jailhouse", "-J"))
        self.assertEqual((printed["generation"], printed["protocol"]), ("v2", 1))
        self.assertEqual(printed["sections"],
                         {"state_table": 4096, "read_write": 0, "output": 65536, "base": 0x3ff00000})

    def test_v1(self):
        text = self.info("vfio")
        self.assertNotIn("protocol", text)
        self.assertNotIn("sections", text)
        printed = json.loads(self.info("vfio", "-J"))
        self.assertEqual((printed["protocol"], printed["sections"]), (None, None))


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
        for words in (("bind", "--dry-run", "--sysroot", "other-driver"), ("doctor", "--sysroot", "vfio")):
            with open("/dev/full", "w") as full:
                done = subprocess.run([IVSHMEMCTL, *words], cwd=self.top, stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("could not be written", done.stderr)

    def test_help(self):
        for subcommand, options in (("bind", "--driver --persist --cached --no-iommu --dry-run"), ("unbind", "--dry-run"),
                                    ("doctor", "DEVICE")):
            text = self.run_tool(subcommand, "--help").stdout
            for option in options.split():
                self.assertIn(option, text)


if __name__ == "__main__":
    unittest.main()
