# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl doctor on guests that are set up correctly, and on broken ones: it names each fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from connection_support import FORWARD
from lab import Doorbell, Guest, Plain, Server, booted
from lab.devices import Device
from lab.kernel import stock
from support import IVSHMEMCTL, PATIENCE, PROBE, DeviceCase

VECTORS = 4
SIZE = 1 << 20
BROKEN = 64


class DoctorCase(DeviceCase):
    def doctor(self, guest: Guest, address: str, *, status: int, user: str | None = None) -> dict[str, dict[str, Any]]:
        result = guest.run(f"ivshmemctl doctor -J {address}", timeout=PATIENCE, check=False, user=user)
        shown = f"{result.stdout}\n{result.stderr}"
        self.assertEqual(result.rc, status, shown)
        document = json.loads(result.stdout)
        self.assertEqual((document["device"], document["works"]), (address, status == 0), shown)
        return {check["name"]: check for check in document["checks"]}

    def diagnosed(self, guest: Guest, address: str, check: str, *fragments: str, next: str = "", user: str | None = None) -> None:
        """Assert that the device does not work, and that this check reports it with these words."""
        found = self.doctor(guest, address, status=BROKEN, user=user)
        self.assertEqual(found[check]["status"], "fail", found)
        for fragment in fragments:
            self.assertIn(fragment, found[check]["finding"])
        self.assertIn(next, found[check]["next"] or "")

    def use(self, guest: Guest, address: str, driver: str | None) -> str:
        guest.unbind(address)
        if driver is not None:
            guest.bind(address, driver)
        return address

    def works(self, guest: Guest, address: str) -> dict[str, dict[str, Any]]:
        found = self.doctor(guest, address, status=0)
        self.assertEqual([name for name, check in found.items() if check["status"] == "fail"], [])
        return found


class WithoutIommu(DoctorCase):
    guest: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="1M"))
        memory = cls.work / "memory"
        memory.write_bytes(bytes(SIZE))
        devices: list[Device] = [Doorbell(server.socket, VECTORS), Plain(memory, SIZE)]
        cls.guest = cls.enterClassContext(
            Guest(cls.work, "bare", devices=devices, iommu=False, programs=[IVSHMEMCTL, FORWARD], extra_modules=["igb_uio"], memory=512)
        )

    def test_no_viommu(self) -> None:
        address = self.use(self.guest, self.guest.address(0), None)
        self.diagnosed(self.guest, address, "vIOMMU", "the VM has no vIOMMU", next="intel-iommu,intremap=on")
        self.diagnosed(self.guest, address, "driver", "none is bound", next=f"ivshmemctl bind --driver igb_uio {address}")

    def test_bound_to_uio_pci_generic(self) -> None:
        address = self.use(self.guest, self.guest.address(0), "uio_pci_generic")
        self.diagnosed(
            self.guest, address, "driver", "uio_pci_generic delivers no interrupts", next=f"ivshmemctl bind --driver igb_uio {address}"
        )

    def test_what_it_says_helps(self) -> None:
        address = self.use(self.guest, self.guest.address(0), "uio_pci_generic")
        command = self.doctor(self.guest, address, status=BROKEN)["driver"]["next"]
        self.guest.run(command)
        found = self.works(self.guest, address)
        self.assertEqual(found["self-ring"]["finding"], f"1 of {VECTORS} vectors rang back")
        self.assertEqual((found["driver"]["status"], found["vIOMMU"]["status"]), ("warn", "warn"))

    def test_plain(self) -> None:
        address = self.guest.address(1)
        for driver in (None, "uio_pci_generic", "igb_uio"):
            with self.subTest(driver=driver):
                found = self.works(self.guest, self.use(self.guest, address, driver))
                for name in ("MSI-X", "vIOMMU", "self-ring"):
                    self.assertEqual(found[name]["status"], "skip")
                    self.assertIn("plain device", found[name]["finding"])

    def test_forwarder(self) -> None:
        """Here systemctl is a script; the packages' tests have the real one."""
        self.guest.run("mkdir -p /etc/ivshmem/forward.d")
        self.guest.put("/etc/ivshmem/forward.d/a.conf", b"offer = web\nfrom = unix:/run/web\n")
        address = self.use(self.guest, self.guest.address(1), None)
        for state, status, advice in (("active", "ok", ""), ("failed", "warn", "journalctl -u"), ("inactive", "warn", "enable --now")):
            self.guest.put("/bin/systemctl", f"#!/bin/sh\necho {state}\n".encode(), 0o755)
            found = self.works(self.guest, address)["ivshmem-forward"]
            self.assertEqual((found["status"], found["finding"]), (status, f"{state}; offers web from unix:/run/web"))
            self.assertIn(advice, found["next"] or "")
        self.guest.run("rm -r /etc/ivshmem /bin/systemctl")
        self.assertNotIn("ivshmem-forward", self.works(self.guest, address))

    def test_two_devices_and_no_name(self) -> None:
        result = self.guest.run("ivshmemctl doctor", check=False)
        self.assertEqual(result.rc, 1)
        for index in (0, 1):
            self.assertIn(self.guest.address(index), result.stderr)


