# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The tested checkout, and commands in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("IVSHMEM_BUILD") or TOP / "build")

Say = Callable[[str], None]
"""Prints lines with the layer's name before them."""


def tracked(*patterns: str) -> list[str]:
    """Return the tracked files that match one of these git patterns."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, check=True)
    return [name for name in listed.stdout.decode().split("\0") if name and (TOP / name).is_file()]


def stream(say: Say, *command: str | Path, env: Mapping[str, str] | None = None) -> int:
    """Run a command in the checkout, print its lines as they arrive, and return its status."""
    with subprocess.Popen(
        command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", env={**os.environ, **(env or {})},
    ) as child:  # fmt: skip
        assert child.stdout is not None
        for line in child.stdout:
            say(line.rstrip("\n"))
    return child.returncode
