# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Guests that reboot or are killed, a server that is killed, devices that are unplugged."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import ClassVar

from lab import Doorbell, Guest, GuestGone, Job, LabError, Server, booted
from lab.runner import long
from support import DEVICES, PROBE, PROGRAMS, DeviceCase, Party, facts, probe


class Watcher:
    """A process on the host that is a peer, and logs the events of the others."""

    def __init__(self, case: DeviceCase, server: Server) -> None:
        self._case = case
        self._log = case.work / f"watcher-{server.socket.name}"
        with open(self._log, "wb") as log:
            self._child = subprocess.Popen([str(PROBE), "events", f"server:{server.socket}"], stdout=log)
        case.addCleanup(self.stop)
        self.wait("waiting")

    def wait(self, text: str) -> None:
        self._case.wait_for(lambda: text in self._log.read_text(), f"{text!r} in {self._log}", 60)

    def stop(self) -> None:
        self._child.kill()
        self._child.wait()


class Restarts(DeviceCase):
    """Two guests on two servers. The tests run in the order of their numbers, and end one after the other."""

    doomed: ClassVar[Server]
    server: ClassVar[Server]
    stays: ClassVar[Guest]
    goes: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2, size="1M"))
        cls.doomed = cls.enterClassContext(Server(cls.work, "doomed", vectors=2, size="1M"))
        devices = [Doorbell(cls.server.socket, 2), Doorbell(cls.doomed.socket, 2)]
        cls.stays, cls.goes = cls.enterClassContext(
            booted(*(Guest(cls.work, name, devices=devices, programs=PROGRAMS) for name in ("stays", "goes")))
        )
        for guest in (cls.stays, cls.goes):
            cls.bind(guest)

    @staticmethod
    def bind(guest: Guest) -> None:
        for index in (0, 1):
            guest.bind(guest.address(index), "vfio-pci")

    def peer_id(self, guest: Guest) -> int:
        return int(facts(probe(guest, "info", guest.address()))["id"])

    def parties(self, index: int) -> list[Party]:
        return [Party(guest, guest.address(index)) for guest in (self.stays, self.goes)]

    @long("it boots a guest twice more")
    def test_1_reboot(self) -> None:
        for hard in (False, True):
            with self.subTest(hard=hard):
                before = self.peer_id(self.goes)
                mine = self.peer_id(self.stays)
                waiting = self.stays.spawn(f"probe wait {self.stays.address()} 1 120")
                waiting.wait_output("waiting")
                held = self.goes.spawn(f"probe hold {self.goes.address()}")
                held.wait_output("open")
                self.goes.reboot(hard=hard)
                with self.assertRaises(GuestGone):
                    held.wait()
                self.bind(self.goes)
                self.assertEqual(self.peer_id(self.goes), before)
                self.assertFalse(waiting.ended)
                probe(self.goes, "ring", self.goes.address(), mine, 1).check()
                self.assertRegex(waiting.wait(60).check().stdout, r"rung [1-9]")
                # Data that is left in the memory from before the reboot is not mistaken for new
                # data.
                self.together(self.parties(0), [2, 2], vectors=2)

    def test_2_server_killed(self) -> None:
        watcher = Watcher(self, self.doomed)
        os.kill(self.doomed.pid, signal.SIGKILL)
        watcher.wait("event: server gone")
        watcher.wait("events: ivshmem")
        self.together(self.parties(1), [2, 2], vectors=2)
        # No process can join any more; the error names the leftover socket.
        result = Party(None, "").start(PROBE, "info", f"server:{self.doomed.socket}")(60)
        self.assertFails(result, "server_unreachable", str(self.doomed.socket))

    def test_3_guest_killed(self) -> None:
        watcher = Watcher(self, self.server)
        dead = self.peer_id(self.goes)
        mine = self.peer_id(self.stays)
        address = self.stays.address()
        waiting = self.stays.spawn(f"probe wait {address} 0 120")
        waiting.wait_output("waiting")
        held = self.goes.spawn(f"probe hold {self.goes.address()}")
        held.wait_output("open")
        self.goes.kill()
        watcher.wait(f"event: peer left {dead}")
        self.assertFalse(waiting.ended)
        host = Party(None, "").start(PROBE, "ring", f"server:{self.server.socket}", mine, 0)
        host(60).check()
        self.assertRegex(waiting.wait(60).check().stdout, r"rung [1-9]")
        # Ringing a dead peer is not an error, and does not affect later waits.
        probe(self.stays, "ring", address, dead, 0, 100).check()
        self.together([Party(self.stays, address), Party(None, f"server:{self.server.socket}")], [2, 2], vectors=2)


