# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""messages.py SERVER: slots, services and channels."""

from __future__ import annotations

import asyncio
import unittest

from ivshmem import Code, Geometry, Slot
from support import PATIENCE, Limit


class Slots(Limit):
    async def test_facts(self) -> None:
        slot = await self.slot(2)
        self.assertEqual((slot.number, slot.geometry.slots, slot.geometry.lanes), (2, 4, 4))
        self.assertEqual(slot.region, (0, 4 << 20))
        self.assertGreater(slot.channel_size, 2 * slot.geometry.ring_size)
        self.assertEqual((slot.holders(), slot.repairs, len(slot.application_memory)), ([], 0, 0))
        other = await self.slot()
        self.assertEqual(other.number, 0)
        self.assertEqual([(one.slot, one.incarnation) for one in other.holders()], [(2, slot.incarnation)])
        with self.fails_with(Code.SLOT_IN_USE):
            await self.slot(2)
        with self.fails_with(Code.SLOT_OUT_OF_RANGE):
            await self.slot(4)

    async def test_a_region(self) -> None:
        slot = await Slot.claim(self.device(), 1, region=(1 << 20, 1 << 20), geometry=Geometry(2, 1, 4096))
        async with slot:
            self.assertEqual((slot.region, slot.geometry), ((1 << 20, 1 << 20), Geometry(2, 1, 4096)))
            self.assertEqual(len(slot.application_memory), 1 << 20)
            slot.application_memory[0] = 1
        with self.fails_with(Code.BAD_GEOMETRY):
            await Slot.claim(self.device(), 1, geometry=Geometry(1, 1, 1000))

    async def test_a_cancelled_claim(self) -> None:
        claiming = asyncio.create_task(self.slot(3))
        await asyncio.sleep(0)
        claiming.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await claiming
        self.assertEqual((await self.slot(3)).number, 3)


