# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""An aarch64 guest, on the kernels of Debian 12 and 13, beside an x86-64 guest and processes of the host."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import Any, ClassVar

from channel_support import CHANNEL_PEER, ChannelCase, kill
from lab import Doorbell, Guest, Server, booted
from lab.arch import AARCH64
from lab.kernel import of_suite
from lab.runner import long
from support import CONFORMANCE, DEVICES, IVSHMEMCTL, LSIVSHMEM, PATIENCE, PROBE, Party, facts, probe

VECTORS = 4
SIZE = 1 << 20
PROGRAMS = (CHANNEL_PEER, CONFORMANCE, IVSHMEMCTL, LSIVSHMEM, PROBE)
KIT = 600.0
"""The time limit of the conformance kit in seconds."""
UNSEEN = {"D2", "R13", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "V1"}
"""The rules of the layout that the kit cannot show of the library."""


class _Aarch64(ChannelCase):
    suite: ClassVar[str]
    has_group_at_once: ClassVar[bool]
    """Whether a device has its IOMMU group before a driver first probes it."""
    server: ClassVar[Server]
    arm: ClassVar[Guest]
    x86: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="1M"))
        device = Doorbell(cls.server.socket, VECTORS)
        kernel = of_suite(AARCH64, cls.suite)
        config = f"boot/config-{kernel.release}"
        arm = Guest(
            cls.work, "arm", devices=[device], programs=PROGRAMS, memory=512, kernel=kernel,
            files={f"/{config}": kernel.package.tree() / config},
        )  # fmt: skip
        x86 = Guest(cls.work, "x86", devices=[device], programs=PROGRAMS, memory=512)
        cls.arm, cls.x86 = cls.enterClassContext(booted(arm, x86))
        x86.bind(x86.address(), "vfio-pci")

    def setUp(self) -> None:
        self.address = self.arm.address()

    def bound(self) -> Party:
        """Return the aarch64 guest, with its device bound to VFIO."""
        if self.arm.driver(self.address) != "vfio-pci":
            self.arm.bind(self.address, "vfio-pci")
        return Party(self.arm, self.address)

    def other(self) -> Party:
        return Party(self.x86, self.x86.address())

    def host(self) -> Party:
        return Party(None, f"server:{self.server.socket}")

    def group(self) -> str | None:
        """Return the IOMMU group of the device."""
        found = self.arm.run(f"readlink {DEVICES}/{self.address}/iommu_group", check=False)
        return found.stdout.strip().rpartition("/")[2] or None

    def listed(self) -> dict[str, Any]:
        rows = json.loads(self.arm.run("lsivshmem --json").stdout)["devices"]
        self.assertEqual(len(rows), 1, rows)
        return dict(rows[0])

    def doctor(self, status: int) -> dict[str, dict[str, Any]]:
        result = self.arm.run(f"ivshmemctl doctor -J {self.address}", timeout=PATIENCE, check=False)
        self.assertEqual(result.rc, status, f"{result.stdout}\n{result.stderr}")
        return {check["name"]: check for check in json.loads(result.stdout)["checks"]}

    # The tests run in the order of their numbers, because a group stays.

    def test_1_before_the_first_probe(self) -> None:
        """A device without a group is reported as well as one with a group: neither lacks a vIOMMU."""
        group = self.group()
        self.assertEqual(group is not None, self.has_group_at_once, group)
        listed = self.listed()
        self.assertEqual((listed["address"], listed["type"], listed["driver"]), (self.address, "doorbell", None), listed)
        self.assertEqual((listed["size"], listed["vectors"]), (SIZE, VECTORS), listed)
        self.assertEqual(listed["remedy"], f"ivshmemctl bind --driver vfio-pci {self.address}")
        found = self.doctor(64)
        self.assertEqual([name for name, check in found.items() if check["status"] == "fail"], ["driver"], found)
        self.assertEqual(found["driver"]["next"], f"ivshmemctl bind --driver vfio-pci {self.address}")
        self.assertEqual(found["vIOMMU"]["status"], "ok", found["vIOMMU"])
        self.assertIn(f"{group}, alone in it" if group else "none yet", found["IOMMU group"]["finding"])

    def test_2_bind_makes_the_group(self) -> None:
        printed = self.arm.run(f"ivshmemctl bind {self.address}", timeout=PATIENCE).stdout
        group = self.group()
        self.assertEqual(printed, f"{self.address}: bound to vfio-pci, /dev/vfio/{group}\n")
        self.assertEqual(self.arm.driver(self.address), "vfio-pci")
        self.arm.run(f"test -c /dev/vfio/{group}")
        listed = self.listed()
        self.assertEqual((listed["driver"], str(listed["group"]), listed["interrupt"]), ("vfio-pci", group, True), listed)

    def test_3_doctor_when_it_works(self) -> None:
        self.bound()
        found = self.doctor(0)
        self.assertEqual([name for name, check in found.items() if check["status"] == "fail"], [])
        self.assertEqual(found["self-ring"]["finding"], f"{VECTORS} of {VECTORS} vectors rang back")
        for name in ("BARs", "MSI-X", "kernel config", "modules", "vIOMMU", "IOMMU group", "driver", "node", "open",
                     "write-combining", "uncached", "self-ring"):  # fmt: skip
            self.assertEqual(found[name]["status"], "ok", found[name])

    def test_4_conformance_with_each_driver(self) -> None:
        self.bound()
        self.alone(self.arm, self.address, *(f"self.wait.{vector}" for vector in range(VECTORS)), vectors=VECTORS)
        self.assertEqual(facts(probe(self.arm, "info", self.address))["backend"], "vfio")
        self.arm.bind(self.address, "uio_pci_generic")
        self.alone(self.arm, self.address)
        self.arm.unbind(self.address)
        self.alone(self.arm, self.address)

    def test_5_rings_with_an_x86_guest_and_the_host(self) -> None:
        self.together([self.bound(), self.other(), self.host()], [VECTORS] * 3, VECTORS)

    def test_6_channels_with_an_x86_guest(self) -> None:
        self.both_ways(self.bound(), self.other(), (VECTORS, VECTORS))

    def test_6_channels_with_the_host(self) -> None:
        self.both_ways(self.bound(), self.host(), (VECTORS, VECTORS))

    def test_6_channels_without_interrupts(self) -> None:
        self.arm.bind(self.address, "uio_pci_generic")
        self.both_ways(Party(self.arm, self.address), self.other(), (0, VECTORS))

    def test_6_no_channels_in_device_memory(self) -> None:
        """An unaligned access to memory that is mapped uncached is a fault here, but not under TCG."""
        result = self.attempt(self.bound(), "claim", 0, options="-m uncached")
        self.assertIn("channels need memory that is not device memory: map it write-combining", result.stdout)
        self.assertEqual(result.rc, 3, result.stdout)

    def test_7_it_obeys_the_rules_of_the_layout(self) -> None:
        """The host's conformance kit plays the other side of the library in the guest."""
        self.assertHolds(Party(None, f"--socket {self.server.socket}"), self.bound())

    def test_7_its_kit_sees_the_rules_of_the_layout(self) -> None:
        """The guest's conformance kit plays the other side of the library in the x86-64 guest."""
        self.assertHolds(Party(self.arm, f"-D {self.bound().device}"), self.other())

    def assertHolds(self, kit: Party, peer: Party) -> None:
        """Assert that the kit, which one party runs, finds no broken rule in the library of the other, a guest."""
        assert peer.guest is not None
        serving = peer.guest.spawn(f"exec ivshmemctl -D {peer.device} serve --reformat 2>&1")
        self.addCleanup(kill, serving, peer.guest)
        slot = re.findall(r"in slot (\d+)\n", serving.wait_output("in slot ", PATIENCE))[0]
        words = f"{kit.device} conformance --slot {slot} -J --time-limit 60 --claim-time 60000 --service 'ivshmemctl ping'"
        if kit.guest is None:
            ran = subprocess.run(
                [str(IVSHMEMCTL), *shlex.split(words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                timeout=KIT, check=False,
            )  # fmt: skip
            status, out, err = ran.returncode, ran.stdout, ran.stderr
        else:
            result = kit.guest.run(f"ivshmemctl {words}", timeout=KIT, check=False)
            status, out, err = result.rc, result.stdout, result.stderr
        # The kit of the host sees that a device, unlike the server, does not report the end of a peer.
        broken = {"L3"} if kit.guest is None else set()
        self.assertEqual(status, 64 if broken else 0, f"{out}\n{err}")
        rules = {rule["number"]: rule for rule in json.loads(out)["rules"]}
        # A device in a guest, unlike a server, does not list its peers.
        unseen = UNSEEN if kit.guest is None else UNSEEN | {"H4", "L3"}
        self.assertLess(unseen, set(rules))
        for number, rule in rules.items():
            wanted = "broken" if number in broken else "not shown" if number in unseen else "holds"
            self.assertEqual(rule["verdict"], wanted, rule)


@long("it boots two guests, and builds the programs of one with a cross compiler")
class Debian12(_Aarch64):
    suite = "bookworm"
    has_group_at_once = False


@long("it boots two guests, and builds the programs of one with a cross compiler")
class Debian13(_Aarch64):
    suite = "trixie"
    has_group_at_once = True


del _Aarch64  # which has no kernel of its own
