# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Inter-VM shared memory for Python and asyncio: devices, channels and streams between VMs.

    async with ivshmem.Device("0000:00:04.0") as device, await ivshmem.Slot.claim(device, 1) as slot:
        async with await slot.connect("echo") as channel:
            await channel.send(b"hello")
            print(await channel.receive())

Every failure is an Error, with a code and a message. Objects of an event loop belong to its thread; a Device may be
used by several. After fork() all objects belong to the parent.
"""

from ._channel import Channel
from ._device import Device, DeviceUser, Event, publish
from ._discovery import DeviceInfo, Diagnosis, Sections, discover
from ._error import Code, Error
from ._monitor import DeviceMonitor
from ._native import library, text
from ._service import Service
from ._slot import Geometry, Holder, Slot
from ._stream import (StreamServer, StreamTransport, create_connection, create_server, open_connection,
                      start_server)
from ._topic import TopicInfo, TopicWriter
from ._topic_reader import TopicMessage, TopicPin, TopicReader, TopicView

__version__ = text(library.ivshmem_version())

__all__ = [
    "Channel", "Code", "Device", "DeviceInfo", "DeviceMonitor", "DeviceUser", "Diagnosis", "Error", "Event", "Geometry",
    "Holder", "Sections", "Service", "Slot", "StreamServer", "StreamTransport", "TopicInfo", "TopicMessage", "TopicPin", "TopicReader",
    "TopicView", "TopicWriter", "create_connection", "create_server", "discover", "open_connection", "publish", "start_server",
]
