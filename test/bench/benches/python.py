# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The module of Python beside what its users would take instead."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from comparison import Comparison
from lab import Workdir
from lab.server import Server, build_folder

from .programs import output

TOP = Path(__file__).resolve().parents[3]
PLAY = TOP / "test/bench/python_play.py"
GAMES = [("roundtrip", 64, 3000), ("throughput", 64, 30_000), ("throughput", 65536, 3000)]
RIVALS = {"socket": "a UNIX socket in asyncio", "queue": "a queue in multiprocessing's shared memory"}


def play(rounds: int) -> Iterable[Comparison]:
    """messages of Python beside a UNIX socket in asyncio and a queue in shared memory; time of its import"""
    os.environ["PYTHONPATH"] = str(TOP / "lib/python")
    os.environ["LD_LIBRARY_PATH"] = str(build_folder() / "lib")
    with Workdir("bench-python") as work, Server(work, size="16M", vectors=1) as server, tempfile.TemporaryDirectory() as folder:
        for game, size, count in GAMES:

            def cost(means: str, game: str = game, size: int = size, count: int = count) -> float:
                place = server.socket if means == "module" else f"{folder}/socket"
                return float(output(sys.executable, PLAY, means, str(place), game, str(size), str(count), timeout=300))

            for rival, words in RIVALS.items():
                comparison = Comparison(f"python {game} {size} {rival}", "the module", words, "ns")
                yield comparison.play(rounds, lambda: cost("module"), lambda rival=rival: cost(rival))

    def imported(name: str) -> float:
        began = time.perf_counter()
        output(sys.executable, "-c", f"import {name}")
        return (time.perf_counter() - began) * 1000

    yield Comparison("python import", "import ivshmem", "import asyncio, ctypes", "ms").play(
        rounds, lambda: imported("ivshmem"), lambda: imported("asyncio, ctypes"))
