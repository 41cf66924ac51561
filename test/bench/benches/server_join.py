# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Joining the server."""

from __future__ import annotations

from collections.abc import Iterable

from comparison import Comparison

from .programs import built, output


def joins(rounds: int) -> Iterable[Comparison]:
    """256 clients of 8 vectors join and leave, beside the messages that the protocol demands"""
    print(output(built("bench-server-join"), str(rounds), timeout=600), end="", flush=True)
    return ()
