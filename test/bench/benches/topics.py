# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""One writer and several readers: a topic beside channels, ZeroMQ and iceoryx."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from comparison import Comparison

from .messages import LINE, LINE_SECONDS, SKIPPED, figure, result
from .programs import built

SECONDS = 0.2
SIZES = {64: "64", 4096: "4K", 65536: "64K", 1 << 20: "1M", 8 << 20: "8M"}
READERS = (1, 2, 8)
LARGE = 8 << 20
"""Rings for eight channels of such messages do not fit."""
RIVALS = {"channels": 1.0, "zmq": 1.0, "iceoryx": 1.0}
ROUNDTRIP_SIZE = 64


def rate(how: str, readers: int, size: int) -> float | None:
    """Messages a second that each reader received; None if it was not built."""
    words = [str(built("bench-topics")), how, str(readers), str(size), str(SECONDS)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if ran.returncode == SKIPPED:
        return None
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: status {ran.returncode}: {ran.stderr.strip()}")
    return float(ran.stdout)


@contextmanager
def roudi() -> Iterator[bool]:
    """iceoryx's daemon, if it is installed."""
    program = shutil.which("iox-roudi")
    if program is None:
        yield False
        return
    daemon = subprocess.Popen([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert daemon.stdout is not None
        yield any("ready for clients" in line for line in daemon.stdout)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=30)


def line() -> float:
    """The round trip of a bare cache line."""
    got = result(LINE, "roundtrip", 8, "spin", LINE_SECONDS)
    assert got is not None
    return got["median_ns"]


def topics(rounds: int) -> Iterable[Comparison]:
    """one writer and 1, 2 and 8 readers: a topic beside a channel each, ZeroMQ's PUB and SUB, and iceoryx"""
    with roudi() as has_iceoryx:
        for rival, target in RIVALS.items():
            if (rival == "iceoryx" and not has_iceoryx) or rate(rival, 1, 64) is None:
                print(f"topics-{rival}: not installed", flush=True)
                continue
            for readers in READERS:
                for size, name in SIZES.items():
                    # iceoryx's own configuration has no larger messages than 4 MB.
                    if size == LARGE and (readers > 2 or rival == "iceoryx"):
                        continue
                    yield Comparison(f"topics-{rival}-{readers}-{name}", "topic", rival, "messages/s", target,
                                     at_most=False, line=line).play(
                        rounds, partial(must_rate, "topic", readers, size), partial(must_rate, rival, readers, size))
    # ZeroMQ has threads of its own, so on two processors its ends cannot spin.
    for rival, wait in (("channel", "spin"), ("channel", "sleep"), ("zmq", "sleep")):
        yield Comparison(f"topics-roundtrip-{rival}-{wait}", "topic", rival, "ns", 1.0, line=line).play(
            rounds, partial(trip, "topic", wait), partial(trip, rival, wait))


def must_rate(how: str, readers: int, size: int) -> float:
    """As rate(); a way that was not built is an error."""
    got = rate(how, readers, size)
    if got is None:
        raise RuntimeError(f"{how}: not built")
    return got


def trip(how: str, wait: str) -> float:
    """The median round trip in nanoseconds."""
    got = figure(how, "roundtrip", ROUNDTRIP_SIZE, wait)
    if got is None:
        raise RuntimeError(f"{how} cannot do it")
    return got
