# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A hostile guest that rings without end, or writes all over the memory; peers whose geometry differs."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import ClassVar

from channel_support import CHANNEL_PROGRAMS, AnyJob, ChannelCase, events, fact, incarnation, kill, start, totals
from lab import Doorbell, Guest, Plain, Result, Server, booted
from lab.runner import long
from support import PATIENCE, PROBE, Party

SIZE = 1 << 20
STORM = 60
SCRIBBLE = 5
"""Seconds."""

HANGS = 20_000
"""Milliseconds. A timer is late by less on a busy machine."""

ERRORS = (
    *("slot_in_use", "slot_lost", "slot_overwritten", "geometry_mismatch", "layout_version"),
    *("channel_reset", "channel_closed", "channel_poisoned", "channel_rejected", "peer_lost"),
)
"""The errors that may end a peer whose memory another process overwrites."""


class Hostile(ChannelCase):
    """Two guests, and tests on their second and third device."""

    storm: ClassVar[Server]
    scribbled: ClassVar[Server]
    left: ClassVar[Guest]
    right: ClassVar[Guest]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        memory = cls.work / "memory"
        memory.write_bytes(bytes(SIZE))
        cls.storm = cls.enterClassContext(Server(cls.work, "storm", vectors=4, size="1M"))
        cls.scribbled = cls.enterClassContext(Server(cls.work, "scribbled", vectors=2, size="1M"))
        devices = [Doorbell(cls.storm.socket, 4), Doorbell(cls.scribbled.socket, 2), Plain(memory, SIZE)]
        cls.left, cls.right = cls.enterClassContext(
            booted(*(Guest(cls.work, name, devices=devices, programs=CHANNEL_PROGRAMS) for name in ("left", "right")))
        )
        for guest in (cls.left, cls.right):
            for index in (0, 1):
                guest.bind(guest.address(index), "vfio-pci")
            guest.unbind(guest.address(2))

    @classmethod
    def run_on(cls, party: Party, command: str, *words: object, options: str = "") -> AnyJob:
        job = start(cls.work, party, command, *words, options=options)
        cls.addClassCleanup(kill, job, party.guest)
        return job

    @staticmethod
    def party(guest: Guest, index: int) -> Party:
        return Party(guest, guest.address(index))

    @staticmethod
    def host(server: Server) -> Party:
        return Party(None, f"server:{server.socket}")

    def hold(self, party: Party, slot: int, options: str = "") -> AnyJob:
        job = self.peer(party, "hold", slot, options=options)
        job.wait_output(f"slot: {slot}\n")
        return job

    def ticks(self, output: str) -> tuple[int, float, float]:
        """Return the ticks of a 10 ms timer, the seconds, and the worst delay in milliseconds."""
        found = re.findall(r"^ticks: (\d+) in (\S+) s, the latest (\S+) ms late$", output, re.MULTILINE)
        self.assertEqual(len(found), 1, output)
        return int(found[0][0]), float(found[0][1]), float(found[0][2])

    # -- claims, on memory without a doorbell ---------------------------------------------------------

    def test_claim_of_a_slot_that_is_held(self) -> None:
        left, right = self.party(self.left, 2), self.party(self.right, 2)
        holder = self.hold(left, 1)
        # The same from the same guest as from another one.
        for other in (left, right):
            self.assertFails(self.attempt(other, "claim", 1), "slot_in_use", other.device, "slot 1 is held")
        self.attempt(right, "claim", 2).check()
        self.assertFalse(holder.ended)
        holder.signal("KILL")
        holder.wait()
        self.attempt(right, "claim", 1).check()

    def test_claims_that_cannot_be(self) -> None:
        left, right = self.party(self.left, 2), self.party(self.right, 2)
        holder = self.hold(left, 0, "-g 2,1,1024")
        for options, slot, error, fragment in (
            ("-g 4,4,1024", 1, "geometry_mismatch", "divides the memory into 2 slots, 1 lanes, rings of 1024 bytes"),
            ("-g 3,1,1000", 1, "bad_geometry", "3 slots, 1 lanes, rings of 1000 bytes"),
            ("", 2, "slot_out_of_range", "there is no slot 2"),
        ):
            with self.subTest(error=error):
                self.assertFails(self.attempt(right, "claim", slot, options=options), error, fragment)
        # Without a requested geometry it takes the existing one.
        self.assertEqual(fact(self.attempt(right, "claim", 1).check().stdout, "geometry"), "2,1,1024")
        self.assertFails(self.attempt(right, "idle", 1, 0, options="-l 1"), "lane_out_of_range")
        self.stop(holder)
        result = self.attempt(right, "claim", 1, options="-g 16,16,65536")
        self.assertFails(result, "region_too_small", right.device, f"in the {SIZE} bytes", "16 slots")
        result = self.attempt(self.party(self.left, 1), "claim", 1, options="-v 2")
        self.assertFails(result, "vector_out_of_range", "0 to 1")

    # -- a peer that writes anything -------------------------------------------------------------------

    def test_scribbler(self) -> None:
        left, host = self.party(self.left, 1), self.host(self.scribbled)
        self.transfer(left, host)
        scribbling = self.peer(self.party(self.right, 1), "scribble", SCRIBBLE)
        scribbling.wait_output("scribbling")
        ends: Counter[str] = Counter()
        worst = 0.0
        while not scribbling.ended:
            jobs = [
                self.peer(left, "serve", 0, 1, options="-u -t"),
                self.peer(host, "echo", 1, 0, 0, 600, options="-u -t"),
            ]
            self.wait_for(lambda: scribbling.ended or all(job.ended for job in jobs), "the end of the peers", 60)
            for where, job in zip(("guest", "host"), jobs):
                result = self.end_of_scribbled(job)
                ends[f"{where}: {self.outcome(result)}"] += 1
                if "ticks: " in result.stdout:
                    worst = max(worst, self.ticks(result.stdout)[2])
        written = fact(scribbling.wait().check().stdout, "scribbled")
        print(f"     {written} words written; {dict(ends)}; a timer was {worst:.0f} ms late at worst")
        for where in ("guest", "host"):
            self.assertTrue({f"{where}: slot_lost", f"{where}: slot_overwritten"} & set(ends), ends)
        self.assertLess(worst, HANGS)
        # The remains may look like a peer of another version; then the error of a claim names the
        # remedy.
        self.transfer(left, host, options=("-f", ""))

    def end_of_scribbled(self, job: AnyJob) -> Result:
        """Return how a peer ends whose memory was overwritten. A peer that started later still holds its slot."""
        if not job.ended:
            # The last ring may be lost, because the words with the id to ring were overwritten.
            printed, host = job.wait_output("slot: "), self.host(self.scribbled)
            host.start(PROBE, "ring", host.device, fact(printed, "id"), 0)(60).check()
            deadline = time.monotonic() + 3
            while not job.ended and time.monotonic() < deadline:
                time.sleep(0.05)
            if not job.ended:
                claim = self.attempt(host, "claim", fact(printed, "slot"))
                if claim.rc == 0:  # the words with the id to ring were overwritten: it could not answer
                    host.start(PROBE, "ring", host.device, fact(printed, "id"), 0)(60).check()
                    return job.wait(PATIENCE)
                self.assertFails(claim, "slot_in_use")
            job.signal("TERM")
        return job.wait(PATIENCE)

    def outcome(self, result: Result) -> str:
        """Return the name of the error that ended a peer, or "none"."""
        if result.rc == 0:
            return "none"
        found = re.search(r"^error ivshmem (\d+) ", result.stdout, re.MULTILINE)
        self.assertIsNotNone(found, result)
        self.assertEqual(result.rc, 3, result)
        assert found is not None
        names = {self.errc(name): name for name in ERRORS}
        self.assertIn(int(found[1]), names, result)
        return names[int(found[1])]


