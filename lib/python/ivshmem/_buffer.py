# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Bytes of Python for functions in C."""

from __future__ import annotations

from ctypes import c_char
from typing import Any, Union

Buffer = Union[bytes, bytearray, memoryview]


def readable(data: Buffer) -> tuple[Any, int]:
    """Return what a parameter of the type c_void_p takes, and the size. Copies only what cannot be lent."""
    if isinstance(data, bytes):
        return data, len(data)
    view = memoryview(data)  # TypeError if it is no buffer
    if view.readonly or not view.c_contiguous or not view.nbytes:
        return view.tobytes(), view.nbytes
    return (c_char * view.nbytes).from_buffer(view.cast("B")), view.nbytes
