# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""bad_input.py SERVER: what the interpreter would cut, and what is used in a wrong loop or thread."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import unittest

from ivshmem import Code, Device, Geometry, Slot, create_connection, create_server, discover, open_connection
from support import PATIENCE, Limit, Peers

HUGE = 1 << 32
MESSAGES = 20_000


class Numbers(Peers):
    def test_options_of_a_device(self) -> None:
        for wrong in ({"part": (-1, 4096)}, {"part": (0, 1 << 64)}, {"vectors": -1}, {"vectors": HUGE}, {"timeout": 1e9}):
            with self.subTest(wrong), self.assertRaises(ValueError):
                Device(self.server, **wrong)
        with self.assertRaises(TypeError):
            Device(self.server, vectors=1.5)  # type: ignore[arg-type]

    async def test_slots(self) -> None:
        device = self.device()
        for number in (-1, -5, HUGE, HUGE + 1):
            with self.subTest(number), self.assertRaises(ValueError):
                await Slot.claim(device, number)
        for wrong in ({"region": (0, -4096)}, {"geometry": Geometry(HUGE + 4, 4, 1024)}, {"geometry": Geometry(4, -1, 1024)},
                      {"vector": HUGE}, {"memory_for_parts": -1}, {"claim_time": 1e9}, {"heartbeat": 1e9}):
            with self.subTest(wrong), self.assertRaises(ValueError):
                await Slot.claim(device, 0, **wrong)
        for heartbeat in (-1, 0.0001):  # neither is none
            with self.subTest(heartbeat), self.assertRaises(OSError):
                await Slot.claim(device, 0, heartbeat=heartbeat)
        slot = await self.slot(0, device)
        for at in (-1, HUGE):
            with self.assertRaises(ValueError):
                await slot.connect("echo", at)
            with self.assertRaises(ValueError):
                slot.find_service("echo", at)
        for to, lane in ((HUGE + 1, 0), (1, HUGE), (-1, 0)):
            with self.assertRaises(ValueError):
                slot.open(to, lane)
        for most in (-1, HUGE):
            with self.assertRaises(ValueError):
                slot.open(1, 0, max_message=most)

    async def test_reading_less_than_nothing(self) -> None:
        async with self.channels() as (one, two):
            await one.write(b"x" * 1000)
            for most in (-1, -100):
                with self.assertRaises(ValueError):
                    await two.read(most)
                with self.assertRaises(ValueError):
                    two.try_read(most)
            self.assertEqual(await two.read(1), b"x")


class Names(Peers):
    async def test_a_zero_in_a_name(self) -> None:
        for call in (lambda: Device(self.server + "\0x"), lambda: Device(self.server, root="/\0x"), lambda: discover("/\0x")):
            with self.assertRaises(ValueError):
                call()
        slot = await self.slot(0)
        for call in (lambda: slot.offer("echo\0x"), lambda: slot.find_service("echo\0x")):
            with self.assertRaises(ValueError):
                call()
        with self.assertRaises(ValueError):
            await slot.connect("echo\0x")
        self.assertEqual(slot.offer("echo").name, "echo")


class Protocol(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint: int) -> bytearray:
        return bytearray()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


class Refuses(asyncio.Protocol):
    """Fails at its beginning, aborts there, or echoes; in turn."""

    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Refuses.count += 1
        self.transport = transport
        if Refuses.count == 1:
            raise ZeroDivisionError
        if Refuses.count == 2:
            transport.abort()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]


class Loops(Limit):
    async def test_a_connection_that_fails_at_its_beginning(self) -> None:
        one, two = self.device(), self.device()
        offering, asking = await self.slot(0, one), await self.slot(1, two)
        reported: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context.get("exception")))
        async with await create_server(offering, Refuses, "talk"):
            for _ in range(2):
                reader, writer = await open_connection(asking, "talk")
                self.assertEqual(await asyncio.wait_for(reader.read(), PATIENCE), b"")
                writer.close()
            self.assertEqual([type(failure) for failure in reported], [ZeroDivisionError])
            reader, writer = await open_connection(asking, "talk")
            writer.write(b"hello")
            self.assertEqual(await asyncio.wait_for(reader.readexactly(5), PATIENCE), b"hello")
            writer.close()

    async def test_a_protocol_without_a_buffer(self) -> None:
        one, two = self.device(), self.device()
        offering, asking = await self.slot(0, one), await self.slot(1, two)
        service = offering.offer("talk")
        accepting = asyncio.create_task(service.accept())
        _, protocol = await create_connection(asking, Protocol, "talk")
        await (await accepting).write(b"hello")
        assert isinstance(protocol, Protocol)
        self.assertIsInstance(await asyncio.wait_for(protocol.lost, PATIENCE), RuntimeError)

    async def test_a_device_that_another_thread_closes(self) -> None:
        device = self.device()
        waiting = asyncio.create_task(device.wait(0))
        await asyncio.sleep(0)
        await asyncio.to_thread(device.close)
        with self.fails_with(Code.CLOSED):
            await asyncio.wait_for(waiting, PATIENCE)


class Threads(Peers):
    async def test_two_threads_send_on_one_channel(self) -> None:
        before = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, before)
        sys.setswitchinterval(1e-5)
        end = time.monotonic() + PATIENCE
        async with self.channels() as (one, two):
            def send(kind: int) -> None:
                for _ in range(MESSAGES):
                    while not one.try_send(bytes([kind]) * (50 + kind)) and time.monotonic() < end:
                        continue

            threads = [threading.Thread(target=send, args=(kind,)) for kind in (0, 1)]
            for thread in threads:
                thread.start()
            received = [0, 0]
            while sum(received) < 2 * MESSAGES and time.monotonic() < end:
                if message := two.try_receive():
                    self.assertEqual(message, message[:1] * (50 + message[0]))
                    received[message[0]] += 1
            for thread in threads:
                thread.join()
            self.assertEqual(received, [MESSAGES, MESSAGES])


class LoopsInTurn(Peers):
    def rung_in_a_loop(self, device: Device, other: Device, vector: int) -> None:
        async def rung() -> int:
            waiting = asyncio.create_task(device.wait(vector))
            await asyncio.sleep(0)
            other.ring(device.id, vector)
            return await asyncio.wait_for(waiting, PATIENCE)

        self.assertEqual(asyncio.run(rung()), 1)

    def test_a_device_in_one_loop_after_another(self) -> None:
        one, two = self.device(), self.device()
        for _ in range(3):
            self.rung_in_a_loop(two, one, 0)

    def test_a_device_in_two_loops_at_once(self) -> None:
        one, two = self.device(), self.device()
        threads = [threading.Thread(target=lambda v=vector: [self.rung_in_a_loop(two, one, v) for _ in range(50)])
                   for vector in (0, 1)]
        failed: list[object] = []
        before, threading.excepthook = threading.excepthook, failed.append
        self.addCleanup(setattr, threading, "excepthook", before)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])


if __name__ == "__main__":
    unittest.main()
