# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Devices that are plugged, unplugged and plugged again while programs watch them and hold them."""

from __future__ import annotations

import re
from typing import ClassVar

from lab import Doorbell, Guest, Job, Plain, Server, build_folder
from lab.runner import long
from support import DEVICES, PATIENCE, PROBE, DeviceCase, Party

WATCH = build_folder() / "test/vm/guest/device-watch"
EXAMPLE = build_folder() / "examples/hotplug"
ADDRESS = "0000:01:00.0"
"""The address of the device in the guest's only port."""


class HotplugCase(DeviceCase):
    """A guest with one port, and a device in it."""

    server: ClassVar[Server]
    guest: ClassVar[Guest]
    index: ClassVar[int]
    """The index of the plugged device."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # QEMU crashes when a device is unplugged that has seen a peer leave.
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2, size="1M", options=["--no-departures"]))
        cls.guest = cls.enterClassContext(
            Guest(cls.work, "guest", devices=[cls.device()], programs=[WATCH, EXAMPLE, PROBE])
        )
        cls.index = 0

    @classmethod
    def device(cls) -> Doorbell:
        return Doorbell(cls.server.socket, 2, place="port")

    def plug(self) -> None:
        type(self).index = self.guest.plug(self.device())

    def wait_there(self) -> None:
        """Bind the device after the kernel has set it up."""
        self.guest.wait_for(f"test -e {DEVICES}/{ADDRESS}/resource2")

    def ring(self, peer: str, vector: int = 0) -> None:
        Party(None, "").start(PROBE, "ring", f"server:{self.server.socket}", peer, vector)(60).check()

    def follow(self) -> Job:
        """Start watching, and return when the present devices were reported."""
        job = self.guest.spawn("exec device-watch follow")
        job.wait_output(f"added {ADDRESS} ", PATIENCE)
        return job

    def end(self, job: Job) -> list[str]:
        """Return what a job has reported."""
        job.signal("TERM")
        return job.wait(PATIENCE).check().stdout.splitlines()


class Hotplug(HotplugCase):
    def setUp(self) -> None:
        if not self.guest.plugged(self.index):
            self.plug()
        self.wait_there()
        self.guest.unbind(ADDRESS)

    def test_plugging_and_unplugging_is_told_once(self) -> None:
        job = self.follow()
        printed = [f"added {ADDRESS} - -"]
        for round in (1, 2, 3):
            with self.subTest(round=round):
                self.guest.unplug(self.index)
                printed.append(f"removed {ADDRESS}")
                self.wait_for(lambda: _kinds(job.output()) == _kinds("\n".join(printed)), printed[-1], PATIENCE)
                self.plug()
                printed.append(f"added {ADDRESS} - -")
                self.wait_for(lambda: _kinds(job.output()) == _kinds("\n".join(printed)), printed[-1], PATIENCE)
                # A reported device can be opened.
                self.guest.run(f"test -e {DEVICES}/{ADDRESS}/resource2")
        lines = self.end(job)
        self.assertEqual([line for line in lines if line.startswith("added")], [f"added {ADDRESS} - -"] * 4)
        self.assertEqual(len(lines), 1 + 7 + sum(line.startswith("changed") for line in lines))

    def test_drivers_and_their_nodes_are_told(self) -> None:
        job = self.follow()
        for driver, node in (("vfio-pci", "/dev/vfio/[0-9]+"), ("uio_pci_generic", "/dev/uio0")):
            with self.subTest(driver=driver):
                self.guest.bind(ADDRESS, driver)
                pattern = rf"^changed {ADDRESS} {driver} {node}$"
                self.wait_for(lambda: re.search(pattern, job.output(), re.MULTILINE), pattern, PATIENCE)
                self.guest.unbind(ADDRESS)
                last = f"changed {ADDRESS} - -"
                self.wait_for(lambda: job.output().splitlines()[-1] == last, last, PATIENCE)
        self.assertEqual({line.split()[0] for line in self.end(job)[2:]}, {"changed"})

    def test_permissions_are_told_to_who_has_them(self) -> None:
        self.guest.bind(ADDRESS, "vfio-pci")
        job = self.guest.spawn("exec device-watch follow", user="nobody")
        node = job.wait_output(" unusable", PATIENCE).split()[-2]
        # The kernel reports no chmod, but any other event of a PCI device leads to a check.
        self.guest.run(f"chmod 666 {node}; echo change >{DEVICES}/0000:00:00.0/uevent")
        job.wait_output(f"changed {ADDRESS} vfio-pci {node}\n", PATIENCE)
        self.end(job)

    def test_what_is_held_is_let_go_and_opened_again(self) -> None:
        self.guest.bind(ADDRESS, "vfio-pci")
        job = self.guest.spawn(f"exec device-watch hold {ADDRESS}")
        job.wait_output("waiting, peer", PATIENCE)
        self.guest.request_unplug(self.index)
        printed = job.wait_output("closed\n", PATIENCE)
        removed = f"ivshmem {self.errc('device_removed')}\n"
        for line in ("event: removal requested\n", f"events: {removed}", f"any vector: {removed}", "memory used\n"):
            self.assertIn(f"\n{line}", printed)
        self.assertEqual(printed.splitlines().count(f"vector: {removed}".strip()), 2)
        self.guest.wait_unplugged(self.index, 60)
        job.wait_output(f"removed {ADDRESS} ", PATIENCE)
        self.plug()
        self.wait_there()
        self.guest.bind(ADDRESS, "vfio-pci")
        again = lambda: re.findall(r"waiting, peer (\d+)", job.output())[1:]  # noqa: E731
        self.ring(self.wait_for(again, "the second opening", PATIENCE)[0])
        self.wait_for(lambda: "vector: ok" in job.output(), "a ring", PATIENCE)
        job.signal("KILL")
        job.wait(PATIENCE)

    def test_lost_events_do_not_lose_changes(self) -> None:
        # A small buffer for the events; SO_RCVBUFFORCE would let root exceed it.
        self.guest.run("echo 4608 >/proc/sys/net/core/rmem_max")
        job = self.guest.spawn("exec device-watch late", user="nobody")
        self.assertEqual(job.wait_output("asleep", PATIENCE), f"added {ADDRESS} - -\nasleep\n")
        event = f"echo change >{DEVICES}/0000:00:00.0/uevent"
        self.guest.run(f"i=0; while [ $i -lt 200 ]; do {event}; i=$((i+1)); done", timeout=PATIENCE)
        self.guest.unplug(self.index)
        self.plug()
        self.wait_there()
        # Protocol 15 is NETLINK_KOBJECT_UEVENT.
        drops = self.guest.run("awk '$2 == 15 { sum += $9 } END { print sum }' /proc/net/netlink").stdout
        self.assertGreater(int(drops), 100)
        job.signal("USR1")
        printed = job.wait(PATIENCE).check().stdout
        self.assertEqual(printed.partition("asleep\n")[2], f"removed {ADDRESS} - -\nadded {ADDRESS} - -\ndone\n")
        self.guest.run("echo 212992 >/proc/sys/net/core/rmem_max")

    def test_a_mapping_without_vfio_reaches_nothing_when_the_device_is_gone(self) -> None:
        """The mapping stays on Debian's kernels: there is no SIGBUS."""
        for mode in ("write-combining", "uncached"):
            with self.subTest(mode=mode):
                if not self.guest.plugged(self.index):
                    self.plug()
                    self.wait_there()
                job = self.guest.spawn(f"exec device-watch lose {ADDRESS} {mode}")
                job.wait_output("asleep", PATIENCE)
                self.guest.unplug(self.index)
                job.signal("USR1")
                printed = job.wait(PATIENCE).check().stdout
                self.assertRegex(printed, "^memory: 5a\nasleep\nmemory: (00|ff)\nclosed\n$")


