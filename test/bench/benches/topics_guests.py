# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""One writer in a guest and readers in others: a topic beside UDP multicast over virtio-net between the same guests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from comparison import Comparison
from lab import Guest, Server, Workdir
from lab.job import Job

from .channel_guests import wired
from .programs import built, median_microseconds

PROGRAM = "bench-topics-peer"
ROUND_TRIPS = 500
LARGEST = 65507
"""The longest datagram, which is 64 KiB without the headers of IP and UDP."""
STREAMS = {64: 20_000, 1400: 10_000, LARGEST: 1_000}
"""Messages of each size."""
READERS = (1, 2)


def play(guests: Sequence[Guest], how: str, what: str, size: int, count: int) -> list[str]:
    """Send messages from the first guest to the others; return what each prints."""
    jobs: list[Job] = []
    for number in reversed(range(len(guests))):
        guest = guests[number]
        where = guest.address() if how == "topic" else f"10.0.0.{number + 1}"
        jobs.insert(0, guest.spawn(f"exec {PROGRAM} {how} {where} {number} {what} {size} {count}"))
        if number > 0:
            jobs[0].wait_output("ready\n")
    return [job.wait(120).check().stdout for job in jobs]


@dataclass
class Streams:
    """Streams of messages, and how many of them were lost."""

    guests: Sequence[Guest]
    size: int
    lost: dict[str, list[float]] = field(default_factory=dict)
    """The share that the readers of each stream did not receive, by the way to carry them."""

    def rate(self, how: str) -> float:
        """Messages a second that the slowest reader received."""
        rates, shares = [], []
        for printed in play(self.guests, how, "stream", self.size, STREAMS[self.size])[1:]:
            found = re.search(r"messages (\d+) per second, received (\d+) of (\d+)", printed)
            if found is None:
                raise RuntimeError(f"{PROGRAM} printed no rate: {printed}")
            rates.append(float(found[1]))
            shares.append(1 - int(found[2]) / int(found[3]))
        self.lost.setdefault(how, []).append(max(shares))
        return min(rates)


def round_trip(guests: Sequence[Guest], how: str) -> float:
    """Microseconds."""
    return median_microseconds(play(guests, how, "roundtrip", 64, ROUND_TRIPS)[0])


def topics_between_guests(rounds: int) -> Iterable[Comparison]:
    """one writer in a guest, readers in 1 and 2 others: a topic beside UDP multicast over virtio-net"""
    for readers in READERS:
        with Workdir("bench") as work, Server(work, size="8M") as server, \
                wired(work, server, [built(PROGRAM)], 1 + readers) as guests:
            round_trip(guests, "topic"), round_trip(guests, "udp")
            yield Comparison(f"topics-guests-roundtrip-{readers}-64", "topic", "UDP", "us", 1.0).play(
                rounds, lambda: round_trip(guests, "topic"), lambda: round_trip(guests, "udp"))
            for size in STREAMS:
                streams = Streams(guests, size)
                yield Comparison(f"topics-guests-{readers}-{size}", "topic", "UDP", "messages/s", 1.0, at_most=False).play(
                    rounds, lambda: streams.rate("topic"), lambda: streams.rate("udp"))
                for how, shares in streams.lost.items():
                    print(f"  lost of {how}, from a writer that waits for nobody: median {median(shares):.1%} "
                          f"({min(shares):.1%} to {max(shares):.1%})", flush=True)
