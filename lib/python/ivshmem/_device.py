# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""An open device: its memory, its doorbell, its interrupts and its events."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import AsyncIterator
from ctypes import byref, c_char, c_int, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from types import TracebackType

from . import _native as native
from ._discovery import DeviceInfo, backend_name, info_from
from ._native import AGAIN, Handle, c, check, closed, library, milliseconds, named, text, u32
from ._watch import Readables

_BACKENDS: dict[str | None, int] = {None: 0, "vfio": 1, "uio": 2, "server": 3, "shared": 4}
_CACHES: dict[str | None, int] = {None: 0, "write-back": 1, "write-combining": 2, "uncached": 3}
_CACHE_NAMES = {number: name for name, number in _CACHES.items() if name}
_EVENTS = {0: "peer joined", 1: "peer left", 2: "server gone", 3: "removal requested", 4: "device error",
           5: "state changed"}
_NEWCOMERS = 16
"""Programs that may come while users() asks."""
_CAN_RING, _CAN_REPORT_REMOVAL, _CAN_REPORT_PEERS, _CAN_REPORT_STATES = 1, 2, 4, 8


@dataclass(frozen=True)
class Event:
    """Something that happened to the device or its peers."""

    type: str
    """ "peer joined", "peer left", "server gone", "removal requested", "device error" or "state changed"."""
    peer: int
    """The id of the peer; 0 if the event is not about one."""


@dataclass(frozen=True)
class DeviceUser:
    """A program that shares a device through ivshmem-share."""

    process: int
    user: int
    """The id of its user."""
    use: str
    """Its name, and the vectors and slots that it has."""


def view_of(handle: Handle, address: int | None, length: int, *, writable: bool = True) -> memoryview:
    """Return a view of the memory, which keeps the handle open, and with it the mapping."""
    if not length or address is None:
        return memoryview(b"")
    handle.lends()
    array = (c_char * length).from_address(address)
    array.owner = handle  # type: ignore[attr-defined]
    view = memoryview(array).cast("B")
    return view if writable else view.toreadonly()


def _number(names: dict[str | None, int], name: str | None) -> int:
    if name not in names:
        raise ValueError(f"{name!r}: not one of {', '.join(filter(None, names))}")
    return names[name]


