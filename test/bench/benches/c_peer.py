# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The library with the peer in C, beside the library with itself."""

from __future__ import annotations

from collections.abc import Iterable

from comparison import Comparison

from .programs import built, output

GAMES = [("roundtrip", 64, 200_000), ("throughput", 64, 1_000_000), ("throughput", 4096, 100_000)]


def both_kinds(rounds: int) -> Iterable[Comparison]:
    """messages between the library and the peer in C, beside two of the library"""
    for game, size, count in GAMES:

        def cost(kind: str, game: str = game, size: int = size, count: int = count) -> float:
            return float(output(built("bench-c-peer"), kind, game, str(size), str(count), timeout=180))

        comparison = Comparison(f"channel-c-peer {game} {size}", "C and C++", "C++ and C++", "ns", 1 / 0.9)
        yield comparison.play(rounds, lambda: cost("c"), lambda: cost("library"))
