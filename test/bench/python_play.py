# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""python_play.py MEANS PLACE GAME SIZE COUNT: messages between two processes in Python; prints nanoseconds a message.

MEANS: module (channels at the server whose socket is PLACE), topic (two topics there, in which each 64 messages of a
throughput are answered, because a writer waits for nobody), socket (asyncio over a UNIX socket at PLACE), or queue
(slots in multiprocessing.shared_memory between two semaphores, without an event loop; PLACE is not used).
GAME: roundtrip or throughput.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import multiprocessing.shared_memory
import os
import sys
import time
from typing import Any, Protocol

SLOTS = 64
WINDOW = 64
"""Messages of a topic that are not answered yet."""


class Pipe(Protocol):
    async def send(self, message: bytes) -> None: ...
    async def receive(self) -> bytes: ...
    async def drain(self) -> None: ...


async def play(pipe: Pipe, game: str, size: int, count: int, *, first: bool) -> float:
    """Play the game, and return its time in nanoseconds a message."""
    message = bytes(size)
    for turns in (count // 10 + 1, count):  # the first is not measured
        began = time.perf_counter_ns()
        if game == "roundtrip":
            for _ in range(turns):
                if first:
                    await pipe.send(message)
                message = await pipe.receive()
                if not first:
                    await pipe.send(message)
        elif first:
            for _ in range(turns):
                await pipe.send(message)
            await pipe.receive()
        else:
            for _ in range(turns):
                await pipe.receive()
            await pipe.send(b"all of them")
    if not first:
        await pipe.drain()
    return (time.perf_counter_ns() - began) / count


async def module(place: str, first: bool, *game: Any) -> float:
    import ivshmem

    with ivshmem.Device(f"server:{place}") as device:
        async with await ivshmem.Slot.claim(device, 0 if first else 1) as slot:
            if first:
                async with slot.offer("play") as service:
                    return await play(await service.accept(), *game, first=True)
            return await play(await slot.connect("play"), *game, first=False)


class Topics:
    """A topic that this side writes, and one that it reads."""

    def __init__(self, writer: Any, reader: Any) -> None:
        self.writer, self.reader = writer, reader
        self.sent = self.received = 0

    async def send(self, message: bytes) -> None:
        self.writer.publish(message)
        self.sent += 1
        if self.sent - self.received == WINDOW:
            await self.receive()
            self.sent = self.received = 0

    async def receive(self) -> bytes:
        message: bytes = (await self.reader.read()).bytes
        self.received += 1
        if self.received - self.sent == WINDOW:
            self.writer.publish(b"answer")
            self.sent = self.received = 0
        return message

    async def drain(self) -> None:
        pass


async def topic(place: str, first: bool, *game: Any) -> float:
    import ivshmem

    names = ("there", "back") if first else ("back", "there")
    with ivshmem.Device(f"server:{place}") as device:
        async with await ivshmem.Slot.claim(device, 0 if first else 1) as slot:
            with slot.write_topic(names[0], size=2 * WINDOW * 65536) as writer, slot.read_topic(names[1], history=1) as reader:
                if first:
                    await reader.read()  # the other side is there
                    writer.publish(b"begin")
                else:
                    writer.publish(b"here")
                    await reader.read()
                time = await play(Topics(writer, reader), *game, first=first)
                if not first:
                    with contextlib.suppress(ivshmem.Error):  # the other side has measured, and ends
                        await reader.read()
                return time


class Socket:
    """Messages with their lengths before them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, message: bytes) -> None:
        self.writer.write(len(message).to_bytes(4, "little") + message)
        await self.writer.drain()

    async def receive(self) -> bytes:
        return await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(4), "little"))

    async def drain(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def socket(place: str, first: bool, *game: Any) -> float:
    if first:
        accepted: asyncio.Queue[Socket] = asyncio.Queue()
        async with await asyncio.start_unix_server(lambda r, w: accepted.put_nowait(Socket(r, w)), place):
            return await play(await accepted.get(), *game, first=True)
    while True:
        try:
            return await play(Socket(*await asyncio.open_unix_connection(place)), *game, first=False)
        except (FileNotFoundError, ConnectionRefusedError):
            await asyncio.sleep(0.01)


class Queue:
    """One direction: each slot has a length and a message."""

    def __init__(self, size: int) -> None:
        self.stride = max(size, 16) + 4
        self.memory = multiprocessing.shared_memory.SharedMemory(create=True, size=self.stride * SLOTS)
        self.free = multiprocessing.Semaphore(SLOTS)
        self.full = multiprocessing.Semaphore(0)
        self.index = 0

    def put(self, message: bytes) -> None:
        self.free.acquire()
        at, self.index = self.index * self.stride, (self.index + 1) % SLOTS
        self.memory.buf[at:at + 4] = len(message).to_bytes(4, "little")
        self.memory.buf[at + 4:at + 4 + len(message)] = message
        self.full.release()

    def get(self) -> bytes:
        self.full.acquire()
        at, self.index = self.index * self.stride, (self.index + 1) % SLOTS
        size = int.from_bytes(self.memory.buf[at:at + 4], "little")
        message = bytes(self.memory.buf[at + 4:at + 4 + size])
        self.free.release()
        return message


class Queues:
    def __init__(self, out: Queue, back: Queue) -> None:
        self.out, self.back = out, back

    async def send(self, message: bytes) -> None:
        self.out.put(message)

    async def receive(self) -> bytes:
        return self.back.get()

    async def drain(self) -> None:
        pass


def main() -> None:
    means, place, *rest = sys.argv[1:]
    game = rest[0], int(rest[1]), int(rest[2])
    queues = [Queue(game[1]) for _ in range(2)] if means == "queue" else []

    def run(first: bool) -> float:
        if means == "queue":
            own = Queues(*queues) if first else Queues(*reversed(queues))
            return asyncio.run(play(own, *game, first=first))
        return asyncio.run({"module": module, "topic": topic, "socket": socket}[means](place, first, *game))

    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(False)
            status = 0
        finally:
            os._exit(status)
    print(run(True))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for queue in queues:
        queue.memory.close()
        queue.memory.unlink()
    sys.exit(status)


if __name__ == "__main__":
    main()