class Device:
    """An inter-VM shared memory device, or a place at an ivshmem server: Device("0000:00:04.0").

    `which` is a PCI address, "index:N", "region:N", "size:N[K|M|G]", "any", "server:PATH" or "share:PATH".
    Opening blocks for `timeout` seconds at most. `cache` insists on "write-back", "write-combining" or "uncached";
    `part`, an offset and a size in bytes, maps a part of the memory only.

    Interrupts are hints: look at the memory, wait, look again. Threads may share a device, but none may close it while
    another one uses it; tasks that wait are woken.
    """

    def __init__(self, which: str = "any", *, backend: str | None = None, cache: str | None = None,
                 part: tuple[int, int] = (0, 0), timeout: float = 2.0, vectors: int = 0, trust_server: bool = False,
                 root: str | os.PathLike[str] = "/") -> None:
        options = native.OpenOptions(
            backend=_number(_BACKENDS, backend), cache=_number(_CACHES, cache), part_offset=part[0], part_size=part[1],
            timeout_ms=milliseconds(timeout), vectors=vectors, trust_server=trust_server, root=os.fsencode(root))
        self._handle: Handle | None = native.opened("device", c.device_open, named(os.fsencode(which)), byref(options))
        facts = native.DeviceFacts()
        check(c.device_get_facts(self._handle.value, facts))
        self.description = text(facts.description)
        """How the device is reached: "vfio, IOMMU group 7"."""
        self.backend = backend_name(facts.backend)
        self.generation = int(facts.generation)
        """Of the registers: 1 or 2."""
        self.id = int(facts.id)
        self.vectors = int(facts.vectors)
        self.interrupts = int(facts.interrupts)
        """The vectors that can be waited for: 0 to interrupts - 1."""
        self.max_peers = int(facts.max_peers)
        self.protocol = int(facts.protocol) if facts.protocol >= 0 else None
        """ivshmem-v2: the number of the protocol that the hypervisor configured."""
        self.can_ring = bool(facts.capabilities & _CAN_RING)
        self.can_report_removal = bool(facts.capabilities & _CAN_REPORT_REMOVAL)
        self.can_report_peers = bool(facts.capabilities & _CAN_REPORT_PEERS)
        self.can_report_states = bool(facts.capabilities & _CAN_REPORT_STATES)
        memory = native.Memory()
        check(c.device_get_memory(self._handle.value, memory))
        self._memory: tuple[int | None, int] = memory.address, memory.length
        self.cache = _CACHE_NAMES.get(memory.cache, "uncached")
        """How the memory is mapped, in fact."""
        self.cache_reason = text(memory.reason)
        self._readables = Readables()

    @property
    def handle(self) -> Handle:
        if self._handle is None:
            raise closed("device")
        return self._handle

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    @property
    def info(self) -> DeviceInfo | None:
        """The facts that sysfs reported when the device was opened; None: a server is no PCI device."""
        raw = native.DeviceInfo()
        code = c.device_get_info(self.handle.value, raw)
        if code == -errno.ENODATA:
            return None
        check(code)
        return info_from(raw)

    # The memory

    @property
    def memory(self) -> memoryview:
        """The shared memory; on ivshmem-v2, the read/write section.

        Peers may change any byte at any time. A view stays valid after close(): the device is kept until the last
        view of its memory is gone.
        """
        return view_of(self.handle, *self._memory)

    def _word(self, offset: int) -> int:
        address, length = self._memory
        if address is None or not 0 <= offset <= length - 4 or offset % 4:
            raise IndexError(f"offset {offset}: no aligned word of the memory, which has {length} bytes")
        return address + offset

    def load32(self, offset: int) -> int:
        """Read the word at an offset, a multiple of 4, at once, before all later reads."""
        handle = self.handle
        return int(library.ivshmem_load32(self._word(offset))) if handle else 0

    def store32(self, offset: int, value: int) -> None:
        """Write the word at an offset, a multiple of 4, at once, after all earlier writes."""
        handle = self.handle
        library.ivshmem_store32(self._word(offset), u32(value) if handle else 0)

    # Rings

    def ring(self, peer: int, vector: int) -> None:
        """Interrupt a peer, after a fence. A ring to a peer that is absent vanishes without an error."""
        check(c.device_ring(self.handle.value, u32(peer), u32(vector)))

    def take(self, vector: int) -> int:
        """Take the rings of a vector that arrived, and return their number. Never blocks."""
        rings = c_uint64()
        check(c.device_take(self.handle.value, u32(vector), byref(rings)))
        return rings.value

    def take_any(self) -> tuple[int, int] | None:
        """Take the rings of one vector that has some; return the vector and their number. Never blocks."""
        vector, rings = c_uint32(), c_uint64()
        code = c.device_take_any(self.handle.value, byref(vector), byref(rings))
        if code == AGAIN:
            return None
        check(code)
        return vector.value, rings.value

    async def wait(self, vector: int) -> int:
        """Wait until a vector is rung, and return the number of rings."""
        while not (rings := self.take(vector)):
            await self._readables.wait(self.interrupt_fd(vector))
        return rings

    async def wait_any(self) -> tuple[int, int]:
        """Wait until any vector is rung; return the vector and the number of rings."""
        while (found := self.take_any()) is None:
            await self._readables.wait(self._fd(c.device_get_any_interrupt_fd))
        return found

    def interrupt_fd(self, vector: int) -> int:
        """Return a descriptor that polls readable while rings wait: for other event loops. Do not read it."""
        fd = c_int()
        check(c.device_get_interrupt_fd(self.handle.value, u32(vector), byref(fd)))
        return fd.value

    # Events and peers

    def next_event(self) -> Event | None:
        """Take the next event; None if there is none. Never blocks."""
        raw = native.Event()
        code = c.device_next_event(self.handle.value, raw)
        if code == AGAIN:
            return None
        check(code)
        return Event(_EVENTS.get(raw.type, str(raw.type)), raw.peer)

    async def events(self) -> AsyncIterator[Event]:
        """Report events for ever: `async for event in device.events()`."""
        while True:
            while (event := self.next_event()) is None:
                await self._readables.wait(self._fd(c.device_get_event_fd))
            yield event

    def peers(self) -> list[int]:
        """Return the ids of the other peers that are connected now, ascending."""
        ids, count = (c_uint16 * 65536)(), c_size_t()
        check(c.device_get_peers(self.handle.value, ids, len(ids), byref(count)))
        return ids[:count.value]

    def users(self) -> list[DeviceUser]:
        """Return the programs of this machine that share the device through ivshmem-share, with this one.

        Empty if this program has the device alone. Blocks for the device's `timeout` at most.
        """
        count = c_size_t()
        check(c.device_get_users(self.handle.value, None, 0, byref(count)))
        users = (native.DeviceUser * (count.value + _NEWCOMERS))()
        check(c.device_get_users(self.handle.value, users, len(users), byref(count)))
        return [DeviceUser(one.process, one.user, text(one.use)) for one in users[:count.value]]

    # ivshmem-v2

    @property
    def state(self) -> int:
        """This peer's own state; 0: it is not there. ivshmem-v2 only."""
        value = c_uint32()
        check(c.device_get_state(self.handle.value, byref(value)))
        return value.value

    @state.setter
    def state(self, value: int) -> None:
        check(c.device_set_state(self.handle.value, u32(value)))

    def peer_state(self, peer: int) -> int:
        """Return the state of a peer. ivshmem-v2 only."""
        value = c_uint32()
        check(c.device_get_peer_state(self.handle.value, u32(peer), byref(value)))
        return value.value

    def output_section(self, peer: int | None = None) -> memoryview:
        """Return this peer's own section, or that of a peer to read. ivshmem-v2 only."""
        address, length = c_void_p(), c_size_t()
        handle = self.handle
        if peer is None:
            check(c.device_get_output_section(handle.value, byref(address), byref(length)))
        else:
            check(c.device_get_peer_section(handle.value, u32(peer), byref(address), byref(length)))
        return view_of(handle, address.value, length.value, writable=peer is None)

    # The end

    def close(self) -> None:
        """Close the device. Slots, channels and views of the memory keep what they need of it."""
        handle, self._handle = self._handle, None
        self._readables.close()
        if handle is not None and not handle.is_lent:
            handle.close()

    def _fd(self, function: native.Function) -> int:
        fd = c_int()
        check(function(self.handle.value, byref(fd)))
        return fd.value

    def __enter__(self) -> Device:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Device:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self.close()


def publish() -> None:
    """Make this thread's earlier writes to shared memory visible to peers before its later ones."""
    library.ivshmem_publish()