class WithIommu(DoctorCase):
    """One device in its own group, two in one group; and guests with a deficient vIOMMU or kernel."""

    guest: ClassVar[Guest]
    unmapped: ClassVar[Guest]
    without: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="1M"))
        own, shared = Doorbell(server.socket, VECTORS), Doorbell(server.socket, VECTORS, place="bridge")
        kernel = stock("x86_64")
        name = f"boot/config-{kernel.release}"
        files: dict[str, bytes | str | Path] = {f"/{name}": kernel.package.tree() / name}
        programs = [IVSHMEMCTL, PROBE]
        cls.guest, cls.unmapped, cls.without = cls.enterClassContext(
            booted(
                Guest(cls.work, "viommu", devices=[own, shared, shared], programs=programs, files=files),
                Guest(
                    cls.work,
                    "unmapped",
                    devices=[own],
                    programs=programs,
                    iommu=False,
                    options=["-device", "intel-iommu,intremap=off"],
                    append="intel_iommu=on iommu=pt",
                ),
                Guest(cls.work, "without", devices=[own], programs=programs, modules=["uio_pci_generic"]),
            )
        )

    def test_it_works(self) -> None:
        address = self.use(self.guest, self.guest.address(0), "vfio-pci")
        found = self.works(self.guest, address)
        self.assertEqual(found["self-ring"]["finding"], f"{VECTORS} of {VECTORS} vectors rang back")
        for name in ("device", "BARs", "MSI-X", "kernel config", "modules", "vIOMMU", "IOMMU group", "remapping",
                     "driver", "node", "open", "write-combining", "uncached", "self-ring"):  # fmt: skip
            self.assertEqual(found[name]["status"], "ok", found[name])
        self.assertIn("VFIO_PCI=m", found["kernel config"]["finding"])
        self.assertIn("below 4 GiB", found["write-back"]["finding"])
        # Nothing stays changed: the device is free, so it works again.
        self.works(self.guest, address)
        text = self.guest.run(f"ivshmemctl doctor {address}").stdout
        self.assertIn(f"{address}: it works", text.splitlines()[-1])

    def test_unbound(self) -> None:
        address = self.use(self.guest, self.guest.address(0), None)
        self.diagnosed(self.guest, address, "driver", "none is bound", next=f"ivshmemctl bind --driver vfio-pci {address}")
        self.guest.run(self.doctor(self.guest, address, status=BROKEN)["driver"]["next"])
        self.works(self.guest, address)

    def test_group_shared_with_a_bound_device(self) -> None:
        one = self.use(self.guest, self.guest.address(1), "vfio-pci")
        other = self.use(self.guest, self.guest.address(2), "uio_pci_generic")
        self.diagnosed(self.guest, one, "IOMMU group", f"{other} is still bound to uio_pci_generic", next=other)
        self.use(self.guest, one, None)
        self.diagnosed(self.guest, one, "IOMMU group", f"{other} is still bound to uio_pci_generic", next=other)
        self.use(self.guest, other, None)
        self.use(self.guest, one, "vfio-pci")
        self.works(self.guest, one)

    def test_no_permission(self) -> None:
        address = self.use(self.guest, self.guest.address(0), "vfio-pci")
        node = self.guest.run(f"echo /dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{address}/iommu_group))")
        path = node.stdout.strip()
        self.guest.run(f"chown root:root {path}; chmod 600 {path}")
        self.diagnosed(self.guest, address, "node", f"{path}: -- for this process", next=path, user="nobody")
        self.diagnosed(self.guest, address, "open", "permission denied", user="nobody")
        found = self.doctor(self.guest, address, status=BROKEN, user="nobody")
        self.assertEqual((found["MSI-X"]["status"], found["MSI-X"]["next"]), ("skip", "sudo"))
        # A user that may open the node needs no more.
        self.guest.run(f"chown nobody {path}")
        self.doctor(self.guest, address, status=0, user="nobody")
        self.guest.run(f"chown root {path}")

    def test_in_use(self) -> None:
        address = self.use(self.guest, self.guest.address(0), "vfio-pci")
        job = self.guest.spawn(f"exec probe hold {address}")
        job.wait_output("open")
        self.diagnosed(self.guest, address, "open", "in use by probe (pid ")
        self.guest.run("kill $(pidof probe)")
        job.wait()
        self.works(self.guest, address)

    def test_viommu_without_remapping(self) -> None:
        address = self.use(self.unmapped, self.unmapped.address(), "vfio-pci")
        self.diagnosed(
            self.unmapped, address, "remapping", "the vIOMMU remaps no interrupts", next="allow_unsafe_interrupts"
        )
        self.diagnosed(self.unmapped, address, "open", "remaps no interrupts")
        self.unmapped.run("echo 1 >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts")
        self.assertEqual(self.works(self.unmapped, address)["remapping"]["status"], "warn")

    def test_module_missing(self) -> None:
        address = self.without.address()
        for driver in (None, "uio_pci_generic"):
            self.use(self.without, address, driver)
            self.diagnosed(self.without, address, "modules", "has no vfio-pci", next="linux-image")

    def test_zz_lockdown(self) -> None:
        """The last test, because lockdown cannot be undone."""
        address = self.use(self.guest, self.guest.address(0), "uio_pci_generic")
        self.guest.run("mount -t securityfs securityfs /sys/kernel/security && echo integrity >/sys/kernel/security/lockdown")
        self.diagnosed(self.guest, address, "lockdown", "integrity", next=f"bind --driver vfio-pci {address}")
        self.diagnosed(self.guest, address, "open", "lockdown")
        self.guest.run(f"ivshmemctl bind {address}")
        found = self.works(self.guest, address)
        self.assertEqual((found["lockdown"]["status"], found["uncached"]["status"]), ("warn", "warn"))
