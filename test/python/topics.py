# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""topics.py SERVER: topics between slots of one process, and of two."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import pickle
import subprocess
import sys
import time
import unittest

from ivshmem import Code, Device, Error, Slot, TopicMessage
from support import PATIENCE, Limit

HUGE = 1 << 64
WRITER = """
import asyncio, sys, ivshmem
async def main():
    with ivshmem.Device(sys.argv[1]) as device:
        async with await ivshmem.Slot.claim(device, 0) as slot:
            with slot.write_topic("numbers", size=1 << 16) as writer:
                for number in range(int(sys.argv[2])):
                    with writer.loan(8) as memory:
                        memory[:] = number.to_bytes(8, "little")
                    await asyncio.sleep(0)
asyncio.run(main())
"""


class Topics(Limit):
    async def two(self) -> tuple[Slot, Slot]:
        devices = self.device(), self.device()
        return await self.slot(0, devices[0]), await self.slot(1, devices[1])

    async def test_any_order(self) -> None:
        one, two = await self.two()
        reader = two.read_topic("clock")
        self.assertEqual((reader.state, reader.writer_slot, reader.try_read()), ("searching", None, None))
        reading = asyncio.create_task(reader.read())
        await asyncio.sleep(0)
        before = time.time_ns()
        with one.write_topic("clock") as writer:
            writer.publish(b"one")
            message = await asyncio.wait_for(reading, PATIENCE)
            self.assertEqual((message.bytes, message.sequence, message.skipped), (b"one", 1, 0))
            self.assertTrue(before <= message.time_ns <= time.time_ns())
            self.assertAlmostEqual(message.time, message.time_ns / 1e9)
            self.assertEqual((reader.state, reader.writer_slot, reader.relayed), ("attached", 0, False))
            for number in range(100):
                writer.publish(memoryview(bytearray(number)))
            late, history = two.read_topic("clock"), two.read_topic("clock", history=2)
            self.assertIsNone(late.try_read())
            self.assertEqual([len((await history.read()).bytes) for _ in range(2)], [98, 99])
            newest = await late.read_latest()
            self.assertEqual((len(newest.bytes), newest.sequence), (99, 101))
            self.assertIsNone(late.try_read_latest())
            self.assertEqual(writer.sequence, 101)
        self.assertEqual([len(message.bytes) async for message in reader], list(range(100)))
        with self.fails_with(Code.TOPIC_CLOSED):
            await reader.read()
        self.assertEqual(reader.state, "ended")
        reader.reopen()
        with one.write_topic("clock") as writer:
            writer.publish(b"again")
            self.assertEqual((await reader.read()).bytes, b"again")

    async def test_a_slow_reader_is_told(self) -> None:
        one, two = await self.two()
        reader = two.read_topic("fast")
        self.assertIsNone(reader.try_read())
        with one.write_topic("fast", size=1024, messages=16, relayed=True) as writer:
            self.assertEqual(writer.max_message, 1024)
            for number in range(1000):
                writer.publish(bytes([number % 256]))
            listed = [topic for topic in two.topics() if not topic.ended]
            self.assertEqual([(topic.name, topic.slot, topic.sequence, topic.size, topic.messages, topic.relayed, topic.lost)
                              for topic in listed], [("fast", 0, 1000, 1024, 16, True, False)])
        read = [message async for message in reader]
        self.assertEqual(sum(1 + message.skipped for message in read), 1000)
        self.assertEqual((read[-1].sequence, reader.skipped, reader.relayed), (1000, 1000 - len(read), True))
        self.assertGreater(reader.skipped, 900)

    async def test_a_cancelled_reader_loses_nothing(self) -> None:
        one, two = await self.two()
        reader = two.read_topic("cancelled")
        writer = one.write_topic("cancelled")
        read: list[TopicMessage] = []

        async def read_all() -> None:
            async for message in reader:
                read.append(message)

        for number in range(150):
            reading = asyncio.create_task(read_all())
            for turn in range(number % 5):
                await asyncio.sleep(0)
                writer.publish(bytes([turn]))
            for _ in range(number % 70):
                writer.publish(b"more")
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        writer.close()
        await asyncio.wait_for(read_all(), PATIENCE)
        self.assertEqual([message.sequence for message in read], list(range(1, len(read) + 1)))
        self.assertGreater(len(read), 5_000)

    async def test_large_messages(self) -> None:
        one, two = await self.two()
        reader, limited = two.read_topic("large"), two.read_topic("large", max_message=10)
        self.assertIsNone(reader.try_read() or limited.try_read())
        with one.write_topic("large") as writer:
            large = os.urandom(writer.max_message)
            writer.publish(large)
            writer.publish(b"small")
            self.assertLess(len(large), 1 << 20)
            with self.fails_with(Code.MESSAGE_TOO_LARGE):
                writer.publish(large + b"x")
            for _ in range(2):
                writer.publish(large)
                self.assertEqual((await reader.read_latest()).bytes, large)
            with self.fails_with(Code.MESSAGE_TOO_LARGE):
                await limited.read()
            writer.publish(b"0123456789")
            message = await limited.read()
            self.assertEqual((message.bytes, message.skipped), (b"0123456789", 4))

    async def test_without_a_copy(self) -> None:
        one, two = await self.two()
        reader = two.read_topic("frames")
        self.assertIsNone(reader.try_view())
        writer = one.write_topic("frames", size=4096)
        with writer.loan(4096) as memory:
            memory[:] = bytes(range(256)) * 16
            part = memory[:4]
            self.assertIsNone(reader.try_view())
        with self.assertRaises(ValueError):
            memory[0] = 1
        part.release()
        view = await reader.view()
        self.assertEqual((bytes(view.memory[:256]), view.sequence, view.still_valid()), (bytes(range(256)), 1, True))
        self.assertEqual(view.copy_out(), bytes(range(256)) * 16)
        with self.assertRaises(TypeError):
            view.memory[0] = 1
        writer.publish(b"over it")
        self.assertEqual((view.still_valid(), view.copy_out()), (False, None))
        with writer.loan(0) as memory:
            self.assertEqual(len(memory), 0)
        self.assertEqual([len(message.bytes) for message in (await reader.read(), await reader.read())], [7, 0])
        # A view keeps the memory.
        with writer.loan(4) as memory:
            memory[:] = b"kept"
        view = await reader.view()
        for closing in (reader, writer, one, two):
            closing.close()
        self.assertEqual(bytes(view.memory), b"kept")
        with self.fails_with(Code.CLOSED):
            view.still_valid()

    async def test_loans_that_are_not_published(self) -> None:
        one, _ = await self.two()
        writer = one.write_topic("frames")
        with self.assertRaises(ZeroDivisionError), writer.loan(4):
            raise ZeroDivisionError
        with self.assertRaises(ValueError), writer.loan(4):
            writer.publish(b"in between")
        with self.assertRaises(ValueError), writer.loan(4), writer.loan(8):
            pass
        with self.assertRaises(BufferError), writer.loan(4) as memory:
            kept = pickle.PickleBuffer(memory)  # as an array would
        kept.release()
        self.assertEqual(writer.sequence, 2)
        for size in (-1, HUGE):
            with self.assertRaises(ValueError):
                writer.loan(size)
        with self.fails_with(Code.MESSAGE_TOO_LARGE):
            writer.loan(1 << 40)

    async def test_pins(self) -> None:
        one, two = await self.two()
        reader, other = two.read_topic("pins", pins=2), two.read_topic("pins")
        with one.write_topic("pins", messages=8, max_message=64, pinning_readers=1) as writer:
            self.assertIsNone(reader.try_view() or other.try_view())
            self.assertEqual(writer.max_message, 64)
            writer.publish(b"held")
            view = await reader.view()
            with view.pin() as pin:
                for _ in range(100):
                    writer.publish(bytes(64))
                self.assertEqual((bytes(view.memory), pin.still_valid()), (b"held", True))
                with self.fails_with(Code.MESSAGE_OVERWRITTEN):
                    view.pin()
            with self.fails_with(Code.CLOSED):
                pin.still_valid()
            latest = other.try_view_latest()
            assert latest
            with self.fails_with(Code.PIN_REFUSED):
                latest.pin()
            kept = await reader.view()
        kept_pin = kept.pin()
        reader.close()
        two.close()
        self.assertFalse(kept_pin.still_valid())
        kept_pin.release()
        kept_pin.release()

    async def test_bad_input(self) -> None:
        one, two = await self.two()
        for wrong in ({"size": -1}, {"size": HUGE}, {"messages": -1}, {"messages": 1 << 32}):
            with self.subTest(wrong), self.assertRaises(ValueError):
                one.write_topic("a", **wrong)
        for wrong in ({"history": -1}, {"history": HUGE}, {"max_message": -1}):
            with self.subTest(wrong), self.assertRaises(ValueError):
                one.read_topic("a", **wrong)
        for call in (one.write_topic, one.read_topic):
            with self.assertRaises(ValueError):
                call("a\0b")
            for name in ("", "x" * 60, "a\nb"):
                with self.fails_with(Code.BAD_SERVICE_NAME):
                    call(name)
        with self.assertRaises(OSError):
            one.write_topic("a", messages=1 << 20)
        with self.assertRaises(OSError):
            one.read_topic("a", pins=9)
        with self.fails_with(Code.REGION_TOO_SMALL):
            one.write_topic("a", size=1 << 30)
        writer = one.write_topic("a")
        for slot in (one, two):
            with self.fails_with(Code.TOPIC_EXISTS):
                slot.write_topic("a")
        with self.assertRaises(TypeError):
            writer.publish("text")  # type: ignore[arg-type]

    async def test_closed(self) -> None:
        for order in itertools.permutations(range(4)):
            device = Device(self.server)
            slot = await Slot.claim(device, 0)
            writer, reader = slot.write_topic("a"), slot.read_topic("b")
            waiting = asyncio.create_task(reader.read())
            await asyncio.sleep(0)
            objects = (device, slot, writer, reader)
            for index in order:
                objects[index].close()
            with self.fails_with(Code.CLOSED):
                await asyncio.wait_for(waiting, PATIENCE)
            for call in (reader.try_read, lambda: writer.publish(b""), lambda: slot.read_topic("c"), lambda: slot.topics()):
                with self.fails_with(Code.CLOSED):
                    call()
            del device, slot, writer, reader, objects, waiting
        gc.collect()

    async def test_a_child(self) -> None:
        one, two = await self.two()
        writer, reader = one.write_topic("a"), two.read_topic("a")
        self.assertIsNone(reader.try_read())
        child = os.fork()
        if child == 0:
            seen = []
            for call in (lambda: writer.publish(b"child"), reader.try_read, lambda: one.write_topic("b")):
                try:
                    call()
                except Error as failure:
                    seen.append(failure.code)
            writer.close()
            os._exit(0 if seen == [Code.FORKED] * 3 else 1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        writer.publish(b"parent")
        self.assertEqual((await reader.read()).bytes, b"parent")

    async def test_two_processes(self) -> None:
        slot = await self.slot(1)
        reader, latest = slot.read_topic("numbers"), slot.read_topic("numbers")
        self.assertIsNone(reader.try_read() or latest.try_read_latest())
        child = subprocess.Popen([sys.executable, "-c", WRITER, self.server, "5000"])
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        newest = asyncio.create_task(latest.read_latest())
        counted = 0
        async for message in reader:
            counted += 1 + message.skipped
            self.assertEqual(int.from_bytes(message.bytes, "little") + 1, message.sequence)
        self.assertEqual((counted, message.sequence), (5000, 5000))
        self.assertGreater((await newest).sequence, 0)
        # A writer that is killed.
        reader.reopen()
        child = subprocess.Popen([sys.executable, "-c", WRITER, self.server, "1000000000"])
        self.addCleanup(child.wait)
        await asyncio.wait_for(reader.read(), PATIENCE)
        child.kill()
        with self.fails_with(Code.PEER_LOST):
            async for _ in reader:
                continue


if __name__ == "__main__":
    unittest.main()
