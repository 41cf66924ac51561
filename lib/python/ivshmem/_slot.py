# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The place of a process in the shared memory, and what waits there for the other peers."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from ctypes import byref, c_int, c_size_t, c_uint32, c_void_p
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from . import _native as native
from ._device import Device, view_of
from ._error import Code, Error
from ._native import AGAIN, Handle, c, check, closed, milliseconds, named, slot_number, u32
from ._watch import Watch, wake

if TYPE_CHECKING:
    from ._channel import Channel
    from ._service import Service
    from ._topic import TopicInfo, TopicWriter
    from ._topic_reader import TopicReader

_LOOK = 0.1
"""A peer that claims this slot waits 250 ms for an answer, and a ring may get lost."""
_DOUBTFUL, _PROVEN = 1.0, 60.0
"""How long something that a peer rings for waits at most without a look: while no ring was seen to arrive, or one was
seen to be lost; and otherwise."""
_POLL = 0.001
"""How often to look if no ring can arrive, while something waits."""


@dataclass(frozen=True)
class Geometry:
    """The division of the shared memory for channels; the first peer chooses it for all."""

    slots: int = 4
    lanes: int = 4
    ring_size: int = 65536


@dataclass(frozen=True)
class Holder:
    """The peer that holds a slot, as the memory says; a peer may have written false values."""

    slot: int
    incarnation: int
    peer: int


@dataclass
class Pauses:
    """Those of something that waits."""

    next: float = 0.01
    """In seconds."""
    rung: bool | None = None
    """Whether the last one ended with a ring; None: there was none."""


class Member(Protocol):
    """What was made from a slot, and is called after each ring."""

    def look(self) -> None: ...

    def settle(self) -> None: ...


