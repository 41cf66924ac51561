# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl bind and unbind in guests: changes, refusals and rollbacks."""

from __future__ import annotations

import json
import os
import time
from typing import Any, ClassVar

from lab import Doorbell, Guest, Plain, Result, Server, booted
from lab.devices import Device
from lab.runner import long
from support import DEVICES, IVSHMEMCTL, PATIENCE, PROBE, DeviceCase, bar

VECTORS = 2
LARGE = 2 << 30
"""QEMU's firmware places it above 4 GiB."""
RECORDS = "/run/ivshmemctl"
DRIVERS = ("vfio-pci", "igb_uio", "uio_pci_generic", "none")
HIDE = "mount -t tmpfs tmpfs /dev/vfio"
"""Hides the nodes of later VFIO groups."""


class Bind(DeviceCase):
    """A guest with a vIOMMU that has four devices (two of them in one group), and one without."""

    guest: ClassVar[Guest]
    bare: ClassVar[Guest]
    addresses: ClassVar[list[str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        server = cls.enterClassContext(Server(cls.work, vectors=VECTORS, size="1M"))
        memory = cls.work / "memory"
        memory.touch()
        os.truncate(memory, LARGE)
        own, shared = Doorbell(server.socket, VECTORS), Doorbell(server.socket, VECTORS, place="bridge")
        devices: list[Device] = [own, shared, shared, Plain(memory, LARGE)]
        programs = [IVSHMEMCTL, PROBE]
        cls.guest, cls.bare = cls.enterClassContext(
            booted(
                Guest(cls.work, "viommu", devices=devices, programs=programs, extra_modules=["igb_uio"]),
                Guest(cls.work, "bare", devices=[own], iommu=False, programs=programs, extra_modules=["igb_uio"]),
            )
        )
        cls.addresses = [cls.guest.address(index) for index in range(4)]

    def setUp(self) -> None:
        self.own, self.one, self.other, self.plain = self.addresses

    def tearDown(self) -> None:
        # Each test leaves the devices unbound.
        self.tool(f"unbind -q {' '.join(self.addresses)}")
        devices = " ".join(f"{DEVICES}/{address}/driver_override" for address in self.addresses)
        left = self.guest.run(f"cat {devices}; ls {RECORDS} 2>/dev/null", check=False).stdout
        self.assertEqual(left, "(null)\n" * 4)

    def tool(self, words: str, *, status: int = 0, guest: Guest | None = None, user: str | None = None) -> Result:
        result = (guest or self.guest).run(f"ivshmemctl {words}", timeout=PATIENCE, check=False, user=user)
        shown = f"{result.command}\n{result.stdout}\n{result.stderr}"
        self.assertEqual(result.rc, status, shown)
        if status:
            self.assertEqual(result.stdout, "", shown)
        return result

    def state(self, address: str, guest: Guest | None = None) -> tuple[str | None, str, str]:
        """Return its driver, its driver_override and its enable count."""
        guest = guest or self.guest
        override, enabled = guest.run(f"cat {DEVICES}/{address}/driver_override {DEVICES}/{address}/enable").stdout.split()
        return guest.driver(address), override, enabled

    def group(self, address: str) -> str:
        return self.guest.run(f"basename $(readlink {DEVICES}/{address}/iommu_group)").stdout.strip()

    def check_bound(self, address: str, driver: str) -> None:
        bound, override, enabled = self.state(address)
        self.assertEqual((bound or "none", override), (driver, "(null)" if driver == "none" else driver))
        if driver in ("none", "igb_uio"):
            self.assertEqual(enabled, "1")

    # -- changes ---------------------------------------------------------------------------------------

    def test_each_driver_and_back(self) -> None:
        for driver in DRIVERS:
            with self.subTest(driver=driver):
                printed = json.loads(self.tool(f"bind -J -q --driver {driver} {self.own}").stdout)
                self.check_bound(self.own, driver)
                device: dict[str, Any] = printed["devices"][0]
                self.assertEqual((device["address"], device["changed"]), (self.own, True))
                self.assertEqual(device["driver"], None if driver == "none" else driver)
                if driver == "none":
                    self.assertIsNone(device["node"])
                else:
                    self.guest.run(f"[ -c {device['node']} ]")
                self.assertIn("as before", self.tool(f"bind -q --driver {driver} {self.own}").stdout)
        for driver in (*DRIVERS, "vfio-pci"):
            with self.subTest(back_from=driver):
                self.tool(f"bind -q --driver {driver} {self.own}")
                self.tool(f"unbind {self.own}")
                self.assertEqual(self.state(self.own), (None, "(null)", "0"))
                self.assertEqual(self.guest.run(f"ls {RECORDS}").stdout, "")
        self.assertIn("as before", self.tool(f"unbind {self.own}").stdout)

    @long("it repeats with each driver what other tests do with one")
    def test_pasted_into_a_shell(self) -> None:
        for driver in DRIVERS:
            with self.subTest(driver=driver):
                self.guest.run("rmmod igb_uio uio_pci_generic vfio_pci vfio_iommu_type1", check=False)
                before = self.state(self.own)
                commands = self.tool(f"bind --dry-run --driver {driver} {self.own}").stdout
                self.assertEqual(self.state(self.own), before)
                self.guest.put("/tmp/commands", commands.encode())
                self.guest.run("sh -e /tmp/commands", timeout=PATIENCE)
                self.check_bound(self.own, driver)
                self.assertIn("as before", self.tool(f"bind -q --driver {driver} {self.own}").stdout)
                self.guest.run(f"ivshmemctl unbind --dry-run {self.own} | sh -e", timeout=PATIENCE)
                self.assertEqual(self.state(self.own), (None, "(null)", "0"))

    def test_from_nothing_to_a_ring(self) -> None:
        """Two guests, nothing but this tool: one gets vfio-pci, the other, without a vIOMMU, igb_uio."""
        mine, theirs = self.own, self.bare.address()
        self.assertIn(f"{mine}: bound to vfio-pci, /dev/vfio/{self.group(mine)}\n", self.tool(f"bind {mine}").stdout)
        self.assertIn(f"{theirs}: bound to igb_uio, /dev/uio0\n", self.tool("bind", guest=self.bare).stdout)
        for waits, address, rings, vector in (
            (self.guest, mine, self.bare, 1),
            (self.bare, theirs, self.guest, 0),
        ):
            peer = json.loads(self.tool(f"info -J -D {address}", guest=waits).stdout)["id"]
            with self.subTest(waits=waits.name):
                job = waits.spawn(f"ivshmemctl wait -D {address} --vector {vector} -n 1 --timeout {int(PATIENCE)}")
                sender = theirs if rings is self.bare else mine
                # A ring before the other side waits is lost, so ring until that side ends.
                self.wait_for(
                    lambda: job.ended or not self.tool(f"ring -D {sender} {peer} {vector}", guest=rings),
                    "the ring", PATIENCE,
                )  # fmt: skip
                job.wait(PATIENCE).check()
        self.tool("doctor", guest=self.bare)
        self.tool(f"doctor {mine}")
        self.tool("unbind", guest=self.bare)

    def test_several_at_once(self) -> None:
        self.tool(f"bind -q --driver uio_pci_generic {self.other}")
        self.tool(f"bind -q --driver vfio-pci {self.one} {self.other}")
        self.assertEqual((self.guest.driver(self.one), self.guest.driver(self.other)), ("vfio-pci",) * 2)

    def test_persist(self) -> None:
        path = f"/etc/udev/rules.d/61-ivshmemctl-{self.own}.rules"
        self.assertIn("udev does not run", self.tool(f"bind --persist {self.own}", status=1).stderr)
        self.guest.run("mkdir -p /run/udev && touch /run/udev/control")
        self.addCleanup(self.guest.run, "rm -r /run/udev")
        self.tool(f"bind --persist {self.own}")
        rule = self.guest.run(f"cat {path}").stdout
        self.assertIn(f'KERNEL=="{self.own}"', rule)
        # The command that udev would run binds the device after it was found again.
        self.guest.run(f"echo {self.own} >/sys/bus/pci/drivers/vfio-pci/unbind")
        command = rule.split("/bin/sh -c '")[1].split("'")[0]
        self.guest.run(command)
        self.assertEqual(self.guest.driver(self.own), "vfio-pci")
        # A rule with another driver is reported.
        self.assertIn(path, self.tool(f"bind --driver uio_pci_generic {self.own}").stderr)
        self.tool(f"unbind {self.own}")
        self.assertEqual(self.guest.run(f"ls {path}", check=False).stdout, "")

    @long("it repeats with each driver what other tests do with one")
    def test_cached(self) -> None:
        # This firmware does not do it, but others make the whole high window uncachable.
        base, size = bar(self.guest, self.plain, 2), LARGE
        self.guest.run(f"echo 'base={base:#x} size={size:#x} type=uncachable' >/proc/mtrr")
        ranges = self.guest.run("cat /proc/mtrr").stdout
        self.assertIn(f"base={base:#011x}", ranges)

        def mode() -> Any:
            return json.loads(self.tool(f"info -J -D {self.plain}").stdout)["cache_mode"]

        for driver in ("vfio-pci", "none", "igb_uio"):
            with self.subTest(driver=driver):
                self.tool(f"bind -q --driver {driver} {self.plain}")
                self.assertEqual(mode(), "write-combining")
                self.tool(f"bind -q --driver {driver} --cached {self.plain}")
                self.assertEqual(mode(), "write-back")
                self.assertNotIn(f"base={base:#011x}", self.guest.run("cat /proc/mtrr").stdout)
                self.assertIn("as before", self.tool(f"bind -q --driver {driver} --cached {self.plain}").stdout)
                self.tool(f"unbind {self.plain}")
                self.assertEqual(self.guest.run("cat /proc/mtrr").stdout, ranges)
        # Without such a large device, all BARs are below 4 GiB.
        printed = self.tool("bind --driver none --cached", guest=self.bare, status=1).stderr
        self.assertIn("below 4 GiB", printed)
        self.assertEqual(self.state(self.bare.address(), self.bare), (None, "(null)", "0"))

    # -- refusals --------------------------------------------------------------------------------------

    def test_group_that_is_not_viable(self) -> None:
        self.tool(f"bind -q --driver uio_pci_generic {self.other}")
        printed = self.tool(f"bind {self.one}", status=1).stderr
        self.assertIn(f"{self.other} is still bound to uio_pci_generic", printed)
        self.assertEqual(self.state(self.one), (None, "(null)", "0"))
        # If one device cannot be bound, none is changed.
        printed = self.tool(f"bind {self.own} {self.one}", status=1).stderr
        self.assertEqual(self.state(self.own), (None, "(null)", "0"))
        self.tool(f"unbind {self.other}")
        self.tool(f"bind {self.one}")

    @long("it repeats with each driver what other tests do with one")
    def test_in_use(self) -> None:
        for driver, node in (("vfio-pci", f"/dev/vfio/{self.group(self.own)}"), ("igb_uio", "/dev/uio0"), ("none", "enable")):
            with self.subTest(driver=driver):
                self.tool(f"bind -q --driver {driver} {self.own}")
                before = self.state(self.own)
                job = self.guest.spawn(f"exec probe hold {self.own}")
                job.wait_output("open")
                pid = self.guest.run("pidof probe").stdout.strip()
                for words in ("bind --driver uio_pci_generic", "unbind"):
                    printed = self.tool(f"{words} {self.own}", status=1).stderr
                    self.assertIn(f"{self.own}: ", printed)
                    self.assertRegex(printed, rf"in use by probe \(pid {pid}, \S*{node}\)")
                self.assertEqual(self.state(self.own)[:2], before[:2])
                self.guest.run(f"kill {pid}")
                job.wait()
                self.tool(f"unbind {self.own}")

    def test_by_nobody(self) -> None:
        self.assertIn("only root", self.tool(f"bind {self.own}", user="nobody", status=1).stderr)
        self.assertIn("vfio-pci/bind", self.tool(f"bind --dry-run {self.own}", user="nobody").stdout)
        self.tool(f"bind {self.own}")
        self.assertIn("only root", self.tool(f"unbind {self.own}", user="nobody", status=1).stderr)
        self.assertEqual(self.guest.driver(self.own), "vfio-pci")

    def test_without_viommu(self) -> None:
        printed = self.tool("bind --driver vfio-pci", guest=self.bare, status=1).stderr
        self.assertIn("no IOMMU group", printed)
        self.assertIn("intel-iommu,intremap=on", printed)
        folder = f"/lib/modules/{self.bare.kernel.release}"
        self.bare.run(f"ivshmemctl unbind; rmmod igb_uio; mv {folder}/igb_uio.ko /tmp; cp {folder}/modules.dep /tmp", check=False)
        self.addCleanup(self.bare.run, f"mv /tmp/igb_uio.ko /tmp/modules.dep {folder}")
        # A module that is listed and cannot be loaded.
        printed = self.tool("bind", guest=self.bare, status=1).stderr
        self.assertIn("modprobe igb_uio", printed)
        self.assertEqual(self.state(self.bare.address(), self.bare), (None, "(null)", "0"))
        self.bare.run(f"sed -i /igb_uio/d {folder}/modules.dep")
        for words in ("bind", "bind --driver igb_uio"):
            self.assertIn("dpdk-kmods-dkms", self.tool(words, guest=self.bare, status=1).stderr)

    # -- rollbacks -------------------------------------------------------------------------------------

    def hide_nodes(self) -> None:
        self.tool(f"bind -q --driver vfio-pci {self.plain}")  # /dev/vfio is there
        self.guest.run(HIDE)
        self.addCleanup(self.guest.run, "umount /dev/vfio")

    @long("two programs wait for a node until their time limit")
    def test_node_that_does_not_appear(self) -> None:
        self.hide_nodes()
        for driver in ("uio_pci_generic", "none"):
            with self.subTest(driver=driver):
                self.tool(f"bind -q --driver {driver} {self.own}")
                before = self.state(self.own)
                printed = self.tool(f"bind --driver vfio-pci {self.own}", status=1).stderr
                self.assertIn(f"/dev/vfio/{self.group(self.own)} did not appear", printed)
                self.assertIn("were undone", printed)
                self.assertEqual(self.state(self.own), before)
                self.assertEqual(self.guest.run(f"ls {RECORDS}").stdout, f"{self.own}.enabled\n" * (driver == "none"))

    @long("a program waits for a node until its time limit")
    def test_nothing_stays_where_one_of_two_fails(self) -> None:
        self.tool(f"bind -q --driver uio_pci_generic {self.one}")
        # Writes to the driver have no effect.
        self.guest.modprobe("igb_uio", intr_mode="msix", wc_activate=1)
        self.guest.run("mount --bind /dev/null /sys/bus/pci/drivers/igb_uio/bind")
        self.addCleanup(self.guest.run, "umount /sys/bus/pci/drivers/igb_uio/bind")
        printed = self.tool(f"bind --driver igb_uio {self.own} {self.one}", status=1).stderr
        self.assertIn("did not appear", printed)
        self.assertEqual(self.state(self.own), (None, "(null)", "0"))
        self.assertEqual(self.state(self.one)[:2], ("uio_pci_generic", "uio_pci_generic"))

    def test_ended_by_a_signal(self) -> None:
        self.hide_nodes()
        for name, number in (("TERM", 15), ("HUP", 1)):
            with self.subTest(signal=name):
                self.tool(f"bind -q --driver uio_pci_generic {self.own}")
                before = self.state(self.own)
                job = self.guest.spawn(f"exec ivshmemctl bind -v --driver vfio-pci {self.own}")
                self.guest.wait_for(lambda: self.guest.driver(self.own) == "vfio-pci")
                job.signal(name)
                result = job.wait(PATIENCE)
                self.assertEqual(result.rc, 128 + number, result.stderr)
                self.assertIn("interrupted: all changes were undone", result.stderr)
                self.assertEqual(self.state(self.own), before)

    @long("it ends eight programs")
    def test_ended_at_any_moment(self) -> None:
        """Whenever the signal arrives, the device is bound as before or as requested, never in between."""
        bind = f"ivshmemctl bind -q --driver uio_pci_generic {self.own}"
        began = time.monotonic()
        self.guest.run(bind)
        whole = time.monotonic() - began
        ends = []
        for part in range(8):
            self.tool(f"unbind -q {self.own}")
            self.guest.run(f"{bind} & sleep {whole * part / 8:.3f}; kill -TERM $!; wait $!", check=False)
            ends.append(self.state(self.own)[:2])
        self.assertLessEqual(set(ends), {(None, "(null)"), ("uio_pci_generic", "uio_pci_generic")}, ends)
