# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Two figures that are measured in the same rounds, and their ratio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median


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

    def play(self, rounds: int, ours: Callable[[], float], rival: Callable[[], float]) -> Comparison:
        """Measures both in each round, and alternates which comes first."""
        for i in range(rounds):
            if self.line is not None:
                self.lines.append(self.line())
            if i % 2:
                second = rival()
                first = ours()
            else:
                first = ours()
                second = rival()
            self.pairs.append((first, second))
            beside = f"; a cache line there and back {self.lines[-1]:.4g} ns" if self.line is not None else ""
            print(f"  round {i + 1}: {self.ours} {first:.4g} {self.unit}, {self.rival} {second:.4g} {self.unit}{beside}",
                  flush=True)
        return self

    def print(self) -> None:
        ratios = [ours / rival for ours, rival in self.pairs]
        middle = median(ratios)
        print(f"  {self.ours}: median {median(a for a, _ in self.pairs):.4g} {self.unit}; "
              f"{self.rival}: median {median(b for _, b in self.pairs):.4g} {self.unit}")
        if self.lines:
            print(f"  a cache line there and back: median {median(self.lines):.4g} ns "
                  f"({min(self.lines):.4g} to {max(self.lines):.4g})")
        line = f"bench {self.name} ratio {middle:.3f} {min(ratios):.3f} {max(ratios):.3f}"
        if self.target is not None:
            met = middle <= self.target if self.at_most else middle >= self.target
            line += f" target {'<=' if self.at_most else '>='} {self.target} {'met' if met else 'missed'}"
        print(line, flush=True)