class Messages(Limit):
    async def test_of_all_sizes(self) -> None:
        async with self.channels() as (one, two):
            sizes = [0, 1, 7, 8, 1000, 16384, 16385, 100_000, 3_000_000]
            texts = [bytes(i % 251 for i in range(size)) for size in sizes]

            async def send() -> None:
                for text in texts:
                    await one.send(text)

            sending = asyncio.create_task(send())
            for text in texts:
                self.assertEqual(await two.receive(), text)
            await sending
            await one.drain()
            self.assertIsNone(two.try_receive())

    async def test_buffers(self) -> None:
        async with self.channels() as (one, two):
            for data in (bytearray(b"abc"), memoryview(b"abc"), memoryview(bytearray(b"xaybzc"))[1::2]):
                await one.send(data)
                self.assertEqual(await two.receive(), b"abc")
                self.assertTrue(one.try_send(data))
                self.assertEqual(await two.receive(), b"abc")
            for wrong in ("text", 3, None, [1]):
                with self.assertRaises(TypeError):
                    one.try_send(wrong)  # type: ignore[arg-type]
                with self.assertRaises(TypeError):
                    await one.send(wrong)  # type: ignore[arg-type]

    async def test_an_iteration(self) -> None:
        async with self.channels() as (one, two):
            for number in range(100):
                await one.send(str(number).encode())
            one.finish()
            self.assertEqual([int(message) async for message in two], list(range(100)))
            with self.fails_with(Code.CHANNEL_CLOSED):
                await two.receive()

    async def test_back_pressure(self) -> None:
        async with self.channels() as (one, two):
            sent = 0
            while one.try_send(bytes(1000)):
                sent += 1
            waiting = asyncio.create_task(one.send(b"last"))
            draining = asyncio.create_task(one.drain())
            await asyncio.sleep(0.01)
            self.assertFalse(waiting.done() or draining.done())
            for _ in range(sent):
                self.assertEqual(await two.receive(), bytes(1000))
            self.assertEqual(await two.receive(), b"last")
            await waiting
            await draining

    async def test_two_tasks_of_one_channel(self) -> None:
        async with self.channels() as (one, two):
            async def echo() -> None:
                async for message in two:
                    await two.send(message)

            async def send() -> None:
                for number in range(2000):
                    await one.send(number.to_bytes(4, "little") * 100)

            tasks = asyncio.create_task(echo()), asyncio.create_task(send())
            for number in range(2000):
                self.assertEqual(await one.receive(), number.to_bytes(4, "little") * 100)
            one.finish()
            await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)

    async def test_cancellation_loses_nothing(self) -> None:
        async with self.channels() as (one, two):
            for turn in range(20):
                receiving = asyncio.create_task(two.receive())
                await asyncio.sleep(0.001 if turn % 2 else 0)
                receiving.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await receiving
                await one.send(turn.to_bytes(4, "little"))
                self.assertEqual(await two.receive(), turn.to_bytes(4, "little"))
            # A message of which parts were sent is withdrawn.
            sending = asyncio.create_task(one.send(bytes(2_000_000)))
            await asyncio.sleep(0.01)
            self.assertFalse(sending.done())
            sending.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await sending
            receiving = asyncio.create_task(two.receive())
            await one.send(b"next")
            self.assertEqual(await receiving, b"next")

    async def test_cancellation_between_two_turns(self) -> None:
        """A task that lets others run has taken, or sent, nothing."""
        async with self.channels() as (one, two):
            sent, received = [], []
            for _ in range(5):  # so that the two do not lose the same ones
                self.assertTrue(one.try_send(b"first"))
                await two.receive()
            for number in range(150):
                sending = asyncio.create_task(one.send(bytes([number])))
                await asyncio.sleep(0)
                sending.cancel()
                if (await asyncio.gather(sending, return_exceptions=True))[0] is None:
                    sent.append(bytes([number]))
            for _ in range(2 * len(sent)):
                receiving = asyncio.create_task(two.receive())
                await asyncio.sleep(0)
                receiving.cancel()
                got = (await asyncio.gather(receiving, return_exceptions=True))[0]
                if isinstance(got, bytes):
                    received.append(got)
            self.assertGreater(len(sent), 100)
            self.assertEqual(received, sent)

    async def test_the_end_of_the_other_side(self) -> None:
        async with self.channels() as (one, two):
            receiving = asyncio.create_task(two.receive())
            await asyncio.sleep(0)
            one.close()
            with self.fails_with(Code.CHANNEL_CLOSED):
                await asyncio.wait_for(receiving, PATIENCE)
            with self.fails_with(Code.CHANNEL_CLOSED):
                await two.send(b"")

    async def test_a_peer_that_is_lost(self) -> None:
        async with self.channels() as (one, two):
            with self.fails_with(Code.CLOSED):
                receiving = asyncio.create_task(one.receive())
                await asyncio.sleep(0)
                one.slot.close()
                await asyncio.wait_for(receiving, PATIENCE)
            with self.fails_with(Code.CHANNEL_CLOSED):
                await two.receive()

    async def test_by_lane(self) -> None:
        devices = self.device(), self.device()
        one, two = await self.slot(0, devices[0]), await self.slot(1, devices[1])
        first = one.open(1, 3)
        receiving = asyncio.create_task(first.receive())
        await asyncio.sleep(0.01)
        self.assertEqual(first.state, "opening")
        second = two.open(0, 3)
        await second.send(b"by number")
        self.assertEqual(await receiving, b"by number")
        self.assertEqual((second.peer_slot, second.lane, second.state), (0, 3, "connected"))
        with self.fails_with(Code.LANE_IN_USE):
            one.open(1, 3)
        with self.fails_with(Code.LANE_OUT_OF_RANGE):
            one.open(1, 4)
        first.close()
        with self.fails_with(Code.CHANNEL_CLOSED):
            await second.receive()
        again = one.open(1, 3)
        await asyncio.wait_for(second.reopen(), PATIENCE)
        await again.send(b"again")
        self.assertEqual(await second.receive(), b"again")

    async def test_limits(self) -> None:
        devices = self.device(), self.device()
        one, two = await self.slot(0, devices[0]), await self.slot(1, devices[1])
        service = one.offer("small", max_message=10)
        connecting = asyncio.create_task(two.connect("small"))
        accepted = await service.accept()
        channel = await connecting
        self.assertEqual(channel.peer_max_message, 10)
        with self.fails_with(Code.MESSAGE_TOO_LARGE):
            await channel.send(bytes(11))
        with self.fails_with(Code.MESSAGE_TOO_LARGE):
            channel.try_send(bytes(11))
        await channel.send(bytes(10))
        self.assertEqual(await accepted.receive(), bytes(10))
        with self.assertRaises(ValueError):
            one.offer("other", max_message=-1)


class Services(Limit):
    async def test_any_order(self) -> None:
        devices = self.device(), self.device()
        one, two = await self.slot(0, devices[0]), await self.slot(1, devices[1])
        self.assertIsNone(two.find_service("late"))
        connecting = asyncio.create_task(two.connect("late"))
        await asyncio.sleep(0.01)
        self.assertFalse(connecting.done())
        async with one.offer("late") as service:
            self.assertEqual(two.find_service("late"), 0)
            accepted = await service.accept()
            connected = await connecting
            await connected.send(b"on time")
            self.assertEqual(await accepted.receive(), b"on time")
            self.assertIsNone(service.try_accept())
        self.assertIsNone(two.find_service("late"))
        with self.fails_with(Code.CLOSED):
            service.try_accept()

    async def test_failures(self) -> None:
        slot = await self.slot(0)
        slot_offers = slot.offer("one")
        with self.fails_with(Code.SERVICE_EXISTS):
            slot.offer("one")
        slot_offers.close()
        slot_offers.close()
        for name in ("", "x" * 60, "a\nb"):
            with self.fails_with(Code.BAD_SERVICE_NAME):
                slot.offer(name)
        with self.fails_with(Code.SLOT_OUT_OF_RANGE):
            await slot.connect("one", 9)

    async def test_a_cancelled_connection(self) -> None:
        slot = await self.slot(0)
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.01):
                await slot.connect("nowhere")
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.01), slot.offer("nobody asks") as service:
                await service.accept()


if __name__ == "__main__":
    unittest.main()