class Slot:
    """A slot that this process holds: `async with await Slot.claim(device, 1) as slot`.

    Belongs to the event loop that runs when it is claimed: a slot and all that was made from it are used in its
    thread. While nothing waits, it costs nothing, except for its heartbeat.
    """

    def __init__(self, handle: Handle, device: Handle) -> None:
        """Slot.claim() makes slots."""
        self._handle: Handle | None = handle
        self._device = device
        facts = native.SlotFacts()
        check(c.slot_get_facts(handle.value, facts))
        self.number = int(facts.number)
        self.incarnation = int(facts.incarnation)
        self.geometry = Geometry(facts.slots, facts.lanes, facts.ring_size)
        self.region = int(facts.region_offset), int(facts.region_size)
        """The part of the memory that channels use: its offset and its size in bytes."""
        self.channel_size = int(facts.channel_size)
        self.has_interrupts = bool(facts.has_interrupts)
        self._beat = facts.heartbeat_ms / 1000
        self._failure: Error | None = None
        self._waiting: dict[asyncio.Future[None], float] = {}
        """What waits, and how long at most."""
        self._rung = False
        self._proven = False
        self._unannounced = 0
        self._members: weakref.WeakSet[Member] = weakref.WeakSet()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._watch: Watch | None = None
        own = weakref.ref(self)
        if self.has_interrupts:
            fd = c_int()
            check(c.slot_get_fd(handle.value, byref(fd)))
            self._watch = Watch(fd.value, lambda: _look(own, rung=True))
            self._watch.start()
        self._set_timer()

    @classmethod
    async def claim(cls, device: Device, number: int | None = None, *, region: tuple[int, int] = (0, 0),
                    geometry: Geometry | None = None, claim_time: float = 0.25, heartbeat: float = 0, vector: int = 0,
                    reformat: bool = False, memory_for_parts: int = 0) -> Slot:
        """Claim a slot by its number, or any free one.

        `region`, an offset and a size in bytes, is the part of the memory that channels use. `claim_time` is how long
        a former holder has to object, and `heartbeat` the period of a heartbeat, in seconds.
        """
        divided = geometry or Geometry(0, 0, 0)
        options = native.SlotOptions(
            region_offset=region[0], region_size=region[1], slots=divided.slots, lanes=divided.lanes,
            ring_size=divided.ring_size, claim_time_ms=milliseconds(claim_time),
            heartbeat_ms=milliseconds(heartbeat) if heartbeat else 0, vector=vector, reformat=reformat, memory_for_parts=memory_for_parts)
        held = device.handle
        claim = native.opened("claim", c.claim_open, held.value, slot_number(number), byref(options))
        try:
            pause, value = c_int(), c_void_p()
            while (code := c.claim_step(claim.value, byref(pause), byref(value))) == AGAIN:
                await asyncio.sleep(pause.value / 1000)
            check(code)
            return cls(Handle(value, "slot"), held)
        finally:
            claim.close()

    @property
    def handle(self) -> Handle:
        if self._handle is None:
            raise closed("slot")
        return self._handle

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    @property
    def application_memory(self) -> memoryview:
        """The part of the memory that no channel uses as long as all peers use this region."""
        address, length = c_void_p(), c_size_t()
        check(c.slot_get_application_memory(self.handle.value, byref(address), byref(length)))
        return view_of(self._device, address.value, length.value)

    @property
    def repairs(self) -> int:
        """How often another peer has written to the header of this slot."""
        facts = native.SlotFacts()
        check(c.slot_get_facts(self.handle.value, facts))
        return int(facts.repairs)

    def holders(self) -> list[Holder]:
        """Return the holders of the other slots, by ascending slot."""
        found, count = (native.SlotHolder * 256)(), c_size_t()
        check(c.slot_get_holders(self.handle.value, found, len(found), byref(count)))
        return [Holder(one.slot, one.incarnation, one.peer) for one in found[:count.value]]

    def find_service(self, name: str, at: int | None = None) -> int | None:
        """Return the slot that offers a service, or None."""
        slot = c_uint32()
        code = c.service_find(self.handle.value, named(name.encode()), slot_number(at), byref(slot))
        if code == Code.SERVICE_UNKNOWN:
            return None
        check(code)
        return slot.value

    def open(self, to: int, lane: int, *, max_message: int = 0, polling: bool = False) -> Channel:
        """Open this side of a lane; the other side opens it at any time. connect() finds a service by its name."""
        from ._channel import Channel, channel_options

        value = c_void_p()
        check(c.channel_open(self.handle.value, u32(to), u32(lane), byref(channel_options(max_message, polling)), byref(value)))
        return Channel(Handle(value, "channel"), self)

    async def connect(self, service: str, at: int | None = None, *, max_message: int = 0,
                      polling: bool = False) -> Channel:
        """Connect to a service, also if it is offered only later. `at` is the slot that must offer it."""
        from ._channel import Channel, channel_options

        options = channel_options(max_message, polling)
        connector = native.opened("connector", c.connector_open, self.handle.value, named(service.encode()),
                                  slot_number(at), byref(options))
        try:
            value = c_void_p()
            while (code := c.connector_try_connect(connector.value, byref(value))) == AGAIN:
                await self.until_rung()
            check(code)
            return Channel(Handle(value, "channel"), self)
        finally:
            connector.close()

    def offer(self, service: str, *, max_message: int = 0, polling: bool = False) -> Service:
        """Offer a service, so that other peers find it: `async for channel in slot.offer("echo")`."""
        from ._service import Service

        return Service(self, service, max_message=max_message, polling=polling)

    def write_topic(self, name: str, *, size: int = 0, messages: int = 0, relayed: bool = False, max_message: int = 0,
                    pinning_readers: int = 0, pins_each: int = 0) -> TopicWriter:
        """Make a topic, so that other slots read it by its name: `with slot.write_topic("clock") as writer`.

        `size` is the room for messages in bytes, and `messages` how many there can be at once; 0: chosen. `relayed` says
        that the messages come from elsewhere, such as another region. So many `pinning_readers` may hold `pins_each`
        messages at once; each message has a cell of `max_message` bytes then.
        """
        from ._topic import TopicWriter

        return TopicWriter(self, name, size=size, messages=messages, relayed=relayed, max_message=max_message,
                           pinning_readers=pinning_readers, pins_each=pins_each)

    def read_topic(self, name: str, *, history: int = 0, max_message: int = 0, pins: int = 0) -> TopicReader:
        """Open a topic of any other slot, also one that comes later: `async for message in slot.read_topic("clock")`.

        `history` is how many of the messages that are there already to read first; of a topic that comes later, all are
        read. `max_message` is the longest message that is copied, in bytes; 0: 64 MiB. `pins` is how many messages
        to hold at once with TopicView.pin(), up to 8.
        """
        from ._topic_reader import TopicReader

        return TopicReader(self, name, history=history, max_message=max_message, pins=pins)

    def topics(self) -> list[TopicInfo]:
        """Return the topics of all slots, by ascending slot; those that have ended, too."""
        from ._topic import topics_of

        return topics_of(self)

    def close(self) -> None:
        """Give the slot back. What was made from it fails with Code.CLOSED from now on."""
        for member in list(self._members):
            member.settle()
        handle, self._handle = self._handle, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watch is not None:
            self._watch.close()
        if handle is not None:
            handle.close()
        self.wake_all()

    async def __aenter__(self) -> Slot:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self.close()

    # For what was made from the slot

    def add(self, member: Member) -> None:
        self._members.add(member)

    def view(self, address: int | None, length: int, *, writable: bool = True) -> memoryview:
        """Return a view of the memory, which keeps the mapping."""
        return view_of(self._device, address, length, writable=writable)

    async def until_rung(self, at_most: float = _LOOK) -> bool:
        """Wait until something may have changed: a ring, or a while. Return whether it was a ring."""
        if self._failure is not None:
            raise self._failure
        if self._handle is None:
            raise closed("slot")
        future = self._loop.create_future()
        self._waiting[future] = at_most
        self._set_timer()
        try:
            await future
        finally:
            self._waiting.pop(future, None)
        if self._failure is not None:
            raise self._failure
        return self._rung

    async def until_rung_for(self, pauses: Pauses) -> None:
        """As until_rung(), for something that a peer rings for; each pause is longer than the one before."""
        pauses.rung = await self.until_rung(pauses.next)
        if not pauses.rung:
            pauses.next = min(2 * pauses.next, _PROVEN if self._proven else _DOUBTFUL)

    def found(self, pauses: Pauses) -> None:
        """Learn from a wait that found something whether rings arrive."""
        if pauses.rung:
            self._proven, self._unannounced = True, 0
        elif pauses.rung is False:
            self._unannounced += 1
            if self._unannounced > 1:  # a single one may be a ring on its way
                self._proven = False

    def call_soon(self, function: Callable[[], None]) -> None:
        self._loop.call_soon(function)

    def wake_all(self) -> None:
        wake(self._waiting)

    def look(self) -> None:
        """Take the rings, answer claims, beat, and wake what waits."""
        if self._handle is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            check(c.slot_update(self._handle.value))
        except Error as failure:
            self._failure = failure
            if self._watch is not None:
                self._watch.close()
        for member in list(self._members):
            member.look()
        self.wake_all()
        if self._failure is None:
            self._set_timer()

    def _set_timer(self) -> None:
        pause = self._beat
        if self._waiting:
            longest = min(self._waiting.values())
            pause = min(pause or longest, longest) if self.has_interrupts else _POLL
        elif not self.has_interrupts:
            pause = min(pause or _LOOK, _LOOK)
        if not pause:
            return
        due = self._loop.time() + pause
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        own = weakref.ref(self)
        self._timer = self._loop.call_at(due, _look, own)


def _look(slot: weakref.ref[Slot], *, rung: bool = False) -> None:
    held = slot()
    if held is not None:
        held._rung = rung
        held.look()
