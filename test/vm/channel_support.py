# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Programs that use channels, in guests and on the host, and functions that read their output."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

from lab import Guest, Job, LabError, Result, Workdir, build_folder
from support import PATIENCE, PROBE, DeviceCase, Party

CHANNEL_PEER = build_folder() / "test/vm/guest/channel-peer"
CHANNEL_PROGRAMS = (CHANNEL_PEER, PROBE)
"""The programs that a guest needs."""

MESSAGES = 120
"""The number of messages each way in a transfer: ten of each length, from 16 bytes to more than the ring."""


class HostJob:
    """A program that was started on the host, like a lab.Job."""

    def __init__(self, work: Workdir, command: list[str]) -> None:
        self.command = " ".join(command)
        self._log = work / f"host-{time.monotonic_ns()}"
        with open(self._log, "wb") as log:
            self._child = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def ended(self) -> bool:
        return self._child.poll() is not None

    def output(self) -> str:
        return self._log.read_text("utf-8")

    def wait_output(self, text: str, timeout: float = 30) -> str:
        deadline = time.monotonic() + timeout
        while text not in self.output():
            if self.ended or time.monotonic() > deadline:
                raise LabError(f"{self.command}: no {text!r} in its output, which is\n{self.output()}")
            time.sleep(0.02)
        return self.output()

    def wait(self, timeout: float = 30) -> Result:
        status = self._child.wait(timeout)
        return Result(self.command, status, self.output(), "")

    def signal(self, name: str) -> None:
        if not self.ended:
            self._child.send_signal(signal.Signals[f"SIG{name}"])


AnyJob = Job | HostJob


def start(
    work: Workdir, party: Party, command: str, *words: object, options: str = "", program: Path = CHANNEL_PEER
) -> AnyJob:
    """Start a channel-peer, or a program with the same arguments, on the party's machine; `kill` ends it."""
    arguments = f"{options} {command} {party.device} {' '.join(map(str, words))}".split()
    if party.guest is None:
        return HostJob(work, [str(program), *arguments])
    return party.guest.spawn(" ".join(["exec", program.name, *arguments]))


def kill(job: AnyJob, guest: Guest | None) -> None:
    """End a channel-peer, if it and its guest still run."""
    if (guest is None or guest.running) and not job.ended:
        job.signal("KILL")
        job.wait()


class ChannelCase(DeviceCase):
    """Tests of channels."""

    def peer(
        self, party: Party, command: str, *words: object, options: str = "", program: Path = CHANNEL_PEER
    ) -> AnyJob:
        """Start a channel-peer, or a program with the same arguments, that ends with the test at the latest."""
        job = start(self.work, party, command, *words, options=options, program=program)
        self.addCleanup(kill, job, party.guest)
        return job

    def attempt(self, party: Party, command: str, *words: object, options: str = "") -> Result:
        """Run a channel-peer to its end; it may fail."""
        return self.peer(party, command, *words, options=options).wait(PATIENCE)

    @staticmethod
    def stop(job: AnyJob) -> str:
        """End a program that runs until SIGTERM; return its output."""
        job.signal("TERM")
        return job.wait(PATIENCE).check().stdout

    def transfer(self, server: Party, client: Party, *, options: tuple[str, str] = ("", "")) -> str:
        """Send messages from slot 1 to slot 0 and back; both sides check each message. Return both outputs."""
        count = MESSAGES
        serving = self.peer(server, "serve", 0, 1, options=options[0])
        serving.wait_output("slot: 0\n", PATIENCE)
        printed = self.attempt(client, "echo", 1, 0, count, options=options[1]).check().stdout
        self.assertIn(f"\nsent: {count}\n", printed)
        self.assertEqual(totals(printed), count)
        serving.wait_output("event: closed")
        served = self.stop(serving)
        self.assertEqual(totals(served), count)
        # Each side was connected to the other once.
        self.assertEqual(events(served), [("connected", incarnation(printed)), ("closed", incarnation(printed))], served)
        self.assertEqual(events(printed), [("connected", incarnation(served))], printed)
        return served + printed

    def both_ways(self, one: Party, other: Party, interrupts: tuple[int, int]) -> None:
        """Transfer messages with each side as the client once; check the number of interrupts of each backend."""
        for server, client, wanted in ((one, other, interrupts), (other, one, interrupts[::-1])):
            with self.subTest(server=server.device, client=client.device):
                printed = self.transfer(server, client)
                served, asked = printed.split("backend: ")[1:]
                self.assertEqual((fact(served, "interrupts"), fact(asked, "interrupts")), tuple(map(str, wanted)))


def totals(output: str) -> int:
    """Return the number of messages that a channel-peer received, all of them correct."""
    return int(re.findall(r"^messages: (\d+) ", output, re.MULTILINE)[-1])


def events(output: str) -> list[tuple[str, int]]:
    """Return the events of a channel, each with the peer's incarnation."""
    return [(what, int(number)) for what, number in re.findall(r"^event: (\w+) (\d+)", output, re.MULTILINE)]


def fact(output: str, name: str) -> str:
    """Return the value of a line "name: value"."""
    found = re.search(rf"^{name}: (.*)$", output, re.MULTILINE)
    assert found is not None, output
    return found[1]


def incarnation(output: str) -> int:
    """Return the incarnation of a channel-peer."""
    return int(fact(output, "incarnation"))
