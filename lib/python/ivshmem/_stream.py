# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Channels as asyncio's streams and transports, for code that was written for TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ._channel import Channel
from ._error import Code, Error
from ._service import Service
from ._slot import Slot

_LIMIT = 65536
_READ = 65536

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class StreamTransport(asyncio.Transport):
    """A connected channel as a transport. The other side uses a stream too: in C++, ivshmem::asio::stream."""

    def __init__(self, channel: Channel, protocol: asyncio.BaseProtocol) -> None:
        super().__init__({"peername": f"slot {channel.peer_slot}, lane {channel.lane}", "channel": channel})
        self._loop = asyncio.get_running_loop()
        self._channel = channel
        self._protocol = protocol
        self._pending = bytearray()
        self._high, self._low = 65536, 16384
        self._paused_writer = False
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._may_write = asyncio.Event()
        self._closing = False
        self._ended = False
        self._eof = False
        self._reader = self._loop.create_task(self._read())
        self._writer = self._loop.create_task(self._write())
        try:
            protocol.connection_made(self)  # which may already end it
        except BaseException:
            self._reader.cancel()
            self._writer.cancel()
            channel.close()
            raise

    # Reading

    def is_reading(self) -> bool:
        return self._may_read.is_set() and not self._closing

    def pause_reading(self) -> None:
        self._may_read.clear()

    def resume_reading(self) -> None:
        self._may_read.set()

    async def _read(self) -> None:
        try:
            while True:
                await self._may_read.wait()
                data = await self._channel.read(_READ)
                if self._closing:
                    return
                if not data:
                    break
                if isinstance(self._protocol, asyncio.BufferedProtocol):
                    self._fill(self._protocol, data)
                else:
                    self._protocol.data_received(data)  # type: ignore[attr-defined]
            keep_open = self._protocol.eof_received()  # type: ignore[attr-defined]
            if not keep_open:
                self.close()
        except Exception as failure:  # the protocol's, too
            self._end(failure)

    @staticmethod
    def _fill(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
        while data:
            room = memoryview(protocol.get_buffer(len(data)))
            if not room:
                raise RuntimeError("get_buffer() returned an empty buffer")
            part = min(len(room), len(data))
            room[:part] = data[:part]
            protocol.buffer_updated(part)
            data = data[part:]

    # Writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)  # TypeError if it is no buffer
        if self._eof:
            raise RuntimeError("write() after write_eof()")
        if self._closing or not view.nbytes:
            return
        self._pending += view
        self._may_write.set()
        if len(self._pending) > self._high and not self._paused_writer:
            self._paused_writer = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._eof = True
        self._may_write.set()

    def get_write_buffer_size(self) -> int:
        return len(self._pending)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = 65536 if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be >= low ({low}), and low >= 0")
        self._high, self._low = high, low

    async def _write(self) -> None:
        try:
            while True:
                await self._may_write.wait()
                self._may_write.clear()
                while self._pending:
                    part = bytes(self._pending[:_LIMIT])
                    await self._channel.write(part)
                    del self._pending[:len(part)]
                    if self._paused_writer and len(self._pending) <= self._low:
                        self._paused_writer = False
                        self._protocol.resume_writing()
                if self._closing:
                    await self._channel.drain()
                    self._end(None)
                    return
                if self._eof:
                    self._channel.finish()
        except Error as failure:
            # A peer that has closed its end first is no failure of a connection that ends.
            self._end(None if self._closing and failure.code == Code.CHANNEL_CLOSED else failure)

    # The end

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Close the connection once all that was written has been taken."""
        self._closing = True
        self._may_write.set()

    def abort(self) -> None:
        self._end(None)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def _end(self, failure: BaseException | None) -> None:
        if self._ended:
            return
        self._ended = self._closing = True
        self._pending.clear()
        for task in (self._reader, self._writer):
            if task is not asyncio.current_task():
                task.cancel()
        self._channel.close()
        self._loop.call_soon(self._protocol.connection_lost, failure)


async def create_connection(slot: Slot, protocol_factory: Callable[[], asyncio.BaseProtocol], service: str,
                            at: int | None = None) -> tuple[StreamTransport, asyncio.BaseProtocol]:
    """Connect a protocol to a service, as loop.create_connection() does to a TCP port."""
    channel = await slot.connect(service, at)
    protocol = protocol_factory()
    return StreamTransport(channel, protocol), protocol


async def open_connection(slot: Slot, service: str, at: int | None = None, *,
                          limit: int = _LIMIT) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a service, as asyncio.open_connection() does to a TCP port."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport = StreamTransport(await slot.connect(service, at), protocol)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


class StreamServer:
    """Accepts the connections of a service until it is closed: `async with await start_server(...)`."""

    def __init__(self, service: Service, connected: Callable[[Channel], object]) -> None:
        self._service = service
        self._connected = connected
        self._tasks = asyncio.get_running_loop().create_task(self._accept())

    async def _accept(self) -> None:
        async for channel in self._service:
            try:
                self._connected(channel)
            except Exception as failure:  # of one connection, as asyncio's servers see it
                channel.close()
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a connection could not begin", "exception": failure})

    async def serve_forever(self) -> None:
        """Wait until the service fails, or close()."""
        await self._tasks

    def close(self) -> None:
        """Take the offer back. Connections go on."""
        self._tasks.cancel()
        self._service.close()

    async def __aenter__(self) -> StreamServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


async def create_server(slot: Slot, protocol_factory: Callable[[], asyncio.BaseProtocol],
                        service: str) -> StreamServer:
    """Offer a service to protocols, as loop.create_server() offers a TCP port."""
    return StreamServer(slot.offer(service), lambda channel: StreamTransport(channel, protocol_factory()))


async def start_server(slot: Slot, connected: Connected, service: str, *, limit: int = _LIMIT) -> StreamServer:
    """Offer a service to streams, as asyncio.start_server() offers a TCP port."""
    loop = asyncio.get_running_loop()
    callback: Any = connected

    def protocol() -> asyncio.BaseProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=limit, loop=loop), callback, loop=loop)

    return await create_server(slot, protocol, service)
