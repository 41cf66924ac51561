# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Prints a line for each long step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Print the step, and its duration at the end."""
    began = time.monotonic()
    print(f"     {what} ...", flush=True)
    try:
        yield
    except BaseException:
        print(f"     {what}: failed after {time.monotonic() - began:.0f} s", flush=True)
        raise
    print(f"     {what}: {time.monotonic() - began:.0f} s", flush=True)
