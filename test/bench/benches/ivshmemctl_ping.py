# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The cost that ivshmemctl's ping adds to a round trip."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable

from comparison import Comparison
from lab import Server, Workdir, build_folder

from .messages import figure
from .programs import built, median_microseconds, output

SIZE = 64
ROUND_TRIPS = 20_000


def pinging(rounds: int) -> Iterable[Comparison]:
    """a round trip of ivshmemctl ping -f beside the library's own, between two processes"""
    tool = build_folder() / "tools/ivshmemctl/ivshmemctl"
    peer = built("bench-messages-peer")
    with Workdir("bench") as work, Server(work, size="16M") as server, Server(work, "other", size="16M") as other:
        command = [tool, "--socket", server.socket]
        with open(work / "serve", "wb") as log:
            serving = subprocess.Popen(["taskset", "-c", "1", *command, "serve"], stdin=subprocess.DEVNULL, stderr=log)

        def ping() -> float:
            words = ["ping", "-J", "-f", "-c", str(ROUND_TRIPS), "-s", str(SIZE)]
            said = json.loads(output("taskset", "-c", "0", *command, *words))
            if said["received"] != ROUND_TRIPS:
                raise RuntimeError(f"ivshmemctl ping: {said}")
            return said["rtt_ns"]["median"] / 1000

        def library() -> float:
            what = ["roundtrip", str(SIZE), str(ROUND_TRIPS)]
            words = [peer, "channel", f"server:{other.socket}"]
            second = subprocess.Popen(["taskset", "-c", "1", *words, "second", *what], stdout=subprocess.DEVNULL)
            try:
                first = output("taskset", "-c", "0", *words, "first", *what)
                if second.wait(60) != 0:
                    raise RuntimeError(f"{peer}: the second side failed")
            finally:
                if second.poll() is None:
                    second.kill()
                    second.wait()
            return median_microseconds(first)

        def sleeping() -> float:
            got = figure("channel", "roundtrip", SIZE, "sleep")
            if got is None:
                raise RuntimeError("bench-transports: channels cannot sleep")
            return got / 1000

        try:
            ping(), library()
            yield Comparison("ivshmemctl-ping", "ping -f", "library", "us", 1.1).play(rounds, ping, library)
            yield Comparison("ivshmemctl-ping-sleep", "ping -f", "library without Asio, that never spins", "us").play(
                rounds, ping, sleeping
            )
        finally:
            serving.terminate()
            serving.wait(10)
