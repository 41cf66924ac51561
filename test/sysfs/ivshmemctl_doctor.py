# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_doctor.py MAKE_TREES IVSHMEMCTL: doctor and info on captured trees."""

import gzip
import json
import shutil
import subprocess
import unittest

from ivshmemctl_trees import ADDRESS, DEVICE, IVSHMEMCTL, RELEASE, Trees


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

    def test_forwarder(self):
        """The configuration is that of the tree; ivshmem-forward reads it."""
        self.assertNotIn("ivshmem-forward", self.doctor("vfio", status=0))
        self.assertIsNone(json.loads(self.run_tool("info", "-J", "--sysroot", "vfio", status=1).stdout)["forward"])
        file = "etc/ivshmem/forward.d/a.conf"
        self.write("vfio", file, "offer = web\nfrom = unix:/run/web\nlisten = tcp:127.0.0.1:80\nto = other@1\n")
        found = self.doctor("vfio", status=0)["ivshmem-forward"]
        text = "configured; offers web from unix:/run/web; listens at tcp:127.0.0.1:80 for other@1"
        self.assertEqual((found["status"], found["finding"], found["next"]), ("ok", text, None))
        self.assertIn(f"forward        {text}\n", self.run_tool("info", "--sysroot", "vfio", status=1).stdout)
        self.write("vfio", file, "offer = web\nfrom = unix:/run/web\nallow = 1,2\n")
        found = self.doctor("vfio", status=0)["ivshmem-forward"]
        self.assertEqual(found["status"], "warn")
        self.assertIn("for slots 1,2; any VM of an ivshmem v1 device can pose as any slot", found["finding"])
        self.assertIn("ssh and TLS", found["next"])
        self.write("vfio", file, "offer = web\n")
        found = self.doctor("vfio", status=0)["ivshmem-forward"]
        self.assertEqual(found["status"], "warn")
        self.assertIn("a.conf:1: offer: it needs from", found["finding"])

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

    def test_a_closed_pipe(self):
        self.reports_a_full_output("doctor", "--sysroot", "vfio")

    def test_help(self):
        self.names_options("doctor", "DEVICE")


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


if __name__ == "__main__":
    unittest.main()
