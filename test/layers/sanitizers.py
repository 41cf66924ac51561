# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The layers of tests that clang compiles with a sanitizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import meson_tests
from checkout import TOP, Say
from compiling import build
from meson_tests import Test
from totals import FAILED, Totals

_OPTIONS = ("-Db_lundef=false", "-Dunity=on", "-Doptimization=0", "-Ddebug=false", "-Dexamples=disabled", "-Dbenchmarks=disabled")


@dataclass(frozen=True)
class Sanitized:
    folder: Path
    options: Sequence[str]
    env: Mapping[str, str]
    wanted: Callable[[Test], bool]
    """Whether a test belongs to this layer."""
    quick: Callable[[Test], bool]
    """Whether a quick run includes it."""

    def run(self, say: Say, everything: bool) -> Totals:
        if not build(say, self.folder, "clang++", [*self.options, *_OPTIONS], ["build.ninja"]):
            return FAILED
        known = [test for test in meson_tests.tests(self.folder) if self.wanted(test)]
        chosen = [test for test in known if everything or (self.quick(test) and meson_tests.LONG not in test.suites)]
        left_out = tuple(test.name for test in known if test not in chosen)
        needed = sorted({file for test in chosen for file in test.files})
        if not build(say, self.folder, "clang++", [], needed):
            return FAILED
        return meson_tests.run(say, self.folder, chosen, self.env) + Totals(left_out=left_out)


# clang 14 cannot compile coroutines with -fsanitize=function, and -fsanitize=vptr needs a free
# descriptor, which some tests do not leave.
#
# A quick run compiles one of the large Asio programs with each sanitizer: the operations of streams and
# acceptors consist of those of channels. Most tests in Python are about text: the tools that they start
# are not compiled for a quick run.
_LONG_FOR_ASAN = ("asio-services", "asio-slot", "asio-streams", "asio-waits", "channel_peer_run", "corpus-services")
_LONG_FOR_TSAN = ("asio-messages",)


def quick_under_asan(test: Test) -> bool:
    return not test.interpreted and test.program not in _LONG_FOR_ASAN


asan = Sanitized(
    TOP / "build-asan",
    ["-Db_sanitize=address,undefined", "-Dcpp_args=-gline-tables-only -fno-sanitize=function,vptr"],
    {"ASAN_OPTIONS": "detect_stack_use_after_return=1", "UBSAN_OPTIONS": "halt_on_error=1"},
    wanted=lambda test: True,
    quick=quick_under_asan,
).run
tsan = Sanitized(
    TOP / "build-tsan",
    ["-Db_sanitize=thread", "-Dcpp_args=-gline-tables-only"],
    {"TSAN_OPTIONS": "halt_on_error=1"},
    wanted=lambda test: "threads" in test.suites,
    quick=lambda test: test.program not in _LONG_FOR_TSAN,
).run
