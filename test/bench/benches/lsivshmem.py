# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Listing many devices."""

from __future__ import annotations

import time
from collections.abc import Iterable

from comparison import Comparison
from lab import Workdir
from lab.server import build_folder

from .programs import output

RUNS = 20
"""Of each program, in each round."""


def listing(rounds: int) -> Iterable[Comparison]:
    """lsivshmem on a captured tree of 32 devices beside lspci -vv on the same tree"""
    with Workdir("bench") as work:
        output(build_folder() / "test/sysfs/make-trees", work.path)
        tree = work / "many"

        def seconds(*command: str) -> float:
            began = time.perf_counter()
            for _ in range(RUNS):
                output(*command)
            return (time.perf_counter() - began) / RUNS * 1000

        ours = (str(build_folder() / "tools/lsivshmem/lsivshmem"), "--sysroot", str(tree))
        theirs = ("lspci", "-vv", "-A", "linux-sysfs", "-O", f"sysfs.path={tree}/sys/bus/pci")
        if output(*ours).count("\n") < 32 or output(*theirs).count("1af4:1110") + output(*theirs).count("shared memory") < 32:
            raise RuntimeError(f"{tree}: not all of the 32 devices are listed")
        yield Comparison("lsivshmem", "lsivshmem", "lspci -vv", "ms", 1.0).play(
            rounds, lambda: seconds(*ours), lambda: seconds(*theirs)
        )
