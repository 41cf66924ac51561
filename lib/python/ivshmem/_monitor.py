# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Devices that come, change and go."""

from __future__ import annotations

from ctypes import byref, c_int
from types import TracebackType

from . import _native as native
from ._discovery import DeviceInfo, info_from
from ._native import AGAIN, c, check
from ._watch import Readables

_CHANGES = {0: "added", 1: "removed", 2: "changed"}


class DeviceMonitor:
    """Reports devices, those that are present first: `async for change, info in DeviceMonitor()`.

    `change` is "added", "removed" or "changed". Needs no privilege.
    """

    def __init__(self) -> None:
        self._handle = native.opened("monitor", c.monitor_open)
        fd = c_int()
        check(c.monitor_get_fd(self._handle.value, byref(fd)))
        self._fd = fd.value
        self._readables = Readables()

    def next(self) -> tuple[str, DeviceInfo] | None:
        """Take the next change; None if there is none. Never blocks."""
        change, raw = c_int(), native.DeviceInfo()
        code = c.monitor_next(self._handle.value, byref(change), raw)
        if code == AGAIN:
            return None
        check(code)
        return _CHANGES[change.value], info_from(raw)

    def fileno(self) -> int:
        """Return a descriptor that polls readable when next() must be called, for other event loops."""
        return self._fd

    def __aiter__(self) -> DeviceMonitor:
        return self

    async def __anext__(self) -> tuple[str, DeviceInfo]:
        while (found := self.next()) is None:
            await self._readables.wait(self._fd)
        return found

    def close(self) -> None:
        self._readables.close()
        self._handle.close()

    async def __aenter__(self) -> DeviceMonitor:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self.close()
