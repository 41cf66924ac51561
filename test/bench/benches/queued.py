# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Operations that wait in line at a channel."""

from __future__ import annotations

from collections.abc import Iterable

from comparison import Comparison

from .programs import built, output

QUEUED = 400
MESSAGES = 200_000


def queued(rounds: int) -> Iterable[Comparison]:
    """the cost of a message with 400 sends in line at a channel, beside one"""
    def cost(sends: int) -> float:
        return float(output(built("bench-queued"), str(sends), str(MESSAGES), timeout=180))

    comparison = Comparison("channel-queued", f"{QUEUED} in line", "1 in line", "ns", 1.2)
    yield comparison.play(rounds, lambda: cost(QUEUED), lambda: cost(1))
