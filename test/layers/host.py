# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The layer of pure tests, sysfs trees and whole programs on this machine."""

from __future__ import annotations

from collections.abc import Callable

import meson_tests
from checkout import BUILD, Say
from compiling import build_everything, build_host, configure_host
from meson_tests import Test
from sanitizers import quick_under_asan
from totals import FAILED, Totals


def alone(say: Say, everything: bool) -> Totals:
    return _everything(say) if everything else _quick(say, lambda test: False)


def beside_asan(say: Say, everything: bool) -> Totals:
    """The quick run leaves out the tests that the layer `asan` compiles and runs."""
    return _everything(say) if everything else _quick(say, quick_under_asan)


def _everything(say: Say) -> Totals:
    return meson_tests.run(say, BUILD, meson_tests.tests(BUILD)) if build_everything(say) else FAILED


def _quick(say: Say, runs_elsewhere: Callable[[Test], bool]) -> Totals:
    if not configure_host(say):
        return FAILED
    known = meson_tests.tests(BUILD)
    short = [test for test in known if meson_tests.LONG not in test.suites]
    elsewhere = [test for test in short if test.is_compiled_in(BUILD) and runs_elsewhere(test)]
    chosen = [test for test in short if test not in elsewhere]
    needed = {file for test in chosen for file in test.files}
    if not build_host(say, {file for test in elsewhere for file in test.files} - needed):
        return FAILED
    left_out = tuple(test.name for test in known if test not in short)
    left_out += ("the compilation of the benchmarks and of each public header alone",)
    if elsewhere:
        left_out += (f"{len(elsewhere)} of meson's tests that asan runs",)
    return meson_tests.run(say, BUILD, chosen) + Totals(left_out=left_out)
