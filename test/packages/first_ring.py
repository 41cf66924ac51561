# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The steps of an administrator in a guest, from nothing to the first ring, and their seconds."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import repository
from lab import Doorbell, Guest, LabError, Result, Server, Workdir, build_folder
from lab.debian import DebianGuest

USER = "tester"
"""An ordinary user that becomes a member of the group."""
STRANGER = "stranger"
"""An ordinary user that does not."""

HOST_DOORBELL = build_folder() / "examples/doorbell"
EXAMPLE = "/usr/share/doc/libivshmem-dev/examples/doorbell.cpp"
DOORBELL = "/tmp/doorbell"
PATIENCE = 300.0
"""The time limit in seconds for steps that are slow under TCG on a busy machine."""


def apt(guest: Guest, words: str, check: bool = True) -> Result:
    return guest.run(f"DEBIAN_FRONTEND=noninteractive apt-get -y -q {words}", timeout=PATIENCE, check=check)


def prepare(guest: Guest) -> None:
    """Create the users, and make apt know the packages and no others."""
    guest.run(f"useradd -m -s /bin/bash {USER}; useradd -m -s /bin/bash {STRANGER}")
    guest.put("/etc/apt/sources.list", repository.SOURCE.encode())
    apt(guest, "update")


def as_user(user: str, command: str) -> str:
    """Return the command as a user runs it after logging in."""
    return f"runuser -l {user} -c '{command}'"


def running(guest: Guest, program: str) -> list[str]:
    """Return the process ids of a program that runs in the guest."""
    return guest.run(f"grep -lx {program} /proc/[0-9]*/comm | cut -d / -f 3", check=False).stdout.split()


class HostPeer:
    """The same example on the host, as a peer on the server's socket."""

    def __init__(self, server: Server, *words: object) -> None:
        self.command = [str(HOST_DOORBELL), f"server:{server.socket}", *map(str, words)]
        if not HOST_DOORBELL.exists():
            raise LabError(f"{HOST_DOORBELL}: no such program; build it first")
        self._child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *self.command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._child.stdout is not None
        self.greeting = self._child.stdout.readline()
        """"peer ID, ...", once it has joined."""

    @property
    def id(self) -> int:
        return int(self.greeting.split()[1].rstrip(","))

    def end(self, timeout: float = 60) -> Result:
        try:
            out, err = self._child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._child.kill()
            out, err = self._child.communicate()
        return Result(" ".join(self.command), self._child.returncode, self.greeting + out, err)


class FirstRing:
    """The steps, each done once."""

    def __init__(self, guest: DebianGuest, server: Server) -> None:
        self.guest = guest
        self.server = server
        self.steps: dict[str, float] = {}
        """Seconds of each."""

    def timed(self, step: str, command: str) -> None:
        began = time.monotonic()
        self.guest.run(command, timeout=PATIENCE)
        self.steps[step] = time.monotonic() - began

    def __str__(self) -> str:
        each = ", ".join(f"{step} {seconds:.0f}" for step, seconds in self.steps.items())
        return f"{sum(self.steps.values()):.0f} s from apt install to the first ring ({each})"

    def install(self) -> None:
        self.timed("install", "DEBIAN_FRONTEND=noninteractive apt-get install -y -q ivshmem-tools libivshmem-dev")

    def bind(self, address: str) -> None:
        self.timed("bind", f"ivshmemctl bind --persist {address}")

    def join_group(self) -> None:
        self.timed("join group", f"adduser {USER} ivshmem")

    def compile(self) -> None:
        """As a user does, with the manual's command."""
        flags = "$(pkg-config --cflags --libs ivshmem)"
        self.timed("compile", as_user(USER, f"g++ -std=c++20 {EXAMPLE} -o {DOORBELL} {flags}"))

    def ring(self, address: str) -> Result:
        """Ring the host from the guest; return the host's output."""
        peer = HostPeer(self.server, "wait", 0, 60)
        self.timed("ring", as_user(USER, f"{DOORBELL} {address} ring {peer.id} 0"))
        return peer.end()


def measure(suite: str, packages: Path) -> str:
    """Return all steps in a separate guest, in words."""
    with Workdir("figures") as work, Server(work, vectors=2) as server:
        devices = [Doorbell(server.socket, vectors=2)]
        with DebianGuest(work, suite, devices=devices, shares={repository.PLACE: packages}) as guest:
            prepare(guest)
            first = FirstRing(guest, server)
            address = guest.address()
            first.install()
            first.bind(address)
            first.join_group()
            first.compile()
            if first.ring(address).rc != 0:
                raise LabError(guest.explain("the host was not rung"))
            return str(first)
