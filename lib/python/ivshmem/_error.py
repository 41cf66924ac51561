# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Failures."""

from __future__ import annotations

import enum
import errno as errno_names


class Code(enum.IntEnum):
    """The failures that a user can act on; as ivshmem_code in C."""

    SYSFS_UNAVAILABLE = 1
    SYSFS_MALFORMED = 2
    DEVICE_NOT_FOUND = 3
    DEVICE_AMBIGUOUS = 4
    BAD_SELECTOR = 5
    PROTOCOL_UNSUPPORTED = 6
    BAR_MISSING = 7
    DRIVER_UNSUITABLE = 8
    IOMMU_MISSING = 9
    GROUP_NOT_VIABLE = 10
    DEVICE_BUSY = 11
    PERMISSION_DENIED = 12
    LOCKED_DOWN = 13
    CACHE_MODE_UNAVAILABLE = 14
    POSITION_TIMEOUT = 15
    DEVICE_GONE = 16
    DEVICE_REMOVED = 17
    PEER_OUT_OF_RANGE = 18
    VECTOR_OUT_OF_RANGE = 19
    DOORBELL_UNSUPPORTED = 20
    INTERRUPTS_UNSUPPORTED = 21
    EVENTS_UNSUPPORTED = 22
    PEERS_UNSUPPORTED = 23
    SERVER_UNREACHABLE = 24
    SERVER_VERSION = 25
    SERVER_PROTOCOL = 26
    SERVER_CLOSED = 27
    DESCRIPTOR_LIMIT = 28
    FORKED = 29
    CLOSED = 30
    TIMED_OUT = 31
    REGION_TOO_SMALL = 32
    BAD_GEOMETRY = 33
    GEOMETRY_MISMATCH = 34
    LAYOUT_VERSION = 35
    SLOT_OUT_OF_RANGE = 36
    SLOT_IN_USE = 37
    SLOT_LOST = 38
    LANE_OUT_OF_RANGE = 39
    LANE_IN_USE = 40
    MESSAGE_TOO_LARGE = 41
    BUFFER_TOO_SMALL = 42
    NOT_CONNECTED = 43
    CHANNEL_RESET = 44
    CHANNEL_CLOSED = 45
    CHANNEL_POISONED = 46
    CHANNEL_REJECTED = 47
    BAD_SERVICE_NAME = 48
    SERVICE_EXISTS = 49
    SERVICE_UNKNOWN = 50
    DIRECTORY_FULL = 51
    NO_FREE_SLOT = 52
    SLOT_OVERWRITTEN = 53
    PEER_LOST = 54
    MEMORY_UNSEALED = 55
    STATES_UNSUPPORTED = 56
    SECTIONS_UNSUPPORTED = 57
    SECTIONS_FIXED = 58
    SECTIONS_INVALID = 59
    TOPICS_UNSUPPORTED = 60
    TOPIC_EXISTS = 61
    TOPIC_CLOSED = 62
    TOPIC_POISONED = 63
    PIN_REFUSED = 64
    PINS_IN_USE = 65
    MESSAGE_OVERWRITTEN = 66


class Error(OSError):
    """The failure of a call of this module.

    str() is one line that names the object, the step that failed and the next thing to try. `code` is a Code, or None
    if the system has refused something: `errno` is the reason then.
    """

    code: Code | None

    def __init__(self, code: int, message: str) -> None:
        super().__init__(-code if code < 0 else None, message)
        try:
            self.code = Code(code) if code > 0 else None
        except ValueError:  # a later library has more
            self.code = None

    def __str__(self) -> str:
        return str(self.strerror)

    def __repr__(self) -> str:
        return f"ivshmem.Error({self.code or self.errno!r}, {str(self)!r})"

    def __reduce__(self) -> tuple[type[Error], tuple[int, str]]:
        return Error, (self.code or -(self.errno or errno_names.EIO), str(self))
