# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Messages of topics that are not copied, beside a copy of as many bytes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from comparison import Comparison
from lab import Server, Workdir

from .programs import built

SIZES = {"64K": 64 << 10, "1M": 1 << 20, "8M": 8 << 20, "33M": 3840 * 2160 * 4}


def without_copies(rounds: int) -> Iterable[Comparison]:
    """loan, publish and view of a message of each size beside memcpy of as many bytes, on the host"""
    program = built("bench-frames")
    of_smallest: list[float] = []
    with Workdir("bench") as work, Server(work, size="512M") as server:
        for name, size in SIZES.items():
            command = [str(program), f"server:{server.socket}", str(size), str(rounds)]
            lines = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True).stdout.splitlines()
            pairs = [(float(message), float(copy)) for message, copy in map(str.split, lines)]
            yield Comparison(f"frames-{name}", "message", "memcpy", "ns", 1.0, pairs=pairs)
            messages = [message for message, _ in pairs]
            of_smallest = of_smallest or messages
    # The time of the largest message does not depend on its size.
    yield Comparison("frames-33M-beside-64K", "33M", "64K", "ns", 1.5, pairs=list(zip(messages, of_smallest)))
