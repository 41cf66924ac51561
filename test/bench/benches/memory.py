# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The shared memory's bandwidth."""

from __future__ import annotations

from collections.abc import Iterable

from comparison import Comparison
from lab import Guest, Plain, Workdir

from .programs import built

SIZE = 2 << 30
"""Bytes: too large to fit below 4 GiB, where no write-back mapping is available."""


def bandwidth(rounds: int) -> Iterable[Comparison]:
    """shared memory in each cache mode beside plain memory of the same guest"""
    program = built("bench-memory")
    with Workdir("bench") as work:
        memory = work / "memory"
        with open(memory, "wb") as file:
            file.truncate(SIZE)
        with Guest(work, "a", devices=[Plain(memory, SIZE)], programs=[program]) as guest:
            for mode in ("write-back", "write-combining", "uncached"):
                lines = guest.run(f"{program.name} {guest.address()} {mode} {rounds}", timeout=180).stdout.splitlines()
                figures = [[float(word) for word in line.split()] for line in lines]
                for what, at in (("read", 0), ("write", 2)):
                    comparison = Comparison(f"memory-{what}-{mode}", f"{mode}", "plain memory", "GB/s")
                    comparison.pairs = [(line[at], line[at + 1]) for line in figures]
                    yield comparison
