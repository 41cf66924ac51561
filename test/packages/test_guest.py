# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The packages in a guest with devices: installed, used, upgraded under a running program, removed, purged.

All tests use one guest, so they follow each other like an administrator's tasks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import repository
import snapshot
from first_ring import DOORBELL, EXAMPLE, PATIENCE, STRANGER, USER, FirstRing, HostPeer, apt, as_user, prepare, running
from lab import Doorbell, Plain, Result, Server
from lab.debian import DebianGuest
from lab.devices import Device
from lab.runner import long
from suites import SuiteCase, for_each_suite

_OVERRIDES = "/etc/driverctl.d"
_GIVEN = "find /dev /sys/devices -xdev -group ivshmem -printf '%p %m %u\\n' | sort"
_BARS = ("resource0", "resource2", "resource2_wc")
_FOLLOW = "/tmp/follow"
_HOLD = "/tmp/hold"


class Guest(SuiteCase):
    guest: ClassVar[DebianGuest]
    server: ClassVar[Server]
    first: ClassVar[FirstRing]
    doorbell: ClassVar[str]
    stubbed: ClassVar[str]
    uio: ClassVar[str]
    shared: ClassVar[str]
    before: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        memory = cls.work / "memory"
        memory.write_bytes(bytes(1 << 20))
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2))
        plain = Plain(memory, 1 << 20)
        devices: list[Device] = [Doorbell(cls.server.socket, vectors=2), plain, plain, Plain(memory, 1 << 20, place="bridge")]
        cls.guest = cls.enterClassContext(
            DebianGuest(
                cls.work, cls.suite, devices=devices, shares={repository.PLACE: cls.repository()},
                # Another endpoint next to the last device, in the same IOMMU group.
                options=["-device", "virtio-rng-pci,bus=bridge,addr=0x9"],
            )
        )  # fmt: skip
        cls.doorbell, cls.stubbed, cls.uio, cls.shared = (cls.guest.address(index) for index in range(4))
        cls.first = FirstRing(cls.guest, cls.server)
        prepare(cls.guest)
        cls.guest.bind(cls.stubbed, "pci-stub")
        cls.before = cls.guest.run(snapshot.command(snapshot.SYSTEM), timeout=PATIENCE).stdout

    def drivers(self) -> list[str | None]:
        return [self.guest.driver(address) for address in (self.doorbell, self.stubbed, self.uio, self.shared)]

    def listed(self, user: str, address: str) -> dict[str, Any]:
        """Return lsivshmem's facts about a device for this user."""
        result = self.guest.run(as_user(user, f"lsivshmem -J {address}"), check=False)
        # Only root may read the capabilities; a plain device has none.
        wanted = 64 if user != "root" and address == self.doorbell else 0
        self.assertEqual(result.rc, wanted, result.stdout + result.stderr)
        (device,) = json.loads(result.stdout)["devices"]
        self.assertIsInstance(device, dict)
        return dict(device)

    def node(self, address: str) -> str:
        return "/dev/vfio/" + self.guest.run(f"basename $(readlink /sys/bus/pci/devices/{address}/iommu_group)").stdout.strip()

    def rings_host(self, result: Result) -> None:
        self.assertEqual(result.rc, 0, result.stdout + result.stderr)
        self.assertIn("rung 1 time", result.stdout)

    # -- the tests ------------------------------------------------------------------------------------

    def test_1_installation_binds_nothing(self) -> None:
        before = self.drivers()
        self.assertEqual(before, [None, "pci-stub", None, None])
        self.first.install()
        self.assertEqual(self.drivers(), before)
        overrides = self.guest.run("cat /sys/bus/pci/devices/*/driver_override | sort -u").stdout.split()
        self.assertEqual(overrides, ["(null)", "pci-stub"])

    def test_2_another_driver_is_reported(self) -> None:
        printed = self.listed("root", self.stubbed)
        self.assertEqual((printed["driver"], printed["map"]), ("pci-stub", False))
        self.assertIn("pci-stub", printed["problem"])
        self.assertIn(self.stubbed, printed["remedy"])

    @long("udev settles four times")
    def test_2b_a_binding_that_persists(self) -> None:
        device = f"/sys/bus/pci/devices/{self.uio}"
        as_at_boot = f"udevadm trigger --action=add {device} && udevadm settle"
        self.guest.run(f"ivshmemctl bind --driver uio_pci_generic --persist {self.uio}")
        self.guest.run(f"echo {self.uio} >{device}/driver/unbind && echo >{device}/driver_override")
        self.assertIsNone(self.guest.driver(self.uio))
        self.guest.run(as_at_boot)
        self.assertEqual(self.guest.driver(self.uio), "uio_pci_generic")
        self.guest.run(f"ivshmemctl unbind {self.uio} && {as_at_boot}")
        self.assertIsNone(self.guest.driver(self.uio))

    def test_3_a_member_may_use_the_device(self) -> None:
        self.first.bind(self.doorbell)
        self.assertEqual(self.guest.driver(self.doorbell), "vfio-pci")
        self.first.join_group()
        printed = self.listed(USER, self.doorbell)
        usable = {name: printed[name] for name in ("driver", "map", "interrupt", "problem")}
        self.assertEqual(usable, {"driver": "vfio-pci", "map": True, "interrupt": True, "problem": None})

    def test_4_the_example_rings_and_is_rung(self) -> None:
        self.guest.put(DOORBELL, repository.compiled(self.built, {"doorbell": EXAMPLE})["doorbell"], 0o755)
        self.rings_host(self.first.ring(self.doorbell))
        waiting = self.guest.spawn(as_user(USER, f"{DOORBELL} {self.doorbell} wait 1 60"))
        mine = int(waiting.wait_output("vectors", timeout=60).split()[1].rstrip(","))
        self.assertEqual(HostPeer(self.server, "ring", mine, 1).end().rc, 0)
        self.assertIn("rung 1 time", waiting.wait(60).check().stdout)

    @long("a guest compiles for a minute")
    def test_4b_it_compiles_in_the_guest(self) -> None:
        self.guest.run(f"rm -f {DOORBELL}")  # root's
        self.first.compile()
        self.rings_host(self.first.ring(self.doorbell))
        print(f"     {self.suite}: {self.first}", flush=True)

    def test_5_a_stranger_gets_the_reason(self) -> None:
        refused = self.guest.run(as_user(STRANGER, f"{DOORBELL} {self.doorbell} wait 0 1"), check=False)
        self.assertEqual((refused.rc, refused.stdout), (1, ""))
        for fragment in (self.node(self.doorbell), "ivshmem"):
            self.assertIn(fragment, refused.stderr)
        printed = self.listed(STRANGER, self.doorbell)
        self.assertFalse(printed["map"] or printed["interrupt"])
        self.assertIn("adduser", printed["remedy"])

    @long("udev settles, and a program is compiled")
    def test_5b_a_monitor_reports_when_a_device_can_be_used(self) -> None:
        """Check that udevd runs the package's rules before it forwards the kernel's events."""
        source = Path(__file__).with_name("follow.cpp")
        self.guest.put(_FOLLOW, repository.compiled(self.built, {"follow": source})["follow"], 0o755)
        following = self.guest.spawn(as_user(USER, f"exec {_FOLLOW}"))
        following.wait_output(f"added {self.uio} ", timeout=60)
        self.guest.run(f"driverctl set-override {self.uio} uio_pci_generic")
        following.wait_output(f"changed {self.uio} uio_pci_generic usable\n", timeout=60)
        self.guest.run(f"kill -TERM {' '.join(running(self.guest, 'follow'))}")
        self.assertEqual(following.wait(60).check().stdout.count("added"), 4)

    @long("udev settles twice")
    def test_6_the_group_has_these_files_and_no_others(self) -> None:
        for address, driver in ((self.uio, "uio_pci_generic"), (self.shared, "vfio-pci")):
            self.guest.run(f"driverctl set-override {address} {driver} && udevadm settle")
        devices = [
            self.guest.run(f"readlink -f /sys/bus/pci/devices/{address}").stdout.strip()
            for address in (self.doorbell, self.stubbed, self.uio, self.shared)
        ]
        wanted = [f"{device}/{bar} 660 root" for device in devices for bar in _BARS]
        wanted += [f"{self.node(self.doorbell)} 660 root", "/dev/uio0 660 root"]
        self.assertEqual(self.guest.run(_GIVEN).stdout.splitlines(), sorted(wanted))
        others = [f"{devices[0]}/config", f"{devices[0]}/resource1", self.node(self.shared)]
        shown = self.guest.run(f"stat -c '%n %a %U:%G' {' '.join(others)}").stdout.splitlines()
        self.assertEqual(shown, [f"{name} {m} root:root" for name, m in zip(others, ("644", "600", "600"))])
        printed = self.listed(USER, self.uio)
        self.assertTrue(printed["map"])

    @long("apt works twice, and a program is compiled")
    def test_7_an_upgrade_interrupts_no_program(self) -> None:
        previous = f"{self.built.version()}~previous"
        older = " ".join(f"{name}={previous}" for name in ("ivshmem-tools", "libivshmem-dev", "libivshmem0"))
        apt(self.guest, f"install --allow-downgrades {older}")
        self.assertEqual(self.guest.run("dpkg-query -W -f '${Version}' libivshmem0").stdout, previous)
        source = Path(__file__).with_name("hold.cpp")
        self.guest.put(_HOLD, repository.compiled(self.built, {"hold": source})["hold"], 0o755)
        holding = self.guest.spawn(as_user(USER, f"exec {_HOLD} {self.doorbell}"))
        holding.wait_output("rung", timeout=60)
        before = self.guest.run(_GIVEN).stdout
        apt(self.guest, "upgrade")
        self.assertEqual(self.guest.run("dpkg-query -W -f '${Version}' libivshmem0").stdout, self.built.version())
        self.assertFalse(holding.ended, "the program ended during the upgrade")
        self.guest.run(f"kill -TERM {' '.join(running(self.guest, 'hold'))}")
        result = holding.wait(60).check()
        self.assertIn("all ", result.stdout)
        self.assertEqual(self.guest.run(_GIVEN).stdout, before)
        self.rings_host(self.first.ring(self.doorbell))

    @long("apt works for half a minute; test_container.py purges, too")
    def test_8_removal_takes_the_rights_back(self) -> None:
        nodes = [self.node(self.doorbell)]
        if self.guest.driver(self.uio):
            nodes.append("/dev/uio0")
        apt(self.guest, "remove ivshmem-tools libivshmem-dev libivshmem0")
        self.assertEqual(self.guest.run(_GIVEN).stdout, "")
        shown = self.guest.run(f"stat -c '%a %U:%G' {' '.join(nodes)}").stdout.splitlines()
        self.assertEqual(shown, ["600 root:root"] * len(nodes))
        self.assertEqual(self.guest.driver(self.doorbell), "vfio-pci")

    @long("apt works for a minute; test_container.py purges, too")
    def test_9_purge_leaves_nothing(self) -> None:
        printed = apt(self.guest, "purge ivshmem-tools libivshmem-dev libivshmem0")
        # The group still has a member.
        self.assertEqual(self.guest.run("getent group ivshmem", check=False).rc, 0, printed.stdout + printed.stderr)
        self.guest.run(f"gpasswd -d {USER} ivshmem")
        apt(self.guest, "install ivshmem-tools")
        self.guest.run(f"ivshmemctl unbind {self.doorbell}")
        apt(self.guest, "purge ivshmem-tools libivshmem0")
        self.assertEqual(self.guest.run("getent group ivshmem", check=False).rc, 2)
        for address in (self.uio, self.shared):
            # It finds no other driver for the device, reports that as an error, and keeps its saved
            # override.
            self.guest.run(f"driverctl unset-override {address}", check=False)
        self.guest.run(f"rm -f {_OVERRIDES}/*")
        apt(self.guest, "autoremove --purge")
        after = self.guest.run(snapshot.command(snapshot.SYSTEM), timeout=PATIENCE).stdout
        self.assertEqual(snapshot.difference(self.before, after), [])


load_tests = for_each_suite(Guest)
