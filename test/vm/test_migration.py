# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Guests that migrate live between two QEMUs on this host."""

from __future__ import annotations

import re

from lab import Doorbell, Guest, LabError, Plain, Server
from lab.runner import long
from support import DEVICES, PATIENCE, PROBE, DeviceCase, Party
from test_hotplug import ADDRESS, EXAMPLE, WATCH

SIZE = 1 << 20


class Detached(DeviceCase):
    """master=off, QEMU's default: such a device must be unplugged first."""

    @long("it boots and migrates a guest of its own")
    def test_detach_migrate_reattach_while_a_program_runs(self) -> None:
        # QEMU crashes when a device is unplugged that has seen a peer leave.
        server = self.enterContext(Server(self.work, vectors=2, size="1M", options=["--no-departures"]))
        device = Doorbell(server.socket, 2, place="port")
        guest = self.enterContext(Guest(self.work, "guest", devices=[device], programs=[EXAMPLE]))
        boot = guest.run("cat /proc/sys/kernel/random/boot_id").stdout
        source = guest.pid
        guest.bind(ADDRESS, "vfio-pci")
        job = guest.spawn(f"exec hotplug {ADDRESS}")
        rings = 0

        def ring(opening: int) -> None:
            nonlocal rings
            peer = self.wait_for(
                lambda: re.findall(r"open, peer (\d+)", job.output())[opening:], f"opening {opening}", PATIENCE
            )
            for vector in (0, 1):
                rings += 1
                Party(None, "").start(PROBE, "ring", f"server:{server.socket}", peer[0], vector)(60).check()
                job.wait_output(f"vector {vector}, rings so far: {rings}\n", PATIENCE)

        ring(0)
        with self.assertRaisesRegex(LabError, "Migration is disabled when using feature 'peer mode'"):
            guest.migrate()
        self.assertEqual(guest.pid, source)
        ring(0)  # the attempt had no effect
        guest.request_unplug(0)
        job.wait_output(f"let go, rings so far: {rings}\n", PATIENCE)
        guest.wait_unplugged(0, 60)
        guest.migrate()
        self.assertNotEqual(guest.pid, source)
        self.assertEqual(guest.run("cat /proc/sys/kernel/random/boot_id").stdout, boot)
        guest.plug(device)
        guest.wait_for(f"test -e {DEVICES}/{ADDRESS}/resource2")
        guest.bind(ADDRESS, "vfio-pci")
        ring(1)
        job.signal("TERM")
        printed = job.wait(PATIENCE).check().stdout
        steps = re.findall(r"^(open|let go|removed)", printed, re.MULTILINE)
        self.assertEqual(steps, ["open", "let go", "removed", "open"])


class Attached(DeviceCase):
    """master=on: the memory is copied with the guest's own."""

    def test_plain_memory_comes_along(self) -> None:
        before, after = self.work / "before", self.work / "after"
        guest = self.enterContext(
            Guest(self.work, "plain", devices=[Plain(before, SIZE, master=True)], iommu=False, programs=[WATCH])
        )
        address = guest.address()
        job = guest.spawn(f"exec device-watch keep {address}")
        job.wait_output("asleep", PATIENCE)
        guest.migrate({0: Plain(after, SIZE, master=True)})
        job.signal("USR1")
        self.assertEqual(job.wait(PATIENCE).check().stdout, f"asleep\n{SIZE // 8} words, 0 wrong\n")
        content = after.read_bytes()
        self.assertEqual(len(content), SIZE)
        self.assertEqual(content, before.read_bytes())
        self.assertGreater(len(set(content)), 1)
        # The guest now uses the file at the destination.
        before.write_bytes(bytes(SIZE))
        again = guest.spawn(f"exec device-watch keep {address}")
        again.wait_output("asleep", PATIENCE)
        self.assertEqual(after.read_bytes(), content)
        self.assertEqual(before.read_bytes(), bytes(SIZE))
        again.signal("USR1")
        again.wait(PATIENCE).check()

    def test_plain_memory_that_is_not_master_forbids_it(self) -> None:
        guest = self.enterContext(
            Guest(self.work, "peer", devices=[Plain(self.work / "shared", SIZE)], iommu=False, programs=[WATCH])
        )
        with self.assertRaisesRegex(LabError, "Migration is disabled when using feature 'peer mode'"):
            guest.migrate()
        guest.run("true")

    def ring(self, server: Server) -> None:
        Party(None, "").start(PROBE, "ring", f"server:{server.socket}", 0, 1)(60).check()

    def test_doorbell_goes_on_at_another_server(self) -> None:
        first = self.enterContext(Server(self.work, "first", vectors=2, size="1M"))
        second = self.enterContext(Server(self.work, "second", vectors=2, size="1M"))
        guest = self.enterContext(
            Guest(self.work, "doorbell", devices=[Doorbell(first.socket, 2, master=True)], programs=[WATCH, PROBE])
        )
        address = guest.address()
        guest.bind(address, "vfio-pci")
        waiting = guest.spawn(f"probe wait {address} 1 {int(PATIENCE)} 2")
        waiting.wait_output("waiting")
        self.ring(first)
        waiting.wait_output("rung", PATIENCE)
        guest.migrate({0: Doorbell(second.socket, 2, master=True)})
        self.ring(second)
        self.assertEqual(len(re.findall("rung [1-9]", waiting.wait(PATIENCE).check().stdout)), 2)
