# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The functions in C of libivshmem.so, and their structs: <ivshmem/ivshmem.h>."""

from __future__ import annotations

import ctypes
import errno
import weakref
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_int32, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p
from collections.abc import Callable
from typing import Any

from ._error import Code, Error

Function = Callable[..., int]

# With the interpreter's lock, so that no two threads get into an object, as the library demands, also if a program uses
# a channel in two. The functions that may block let other threads run.
library = ctypes.PyDLL("libivshmem.so.0")
_unlocked = ctypes.CDLL("libivshmem.so.0")
_MAY_BLOCK = {"device_open", "device_close", "device_get_users", "discovery_open", "monitor_open", "claim_open", "claim_step",
              "claim_close", "slot_close"}


class Sized(ctypes.Structure):
    """A struct that begins with its size."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(size=ctypes.sizeof(type(self)), **fields)
        for name, value in fields.items():  # ctypes cuts what does not fit, without a word
            if getattr(self, name) != value:
                raise ValueError(f"{name}: {value!r} is out of range")


class OpenOptions(Sized):
    _fields_ = [("size", c_size_t), ("backend", c_int), ("cache", c_int), ("part_offset", c_uint64),
                ("part_size", c_uint64), ("timeout_ms", c_uint32), ("settle_ms", c_uint32), ("vectors", c_uint32),
                ("trust_server", c_int), ("root", c_char_p)]


class DeviceFacts(Sized):
    _fields_ = [("size", c_size_t), ("description", c_char_p), ("backend", c_int), ("generation", c_int),
                ("capabilities", c_uint32), ("interrupts", c_uint32), ("vectors", c_uint32), ("max_peers", c_uint32),
                ("id", c_uint32), ("protocol", c_int32)]


class Memory(Sized):
    _fields_ = [("size", c_size_t), ("address", c_void_p), ("length", c_size_t), ("cache", c_int),
                ("reason", c_char_p)]


class Event(Sized):
    _fields_ = [("size", c_size_t), ("type", c_int), ("peer", c_uint32)]


class DeviceUser(ctypes.Structure):
    _fields_ = [("process", c_uint32), ("user", c_uint32), ("use", c_char * 512)]


class DeviceInfo(Sized):
    _fields_ = [("size", c_size_t), ("address", c_char_p), ("driver", c_char_p), ("node", c_char_p),
                ("flags", c_uint32), ("generation", c_int), ("type", c_int), ("backend", c_int),
                ("vendor", c_uint16), ("device", c_uint16), ("subsystem_vendor", c_uint16),
                ("subsystem_device", c_uint16), ("class_code", c_uint32), ("revision", c_uint32),
                ("vectors", c_uint32), ("acrn_region", c_uint32), ("iommu_group", c_uint32), ("numa_node", c_int32),
                ("memory_start", c_uint64), ("memory_size", c_uint64), ("state_table_size", c_uint64),
                ("read_write_size", c_uint64), ("output_section_size", c_uint64), ("problem_count", c_size_t)]


class Diagnosis(Sized):
    _fields_ = [("size", c_size_t), ("can_map", c_int), ("can_ring", c_int), ("can_interrupt", c_int),
                ("problem", c_char_p), ("remedy", c_char_p), ("driver", c_char_p), ("driver_remedy", c_char_p),
                ("iommu_remedy", c_char_p), ("remapping_remedy", c_char_p), ("msi_problem", c_char_p),
                ("msi_remedy", c_char_p)]


class SlotOptions(Sized):
    _fields_ = [("size", c_size_t), ("region_offset", c_uint64), ("region_size", c_uint64), ("slots", c_uint32),
                ("lanes", c_uint32), ("ring_size", c_uint32), ("claim_time_ms", c_uint32), ("heartbeat_ms", c_uint32),
                ("vector", c_uint32), ("reformat", c_int), ("memory_for_parts", c_uint64)]


class SlotFacts(Sized):
    _fields_ = [("size", c_size_t), ("number", c_uint32), ("incarnation", c_uint32), ("slots", c_uint32),
                ("lanes", c_uint32), ("ring_size", c_uint32), ("vector", c_uint32), ("has_interrupts", c_int),
                ("heartbeat_ms", c_uint32), ("region_offset", c_uint64), ("region_size", c_uint64),
                ("channel_size", c_uint64), ("repairs", c_uint32)]


class SlotHolder(ctypes.Structure):
    _fields_ = [("slot", c_uint32), ("incarnation", c_uint32), ("peer", c_uint32)]


class ChannelOptions(Sized):
    _fields_ = [("size", c_size_t), ("max_message", c_uint32), ("polling", c_int)]


class ChannelFacts(Sized):
    _fields_ = [("size", c_size_t), ("state", c_int), ("peer_slot", c_uint32), ("lane", c_uint32),
                ("peer_incarnation", c_uint32), ("peer_max_message", c_uint32), ("max_whole_message", c_uint32),
                ("unread", c_uint32), ("violation", c_int), ("is_polling", c_int), ("peer_finished", c_int),
                ("rings", c_uint64)]


class TopicOptions(Sized):
    _fields_ = [("size", c_size_t), ("ring_size", c_uint64), ("messages", c_uint32), ("relayed", c_int),
                ("max_message", c_uint64), ("pinning_readers", c_uint32), ("pins_each", c_uint32)]


class TopicWriterFacts(Sized):
    _fields_ = [("size", c_size_t), ("max_message", c_uint64), ("sequence", c_uint64), ("rings", c_uint64)]


class TopicReaderOptions(Sized):
    _fields_ = [("size", c_size_t), ("history", c_uint64), ("max_message", c_uint64), ("polling", c_int),
                ("pins", c_uint32)]


class TopicReaderFacts(Sized):
    _fields_ = [("size", c_size_t), ("state", c_int), ("writer_slot", c_int32), ("skipped", c_uint64),
                ("relayed", c_int)]


class TopicMessage(Sized):
    _fields_ = [("size", c_size_t), ("bytes", c_void_p), ("length", c_size_t), ("sequence", c_uint64),
                ("skipped", c_uint64), ("time_ns", c_uint64), ("session", c_uint32)]


class TopicInfo(ctypes.Structure):
    _fields_ = [("name", c_char * 60), ("slot", c_uint32), ("number", c_uint32), ("key", c_uint32),
                ("sequence", c_uint64), ("time_ns", c_uint64), ("ring_size", c_uint64), ("messages", c_uint32),
                ("ended", c_int), ("relayed", c_int), ("lost", c_int)]


# The types of the parameters of each function. A handle is a number in the type of a pointer, a text is c_char_p, and
# a c_void_p takes bytes, arrays and byref().
_handle, _to = c_void_p, c_void_p
_PARAMETERS: dict[str, tuple[Any, ...]] = {
    "get_code_text": (c_int, c_char_p, c_size_t),
    "device_open": (c_char_p, _to, _to),
    "device_close": (_handle,),
    "device_get_facts": (_handle, POINTER(DeviceFacts)),
    "device_get_info": (_handle, POINTER(DeviceInfo)),
    "device_get_memory": (_handle, POINTER(Memory)),
    "device_ring": (_handle, c_uint32, c_uint32),
    "device_get_interrupt_fd": (_handle, c_uint32, _to),
    "device_take": (_handle, c_uint32, _to),
    "device_get_any_interrupt_fd": (_handle, _to),
    "device_take_any": (_handle, _to, _to),
    "device_get_event_fd": (_handle, _to),
    "device_next_event": (_handle, POINTER(Event)),
    "device_get_peers": (_handle, _to, c_size_t, _to),
    "device_get_users": (_handle, _to, c_size_t, _to),
    "device_get_state": (_handle, _to),
    "device_set_state": (_handle, c_uint32),
    "device_get_peer_state": (_handle, c_uint32, _to),
    "device_get_output_section": (_handle, _to, _to),
    "device_get_peer_section": (_handle, c_uint32, _to, _to),
    "discovery_open": (c_char_p, _to),
    "discovery_close": (_handle,),
    "discovery_get_count": (_handle, _to),
    "discovery_get_device": (_handle, c_size_t, POINTER(DeviceInfo)),
    "discovery_get_diagnosis": (_handle, c_size_t, POINTER(Diagnosis)),
    "discovery_get_problem": (_handle, c_size_t, c_size_t, _to),
    "monitor_open": (_to,),
    "monitor_close": (_handle,),
    "monitor_get_fd": (_handle, _to),
    "monitor_next": (_handle, _to, POINTER(DeviceInfo)),
    "claim_open": (_handle, c_int32, _to, _to),
    "claim_step": (_handle, _to, _to),
    "claim_close": (_handle,),
    "slot_close": (_handle,),
    "slot_get_facts": (_handle, POINTER(SlotFacts)),
    "slot_get_application_memory": (_handle, _to, _to),
    "slot_get_holders": (_handle, _to, c_size_t, _to),
    "slot_get_fd": (_handle, _to),
    "slot_update": (_handle,),
    "channel_open": (_handle, c_uint32, c_uint32, _to, _to),
    "channel_close": (_handle,),
    "channel_finish": (_handle,),
    "channel_reopen": (_handle,),
    "channel_get_facts": (_handle, POINTER(ChannelFacts)),
    "channel_update": (_handle, _to),
    "channel_arm": (_handle, c_uint32, _to),
    "channel_disarm": (_handle,),
    "channel_ring_again": (_handle,),
    "channel_settle": (_handle,),
    "channel_try_send": (_handle, _to, c_size_t),
    "channel_try_receive": (_handle, _to, c_size_t, _to),
    "channel_try_drain": (_handle,),
    "channel_send_some": (_handle, _to, c_size_t, _to),
    "channel_abandon": (_handle,),
    "channel_gather": (_handle, _to),
    "stream_try_read": (_handle, _to, c_size_t, _to),
    "stream_try_write": (_handle, _to, c_size_t, _to),
    "service_open": (_handle, c_char_p, _to, _to),
    "service_close": (_handle,),
    "service_try_accept": (_handle, _to),
    "service_find": (_handle, c_char_p, c_int32, _to),
    "connector_open": (_handle, c_char_p, c_int32, _to, _to),
    "connector_try_connect": (_handle, _to),
    "connector_close": (_handle,),
    "slot_get_topics": (_handle, _to, c_size_t, _to),
    "topic_pin_open": (_handle, POINTER(TopicMessage), _to),
    "topic_pin_still_valid": (_handle, _to),
    "topic_pin_close": (_handle,),
    "topic_writer_open": (_handle, c_char_p, _to, _to),
    "topic_writer_close": (_handle,),
    "topic_writer_get_facts": (_handle, POINTER(TopicWriterFacts)),
    "topic_writer_publish": (_handle, _to, c_size_t),
    "topic_writer_loan": (_handle, c_size_t, _to),
    "topic_writer_publish_loan": (_handle,),
    "topic_reader_open": (_handle, c_char_p, _to, _to),
    "topic_reader_close": (_handle,),
    "topic_reader_reopen": (_handle,),
    "topic_reader_get_facts": (_handle, POINTER(TopicReaderFacts)),
    "topic_reader_update": (_handle, _to),
    "topic_reader_arm": (_handle, _to),
    "topic_reader_disarm": (_handle,),
    "topic_reader_try_read": (_handle, _to, c_size_t, POINTER(TopicMessage)),
    "topic_reader_try_read_latest": (_handle, _to, c_size_t, POINTER(TopicMessage)),
    "topic_reader_try_view": (_handle, POINTER(TopicMessage)),
    "topic_reader_try_view_latest": (_handle, POINTER(TopicMessage)),
    "topic_reader_still_valid": (_handle, POINTER(TopicMessage), _to),
}


class _Functions:
    """The functions by their names without the prefix. Each returns its code."""

    def __init__(self) -> None:
        for name, parameters in _PARAMETERS.items():
            function = (_unlocked if name in _MAY_BLOCK else library)["ivshmem_" + name]
            function.argtypes = parameters
            function.restype = c_int
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Function:
        raise AttributeError(name)


c = _Functions()
library.ivshmem_last_error.restype = c_char_p
library.ivshmem_last_error.argtypes = ()
library.ivshmem_version.restype = c_char_p
library.ivshmem_version.argtypes = ()
library.ivshmem_publish.restype = None
library.ivshmem_publish.argtypes = ()
library.ivshmem_load32.restype = c_uint32
library.ivshmem_load32.argtypes = (c_void_p,)
library.ivshmem_store32.restype = None
library.ivshmem_store32.argtypes = (c_void_p, c_uint32)

AGAIN = -errno.EAGAIN


def text(value: bytes | None) -> str:
    """Return a text of the library. The kernel's names may be any bytes."""
    return (value or b"").decode(errors="surrogateescape")