class Example(HotplugCase):
    """The example of hot-plug, ten times over."""

    @long("it unplugs ten times")
    def test_rings_are_counted_on(self) -> None:
        job = self.guest.spawn(f"exec hotplug {ADDRESS}")
        for round in range(1, 11):
            with self.subTest(round=round):
                self.wait_there()
                self.guest.bind(ADDRESS, "vfio-pci")
                opened = lambda: re.findall(r"open, peer (\d+)", job.output())[round - 1 :]  # noqa: E731
                peer = self.wait_for(opened, f"opening {round}", PATIENCE)
                self.ring(peer[0], round % 2)
                job.wait_output(f"vector {round % 2}, rings so far: {round}\n", PATIENCE)
                self.guest.request_unplug(self.index)
                job.wait_output(f"let go, rings so far: {round}\n", PATIENCE)
                self.guest.wait_unplugged(self.index, 60)
                self.plug()
        printed = self.end(job)
        self.assertEqual(sum(line.startswith("open") for line in printed), 10)
        self.assertEqual(printed.count(f"removed {ADDRESS}"), 10)

    def test_plain_devices_are_told_of_too(self) -> None:
        guest = self.enterContext(Guest(self.work, "plain", iommu=False, spare_ports=1, programs=[WATCH]))
        job = guest.spawn("exec device-watch follow")
        job.wait_output("following", PATIENCE)
        index = guest.plug(Plain(self.work / "memory", 1 << 20, place="port"))
        job.wait_output(f"added {ADDRESS} - -\n", PATIENCE)
        guest.unplug(index)
        job.wait_output(f"removed {ADDRESS} - -\n", PATIENCE)
        self.assertEqual(self.end(job), ["following", f"added {ADDRESS} - -", f"removed {ADDRESS} - -"])

    def test_wrong_words_are_answered(self) -> None:
        self.assertEqual(self.guest.run("hotplug", check=False).rc, 2)
        result = self.guest.run("hotplug nonsense", check=False)
        self.assertEqual(result.rc, 1)
        self.assertIn('hotplug: "nonsense": names no device', result.stderr)


def _kinds(text: str) -> list[str]:
    """Return the reports in order, without changes: a device without a driver may still gain and lose nodes."""
    return [line.split()[0] for line in text.splitlines() if line.startswith(("added", "removed"))]
