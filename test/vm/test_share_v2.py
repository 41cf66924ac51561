# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmem-share on an ivshmem-v2 device: several programs of a guest are one peer, of which one has the state."""

from __future__ import annotations

from device_support import DEVICE_PROGRAMS
from lab import Job
from state_support import StatesCase
from support import IVSHMEMCTL, PATIENCE, facts, probe
from test_share import KEEPER, SHARE, listens

VECTORS = 3
HELD = r"slot 1 is held by another program of this machine: \d+ \({}\)"


class ShareV2(StatesCase):
    """Both guests share their device with their programs."""

    PROGRAMS = (*DEVICE_PROGRAMS, IVSHMEMCTL, SHARE, KEEPER)
    MEMORY = 512

    def share(self, peer: int, command: str = "ivshmem-share", redirection: str = "") -> Job:
        """Start the service in a guest; it ends with the test."""
        guest, address = self.guests[peer], self.guests[peer].address()
        job = guest.spawn(f"exec {command} {address} {redirection}")
        self.addCleanup(self.stop, job)
        self.wait_for(lambda: job.ended or guest.run(listens(address), check=False).rc == 0, command, PATIENCE)
        self.assertFalse(job.ended, job.ended and job.wait())
        return job

    def stop(self, job: Job) -> None:
        if not job.ended:
            job.signal("TERM")
        job.wait(PATIENCE)

    def waiting(self, vector: int) -> Job:
        guest = self.guests[1]
        job = guest.spawn(f"exec probe wait {guest.address()} {vector} 100 1000")
        self.addCleanup(self.kill, job)
        job.wait_output("waiting", PATIENCE)
        return job

    def kill(self, job: Job) -> None:
        if not job.ended:
            job.signal("KILL")
        job.wait(PATIENCE)

    def all_rung(self, jobs: list[Job]) -> None:
        counts = [job.output().count("\nrung ") for job in jobs]
        for vector in range(VECTORS):
            self.run_tool(0, f"ring 1 {vector}")
        for job, count in zip(jobs, counts):
            self.wait_for(lambda job=job, count=count: job.output().count("\nrung ") > count, "a ring", PATIENCE)

    def test_programs_at_once(self) -> None:
        for peer in (0, 1):
            self.share(peer)
        address = self.guests[1].address()
        found = facts(probe(self.guests[1], "info", address))
        self.assertEqual((found["backend"], found["id"], found["interrupts"]), ("shared", "1", str(VECTORS)))
        self.assertTrue(found["description"].startswith("shared, vfio, IOMMU group"), found["description"])
        jobs = [self.waiting(vector) for vector in range(VECTORS)]
        self.all_rung(jobs)
        events = self.hold(1, 0) # waits for vector 0 too
        self.all_rung(jobs)
        self.kill(events)
        self.kill(jobs.pop())
        self.all_rung(jobs)
        self.together([self.party(0), self.party(1)], [VECTORS, VECTORS], vectors=VECTORS, crowded=True)

    def test_one_program_has_the_state(self) -> None:
        for peer in (0, 1):
            self.share(peer)
        watching = self.hold(0, 1)
        first = self.hold(1, 7)
        watching.wait_output("state 1 7\n", PATIENCE)
        # The others see all states, and their section is that of the peer.
        self.assertIn("peer 1 has state 7 (own)\n", self.run_tool(1, "state"))
        self.run_on(1, "write", "another")
        self.assertEqual(self.run_on(0, "read", 1), "another\n")
        for words in ("state 5", "serve --reformat"):
            self.assertRegex(self.run_tool(1, words, status=1), HELD.format("state-peer"))
        self.assertIn("state-peer, vectors 0, slots 1", self.run_tool(1, "info -v"))
        # The death of the program is a state of 0, and the next one may have it.
        first.signal("KILL")
        first.wait(PATIENCE)
        watching.wait_output("state 1 7\nstate 1 0\n", PATIENCE)
        second = self.hold(1, 5)
        watching.wait_output("state 1 5\n", PATIENCE)
        second.signal("TERM")
        second.wait(PATIENCE).check()
        watching.wait_output("state 1 5\nstate 1 0\n", PATIENCE)

    def test_channels(self) -> None:
        for peer in (0, 1):
            self.share(peer)
        serving = self.spawn_tool(1, "serve")
        serving.wait_output("in slot 1\n", PATIENCE)
        self.assertIn("3 sent, 3 received", self.run_tool(0, "ping -c 3 -i 0.1"))
        self.assertRegex(self.run_tool(1, "serve", status=1), HELD.format("ivshmemctl"))
        serving.signal("KILL")
        serving.wait(PATIENCE)
        serving = self.spawn_tool(1, "serve")
        serving.wait_output("in slot 1\n", PATIENCE)
        self.assertIn("3 sent, 3 received", self.run_tool(0, "ping -c 3 -i 0.1"))

    def test_restarted(self) -> None:
        """The state and its holder stay while the service is killed and starts again."""
        guest = self.guests[1]
        guest.run("mkfifo /tmp/again")
        self.share(0)
        keeper = self.share(1, "share-keeper", "<>/tmp/again")
        keeper.wait_output("ready", PATIENCE)
        watching = self.hold(0, 1)
        first = self.hold(1, 7)
        watching.wait_output("state 1 7\n", PATIENCE)
        jobs = [self.waiting(vector) for vector in range(VECTORS)]
        guest.run("echo >/tmp/again")
        self.wait_for(lambda: keeper.output().count("ready") == 2, "the service again", PATIENCE)
        self.all_rung(jobs)
        self.assertRegex(self.run_tool(1, "state 5", status=1), HELD.format("state-peer"))
        self.assertEqual(watching.output().count("state 1 0"), 0)
        first.signal("KILL")
        first.wait(PATIENCE)
        watching.wait_output("state 1 7\nstate 1 0\n", PATIENCE)
