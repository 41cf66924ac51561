# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Two figures that are measured in the same rounds, and their ratio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median


STEADY = 1.3
"""Figures are a pair only if the lines around them differ by at most this factor: the host moves the processors of a
VM, and a line's round trip changes by a factor of four with that."""
TRIES = 20


@dataclass
class Comparison:
    """Ours beside a rival's, a pair of figures a round; the ratio of each pair counts."""

    name: str
    ours: str
    """The name of the first figure of a pair."""
    rival: str
    unit: str
    target: float | None = None
    """None: reported, without a target."""
    at_most: bool = True
    pairs: list[tuple[float, float]] = field(default_factory=list)
    line: Callable[[], float] | None = None
    """Measures the round trip of a bare cache line in nanoseconds, which the figures depend on."""
    lines: list[float] = field(default_factory=list)
    unsteady: int = 0
    """Pairs during which the line changed."""

    def play(self, rounds: int, ours: Callable[[], float], rival: Callable[[], float]) -> Comparison:
        """Measures both in each round, and alternates which comes first."""
        for i in range(rounds):
            pair, lines = self._steady_pair(ours, rival, i % 2 == 1)
            self.pairs.append(pair)
            beside = ""
            if lines:
                self.lines.append(median(lines))
                beside = f"; a cache line there and back {self.lines[-1]:.4g} ns"
            print(f"  round {i + 1}: {self.ours} {pair[0]:.4g} {self.unit}, {self.rival} {pair[1]:.4g} {self.unit}{beside}",
                  flush=True)
        return self

    def _steady_pair(self, ours: Callable[[], float], rival: Callable[[], float],
                     rival_first: bool) -> tuple[tuple[float, float], list[float]]:
        """A pair and the lines before, between and after its figures; after too many tries, one that is not steady."""
        for left in reversed(range(TRIES)):
            lines = self._line()
            first = rival() if rival_first else ours()
            lines += self._line()
            second = ours() if rival_first else rival()
            lines += self._line()
            steady = not lines or max(lines) <= STEADY * min(lines)
            self.unsteady += not steady
            if steady or left == 0:
                break
        if not steady:
            print("  this round's line changed each time; a quieter machine is needed", flush=True)
        return ((second, first) if rival_first else (first, second)), lines

    def _line(self) -> list[float]:
        return [self.line()] if self.line is not None else []

    def print(self) -> None:
        ratios = [ours / rival for ours, rival in self.pairs]
        middle = median(ratios)
        print(f"  {self.ours}: median {median(a for a, _ in self.pairs):.4g} {self.unit}; "
              f"{self.rival}: median {median(b for _, b in self.pairs):.4g} {self.unit}")
        if self.lines:
            print(f"  a cache line there and back: median {median(self.lines):.4g} ns "
                  f"({min(self.lines):.4g} to {max(self.lines):.4g}); {self.unsteady} pairs that it changed in do not count")
        line = f"bench {self.name} ratio {middle:.3f} {min(ratios):.3f} {max(ratios):.3f}"
        if self.target is not None:
            met = middle <= self.target if self.at_most else middle >= self.target
            line += f" target {'<=' if self.at_most else '>='} {self.target} {'met' if met else 'missed'}"
        print(line, flush=True)
