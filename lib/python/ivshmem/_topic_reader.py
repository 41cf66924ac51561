# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A reader of a topic."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Callable
from ctypes import byref, c_int, create_string_buffer, string_at
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from . import _native as native
from ._error import Code, Error
from ._native import AGAIN, Function, Handle, c, check, closed, named
from ._slot import Pauses, Slot

STATES = ("closed", "searching", "attached", "ended", "poisoned", "lost")
_FIRST_BUFFER = 16384
_LARGEST_KEPT = 1 << 20
"""A buffer that is larger is given back after its message."""
_ATTEMPTS = 4
"""For messages that are overwritten before they are copied."""
_TURN = 64
"""After so many messages that were there at once, a task lets the others run."""

Got = TypeVar("Got")


@dataclass(frozen=True)
class _Numbered:
    sequence: int
    """The number of the message: the first one of a topic is 1."""
    skipped: int
    """How many messages since the one before were overwritten, or passed over, without being read."""
    time_ns: int
    """When it was published, by the clock of the writer, since 1970."""

    @property
    def time(self) -> float:
        """The same in seconds, as of time.time()."""
        return self.time_ns / 1e9


@dataclass(frozen=True)
class TopicMessage(_Numbered):
    """A message of a topic."""

    bytes: builtins.bytes


@dataclass(frozen=True)
class TopicView(_Numbered):
    """A message in the section of its writer, which may write over it at any time.

    Use what was read of `memory` before still_valid() returned True, or copy_out(). A hostile writer can change bytes
    between two reads: read each once.
    """

    memory: memoryview
    _reader: TopicReader = field(repr=False, compare=False)
    _raw: native.TopicMessage = field(repr=False, compare=False)

    def still_valid(self) -> bool:
        """Return whether the message is still there, so that all that was read of it before is what was published."""
        valid = c_int()
        check(c.topic_reader_still_valid(self._reader.handle.value, self._raw, byref(valid)))
        return bool(valid.value)

    def copy_out(self) -> bytes | None:
        """Return a copy of the message, or None if it was overwritten.

        It is as long as the writer says, up to all of its ring: max_message of the reader is no limit for views.
        """
        copy = bytes(self.memory)
        return copy if self.still_valid() else None


    def pin(self) -> TopicPin:
        """Hold the message where it is, so that the writer does not write over it: `with view.pin() as pin`.

        The writer must allow it. Code.PIN_REFUSED: it does not, or did not hear of this reader before the message.
        """
        return TopicPin(native.opened("topic_pin", c.topic_pin_open, self._reader.handle.value, byref(self._raw)), self)


class TopicPin:
    """Holds a message until release(), in any order with others: `view.memory` stays what was published."""

    def __init__(self, handle: Handle, view: TopicView) -> None:
        """TopicView.pin() makes pins."""
        self._handle = handle
        self.view = view

    def still_valid(self) -> bool:
        """Return whether the message is still held, so that all that was read of it before is what was published."""
        valid = c_int()
        check(c.topic_pin_still_valid(self._handle.value, byref(valid)))
        return bool(valid.value)

    def release(self) -> None:
        """Let the writer use the room of the message again."""
        self._handle.close()

    def __enter__(self) -> TopicPin:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.release()


