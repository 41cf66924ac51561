# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The programs that the benchmarks run, and their output."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from lab.server import build_folder


def built(name: str) -> Path:
    """A program of test/bench."""
    path = build_folder() / "test" / "bench" / name
    if not path.exists():
        raise RuntimeError(f"{path}: no such program; build it: ninja -C {build_folder()}")
    return path


def output(*command: str | Path, timeout: float = 120) -> str:
    """Returns the output of a program on this machine; it must succeed."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if ran.returncode != 0:
        raise RuntimeError(f"{command[0]}: status {ran.returncode}: {ran.stderr.strip()}")
    return ran.stdout


def median_microseconds(text: str) -> float:
    """The median of a line of round_trips::print (test/bench/doorbell_meeting.hpp)."""
    found = re.search(r"median (\d+)", text)
    if found is None:
        raise RuntimeError(f"no median in {text!r}")
    return int(found[1]) / 1000
