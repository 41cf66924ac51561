# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""forward_hostile.py IVSHMEM_FORWARD IVSHMEMCTL IVSHMEM_SERVER: peers of ivshmem-forward that break its protocol.

They use the module ivshmem for channels, and write what they like into them. They may end their own connections
only: others are served all the time.
"""

import asyncio
import contextlib
import os
import random
import re
import socket
import struct
import threading
import unittest

from forward_session import PATIENCE, ForwardCase, chunks, free_port
from ivshmem import Device, Error, Slot

HELLO, OPEN, ACCEPT, DATA, WINDOW, FINISH, RESET, PING, PONG, BYE = range(1, 11)
MAGIC, VERSION, FAULT = 0x58435649, 1, 6
WINDOW_SIZE = 65536
MOST_RESIDENT = 96 << 10
"""In KiB: memory that a forwarder may take at most, whatever its peers do."""


def frame(kind, connection=0, *words, data=b""):
    return struct.pack(f"<{2 + len(words)}I", kind, connection, *words) + data


def hello(connections=0, version=VERSION, window=WINDOW_SIZE, longest=65536, magic=MAGIC):
    return frame(HELLO, 0, magic, version, connections, window, longest)


def random_frames(source, numbers):
    """Frames of which most are nearly right."""
    while True:
        kind = source.randrange(0, 13)
        connection = source.choice(numbers)
        words = {WINDOW: 1, RESET: 1, BYE: 1, HELLO: 5}.get(kind, 0)
        data = source.randbytes(source.choice((1, 8, 1000))) if kind == DATA else b""
        made = frame(kind, connection, *(source.choice((0, 1, 2, 1000, WINDOW_SIZE, 0xFFFFFFFF)) for _ in range(words)),
                     data=data)
        yield made[:source.randrange(len(made))] if source.randrange(20) == 0 else made


class HostileCase(ForwardCase):
    def setUp(self):
        super().setUp()
        self.good_port = None

    def victims(self, *more):
        """Two forwarders, joined, and a program that echoes; `more` is for the one that listens."""
        self.offer = self.offering()
        self.listen, self.good_port = self.listening("echo", *more)
        self.assert_echoes(self.good_port)

    def peer(self, hostile):
        """Runs a coroutine as a peer with a slot of its own."""

        async def run():
            with Device(f"server:{self.socket}") as device:
                async with await Slot.claim(device) as slot:
                    await asyncio.wait_for(hostile(slot), PATIENCE)

        asyncio.run(run())

    def still_served(self):
        self.assert_echoes(self.good_port)
        self.assertIsNone(self.offer.process.poll(), self.offer.err)
        self.assertIsNone(self.listen.process.poll(), self.listen.err)

    def resident(self, running):
        with open(f"/proc/{running.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1])

    def descriptors(self, running):
        return len(os.listdir(f"/proc/{running.process.pid}/fd"))


async def send_all(channel, frames):
    """Sends until the other side has enough of it."""
    with contextlib.suppress(Error):
        for one in frames:
            await channel.send(one)


async def last_of(channel):
    """The last frame of a channel that the other side ends."""
    last = b""
    with contextlib.suppress(Error, StopAsyncIteration):
        async for last in channel:
            pass
    return last


class AtAnOffer(HostileCase):
    FAULTS = {
        "an empty message": [b""],
        "a head without end": [b"\1\0\0\0\0\0"],
        "an unknown type": [hello(), frame(11)],
        "type 0": [frame(0)],
        "no greeting": [frame(OPEN, 1)],
        "a greeting with another magic": [hello(magic=1)],
        "a greeting of a service": [hello(connections=5)],
        "a greeting with no window": [hello(window=0)],
        "a greeting with a large window": [hello(window=1 << 25)],
        "a greeting that is too short": [hello()[:-4]],
        "two greetings": [hello(), hello()],
        "connection 0": [hello(), frame(OPEN, 0)],
        "a number that is left out": [hello(), frame(OPEN, 2)],
        "a number that was used": [hello(), frame(OPEN, 1), frame(OPEN, 1)],
        "accepting as a client": [hello(), frame(OPEN, 1), frame(ACCEPT, 1)],
        "data of a connection that is not there": [hello(), frame(DATA, 7, data=b"x")],
        "no data": [hello(), frame(OPEN, 1), frame(DATA, 1)],
        "a window of nothing": [hello(), frame(OPEN, 1), frame(WINDOW, 1, 0)],
        "an answer about a connection": [hello(), frame(PONG, 1)],
        "a message in parts": [hello(), bytes(60000)],
    }

    def test_faults(self):
        self.victims()

        async def hostile(slot):
            for name, frames in self.FAULTS.items():
                with self.subTest(name):
                    async with await slot.connect("echo") as channel:
                        await send_all(channel, frames)
                        self.assertEqual(await last_of(channel), frame(BYE, 0, FAULT))
                    await asyncio.to_thread(self.still_served)

        self.peer(hostile)
        self.offer.wait_for("echo: slot 2 is cut off: a rule of the protocol was broken", where="err")

    def test_data_without_credit(self):
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.offering("deaf", self.serving(lambda one: go_on.wait()))
        self.victims()

        async def hostile(slot):
            async with await slot.connect("deaf") as channel:
                piece = frame(DATA, 1, data=bytes(1000))
                await send_all(channel, [hello(), frame(OPEN, 1)])
                while await channel.receive() != frame(ACCEPT, 1):
                    pass
                # More than the window, and what the sockets of a program that reads nothing take.
                await send_all(channel, [piece] * 100_000)
                self.assertEqual(await last_of(channel), frame(BYE, 0, FAULT))

        self.peer(hostile)
        self.still_served()

    def test_another_version(self):
        self.victims()

        async def hostile(slot):
            async with await slot.connect("echo") as channel:
                await channel.send(hello(version=0))
                self.assertEqual((await last_of(channel))[:8], frame(BYE))

        self.peer(hostile)
        self.still_served()

    def test_silence(self):
        self.victims()

        async def hostile(slot):
            async with await slot.connect("echo"):
                for _ in range(10):
                    await asyncio.to_thread(self.still_served)

        self.peer(hostile)

    def test_a_peer_that_reads_nothing(self):
        self.victims()

        def fill(channel):
            """Sends as much as the other side takes."""
            for _ in range(WINDOW_SIZE // 1000):
                for n in range(1, 1025):
                    if not channel.try_send(frame(DATA, n, data=bytes(1000))):
                        return

        async def hostile(slot):
            async with await slot.connect("echo") as channel:
                await send_all(channel, [hello(), *(frame(OPEN, n) for n in range(1, 1025))])
                for _ in range(10):
                    fill(channel)
                    await asyncio.to_thread(self.still_served)

        self.peer(hostile)
        self.still_served()
        self.assertLess(self.resident(self.offer), MOST_RESIDENT)

    def test_connections_that_are_opened_and_reset(self):
        self.victims()
        path = str(self.work / "busy")
        busy = socket.socket(socket.AF_UNIX) # its queue is full: nobody accepts
        self.addCleanup(busy.close)
        busy.bind(path)
        busy.listen(0)
        offering = self.forward("--offer", "busy", "--from", f"unix:{path}")
        before = self.descriptors(offering)

        async def hostile(slot):
            async with await slot.connect("busy") as channel:
                await channel.send(hello())
                for n in range(1, 5001):
                    await channel.send(frame(OPEN, n))
                    await channel.send(frame(RESET, n, 4))
                    while channel.try_receive() is not None:
                        pass
                await channel.drain()
                self.assertLess(self.descriptors(offering), before + 1100)
                await asyncio.to_thread(self.still_served)

        self.peer(hostile)
        self.still_served()

    def test_channels_that_are_opened_again_and_again(self):
        self.victims()

        async def hostile(slot):
            for _ in range(30):
                async with await slot.connect("echo") as channel:
                    await send_all(channel, [hello(), frame(OPEN, 1)])
            async with contextlib.AsyncExitStack() as kept: # each takes the place of the one before
                for _ in range(3):
                    channel = await kept.enter_async_context(await slot.connect("echo"))
                    await send_all(channel, [hello(), frame(OPEN, 1)])
                await asyncio.to_thread(self.still_served)

        self.peer(hostile)
        self.still_served()

    def test_random_frames(self):
        self.victims()

        async def hostile(slot):
            for seed in range(150):
                source = random.Random(seed)
                async with await slot.connect("echo") as channel:
                    frames = [one for one, _ in zip(random_frames(source, (0, 1, 2, 3, 4)), range(200))]
                    opened = [hello(), frame(OPEN, 1), frame(OPEN, 2), frame(OPEN, 3)] if source.randrange(8) else []
                    sending = asyncio.create_task(send_all(channel, [*opened, *frames, b""]))
                    await last_of(channel)
                    await sending
            await asyncio.to_thread(self.still_served)

        self.peer(hostile)
        self.still_served()


class AtAListener(HostileCase):
    """The hostile peer offers a service, to which clients of a good forwarder are connected."""

    def setUp(self):
        super().setUp()
        self.bad_port = None

    def victims(self, *more):
        self.bad_port = free_port()
        super().victims("--listen", f"tcp:127.0.0.1:{self.bad_port}", "--to", "bad", "--wait", 60, *more)

    def ends(self):
        """A client of the bad service, which must end in any way."""
        with contextlib.suppress(ConnectionResetError): # also of connect(), if the end comes before it returns
            made = self.client(self.bad_port)
            made.sendall(b"ask")
            b"".join(chunks(made))
            made.close()

    async def client_of(self, channel, frames):
        """Greets, and sends the frames, while a client waits for its end."""
        client = asyncio.create_task(asyncio.to_thread(self.ends))
        async with await channel as opened:
            sending = asyncio.create_task(send_all(opened, frames))
            last = await last_of(opened)
            await sending
        await client
        return last

    FAULTS = {
        "nonsense": [b"nonsense"],
        "a greeting of a client": [hello()],
        "data before the connection is accepted": [hello(5), frame(DATA, 1, data=b"x")],
        "finish before the connection is accepted": [hello(5), frame(FINISH, 1)],
        "a connection of the service": [hello(5), frame(OPEN, 1)],
        "accepted twice": [hello(5), frame(ACCEPT, 1), frame(ACCEPT, 1)],
        "a connection that was not opened": [hello(5), frame(ACCEPT, 9)],
        "more window than there is": [hello(5), frame(ACCEPT, 1), frame(WINDOW, 1, 0xFFFFFFFF)],
    }

    def test_faults(self):
        self.victims()

        async def hostile(slot):
            async with slot.offer("bad") as service:
                for name, frames in self.FAULTS.items():
                    with self.subTest(name):
                        last = await self.client_of(service.accept(), frames)
                        self.assertEqual(last, frame(BYE, 0, FAULT))
                        await asyncio.to_thread(self.still_served)

        self.peer(hostile)

    def test_a_service_that_greets_and_is_silent(self):
        self.victims()

        async def hostile(slot):
            async with slot.offer("bad") as service:
                client = self.client(self.bad_port)
                async with await service.accept() as channel:
                    await channel.send(hello(5))
                    while (await channel.receive())[:8] != frame(OPEN, 1):
                        pass
                    for _ in range(3):
                        await asyncio.to_thread(self.still_served)
                client.close()

        self.peer(hostile)
        self.listen.wait_for("bad: 127.0.0.1:.* 0 bytes sent, 0 received; ", where="err")

    def test_random_frames(self):
        self.victims()

        async def hostile(slot):
            async with slot.offer("bad") as service:
                for seed in range(60):
                    source = random.Random(seed)
                    frames = [one for one, _ in zip(random_frames(source, (0, 1, 1, 2)), range(100))]
                    await self.client_of(service.accept(), [hello(5), frame(ACCEPT, 1), *frames, b""])
            await asyncio.to_thread(self.still_served)

        self.peer(hostile)
        self.still_served()


if __name__ == "__main__":
    unittest.main()
