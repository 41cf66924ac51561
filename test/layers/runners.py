# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The layers with their own runner, whose last line has its totals."""

from __future__ import annotations

import sys

from checkout import BUILD, TOP, Say, stream
from compiling import build_everything, build_for_guests
from lab.parallel import LEFT_OUT
from totals import FAILED, Totals


def _run(say: Say, script: str, everything: bool) -> Totals:
    if not (build_everything(say) if everything else build_for_guests(say)):
        return FAILED
    totals: Totals | None = None
    left_out: list[str] = []

    def read(line: str) -> None:
        nonlocal totals
        if found := Totals.found(line):
            totals = found
        elif line.startswith(LEFT_OUT):
            left_out.append(line.removeprefix(LEFT_OUT))
        else:
            say(line)

    command = [sys.executable, str(TOP / script), *([] if everything else ["--quick"])]
    status = stream(read, *command, env={"IVSHMEM_BUILD": str(BUILD)})
    if totals is None:
        say(f"FAIL {script}: status {status}, and no totals")
        totals = FAILED
    elif status != 0 and totals.failed == 0:
        say(f"FAIL {script}: status {status}")
        totals += FAILED
    return totals + Totals(left_out=tuple(left_out))


def vm(say: Say, everything: bool) -> Totals:
    return _run(say, "test/vm/run", everything)


def packages(say: Say, everything: bool) -> Totals:
    return _run(say, "test/packages/run", everything)
