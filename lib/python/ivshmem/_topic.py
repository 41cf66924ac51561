# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The writer of a topic, and the list of topics."""

from __future__ import annotations

from ctypes import byref, c_size_t, c_void_p
from dataclasses import dataclass
from types import TracebackType

from . import _native as native
from ._buffer import Buffer, readable
from ._device import view_of
from ._native import Handle, c, check, closed, named, text
from ._slot import Slot

_NEWCOMERS = 16
"""Topics that may come while topics_of() asks."""


@dataclass(frozen=True)
class TopicInfo:
    """A topic in shared memory, as its writer describes it; the values may be false."""

    name: str
    slot: int
    sequence: int
    """The number of the last message; 0: none yet."""
    time_ns: int
    """When that was published, by the clock of the writer, since 1970; 0: not known."""
    size: int
    """The bytes for messages: the longest message."""
    messages: int
    """How many there can be at once."""
    ended: bool
    relayed: bool
    """It was brought from elsewhere, such as another region."""
    lost: bool
    """The writer left without ending the topic."""


def topics_of(slot: Slot) -> list[TopicInfo]:
    count = c_size_t()
    check(c.slot_get_topics(slot.handle.value, None, 0, byref(count)))
    found = (native.TopicInfo * (count.value + _NEWCOMERS))()
    check(c.slot_get_topics(slot.handle.value, found, len(found), byref(count)))
    return [TopicInfo(text(one.name), one.slot, one.sequence, one.time_ns, one.ring_size, one.messages, bool(one.ended),
                      bool(one.relayed), bool(one.lost)) for one in found[:count.value]]


class Loan:
    """Memory of the next message: `with writer.loan(size) as memory`. Its end publishes it, unless an exception does."""

    def __init__(self, writer: TopicWriter, memory: memoryview) -> None:
        self._writer = writer
        self._memory = memory

    def __enter__(self) -> memoryview:
        return self._memory

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is None:
            self._memory.release()  # BufferError if something else, such as an array, still uses it
            self._writer.publish_loan(self)


class TopicWriter:
    """Publishes messages for any number of readers, which find the topic by its name.

    slot.write_topic() makes writers. Publishing never waits: a new message takes the room of the oldest ones.
    """

    def __init__(self, slot: Slot, name: str, *, size: int = 0, messages: int = 0, relayed: bool = False,
                 max_message: int = 0, pinning_readers: int = 0, pins_each: int = 0) -> None:
        self._slot = slot
        self.name = name
        options = native.TopicOptions(ring_size=size, messages=messages, relayed=relayed, max_message=max_message,
                                      pinning_readers=pinning_readers, pins_each=pins_each)
        self._loan: Loan | None = None
        self._handle: Handle | None = native.opened("topic_writer", c.topic_writer_open, slot.handle.value,
                                                    named(name.encode()), byref(options))
        self.max_message = int(self._facts().max_message)
        """The longest message, in bytes."""

    @property
    def handle(self) -> Handle:
        if self._handle is None:
            raise closed("topic's writer")
        return self._handle

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    @property
    def sequence(self) -> int:
        """The number of the last message; 0: none yet."""
        return int(self._facts().sequence)

    @property
    def rings(self) -> int:
        """How often a reader was rung."""
        return int(self._facts().rings)

    def publish(self, message: Buffer) -> None:
        """Publish a copy of a message. Never blocks."""
        data, size = readable(message)
        self._loan = None
        check(c.topic_writer_publish(self.handle.value, data, size))

    def loan(self, size: int) -> Loan:
        """Lend memory in the section itself, so that the message need not be copied: `with writer.loan(size) as memory`.

        Its content is undefined at first. The message is published at the end of the block, where the memory is
        released; parts of it that were made by slicing must not be written to after that. A second loan, or publish(),
        makes a loan void.
        """
        memory = c_void_p()
        self._loan = None
        check(c.topic_writer_loan(self.handle.value, native.length(size), byref(memory)))
        self._loan = Loan(self, self._slot.view(memory.value, size))
        return self._loan

    def publish_loan(self, loan: Loan) -> None:
        """Publish a loan, whose memory was released. The end of its block calls it."""
        if loan is not self._loan:
            raise ValueError("the loan is void: something else was published, or lent, after it")
        self._loan = None
        check(c.topic_writer_publish_loan(self.handle.value))

    def close(self) -> None:
        """End the topic: readers receive what is there, then see the end."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    def _facts(self) -> native.TopicWriterFacts:
        facts = native.TopicWriterFacts()
        check(c.topic_writer_get_facts(self.handle.value, facts))
        return facts

    def __enter__(self) -> TopicWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