@long("the storm takes a minute of both processors")
class InAStorm(Hostile):
    """The same, while the first device of one guest has a storm of rings from the other."""

    serving: ClassVar[AnyJob]
    talking: ClassVar[AnyJob]
    ringing: ClassVar[AnyJob]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.serving = cls.run_on(cls.party(cls.left, 0), "serve", 0, 1, options="-t")
        identity = fact(cls.serving.wait_output("slot: 0\n"), "id")
        cls.talking = cls.run_on(cls.host(cls.storm), "echo", 1, 0, 0, STORM + 5, options="-t")
        cls.ringing = cls.run_on(cls.party(cls.right, 0), "storm", identity, 4, STORM)

    def test_storm(self) -> None:
        rang = fact(self.ringing.wait(STORM + PATIENCE).check().stdout, "rang")
        printed = self.talking.wait(PATIENCE).check().stdout
        served = self.stop(self.serving)
        self.assertEqual(events(served), [("connected", incarnation(printed)), ("closed", incarnation(printed))])
        self.assertEqual(totals(served), totals(printed))
        self.assertEqual(int(fact(printed, "sent")), totals(printed))
        count, seconds, late = self.ticks(served)
        rate = f"{count} ticks in {seconds:.0f} s, {late:.0f} ms late at worst"
        print(f"     {rang} rings, {totals(printed)} messages each way, {rate}")
        self.assertGreater(totals(printed), STORM)
        # A hundred per second, on an idle machine.
        self.assertGreater(count, 10 * STORM)
        self.assertLess(late, 5000)
