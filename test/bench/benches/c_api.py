# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The API in C beside that in C++, on the same channel or topics."""

from __future__ import annotations

from collections.abc import Iterable

from comparison import Comparison

from .programs import built, output

GAMES = [("throughput", 64, 1_000_000), ("throughput", 4096, 100_000), ("roundtrip", 64, 100_000), ("calls", 64, 1_000_000)]


def both_languages(rounds: int) -> Iterable[Comparison]:
    """messages by the API in C, beside that in C++; and the calls alone, in one thread"""
    yield from compared("channel-c-api", "bench-c-api", rounds)


def topics_in_both_languages(rounds: int) -> Iterable[Comparison]:
    """topics by the API in C, beside that in C++; and the calls alone, in one thread"""
    yield from compared("topics-c-api", "bench-topics-c-api", rounds)


def compared(name: str, program: str, rounds: int) -> Iterable[Comparison]:
    """Each game in both languages."""
    for game, size, count in GAMES:

        def cost(language: str, game: str = game, size: int = size, count: int = count) -> float:
            return float(output(built(program), language, game, str(size), str(count), timeout=180))

        target = None if game == "calls" else 1 / 0.97
        comparison = Comparison(f"{name} {game} {size}", "C", "C++", "ns", target)
        yield comparison.play(rounds, lambda: cost("c"), lambda: cost("cpp"))