class TopicReader:
    """Reads the messages of a topic: `async for message in reader`.

    slot.read_topic() makes readers. The topic need not exist yet. A reader that is too slow skips messages, and each
    message says how many. Cancellation loses no message.

    After the writer has ended the topic, what is left is read, and then calls fail with Code.TOPIC_CLOSED, which ends
    the iteration; if it ended without that, with Code.PEER_LOST, and if it broke the rules of the layout, with
    Code.TOPIC_POISONED. reopen() waits for the next writer.

    A reader that waits costs nothing until it is rung, except for the slot's heartbeat: because a ring may get lost, it
    looks again after 10 ms, then after twice that, and so on up to 1 s, or up to 60 s once rings have arrived.
    """

    def __init__(self, slot: Slot, name: str, *, history: int = 0, max_message: int = 0, pins: int = 0) -> None:
        self.slot = slot
        self.name = name
        options = native.TopicReaderOptions(history=history, max_message=max_message, pins=pins)
        self._handle: Handle | None = native.opened("topic_reader", c.topic_reader_open, slot.handle.value,
                                                    named(name.encode()), byref(options))
        self._set_buffer(_FIRST_BUFFER)
        self._armed = False
        self._turns = 0
        slot.add(self)

    # Facts

    @property
    def handle(self) -> Handle:
        if self._handle is None:
            raise closed("topic's reader")
        return self._handle

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    @property
    def state(self) -> str:
        """ "searching", "attached", "ended", "poisoned" or "lost"; as of now."""
        state = c_int()
        check(c.topic_reader_update(self.handle.value, byref(state)))
        return STATES[state.value]

    @property
    def writer_slot(self) -> int | None:
        """The slot of the writer; None if none was found."""
        slot = int(self._facts().writer_slot)
        return None if slot < 0 else slot

    @property
    def skipped(self) -> int:
        """How many messages were skipped in all."""
        return int(self._facts().skipped)

    @property
    def relayed(self) -> bool:
        """Whether the topic was brought from elsewhere, as its writer says."""
        return bool(self._facts().relayed)

    # Reading

    def try_read(self) -> TopicMessage | None:
        """Read the next message if there is one, else return None. Never blocks."""
        return self._try_read(c.topic_reader_try_read)

    def try_read_latest(self) -> TopicMessage | None:
        """Read the newest message unless it was read already. The first call may return one from before the reader."""
        return self._try_read(c.topic_reader_try_read_latest)

    def try_view(self) -> TopicView | None:
        """Return a view of the next message if there is one, else None. Never blocks."""
        return self._try_view(c.topic_reader_try_view)

    def try_view_latest(self) -> TopicView | None:
        """Return a view of the newest message unless it was read already, else None. Never blocks."""
        return self._try_view(c.topic_reader_try_view_latest)

    async def read(self) -> TopicMessage:
        """Read the next message, once it has come."""
        return await self._until(self.try_read)

    async def read_latest(self) -> TopicMessage:
        """Read the newest message, once there is one that was not read."""
        return await self._until(self.try_read_latest)

    async def view(self) -> TopicView:
        """Return a view of the next message, once it has come."""
        return await self._until(self.try_view)

    def __aiter__(self) -> TopicReader:
        return self

    async def __anext__(self) -> TopicMessage:
        try:
            return await self.read()
        except Error as failure:
            if failure.code == Code.TOPIC_CLOSED:
                raise StopAsyncIteration from None
            raise

    # The end

    def reopen(self) -> None:
        """Look for a writer again after the topic has ended, or was lost or poisoned."""
        check(c.topic_reader_reopen(self.handle.value))

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()
            self.slot.wake_all()

    def __enter__(self) -> TopicReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    # Waiting

    def look(self) -> None:
        """Notice what the writer did. The slot calls it after each ring."""
        if self._handle is not None and self._armed:
            self._armed = False
            c.topic_reader_disarm(self._handle.value)

    def settle(self) -> None:
        """Do nothing: the writer does not wait for readers."""

    async def _until(self, attempt: Callable[[], Got | None]) -> Got:
        self._turns += 1
        if self._turns >= _TURN:
            await self._let_others_run()  # before a message is taken, which a cancellation would lose
        pauses = Pauses()
        while (got := attempt()) is None:
            sleep = c_int()
            check(c.topic_reader_arm(self.handle.value, byref(sleep)))
            self._armed = True
            if sleep.value:
                self._turns = 0
                await self.slot.until_rung_for(pauses)
            else:
                await self._let_others_run()
        self.slot.found(pauses)
        return got

    async def _let_others_run(self) -> None:
        self._turns = 0
        await asyncio.sleep(0)

    def _try_read(self, function: Function) -> TopicMessage | None:
        raw = native.TopicMessage()
        for _ in range(_ATTEMPTS):
            code = function(self.handle.value, self._buffer, self._capacity, raw)
            if code == AGAIN:
                return None
            if code != Code.BUFFER_TOO_SMALL:
                check(code)
                message = TopicMessage(raw.sequence, raw.skipped, raw.time_ns, string_at(self._buffer, raw.length))
                if self._capacity > _LARGEST_KEPT:
                    self._set_buffer(_FIRST_BUFFER)
                return message
            self._set_buffer(raw.length)
        return None

    def _try_view(self, function: Function) -> TopicView | None:
        raw = native.TopicMessage()
        code = function(self.handle.value, raw)
        if code == AGAIN:
            return None
        check(code)
        memory = self.slot.view(raw.bytes, raw.length, writable=False)
        return TopicView(raw.sequence, raw.skipped, raw.time_ns, memory, self, raw)

    def _set_buffer(self, capacity: int) -> None:
        self._buffer = create_string_buffer(capacity)
        self._capacity = capacity

    def _facts(self) -> native.TopicReaderFacts:
        facts = native.TopicReaderFacts()
        check(c.topic_reader_get_facts(self.handle.value, facts))
        return facts
