# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The layer of pure tests, sysfs trees and whole programs on this machine."""

from __future__ import annotations

import meson_tests
from checkout import BUILD, Say
from compiling import build_host
from totals import FAILED, Totals


def run(say: Say, everything: bool) -> Totals:
    if not build_host(say, everything):
        return FAILED
    known = meson_tests.tests(BUILD)
    chosen = [test for test in known if everything or meson_tests.LONG not in test.suites]
    left_out = tuple(test.name for test in known if test not in chosen)
    if not everything:
        left_out += ("the compilation of the benchmarks and of each public header alone",)
    return meson_tests.run(say, BUILD, chosen) + Totals(left_out=left_out)
