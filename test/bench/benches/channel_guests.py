# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Channels between two guests, beside TCP over virtio-net between the same two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from comparison import Comparison
from lab import Doorbell, Guest, Server, Workdir, booted

from .programs import built, median_microseconds

PROGRAM = "bench-messages-peer"
ROUND_TRIPS = 1000
STREAMS = {64: 20_000, 4096: 5_000, 65536: 1_000}
"""Messages of each size."""
ADDRESS = "10.0.0.2"
PORT = 4711
"""That of the program."""
LISTENS = f"grep -q ':{PORT:04X} 00000000:0000 0A ' /proc/net/tcp"


def play(guests: Sequence[Guest], how: str, what: str, size: int, count: int) -> str:
    """Exchange messages between two guests; return what the first prints.

    how: "channel"; "tcp", at ADDRESS; or the addresses of both sides, of which the first is a forwarder's.
    """
    addresses = {"tcp": (ADDRESS, ADDRESS)}.get(how, how.split())
    jobs = []
    for number, role in ((1, "second"), (0, "first")):
        guest = guests[number]
        where = f"channel {guest.address()}" if how == "channel" else f"tcp {addresses[number]}"
        jobs.append(guest.spawn(f"{PROGRAM} {where} {role} {what} {size} {count}"))
        if how != "channel" and number == 1:
            guest.wait_for(LISTENS)
    second, first = (job.wait(120).check() for job in jobs)
    return first.stdout


def round_trip(guests: Sequence[Guest], how: str = "channel") -> float:
    """Microseconds."""
    return median_microseconds(play(guests, how, "roundtrip", 64, ROUND_TRIPS))


def stream(guests: Sequence[Guest], size: int, how: str = "channel") -> float:
    """Millions of bytes a second."""
    found = re.search(r"messages (\d+) per second", play(guests, how, "throughput", size, STREAMS[size]))
    if found is None:
        raise RuntimeError(f"{PROGRAM} printed no rate")
    return int(found[1]) * size / 1e6


def networks(work: Workdir, count: int) -> list[list[str]]:
    """The options of each guest's QEMU for a network of all: the first one's has a hub, which the others join."""
    def stream(number: int, server: str) -> list[str]:
        return ["-netdev", f"stream,id=wire{number},server={server},addr.type=unix,addr.path={work / 'wire'}{number}"]

    def card(number: int, netdev: str) -> list[str]:
        return ["-device", f"virtio-net-pci,netdev={netdev},mac=52:54:00:00:00:{number + 1:02}"]

    others = range(1, count)
    if count == 2:
        return [stream(1, "on") + card(0, "wire1"), stream(1, "off") + card(1, "wire1")]
    hub = ["-netdev", "hubport,id=own,hubid=0"]
    for number in others:
        hub += [*stream(number, "on"), "-netdev", f"hubport,id=port{number},hubid=0,netdev=wire{number}"]
    return [hub + card(0, "own"), *(stream(number, "off") + card(number, f"wire{number}") for number in others)]


@contextmanager
def wired(work: Workdir, server: Server, programs: Sequence[Path], count: int = 2) -> Iterator[list[Guest]]:
    """Guests with a device, and with a network between them, in which the first is 10.0.0.1: ADDRESS is the second's."""
    guests = []
    with ExitStack() as stack:
        for name, network in zip("abcdefgh", networks(work, count)):
            guest = Guest(work, name, devices=[Doorbell(server.socket)], programs=programs, memory=512,
                          extra_modules=["virtio_pci", "virtio_net"], options=network)
            stack.enter_context(booted(guest))
            guests.append(guest)
        for number, guest in enumerate(guests, 1):
            guest.bind(guest.address(), "vfio-pci")
            guest.modprobe("virtio_pci")
            guest.modprobe("virtio_net")
            guest.run(f"ifconfig lo up && ifconfig eth0 10.0.0.{number} up").check()
        yield guests


def between_guests(rounds: int) -> Iterable[Comparison]:
    """messages between two guests, by the same program: a channel beside TCP over virtio-net"""
    with Workdir("bench") as work, Server(work, size="8M") as server, wired(work, server, [built(PROGRAM)]) as guests:
        round_trip(guests), round_trip(guests, "tcp")
        yield Comparison("guests-roundtrip-64", "channel", "TCP", "us").play(
            rounds, lambda: round_trip(guests), lambda: round_trip(guests, "tcp"))
        for size in STREAMS:
            yield Comparison(f"guests-throughput-{size}", "channel", "TCP", "MB/s", at_most=False).play(
                rounds, lambda size=size: stream(guests, size), lambda size=size: stream(guests, size, "tcp"))