class Unplug(DeviceCase):
    """Devices that are unplugged while they are in use."""

    server: ClassVar[Server]
    guest: ClassVar[Guest]
    index: ClassVar[int]
    """The index of the plugged device."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # QEMU crashes when a device is unplugged that has seen a peer leave.
        options = ["--no-departures"]
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2, size="1M", options=options))
        device = Doorbell(cls.server.socket, 2, place="port")
        cls.guest = cls.enterClassContext(
            Guest(cls.work, "guest", devices=[device], programs=PROGRAMS, extra_modules=["igb_uio"])
        )
        cls.index = 0

    def replug(self) -> str:
        cls = type(self)
        cls.index = self.guest.plug(Doorbell(self.server.socket, 2, place="port"))
        address = "0000:01:00.0"
        self.guest.wait_for(f"test -e {DEVICES}/{address}")
        self.assertEqual(self.guest.address(self.index), address)
        return address

    def test_while_waiting_and_again(self) -> None:
        address = self.guest.address(self.index)
        self.guest.bind(address, "vfio-pci")
        # A peer that came and went does not crash QEMU, because the server announces no departures.
        Party(None, "").start(PROBE, "info", f"server:{self.server.socket}")(60).check()
        for round in (1, 2):
            with self.subTest(round=round):
                job = self.guest.spawn(f"probe events {address}")
                job.wait_output("waiting")
                self.guest.request_unplug(self.index)
                printed = job.wait(60).check().stdout
                self.assertIn("event: removal requested 0\n", printed)
                removed = f"ivshmem {self.errc('device_removed')}\n"
                for waiter in ("events", "vector 0", "vector 1", "wait"):
                    self.assertIn(f"{waiter}: {removed}", printed)
                self.assertIn("closed\n", printed)
                self.guest.wait_unplugged(self.index, 30)
                result = probe(self.guest, "info", address)
                self.assertFails(result, "device_not_found", address)
                self.assertEqual(self.replug(), address)
                self.guest.bind(address, "vfio-pci")
                self.alone(self.guest, address, "self.wait.1", vectors=2)

    def test_device_that_is_not_closed(self) -> None:
        address = self.guest.address(self.index)
        self.guest.bind(address, "vfio-pci")
        job = self.guest.spawn(f"probe events {address} 0")
        job.wait_output("waiting")
        self.guest.request_unplug(self.index)
        job.wait_output("wait: ivshmem")
        self.assertTrue(self.guest.plugged(self.index))
        self.guest.run(f"test -e {DEVICES}/{address}")
        job.signal("KILL")
        job.wait()
        self.guest.wait_unplugged(self.index, 30)
        self.replug()

    def _igb_uio(self) -> tuple[str, Job]:
        address = self.guest.address(self.index)
        self.guest.bind(address, "igb_uio")
        job = self.guest.spawn(f"probe wait {address} 0 100")
        job.wait_output("waiting")
        return address, job

    def test_igb_uio_unbound_while_waiting(self) -> None:
        address, job = self._igb_uio()
        self.guest.unbind(address)
        self._ended(job, address)

    def test_igb_uio_unplugged_while_waiting(self) -> None:
        address, job = self._igb_uio()
        self.guest.unplug(self.index)
        self._ended(job, address)
        self.replug()

    def _ended(self, job: Job, address: str) -> None:
        self.assertFails(job.wait(60), "device_removed", address, "/dev/uio0", "close it")


class Defect(DeviceCase):
    """The defect in QEMU that the server's option --no-departures avoids."""

    @long("it looks at a defect of QEMU")
    def test_qemu_crashes_when_unplugging_after_a_departure(self) -> None:
        server = self.enterContext(Server(self.work, size="1M"))
        device = Doorbell(server.socket, place="port")
        guest = self.enterContext(Guest(self.work, "guest", iommu=False, devices=[device]))
        Party(None, "").start(PROBE, "info", f"server:{server.socket}")(60).check()
        self.wait_for(lambda: "client 1 left" in server.log.read_text(), "the departure")
        try:
            guest.unplug(0)
            guest.run("true")
        except LabError:
            self.wait_for(lambda: not guest.running, "the end of QEMU")
            return
        self.skipTest("this QEMU does not crash: its defect may have been fixed")
