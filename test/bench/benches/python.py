# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The module of Python beside what its users would take instead."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from comparison import Comparison
from lab import Workdir
from lab.server import Server, build_folder

from .programs import output
from .topics import trip

TOP = Path(__file__).resolve().parents[3]
PLAY = TOP / "test/bench/python_play.py"
GAMES = [("roundtrip", 64, 3000), ("throughput", 64, 30_000), ("throughput", 65536, 3000)]
RIVALS = {"socket": "a UNIX socket in asyncio", "queue": "a queue in multiprocessing's shared memory"}


@contextmanager
def environment() -> Iterator[tuple[Server, Path]]:
    """A server for the module, and a folder for sockets."""
    os.environ["PYTHONPATH"] = str(TOP / "lib/python")
    os.environ["LD_LIBRARY_PATH"] = str(build_folder() / "lib")
    with Workdir("bench-python") as work, Server(work, size="128M", vectors=1) as server, tempfile.TemporaryDirectory() as folder:
        yield server, Path(folder)


def cost(means: str, place: Path, game: str, size: int, count: int) -> float:
    """Nanoseconds of a message."""
    return float(output(sys.executable, PLAY, means, str(place), game, str(size), str(count), timeout=300))


def play_topics(rounds: int) -> Iterable[Comparison]:
    """topics of Python beside its channels, a UNIX socket in asyncio, and topics in C++"""
    with environment() as (server, folder):
        for game, size, count in GAMES:
            for rival, place in (("module", server.socket), ("socket", folder / "socket")):
                words = "channels" if rival == "module" else RIVALS[rival]
                yield Comparison(f"topics-python {game} {size} {rival}", "topics", words, "ns").play(
                    rounds, partial(cost, "topic", server.socket, game, size, count),
                    partial(cost, rival, place, game, size, count))
        game, size, count = GAMES[0]
        yield Comparison(f"topics-python {game} {size} C++", "topics", "topics in C++, asleep", "ns").play(
            rounds, partial(cost, "topic", server.socket, game, size, count), partial(trip, "topic", "sleep"))


def play(rounds: int) -> Iterable[Comparison]:
    """messages of Python beside a UNIX socket in asyncio and a queue in shared memory; time of its import"""
    with environment() as (server, folder):
        for game, size, count in GAMES:
            for rival, words in RIVALS.items():
                yield Comparison(f"python {game} {size} {rival}", "the module", words, "ns").play(
                    rounds, partial(cost, "module", server.socket, game, size, count),
                    partial(cost, rival, folder / "socket", game, size, count))

    def imported(name: str) -> float:
        began = time.perf_counter()
        output(sys.executable, "-c", f"import {name}")
        return (time.perf_counter() - began) * 1000

    yield Comparison("python import", "import ivshmem", "import asyncio, ctypes", "ms").play(
        rounds, lambda: imported("ivshmem"), lambda: imported("asyncio, ctypes"))
