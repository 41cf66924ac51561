# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A device that ivshmem-share shares beside one that a program has for itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from comparison import Comparison
from lab import Doorbell, Guest, Server, Workdir, booted
from lab.server import build_folder

from .programs import built, median_microseconds

ROUND_TRIPS = 1000
SHARE = build_folder() / "tools/ivshmem-share/ivshmem-share"


def shared(rounds: int) -> Iterable[Comparison]:
    """round trip between two guests: rings and waits on shared devices beside exclusive ones"""
    runs = itertools.count(1)
    program = built("bench-doorbell-asio")
    with Workdir("bench") as work, Server(work, "exclusive") as exclusive, Server(work, "shared") as common:
        devices = [Doorbell(exclusive.socket), Doorbell(common.socket)]
        guests = [Guest(work, name, devices=devices, programs=[program, SHARE]) for name in ("a", "b")]
        with booted(*guests):
            services = []
            for guest in guests:
                for number in range(2):
                    guest.bind(guest.address(number), "vfio-pci")
                services.append(guest.spawn(f"exec ivshmem-share {guest.address(1)} --group nogroup"))
                # Flag 10000 is __SO_ACCEPTCON.
                guest.wait_for(f"grep -q ' 00010000 .* /run/ivshmem/share/{guest.address(1)}$' /proc/net/unix")

            def play(number: int) -> float:
                run = next(runs)
                jobs = [
                    guest.spawn(f"{program.name} {guest.address(number)} {role} {run} {ROUND_TRIPS}")
                    for guest, role in zip(guests, ("first", "second"))
                ]
                first, _ = (job.wait(120).check() for job in jobs)
                return median_microseconds(first.stdout)

            play(0), play(1)
            yield Comparison("share", "shared", "exclusive", "us", 1.02).play(rounds, lambda: play(1), lambda: play(0))
            for service in services:
                service.signal("TERM")
                service.wait(60).check()
