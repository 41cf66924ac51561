# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Messages between two slots, reliable and in order."""

from __future__ import annotations

import asyncio
from ctypes import byref, c_int, c_size_t, create_string_buffer, string_at
from types import TracebackType
from typing import Any, NoReturn

from . import _native as native
from ._buffer import Buffer, readable
from ._error import Code, Error
from ._native import AGAIN, Handle, c, check, closed
from ._native import failure as failure_of
from ._slot import Slot

STATES = ("closed", "opening", "connected", "reset", "poisoned", "rejected", "lost")
FOR_DATA, FOR_ROOM, FOR_DRAINED = 1, 2, 4
_FIRST_BUFFER = 16384
# What each message calls.
_try_send, _try_receive, _gather = c.channel_try_send, c.channel_try_receive, c.channel_gather
_TURN = 64
"""After so many operations that did not wait, a task lets the others run."""


def channel_options(max_message: int, polling: bool) -> native.ChannelOptions:
    return native.ChannelOptions(max_message=max_message, polling=polling)


class Channel:
    """Carries messages to another slot and back: `async for message in channel`.

    slot.connect(), slot.offer() and slot.open() make channels. Several tasks may send and receive: each message is
    whole. Cancellation loses no message: one that was being sent is withdrawn.
    """

    def __init__(self, handle: Handle, slot: Slot) -> None:
        self._handle: Handle | None = handle
        self.slot = slot
        self._number: int | None = handle.value
        self._set_buffer(_FIRST_BUFFER)
        self._size = c_size_t()
        self._to_size = byref(self._size)
        self._waits = {FOR_DATA: 0, FOR_ROOM: 0, FOR_DRAINED: 0}
        self._armed = False
        self._settling = False
        self._sending = asyncio.Lock()
        self._turns = 0
        slot.add(self)

    # Facts

    @property
    def handle(self) -> Handle:
        if self._handle is None:
            raise closed("channel")
        return self._handle

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    def facts(self) -> native.ChannelFacts:
        raw = native.ChannelFacts()
        check(c.channel_get_facts(self.handle.value, raw))
        return raw

    @property
    def state(self) -> str:
        """ "opening", "connected", "closed", "reset", "poisoned", "rejected" or "lost"; as of now."""
        state = c_int()
        check(c.channel_update(self.handle.value, byref(state)))
        return STATES[state.value]

    @property
    def peer_slot(self) -> int:
        return int(self.facts().peer_slot)

    @property
    def lane(self) -> int:
        return int(self.facts().lane)

    @property
    def peer_max_message(self) -> int:
        """The longest message that the other side receives, in bytes; 0 before the channel was connected."""
        return int(self.facts().peer_max_message)

    # Sending

    def try_send(self, message: Buffer) -> bool:
        """Send a message in one piece if there is room for it, and return whether there was. Never blocks."""
        data, size = readable(message)
        code = _try_send(self._number, data, size)
        if code == AGAIN:
            return False
        self._fail_unless(code)
        return True

    async def send(self, message: Buffer) -> None:
        """Send a message of any length up to peer_max_message, once there is room."""
        self._turns += 1
        if self._turns >= _TURN:  # before it is sent, which a cancellation would not withdraw any more
            await self._let_others_run()
        data, size = readable(message)
        if self._sending.locked() or _try_send(self._number, data, size) != 0:
            await self._send(data, size)

    async def _send(self, data: Any, size: int) -> None:
        """Send what finds no room, or must be sent in parts; and report a failure."""
        async with self._sending:
            done = c_size_t()
            try:
                while (code := c.channel_send_some(self.handle.value, data, size, byref(done))) != 0:
                    await self._after(code, FOR_ROOM)
            except BaseException:
                if self._handle is not None:
                    c.channel_abandon(self._handle.value)
                raise

    async def drain(self) -> None:
        """Wait until the other side took all messages that were sent."""
        while (code := c.channel_try_drain(self.handle.value)) != 0:
            await self._after(code, FOR_DRAINED)

    # Receiving

    def try_receive(self) -> bytes | None:
        """Receive a message if there is one, else return None. Never blocks."""
        code = _try_receive(self._number, self._buffer, self._capacity, self._to_size)
        if code == 0:
            if not self._settling:
                self._settle_soon()
            return string_at(self._buffer, self._size.value)
        if code == AGAIN:  # unless parts have become a message
            code = _gather(self._number, self._to_size)
        if code == AGAIN:
            return None
        if code in (0, Code.BUFFER_TOO_SMALL):  # the size is known now
            self._set_buffer(self._size.value)
            message = self.try_receive()
            self._set_buffer(_FIRST_BUFFER)
            return message
        self._fail(code)

    async def receive(self) -> bytes:
        """Receive a message of any length, once it has come. Code.CHANNEL_CLOSED: there are no more."""
        self._turns += 1
        if self._turns >= _TURN:  # before a message is taken, which a cancellation would lose
            await self._let_others_run()
        while (message := self.try_receive_connected()) is None:
            await self._wait(FOR_DATA)
        return message

    def try_receive_connected(self) -> bytes | None:
        """As try_receive(), but a channel that is not connected yet has no message."""
        try:
            return self.try_receive()
        except Error as failure:
            if failure.code == Code.NOT_CONNECTED and self.state == "opening":
                return None
            raise

    def __aiter__(self) -> Channel:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.receive()
        except Error as failure:
            if failure.code == Code.CHANNEL_CLOSED:
                raise StopAsyncIteration from None
            raise

    # The end

    def finish(self) -> None:
        """Send nothing more; the other side receives what was sent, then sees the end."""
        check(c.channel_finish(self.handle.value))

    async def reopen(self) -> None:
        """Open a channel again that ended, and wait until it is connected."""
        check(c.channel_reopen(self.handle.value))
        await self.connected()

    async def connected(self) -> None:
        """Wait until the other side has opened the lane."""
        while (state := self.state) == "opening":
            await self._wait(FOR_DATA)
        if state != "connected":
            check(c.channel_try_drain(self.handle.value))

    def close(self) -> None:
        """Close the channel. drain() first if all must arrive."""
        self.settle()
        handle, self._handle, self._number = self._handle, None, None
        if handle is not None:
            handle.close()
            self.slot.wake_all()

    async def __aenter__(self) -> Channel:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self.close()

    # Streams

    def try_read(self, most: int) -> bytes | None:
        """Read bytes of a stream; b"" at its end, None if there are none now."""
        if most < 0:
            raise ValueError(f"{most}: not a number of bytes")
        if self._capacity < most:
            self._set_buffer(most)
        code = c.stream_try_read(self._number, self._buffer, most, self._to_size)
        if code == AGAIN:
            return None
        self._fail_unless(code)
        if not self._settling:
            self._settle_soon()
        return string_at(self._buffer, self._size.value)

    async def read(self, most: int = 65536) -> bytes:
        """Read bytes of a stream, 1 to `most` of them; b"" at its end."""
        self._turns += 1
        if self._turns >= _TURN:  # before bytes are taken, which a cancellation would lose
            await self._let_others_run()
        while (data := self.try_read(most)) is None:
            await self._wait(FOR_DATA)
        return data

    async def write(self, data: Buffer) -> None:
        """Write all bytes to a stream. After a cancellation some of them may have been written."""
        view = memoryview(data).cast("B")
        async with self._sending:
            while view.nbytes:
                lent, size = readable(view)
                code = c.stream_try_write(self.handle.value, lent, size, self._to_size)
                if code == 0:
                    view = view[self._size.value:]
                else:
                    await self._after(code, FOR_ROOM)
        await self._let_others_run()

    # Waiting

    def look(self) -> None:
        """Notice what the other side did. The slot calls it after each ring."""
        if self._handle is None:
            return
        if self._armed:
            self._armed = False
            c.channel_disarm(self._handle.value)
        c.channel_update(self._handle.value, None)
        c.channel_ring_again(self._handle.value)

    def _settle_soon(self) -> None:
        """Show the other side what was received, once the task that receives waits or lets others run."""
        self._settling = True
        self.slot.call_soon(self.settle)

    def settle(self) -> None:
        if self._settling and self._handle is not None:
            c.channel_settle(self._handle.value)
        self._settling = False

    async def _after(self, code: int, what: int) -> None:
        """Wait after a function returned that there is nothing to do now, else raise its failure."""
        if code == AGAIN or (code == Code.NOT_CONNECTED and self.state == "opening"):
            await self._wait(what)
        else:
            check(code)

    async def _wait(self, what: int) -> None:
        handle = self.handle
        self._waits[what] += 1
        try:
            sleep = c_int()
            wanted = sum(one for one, count in self._waits.items() if count)
            check(c.channel_arm(handle.value, wanted, byref(sleep)))
            self._armed = True
            if sleep.value:
                await self.slot.until_rung()
            else:  # another task may wait for what is there
                self.look()
                self.slot.wake_all()
                await asyncio.sleep(0)
        finally:
            self._waits[what] -= 1

    async def _let_others_run(self) -> None:
        self._turns = 0
        await asyncio.sleep(0)

    def _set_buffer(self, capacity: int) -> None:
        self._buffer = create_string_buffer(capacity)
        self._capacity = capacity

    def _fail_unless(self, code: int) -> None:
        if code:
            self._fail(code)

    def _fail(self, code: int) -> NoReturn:
        raise failure_of(code) if self._handle is not None else closed("channel")
