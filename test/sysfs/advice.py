# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""advice.py MAKE_TREES LSIVSHMEM IVSHMEMCTL: all tools give one advice, and the machine can follow it."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

IVSHMEMCTL, LSIVSHMEM, MAKE_TREES = (pathlib.Path(sys.argv.pop()).resolve() for _ in range(3))

ADDRESS = "0000:00:04.0"
DEVICE = f"sys/bus/pci/devices/{ADDRESS}"
RELEASE = "6.1.0-1-amd64"
CAP_SYS_ADMIN = 21
"""capabilities(7), <linux/capability.h>."""


class Machine(unittest.TestCase):
    before: tuple = ()
    """A command that runs the tools."""

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-advice-"))
        self.addCleanup(shutil.rmtree, self.top)

    @property
    def tree(self):
        return self._tree

    @tree.setter
    def tree(self, path):
        """Use a copy of this machine, which the test may change."""
        self._tree = path
        if not path.exists():
            subprocess.run(["cp", "-a", MACHINES / path.name, path], check=True)

    def write(self, path, text):
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def modules(self, *names):
        self.write("proc/sys/kernel/osrelease", f"{RELEASE}\n")
        self.write(f"lib/modules/{RELEASE}/modules.dep", "".join(f"kernel/{name}.ko:\n" for name in names))

    def tool(self, program, *words, status):
        done = subprocess.run([*self.before, program, "--sysroot", self.tree, *words], text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
        self.assertEqual(done.returncode, status, f"{words}\n{done.stdout}\n{done.stderr}")
        return done

    def listed(self, status=0):
        words = ("-J", "-o", "use,problem,remedy")
        return json.loads(self.tool(LSIVSHMEM, *words, status=status).stdout)["devices"][0]

    def doctor(self, status=64):
        document = json.loads(self.tool(IVSHMEMCTL, "doctor", "-J", status=status).stdout)
        return {check["name"]: check for check in document["checks"]}

    def info(self):
        return json.loads(self.tool(IVSHMEMCTL, "info", "-J", status=1).stdout)

    def commands(self):
        return self.tool(IVSHMEMCTL, "bind", "--dry-run", status=0).stdout.splitlines()

    def everywhere(self, remedy, listed=0):
        """Assert that lsivshmem, info and doctor give this advice, in whole or with others."""
        self.assertEqual(self.listed(listed)["remedy"], remedy)
        self.assertEqual(self.info()["remedy"], remedy)
        self.assertIn(remedy, [check["next"] for check in self.doctor().values()])


class OneAnswer(Machine):
    def test_a_plain_device_with_an_unusable_driver_needs_none(self):
        self.tree = self.top / "plain"
        (self.tree / "sys/bus/pci/drivers/kvmfr").mkdir(parents=True)
        (self.tree / DEVICE / "driver").symlink_to("../../../bus/pci/drivers/kvmfr")
        self.everywhere(f"ivshmemctl bind --driver none {ADDRESS}")
        self.assertIn(f"echo {ADDRESS} >/sys/bus/pci/drivers/kvmfr/unbind", self.commands())
        self.assertIn(f"echo 1 >/{DEVICE}/enable", self.commands())

    def test_a_plain_device_without_a_driver_is_fine(self):
        self.tree = self.top / "plain"
        self.assertEqual((self.listed()["use"], self.listed()["remedy"]), ("map", None))
        self.doctor(0)
        self.assertEqual(self.commands(), [])

    def test_a_doorbell_without_a_driver(self):
        self.tree = self.top / "no-driver"
        self.modules("igb_uio")
        self.everywhere(f"ivshmemctl bind --driver igb_uio {ADDRESS}")
        self.assertIn(f"echo igb_uio >/{DEVICE}/driver_override", self.commands())

    def test_a_doorbell_in_a_group_with_an_unusable_driver(self):
        self.tree = self.top / "other-driver"
        self.everywhere(f"ivshmemctl bind --driver vfio-pci {ADDRESS}")

    def test_bind_refuses_with_the_same_advice(self):
        self.tree = self.top / "no-driver"
        self.modules("uio")
        remedy = self.listed()["remedy"]
        self.everywhere(remedy)
        self.assertIn(remedy, self.tool(IVSHMEMCTL, "bind", "--dry-run", status=1).stderr)

    def test_ivshmem_v2_without_bar2_is_not_prepared_in_vain(self):
        self.tree = self.top / "jailhouse"
        self.everywhere("modprobe uio_ivshmem (a module of Jailhouse's Linux, drivers/uio/uio_ivshmem.c)")
        self.assertIn("ivshmem-v2", self.tool(IVSHMEMCTL, "bind", "--dry-run", status=1).stderr)

    def test_what_discovery_found_wrong_reaches_the_verdict(self):
        self.tree = self.top / "plain"
        (self.tree / DEVICE / "revision").write_text("new\n")
        self.assertIn("revision", self.listed(64)["problem"])
        found = self.doctor()
        self.assertEqual(found["device"]["status"], "fail")
        self.assertIn("revision", found["device"]["finding"])
        self.assertIn("revision", self.info()["problem"])

    def test_devices_that_could_not_be_examined(self):
        self.tree = self.top / "fifo-for-vendor"
        self.assertIn("vendor", self.doctor(0)["other devices"]["finding"])


class TheMachine(Machine):
    """What the vIOMMU check, and lsivshmem, advise for a doorbell without a group."""

    def setUp(self):
        super().setUp()
        self.tree = self.top / "no-driver"

    def advised(self, *wanted, unwanted=()):
        texts = self.doctor()["vIOMMU"]["next"] or "", self.listed()["remedy"]
        for text in texts:
            for words in wanted:
                self.assertIn(words, text)
            for words in unwanted:
                self.assertNotIn(words, text)

    def test_i440fx_has_no_viommu(self):
        self.write("sys/class/dmi/id/product_name", "Standard PC (i440FX + PIIX, 1996)\n")
        self.advised("q35", "-device intel-iommu,intremap=on")
        self.write("sys/class/dmi/id/product_name", "Standard PC (Q35 + ICH9, 2009)\n")
        self.advised("-device intel-iommu,intremap=on", unwanted=["machine type"])

    def test_arm_has_an_smmu(self):
        self.write("proc/sys/kernel/arch", "aarch64\n")
        self.advised("iommu=smmuv3", unwanted=["intel", "q35"])

    def test_an_unknown_architecture(self):
        self.write("proc/sys/kernel/arch", "riscv64\n")
        self.advised("start the VM with a vIOMMU", unwanted=["intel", "smmu"])

    def test_arm_gives_the_group_when_a_driver_is_bound(self):
        self.write("proc/sys/kernel/arch", "aarch64\n")
        (self.tree / "sys/class/iommu/smmu3.0x0000000009050000").mkdir(parents=True)
        self.everywhere(f"ivshmemctl bind --driver vfio-pci {ADDRESS}")
        self.assertEqual(self.doctor()["vIOMMU"]["status"], "ok")
        lines = self.commands()
        self.assertIn(f"echo {ADDRESS} >/sys/bus/pci/drivers/vfio-pci/bind", lines)
        self.assertNotIn("noiommu", "\n".join(lines))

    def test_intel(self):
        self.write("sys/firmware/acpi/tables/DMAR", "")
        self.advised("add intel_iommu=on to the kernel's command line")
        self.write("proc/cmdline", "quiet intel_iommu=sm_on,off\n")
        self.advised("remove off of intel_iommu=sm_on,off from, and add intel_iommu=on to, the kernel's")
        self.write("proc/cmdline", "intel_iommu=on iommu=off\n")
        self.advised("remove iommu=off from the kernel's command line", unwanted=["add intel_iommu=on"])
        self.write("proc/cmdline", "intel_iommu=on\n")
        self.advised("dmesg | grep", unwanted=["add intel_iommu=on", "remove "])

    def test_parameters_that_are_set_are_not_advised(self):
        self.write("proc/cmdline", "intel_iommu=on iommu=pt\n")
        self.advised("-device intel-iommu,intremap=on", unwanted=["Linux: intel_iommu=on"])
        self.write("proc/cmdline", "intel_iommu=off\n")
        self.advised("remove intel_iommu=off from the kernel's command line")

    def test_amd(self):
        self.write("sys/firmware/acpi/tables/IVRS", "")
        self.write("proc/cmdline", "amd_iommu=off\n")
        self.advised("remove amd_iommu=off from the kernel's command line", unwanted=["intel"])
        self.write("proc/cmdline", "quiet\n")
        self.advised("dmesg | grep -e AMD-Vi", unwanted=["intel"])

    def test_virtio(self):
        self.write("sys/firmware/acpi/tables/VIOT", "")
        self.modules("vfio-pci")
        self.advised("CONFIG_VIRTIO_IOMMU")
        self.modules("virtio-iommu")
        self.advised("modprobe virtio_iommu", unwanted=["intel"])

    def test_a_device_outside_of_the_viommu(self):
        (self.tree / "sys/class/iommu/dmar0").mkdir(parents=True)
        self.advised("bus=pcie.0", unwanted=["start the VM with a vIOMMU", "intel_iommu"])

    def test_remapping_is_advised_for_the_viommu_that_is_there(self):
        self.tree = self.top / "vfio"
        self.write("proc/interrupts", "  0: 7 IO-APIC 2-edge timer\n")
        self.assertIn("intel-iommu,intremap=on", self.doctor()["remapping"]["next"])
        (self.tree / "sys/class/iommu/ivhd0").mkdir(parents=True)
        self.assertIn("amd-iommu,intremap=on", self.doctor()["remapping"]["next"])
        self.write("proc/cmdline", "intremap=off\n")
        self.assertIn("remove intremap=off", self.doctor()["remapping"]["next"])

    def test_igb_uio_that_was_loaded_before(self):
        self.modules("igb_uio")
        self.write("sys/module/igb_uio/parameters/intr_mode", "legacy\n")
        self.everywhere(f"rmmod igb_uio && ivshmemctl bind --driver igb_uio {ADDRESS}")
        self.assertIn("rmmod igb_uio", self.tool(IVSHMEMCTL, "bind", "--dry-run", status=1).stderr)
        self.write("sys/module/igb_uio/parameters/intr_mode", "(null)\n")
        self.everywhere(f"ivshmemctl bind --driver igb_uio {ADDRESS}")

    def test_igb_uio_that_is_bound_and_was_loaded_before(self):
        self.tree = self.top / "igb_uio"
        self.write("sys/module/igb_uio/parameters/intr_mode", "legacy\n")
        self.everywhere(f"ivshmemctl unbind {ADDRESS} && rmmod igb_uio && ivshmemctl bind --driver igb_uio {ADDRESS}")
        self.assertNotIn("interrupt", self.listed()["use"])

    def test_no_apt(self):
        self.write("etc/os-release", "ID=fedora\n")
        self.advised("install the module igb_uio", unwanted=["apt"])
        self.write("etc/os-release", "ID=ubuntu\nID_LIKE=debian\n")
        self.advised("apt install")


def has_capability(number):
    status = pathlib.Path("/proc/self/status").read_text()
    return os.geteuid() == 0 and int(re.search(r"CapEff:\s*(\w+)", status)[1], 16) >> number & 1 == 1


class Privileges(Machine):
    """INTx, which uio_pci_generic delivers masked, is only for a process that may unmask it."""

    def setUp(self):
        super().setUp()
        self.tree = self.top / "rev0-intx"

    @unittest.skipUnless(has_capability(CAP_SYS_ADMIN), "this process is not root")
    def test_root(self):
        self.assertEqual((self.listed()["use"], self.listed()["problem"]), ("map ring interrupt", None))
        found = self.doctor(0)
        self.assertEqual((found["driver"]["status"], found["vIOMMU"]["status"]), ("ok", "skip"))
        self.assertIn("uio_pci_generic, with INTx", found["driver"]["finding"])
        self.assertIn("INTx instead", found["MSI-X"]["finding"])

    def test_others(self):
        if has_capability(CAP_SYS_ADMIN):
            self.before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
        self.assertEqual(self.listed()["use"], "map ring")
        self.assertIn("only root may unmask", self.listed()["problem"])
        self.everywhere("run the program as root")


class Parts(Machine):
    def test_kernels_without_msi(self):
        for tree in ("vfio", "igb_uio", "no-driver"):
            for line, words in (("pci=nomsi", "remove pci=nomsi from"), ("a pci=noaer,nomsi b", "remove nomsi of pci=noaer,nomsi"),
                                ("nolapic", "remove nolapic")):  # fmt: skip
                with self.subTest(tree=tree, line=line):
                    self.tree = self.top / tree
                    self.write("proc/cmdline", f"{line}\n")
                    self.assertIn(words, self.listed()["remedy"])
                    self.assertEqual(self.listed()["use"], "map ring")
                    self.everywhere(self.listed()["remedy"])
                    self.assertEqual(self.doctor()["MSI-X"]["status"], "fail")
        self.tree = self.top / "plain"
        self.write("proc/cmdline", "pci=nomsi\n")
        self.doctor(0)

    def bar2(self, line, register=None):
        path = self.tree / DEVICE / "resource"
        lines = path.read_text().splitlines()
        lines[2] = line
        path.write_text("\n".join(lines) + "\n")
        if register is not None:
            config = bytearray((self.tree / DEVICE / "config").read_bytes())
            config[0x18:0x20] = register.to_bytes(8, "little")
            (self.tree / DEVICE / "config").write_bytes(config)

    def test_a_bar_that_the_kernel_could_not_place(self):
        for line, register in (
            ("0x0000000000000000 0x0000000fffffffff 0x000000002014220c", None),
            ("0x0000000000000000 0x0000000000000000 0x000000002014220c", None),
            ("0x0000000000000000 0x0000000000000000 0x0000000000000000", 0xC),
        ):
            with self.subTest(line=line):
                self.tree = self.top / "vfio"
                self.bar2(line, register)
                self.assertIn("no place for BAR2", self.listed(64)["problem"])
                self.assertEqual(self.listed(64)["use"], "none")
                self.assertIn("pref64-reserve", self.doctor()["BARs"]["next"])
                self.everywhere(self.listed(64)["remedy"], 64)

    def test_a_bar_that_the_device_lacks(self):
        self.tree = self.top / "vfio"
        self.bar2("0x0000000000000000 0x0000000000000000 0x0000000000000000", 0)
        self.assertIn("there is no BAR2", self.listed()["problem"])

    def test_lockdown(self):
        self.tree = self.top / "plain"
        self.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        self.everywhere(self.listed()["remedy"])
        self.assertEqual(self.listed()["use"], "none")

    def test_a_captured_tree_is_no_device(self):
        for tree in ("plain", "vfio", "no-driver", "igb_uio"):
            self.tree = self.top / tree
            for words in ("info", "dump 0 16", "read -o /dev/null", "peers", "bench", "ring 0 0", "wait"):
                with self.subTest(tree=tree, words=words):
                    self.assertIn("a captured tree has no device to open",
                                  self.tool(IVSHMEMCTL, *words.split(), status=1).stderr)

    def test_other_ids(self):
        self.tree = self.top / "empty"
        for status, words in ((32, [LSIVSHMEM, "00:03.0"]), (32, [IVSHMEMCTL, "-D", "00:03.0", "doctor"]),
                              (32, [IVSHMEMCTL, "-D", "00:03.0", "info"])):  # fmt: skip
            done = self.tool(*words, status=status)
            self.assertIn("0000:00:03.0: is the PCI device 8086:10d3", done.stdout + done.stderr)


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C"
    with tempfile.TemporaryDirectory(prefix="ivshmem-machines-") as folder:
        MACHINES = pathlib.Path(folder)
        subprocess.run([MAKE_TREES, MACHINES], check=True)
        unittest.main()
