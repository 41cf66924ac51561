# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Guests of one ivshmem-v2 model, and the program state-peer in them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import ClassVar

from device_support import DEVICE_PROGRAMS, STATES, ModelCase, bind
from lab import DeviceModel, Guest, GuestGone, Job, booted
from lab.kernel import Kernel
from support import IVSHMEMCTL, PATIENCE, Party

STATE_TABLE = 4096
READ_WRITE = 64 << 10
"""Bytes of the sections, in the order of the memory: state table, read/write section, output sections by id."""


class StatesCase(ModelCase):
    """Two or three guests of one v2 model; the index of a guest is its id. The device of guest 1 is behind a port."""

    OPTIONS: ClassVar[tuple[str, ...]] = ()
    GUESTS: ClassVar[int] = 2
    OUTPUT: ClassVar[int] = 64 << 10
    """Bytes of each output section."""
    PROGRAMS: ClassVar[tuple[Path, ...]] = (*DEVICE_PROGRAMS, IVSHMEMCTL)
    MEMORY: ClassVar[int] = 256
    """MiB of each guest."""
    model_of_all: ClassVar[DeviceModel]
    guests: ClassVar[list[Guest]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        sizes = ("--rw-size", str(READ_WRITE), "--output-size", str(cls.OUTPUT), "--state-size", str(STATE_TABLE))
        cls.model_of_all = cls.model("v2", "--max-peers", "3", "--vectors", "3", *sizes, *cls.OPTIONS, guests=3)
        cls.guests = list(cls.enterClassContext(booted(*(cls.guest_with_id(peer) for peer in range(cls.GUESTS)))))
        for guest in cls.guests:
            bind(guest)

    @classmethod
    def guest_with_id(cls, peer: int) -> Guest:
        devices = [cls.model_of_all.device(peer, "port" if peer == 1 else "root")]
        return cls.new_guest(
            f"vm{peer}", devices, programs=cls.PROGRAMS, kernel=cls.kernel(peer), memory=cls.MEMORY
        )

    @classmethod
    def kernel(cls, peer: int) -> Kernel | None:
        """Return the kernel of a guest, if it is not that of this machine's Debian."""

    @classmethod
    def output_section(cls, peer: int) -> int:
        """Return the offset of a peer's output section in the memory."""
        return STATE_TABLE + READ_WRITE + peer * cls.OUTPUT

    def party(self, peer: int) -> Party:
        return Party(self.guests[peer], self.guests[peer].address())

    def spawn(self, peer: int, command: str, *words: object) -> Job:
        """Start a state-peer in a guest; it ends with the test at the latest."""
        guest = self.guests[peer]
        arguments = " ".join(map(str, words))
        job = guest.spawn(f"exec {STATES.name} {command} {guest.address()} {arguments}")
        self.addCleanup(end, guest, job)
        return job

    def run_on(self, peer: int, command: str, *words: object) -> str:
        """Run a state-peer in a guest to its end, which must be a success; return its output."""
        return self.spawn(peer, command, *words).wait(PATIENCE).check().stdout

    def spawn_tool(self, peer: int, words: str) -> Job:
        """Start ivshmemctl in a guest; its output includes standard error."""
        guest = self.guests[peer]
        job = guest.spawn(f"exec {IVSHMEMCTL.name} -D {guest.address()} {words} 2>&1")
        self.addCleanup(end, guest, job)
        return job

    def run_tool(self, peer: int, words: str, status: int = 0) -> str:
        """Run ivshmemctl in a guest to its end; return its output."""
        result = self.spawn_tool(peer, words).wait(PATIENCE)
        self.assertEqual(result.rc, status, f"{words}\n{result.stdout}")
        return result.stdout

    def hold(self, peer: int, state: int, *words: str) -> Job:
        """Give a peer a state, and report the changes of others' states."""
        job = self.spawn(peer, "hold", state, *words)
        job.wait_output(f"holds {state}\n", PATIENCE)
        return job


def end(guest: Guest, job: Job) -> None:
    """End a program, if neither it nor its guest ended."""
    if guest.running and not job.ended:
        with contextlib.suppress(GuestGone):
            job.signal("KILL")
            job.wait()