def named(name: bytes) -> bytes:
    """Return a text for the library, which reads it up to its first zero."""
    if b"\0" in name:
        raise ValueError(f"{name!r}: has a zero")
    return name


def u32(value: int) -> int:
    """Return a number that the library takes; ctypes would cut it to its lowest bits without a word."""
    if not 0 <= value < 1 << 32:
        raise ValueError(f"{value}: not in 0..2^32-1")
    return value


def length(size: int) -> int:
    """Return a number of bytes that the library takes."""
    if not 0 <= size < 1 << 8 * ctypes.sizeof(c_size_t):
        raise ValueError(f"{size}: not a number of bytes")
    return size


def slot_number(number: int | None) -> int:
    """Return the number of a slot, or that of any slot."""
    if number is None:
        return -1
    if not 0 <= number < 1 << 31:
        raise ValueError(f"{number}: not the number of a slot")
    return number


def milliseconds(seconds: float) -> int:
    """Return a time, never 0, which is the default."""
    return max(1, round(seconds * 1000))


def failure(code: int) -> Error:
    """Return the error for what the last call of this thread returned."""
    return Error(code, text(library.ivshmem_last_error()))


def check(code: int) -> None:
    if code:
        raise failure(code)


def closed(what: str) -> Error:
    return Error(Code.CLOSED, f"the {what} is closed")


class Handle:
    """Owns a handle of the library, and closes it once: at close(), at the end of its last user, or at exit.

    Once addresses in the memory were lent, it is not closed at exit: code that runs later may still use them.
    """

    __slots__ = ("__weakref__", "_end", "is_lent", "value")

    def __init__(self, value: c_void_p, kind: str) -> None:
        self.value = value.value
        self.is_lent = False
        self._end = weakref.finalize(self, getattr(c, kind + "_close"), self.value)

    def lends(self) -> None:
        self.is_lent = True
        self._end.atexit = False

    def close(self) -> None:
        self._end()


def opened(kind: str, function: Function, *arguments: Any) -> Handle:
    """Call a function whose last parameter gets a handle."""
    value = c_void_p()
    check(function(*arguments, byref(value)))
    return Handle(value, kind)
