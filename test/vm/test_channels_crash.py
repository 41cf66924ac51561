# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Peers that are killed in the middle of a transfer, with or without their guest, and start again."""

from __future__ import annotations

from typing import ClassVar

from channel_support import CHANNEL_PROGRAMS, MESSAGES, AnyJob, ChannelCase, events, incarnation, totals
from lab import Doorbell, Guest, GuestGone, Server, booted
from lab.runner import long
from support import PATIENCE, Party


class Crashes(ChannelCase):
    """Two guests. The tests run in the order of their numbers; the last one kills a guest, and another takes its
    place."""

    server: ClassVar[Server]
    stays: ClassVar[Guest]
    goes: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = cls.enterClassContext(Server(cls.work, vectors=2, size="1M"))
        cls.stays, cls.goes = cls.enterClassContext(booted(cls.guest("stays"), cls.guest("goes")))

    @classmethod
    def guest(cls, name: str) -> Guest:
        return Guest(cls.work, name, devices=[Doorbell(cls.server.socket, 2)], programs=CHANNEL_PROGRAMS)

    @staticmethod
    def use(guest: Guest) -> Party:
        address = guest.address()
        if guest.driver(address) != "vfio-pci":
            guest.bind(address, "vfio-pci")
        return Party(guest, address)

    def serve(self, party: Party) -> AnyJob:
        job = self.peer(party, "serve", 0, 1)
        job.wait_output("slot: 0\n")
        return job

    def busy(self, party: Party) -> tuple[AnyJob, int]:
        """Return a client in the middle of a very long transfer, and its incarnation."""
        job = self.peer(party, "echo", 1, 0, 0, 600)
        return job, incarnation(job.wait_output("progress: 50\n"))

    def last(self, party: Party) -> int:
        """Run a client that is not killed; return its incarnation. It checks that no message is from another
        incarnation."""
        printed = self.attempt(party, "echo", 1, 0, MESSAGES).check().stdout
        self.assertEqual(totals(printed), MESSAGES)
        return incarnation(printed)

    def assertSawEachOnce(self, serving: AnyJob, killed: list[int], last: int) -> None:
        """Check that there was one reset for each killed client, with its incarnation, and that each message was
        correct."""
        serving.wait_output(f"event: closed {last} ")
        served = self.stop(serving)
        wanted = [event for dead in killed for event in (("connected", dead), ("reset", dead))]
        self.assertEqual(events(served), [*wanted, ("connected", last), ("closed", last)], served)
        self.assertGreaterEqual(totals(served), MESSAGES)

    def test_1_program_killed(self) -> None:
        stays, goes = self.use(self.stays), self.use(self.goes)
        serving = self.serve(stays)
        killed = []
        for _ in range(3):
            job, number = self.busy(goes)
            job.signal("KILL")
            self.assertEqual(job.wait().rc, 128 + 9)
            killed.append(number)
        self.assertSawEachOnce(serving, killed, self.last(goes))

    def test_2_server_of_the_echo_killed(self) -> None:
        stays, goes = self.use(self.stays), self.use(self.goes)
        serving = self.serve(goes)
        job, _ = self.busy(stays)
        serving.signal("KILL")
        serving.wait()
        again = self.serve(goes)
        # This client does not want a new session, and prints the reason.
        self.assertFails(job.wait(60), "channel_reset")
        self.assertSawEachOnce(again, [], self.last(stays))

    def test_3_process_of_the_host_killed(self) -> None:
        host = Party(None, f"server:{self.server.socket}")
        serving = self.serve(self.use(self.stays))
        job, number = self.busy(host)
        job.signal("KILL")
        job.wait()
        self.assertSawEachOnce(serving, [number], self.last(host))

    @long("it boots a third guest; test_channels_lost.py kills one, too")
    def test_4_guest_killed(self) -> None:
        serving = self.serve(self.use(self.stays))
        job, number = self.busy(self.use(self.goes))
        self.goes.kill()
        with self.assertRaises(GuestGone):
            job.wait(PATIENCE)
        another = self.enterContext(self.guest("another"))
        self.assertSawEachOnce(serving, [number], self.last(self.use(another)))
