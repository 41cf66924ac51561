# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Peers on devices that end without a word: the heartbeat reports each end, and none that was not."""

from __future__ import annotations

import time
from typing import ClassVar

from channel_support import CHANNEL_PROGRAMS, AnyJob, ChannelCase, events, incarnation
from lab import Doorbell, Guest, GuestGone, Server, booted
from lab.runner import long
from support import Party

PERIOD = 1000
"""The period of the heartbeats in milliseconds."""
BEATING = f"-h {PERIOD}"
SILENCE = 5 * PERIOD / 1000
"""A peer that has ended is lost after this time, in seconds."""
MANY = 20


class Lost(ChannelCase):
    """Two guests. The tests run in the order of their numbers; the last one kills a guest."""

    server: ClassVar[Server]
    stays: ClassVar[Guest]
    goes: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2, size="1M"))
        devices = [Doorbell(cls.server.socket, 2)]
        cls.stays, cls.goes = cls.enterClassContext(
            booted(*(Guest(cls.work, name, devices=devices, programs=CHANNEL_PROGRAMS) for name in ("stays", "goes")))
        )

    @staticmethod
    def use(guest: Guest) -> Party:
        address = guest.address()
        if guest.driver(address) != "vfio-pci":
            guest.bind(address, "vfio-pci")
        return Party(guest, address)

    def serve(self, options: str = BEATING) -> AnyJob:
        job = self.peer(self.use(self.stays), "serve", 0, 1, options=options)
        job.wait_output("slot: 0\n")
        return job

    def connected(self, serving: AnyJob, options: str = BEATING, command: str = "idle") -> tuple[AnyJob, int]:
        """Return a client that is connected, and its incarnation."""
        job = self.peer(self.use(self.goes), command, 1, 0, options=options)
        number = incarnation(job.wait_output("slot: 1\n"))
        serving.wait_output(f"event: connected {number} ")
        return job, number

    def kill_again_and_again(self, times: int) -> None:
        serving = self.serve()
        killed = []
        for _ in range(times):
            job, number = self.connected(serving)
            job.signal("KILL")
            job.wait()
            killed.append(number)
            serving.wait_output(f"event: peer_lost {number} ")
        wanted = [event for dead in killed for event in (("connected", dead), ("peer_lost", dead))]
        self.assertEqual(events(self.stop(serving)), wanted)

    def test_1_programs_killed(self) -> None:
        self.kill_again_and_again(2)

    @long("each end is noticed after seconds")
    def test_2_many_programs_killed(self) -> None:
        self.kill_again_and_again(MANY)

    @long("each end is noticed after seconds")
    def test_3_stopped_for_less_and_for_longer(self) -> None:
        serving = self.serve()
        job, number = self.connected(serving)
        for _ in range(2):
            job.signal("STOP")
            time.sleep(1.5 * PERIOD / 1000)
            job.signal("CONT")
            time.sleep(1.5 * PERIOD / 1000)
        self.assertEqual(events(serving.output()), [("connected", number)])
        job.signal("STOP")
        serving.wait_output(f"event: peer_lost {number} ")
        job.signal("KILL")
        job.wait()
        self.stop(serving)

    @long("it waits for what must not happen")
    def test_4_no_heartbeat(self) -> None:
        """A peer without a heartbeat is not lost, and one that leaves is closed."""
        serving = self.serve()
        job, number = self.connected(serving, options="")
        job.signal("KILL")
        job.wait()
        time.sleep(2 * SILENCE)
        self.assertEqual(events(serving.output()), [("connected", number)])
        again, another = self.connected(serving)
        self.stop(again)
        serving.wait_output(f"event: closed {another} ")
        time.sleep(SILENCE)
        wanted = [("connected", number), ("reset", number), ("connected", another), ("closed", another)]
        self.assertEqual(events(self.stop(serving)), wanted)

    def test_5_guest_killed(self) -> None:
        serving = self.serve()
        job, number = self.connected(serving)
        self.goes.kill()
        with self.assertRaises(GuestGone):
            job.wait()
        serving.wait_output(f"event: peer_lost {number} ")
        self.assertEqual(events(self.stop(serving)), [("connected", number), ("peer_lost", number)])
