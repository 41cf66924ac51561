# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""streams.py SERVER: asyncio's streams and protocols over channels."""

from __future__ import annotations

import asyncio
import contextlib
import random
import unittest
from collections.abc import AsyncIterator

from ivshmem import Code, Error, Slot, StreamTransport, create_connection, create_server, open_connection, start_server
from support import PATIENCE, Limit


class Streams(Limit):
    @contextlib.asynccontextmanager
    async def slots(self) -> AsyncIterator[tuple[Slot, Slot]]:
        devices = self.device(), self.device()
        async with await self.slot(0, devices[0]) as one, await self.slot(1, devices[1]) as two:
            yield one, two

    async def test_an_echo(self) -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(10_000):
                writer.write(data)
                await writer.drain()
            writer.close()

        data = random.Random(1).randbytes(3_000_000)
        async with self.slots() as (one, two), await start_server(one, echo, "echo"):
            connections = [await open_connection(two, "echo") for _ in range(3)]
            for reader, writer in connections:
                self.assertIn("slot 0", writer.get_extra_info("peername"))
                reading = asyncio.create_task(reader.read(-1))
                writer.write(data)
                await writer.drain()
                writer.write_eof()
                self.assertEqual(await asyncio.wait_for(reading, PATIENCE), data)
                writer.close()
                await writer.wait_closed()

    async def test_a_line_at_a_time(self) -> None:
        async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async for line in reader:
                writer.write(line.upper())
            writer.close()

        async with self.slots() as (one, two), await start_server(one, shout, "shout"):
            reader, writer = await open_connection(two, "shout")
            for word in (b"one", b"two"):
                writer.write(word + b"\n")
                self.assertEqual(await reader.readline(), word.upper() + b"\n")
            writer.write_eof()
            self.assertEqual(await reader.read(), b"")
            writer.close()

    async def test_a_writer_that_ends_at_once(self) -> None:
        """close() sends what was written."""
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            done.set_result(await reader.read(-1))
            writer.close()

        async with self.slots() as (one, two), await start_server(one, take, "take"):
            _, writer = await open_connection(two, "take")
            writer.write(bytes(1_000_000))
            writer.close()
            await writer.wait_closed()
            self.assertEqual(len(await asyncio.wait_for(done, PATIENCE)), 1_000_000)

    async def test_back_pressure(self) -> None:
        """A reader that pauses stops the writer, whose memory stays bounded."""
        async with self.slots() as (one, two), one.offer("slow") as service:
            connecting = asyncio.create_task(open_connection(two, "slow"))
            accepted = await service.accept()
            _, writer = await connecting
            written = 0
            with contextlib.suppress(TimeoutError):
                while True:
                    writer.write(bytes(100_000))
                    written += 100_000
                    async with asyncio.timeout(0.2):
                        await writer.drain()
            self.assertLess(writer.transport.get_write_buffer_size(), 400_000)  # type: ignore[attr-defined]
            taken = 0
            while taken < written:
                taken += len(await accepted.read())
            self.assertEqual(taken, written)
            await asyncio.wait_for(writer.drain(), PATIENCE)

    async def test_protocols(self) -> None:
        class Counter(asyncio.Protocol):
            def __init__(self) -> None:
                self.log: list[object] = []
                self.lost = asyncio.get_running_loop().create_future()

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport
                self.log.append("made")

            def data_received(self, data: bytes) -> None:
                self.log.append(data)

            def eof_received(self) -> None:
                self.log.append("eof")

            def connection_lost(self, failure: Exception | None) -> None:
                self.lost.set_result(failure)

        made: list[Counter] = []

        def factory() -> Counter:
            made.append(Counter())
            return made[-1]

        async with self.slots() as (one, two), await create_server(one, factory, "count"):
            transport, protocol = await create_connection(two, Counter, "count")
            self.assertIsInstance(transport, StreamTransport)
            self.assertTrue(transport.is_reading() and transport.can_write_eof())
            transport.write(b"12345")
            transport.write_eof()
            with self.assertRaises(RuntimeError):
                transport.write(b"6")
            with self.assertRaises(TypeError):
                transport.write("text")  # type: ignore[arg-type]
            assert isinstance(protocol, Counter)
            self.assertIsNone(await asyncio.wait_for(protocol.lost, PATIENCE))
            self.assertIsNone(await asyncio.wait_for(made[0].lost, PATIENCE))
            self.assertEqual(made[0].log, ["made", b"12345", "eof"])

    async def test_the_other_side_is_gone(self) -> None:
        async with self.slots() as (one, two), one.offer("gone") as service:
            connecting = asyncio.create_task(open_connection(two, "gone"))
            accepted = await service.accept()
            reader, writer = await connecting
            accepted.close()
            self.assertEqual(await asyncio.wait_for(reader.read(), PATIENCE), b"")
            with self.assertRaises((Error, ConnectionError)):
                for _ in range(100):
                    writer.write(b"nobody reads this")
                    await writer.drain()
                    await asyncio.sleep(0.01)
                raise AssertionError("written to nobody")

    async def test_a_slot_that_is_closed(self) -> None:
        async with self.slots() as (one, two), one.offer("closed") as service:
            connecting = asyncio.create_task(open_connection(two, "closed"))
            await service.accept()
            reader, _ = await connecting
            two.close()
            with self.fails_with(Code.CLOSED):
                await asyncio.wait_for(reader.read(), PATIENCE)


if __name__ == "__main__":
    unittest.main()
