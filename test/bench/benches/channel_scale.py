# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Many channels: peers all to all, many lanes, doorbells, and the cost of idle channels."""

from __future__ import annotations

import json
from collections.abc import Iterable

from comparison import Comparison

from .programs import built, output

SHAPES = ((2, 1), (2, 64), (4, 4), (8, 1), (16, 1))
"""Peers, and lanes between each two."""
MESSAGES = 200_000
"""In all, on each shape."""
STREAM = 300_000
IDLE_SECONDS = 8


def played(peers: int, lanes: int, messages: int, idle_seconds: int) -> dict[str, float]:
    each = max(messages // (peers * (peers - 1) * lanes), 1)
    words = (str(peers), str(lanes), str(each), str(idle_seconds))
    return json.loads(output(built("bench-channel-scale"), *words, timeout=180))


def scale(rounds: int) -> Iterable[Comparison]:
    """2 to 16 peers all to all, 1 to 64 lanes: messages, memory, doorbells, wake-ups while idle"""
    idle = Comparison("channel-idle", "wake-ups of an idle peer", "one", "/s", 0.05)
    print(f"  {'peers':>5} {'lanes':>5} {'channels':>8} {'messages/s':>11} {'doorbells/message':>17} "
          f"{'idle wake-ups/s':>15} {'KiB a channel':>13}", flush=True)
    for peers, lanes in SHAPES:
        got = played(peers, lanes, MESSAGES, IDLE_SECONDS)
        print(f"  {peers:5} {lanes:5} {got['channels_of_a_peer'] * peers // 2:8.0f} {got['messages_per_second']:11.3g} "
              f"{got['doorbells_per_message']:17.5f} {got['idle_wakeups_per_second_of_a_peer']:15.3f} "
              f"{got['bytes_of_a_channel'] / 1024:13.0f}", flush=True)
        idle.pairs.append((got["idle_wakeups_per_second_of_a_peer"], 1.0))
    yield idle
    streaming = Comparison("channel-doorbells", "doorbells", "messages", "", 0.01)
    for i in range(rounds):
        got = played(2, 1, STREAM, 0)
        streaming.pairs.append((got["doorbells_per_message"] * STREAM, STREAM))
        print(f"  round {i + 1}: {got['doorbells_per_message'] * STREAM:.0f} doorbells for {STREAM} messages", flush=True)
    yield streaming
