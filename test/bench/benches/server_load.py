# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Honest clients of the server beside crowds, and beside clients that do harm."""

from __future__ import annotations

import json
from collections.abc import Iterable

from comparison import Comparison

from .programs import built, output

PHASES = {
    "readers": "1000 clients that read",
    "sloths": "and 1000 that do not",
    "churn": "1000 clients that read; others join and leave",
    "storm": "a storm of doorbells",
    "writes": "writes to a header",
}
MOST_ROUNDS = 3
"""Each takes half a minute."""


def load(rounds: int) -> Iterable[Comparison]:
    """two honest clients beside 2000 others, joins and leaves, a storm of doorbells, and writes to their words"""
    figures = ("round_trip", "a message and its answer"), ("join", "a join")
    compared = {
        (phase, figure): Comparison(f"server-load-{phase}-{figure.replace('_', '-')}", f"{what}, {words}", "quiet", "us")
        for phase, words in PHASES.items() for figure, what in figures
    }  # fmt: skip
    for _ in range(min(rounds, MOST_ROUNDS)):
        found = json.loads(output(built("bench-server-load"), timeout=300))
        for (phase, figure), comparison in compared.items():
            comparison.pairs.append((found[phase][figure], found["quiet"][figure]))
        rates = ", ".join(f"{phase} {found[phase]['rate']:.3g}/s" for phase in ("churn", "storm", "writes"))
        print(f"  {rates}; server's KiB: {found['resident']}", flush=True)
    yield from compared.values()
