# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""devices.py SERVER: memory, rings, events and peers."""

from __future__ import annotations

import asyncio
import select
import threading
import unittest

from ivshmem import Code, Device, publish
from support import PATIENCE, Peers


class Devices(Peers):
    def test_facts(self) -> None:
        with self.device() as device:
            self.assertEqual((device.backend, device.generation, device.info, device.protocol), ("server", 1, None, None))
            self.assertIn("server", device.description)
            self.assertEqual((device.can_ring, device.can_report_peers, device.can_report_states), (True, True, False))
            self.assertEqual(device.max_peers, 65536)
            self.assertEqual((device.cache, len(device.memory)), ("write-back", 4 << 20))
            self.assertNotEqual(device.cache_reason, "")

    def test_memory(self) -> None:
        one, two = self.device(), self.device()
        one.memory[100:105] = b"hello"
        publish()
        self.assertEqual(bytes(two.memory[100:105]), b"hello")
        one.store32(200, 0xfedcba98)
        self.assertEqual(two.load32(200), 0xfedcba98)
        self.assertEqual(bytes(two.memory[200:204]), b"\x98\xba\xdc\xfe")
        for offset in (-4, 2, 4 << 20, (4 << 20) - 2):
            with self.assertRaises(IndexError):
                one.load32(offset)
            with self.assertRaises(IndexError):
                one.store32(offset, 0)
        for value in (-1, 1 << 32):
            with self.assertRaises(ValueError):
                one.store32(0, value)

    def test_a_part_of_the_memory(self) -> None:
        with Device(self.server, part=(1 << 20, 8192)) as device:
            self.assertEqual(len(device.memory), 8192)

    async def test_rings(self) -> None:
        one, two = self.device(), self.device()
        waiting = asyncio.create_task(two.wait(1)), asyncio.create_task(two.wait(0))
        await asyncio.sleep(0)
        one.ring(two.id, 1)
        self.assertEqual(await asyncio.wait_for(waiting[0], PATIENCE), 1)
        self.assertFalse(waiting[1].done())
        one.ring(two.id, 0)
        self.assertEqual(await asyncio.wait_for(waiting[1], PATIENCE), 1)
        self.assertEqual(two.take(0), 0)
        two.ring(two.id, 1)
        two.ring(two.id, 1)
        self.assertEqual(await asyncio.wait_for(two.wait_any(), PATIENCE), (1, 2))
        self.assertIsNone(two.take_any())

    def test_rings_of_another_thread(self) -> None:
        one, two = self.device(), self.device()
        ringing = threading.Thread(target=lambda: [one.ring(two.id, 0) for _ in range(1000)])
        ringing.start()
        rings = 0
        poll = select.poll()
        poll.register(two.interrupt_fd(0), select.POLLIN)
        while rings < 1000:
            self.assertTrue(poll.poll(PATIENCE * 1000), rings)
            rings += two.take(0)
        ringing.join()
        self.assertEqual(rings, 1000)

    async def test_events(self) -> None:
        one = self.device()
        self.assertEqual(one.peers(), [])
        self.assertIsNone(one.next_event())
        events = one.events()
        with Device(self.server) as two:
            event = await asyncio.wait_for(anext(events), PATIENCE)
            self.assertEqual((event.type, event.peer), ("peer joined", two.id))
            self.assertEqual(one.peers(), [two.id])
        event = await asyncio.wait_for(anext(events), PATIENCE)
        self.assertEqual((event.type, event.peer), ("peer left", two.id))

    def test_failures(self) -> None:
        device = self.device()
        for code, call in ((Code.VECTOR_OUT_OF_RANGE, lambda: device.ring(0, 1 << 20)),
                           (Code.PEER_OUT_OF_RANGE, lambda: device.ring(1 << 16, 0)),
                           (Code.VECTOR_OUT_OF_RANGE, lambda: device.take(2)),
                           (Code.VECTOR_OUT_OF_RANGE, lambda: device.interrupt_fd(2)),
                           (Code.STATES_UNSUPPORTED, lambda: device.state),
                           (Code.STATES_UNSUPPORTED, lambda: device.peer_state(0)),
                           (Code.SECTIONS_UNSUPPORTED, lambda: device.output_section()),
                           (Code.SECTIONS_UNSUPPORTED, lambda: device.output_section(0)),
                           (Code.SERVER_UNREACHABLE, lambda: Device(self.server + "-")),
                           (Code.BAD_SELECTOR, lambda: Device("eth0"))):
            with self.fails_with(code):
                call()
        for peer, vector in ((-1, 0), (0, -1), (1 << 32, 0), (0, 1 << 32)):
            with self.assertRaises(ValueError):
                device.ring(peer, vector)
        for wrong in ({"backend": "pci"}, {"cache": "fast"}):
            with self.assertRaises(ValueError):
                Device(self.server, **wrong)

    async def test_closed(self) -> None:
        device = self.device()
        waiting = asyncio.create_task(device.wait(0))
        await asyncio.sleep(0)
        self.assertTrue(device.is_open)
        device.close()
        device.close()
        self.assertFalse(device.is_open)
        with self.fails_with(Code.CLOSED):
            await asyncio.wait_for(waiting, PATIENCE)
        for call in (lambda: device.memory, lambda: device.load32(0), lambda: device.store32(0, 0),
                     lambda: device.ring(0, 0), lambda: device.take(0), device.take_any, device.next_event,
                     device.peers, lambda: device.state, lambda: device.interrupt_fd(0)):
            with self.fails_with(Code.CLOSED):
                call()


if __name__ == "__main__":
    unittest.main()
