# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The numbers of tests that passed, failed and were skipped, and the names of those that a quick run omits."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Totals:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    left_out: tuple[str, ...] = ()
    """Tests that only --all runs. They do not count as skipped."""

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped,
            self.left_out + other.left_out,
        )  # fmt: skip

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"

    @classmethod
    def found(cls, line: str) -> Totals | None:
        """Return the totals in the last line of a runner; None for another line."""
        match = re.fullmatch(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", line)
        return cls(int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


FAILED = Totals(failed=1)
PASSED = Totals(passed=1)
