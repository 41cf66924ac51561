# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A service that a slot offers by name."""

from __future__ import annotations

from ctypes import byref, c_void_p
from types import TracebackType

from . import _native as native
from ._channel import Channel, channel_options
from ._native import AGAIN, Handle, c, check, closed, named
from ._slot import Slot


class Service:
    """Accepts channels from the peers that ask: `async for channel in slot.offer("echo")`."""

    def __init__(self, slot: Slot, name: str, *, max_message: int = 0, polling: bool = False) -> None:
        self._slot = slot
        self.name = name
        options = channel_options(max_message, polling)
        self._handle: Handle | None = native.opened("service", c.service_open, slot.handle.value,
                                                    named(name.encode()), byref(options))

    def try_accept(self) -> Channel | None:
        """Accept a peer that has asked and connected, else return None. Never blocks."""
        if self._handle is None:
            raise closed("service")
        value = c_void_p()
        code = c.service_try_accept(self._handle.value, byref(value))
        if code == AGAIN:
            return None
        check(code)
        return Channel(Handle(value, "channel"), self._slot)

    async def accept(self) -> Channel:
        """Wait until a peer has asked and connected, and accept it."""
        while (channel := self.try_accept()) is None:
            await self._slot.until_rung()
        return channel

    def __aiter__(self) -> Service:
        return self

    async def __anext__(self) -> Channel:
        return await self.accept()

    def close(self) -> None:
        """Take the offer back. Accepted channels go on."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()
            self._slot.wake_all()

    async def __aenter__(self) -> Service:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self.close()
