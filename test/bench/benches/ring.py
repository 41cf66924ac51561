# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The cost of ring() beside the bare store."""

from __future__ import annotations

from collections.abc import Iterable

from comparison import Comparison
from lab import Doorbell, Guest, Server, Workdir

from .programs import built


def ring(rounds: int) -> Iterable[Comparison]:
    """ring() beside the bare store to the same mapped register, in a guest"""
    program = built("bench-ring")
    with Workdir("bench") as work, Server(work) as server:
        with Guest(work, "a", devices=[Doorbell(server.socket)], programs=[program]) as guest:
            lines = guest.run(f"{program.name} {guest.address()} {rounds}", timeout=180).stdout.splitlines()
    pairs = [(float(ours), float(bare)) for ours, bare in map(str.split, lines)]
    yield Comparison("ring", "ring()", "bare store", "ns", 1.05, pairs=pairs)
