# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""TCP between two guests through ivshmem-forward, beside TCP over virtio-net, alone and through socat."""

from __future__ import annotations

from collections.abc import Iterable

from comparison import Comparison
from lab import Server, Workdir
from lab.arch import get
from lab.debian_programs import debian_programs, programs_of
from lab.server import build_folder

from .channel_guests import ADDRESS, LISTENS, PORT, PROGRAM, STREAMS, round_trip, stream, wired
from .programs import built

FORWARD = build_folder() / "tools/ivshmem-forward/ivshmem-forward"
HERE = "127.0.0.1"
THROUGH_FORWARD = f"{HERE} {HERE}"
OTHER = "127.0.0.2"
THROUGH_SOCAT = f"{OTHER} {ADDRESS}"


def forwarded(rounds: int) -> Iterable[Comparison]:
    """TCP between two guests through ivshmem-forward, beside TCP over virtio-net, alone and through socat"""
    socat = programs_of(debian_programs(get("x86_64"), "socat"), ["socat"])
    programs = [built(PROGRAM), FORWARD, *socat]
    with Workdir("bench") as work, Server(work, size="32M") as server, wired(work, server, programs) as guests:
        first, second = guests
        second.spawn(f"exec 2>&1; exec ivshmem-forward --offer bench --from tcp:{HERE}:{PORT}").wait_output("ready: ", 60)
        first.spawn(f"exec 2>&1; exec ivshmem-forward --listen tcp:{HERE}:{PORT} --to bench").wait_output("ready: ", 60)
        first.spawn(f"exec socat TCP-LISTEN:{PORT},bind={OTHER},fork,reuseaddr,nodelay TCP:{ADDRESS}:{PORT},nodelay")
        first.wait_for(f"{LISTENS.replace(':12', '0200007F:12')}")

        for rival, how in (("TCP", "tcp"), ("socat", THROUGH_SOCAT)):
            round_trip(guests, THROUGH_FORWARD), round_trip(guests, how)
            yield Comparison(f"forward-{rival}-roundtrip-64", "forward", rival, "us", 1.0).play(
                rounds, lambda: round_trip(guests, THROUGH_FORWARD), lambda how=how: round_trip(guests, how))
            for size in STREAMS:
                yield Comparison(f"forward-{rival}-throughput-{size}", "forward", rival, "MB/s", 1.0, at_most=False).play(
                    rounds, lambda size=size: stream(guests, size, THROUGH_FORWARD),
                    lambda size=size, how=how: stream(guests, size, how))
