# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""lifetime.py SERVER: views of memory, garbage, fork(2), event loops that end first, and the end of the interpreter."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import subprocess
import sys
import threading
import unittest
import weakref

from ivshmem import Code, Device, Error, Slot
from support import PATIENCE, Peers


class Views(Peers):
    def test_a_view_keeps_the_memory(self) -> None:
        one, two = Device(self.server), self.device()
        view = one.memory[1000:2000]
        one.close()
        view[0] = 7
        self.assertEqual(two.memory[1000], 7)
        self.assertEqual(len(two.peers()), 1)  # the mapping is a part of the device
        del view, one
        gc.collect()
        self.wait_alone(two)

    def test_close_closes_at_once(self) -> None:
        one, two = Device(self.server), self.device()
        one.close()
        self.wait_alone(two)

    def test_the_last_user_closes(self) -> None:
        two = self.device()
        Device(self.server)
        gc.collect()
        self.wait_alone(two)

    def wait_alone(self, device: Device) -> None:
        for _ in range(PATIENCE * 100):
            if not device.peers():
                return
            threading.Event().wait(0.01)
        self.fail("the device is still there")


class Garbage(Peers):
    async def test_in_any_order(self) -> None:
        """Whatever goes first, nothing crashes, and all of it goes."""
        for order in itertools.islice(itertools.permutations(range(5)), 0, None, 7):
            device, other = Device(self.server), Device(self.server)
            slot, asking = await Slot.claim(device, 0), await Slot.claim(other, 1)
            service = slot.offer("any")
            connecting = asyncio.create_task(asking.connect("any"))
            channel = await service.accept()
            await connecting
            objects: list[object] = [device, slot, service, channel, device.memory]
            watched = [weakref.ref(one) for one in objects[:4]]
            del device, slot, service, channel
            for index in order:
                objects[index] = None
            asking.close()
            other.close()
            del connecting
            gc.collect()
            await asyncio.sleep(0)
            gc.collect()
            self.assertEqual([one() for one in watched], [None] * 4)

    async def test_closed_in_any_order(self) -> None:
        for order in itertools.permutations(range(4)):
            device = Device(self.server)
            slot = await Slot.claim(device, 0)
            service = slot.offer("any")
            channel = slot.open(1, 0)
            objects = (device, slot, service, channel)
            for index in order:
                objects[index].close()
            for call in (service.try_accept, lambda: channel.try_send(b""), lambda: slot.offer("x"),
                         lambda: device.take(0)):
                with self.fails_with(Code.CLOSED):
                    call()


class Loops(Peers):
    def test_a_loop_that_ends_first(self) -> None:
        kept = []

        async def claim() -> None:
            device = Device(self.server)
            slot = await Slot.claim(device, 0, heartbeat=0.1)
            service = slot.offer("kept")
            waiting = asyncio.create_task(service.accept())
            await asyncio.sleep(0)
            kept.extend([device, slot, service, waiting, asyncio.create_task(device.wait(0))])
            await asyncio.sleep(0)

        asyncio.run(claim())
        for one in kept[:3]:
            one.close()
        kept.clear()
        gc.collect()
        # The slot is free again.
        asyncio.run(self.claims())

    async def claims(self) -> None:
        with Device(self.server) as device:
            (await Slot.claim(device, 0)).close()

    def test_loops_one_after_the_other(self) -> None:
        for _ in range(5):
            asyncio.run(self.claims())

    def test_a_loop_in_each_thread(self) -> None:
        failures: list[BaseException] = []

        def run(number: int) -> None:
            async def claim() -> None:
                with Device(self.server) as device:
                    (await Slot.claim(device, number)).close()

            try:
                for _ in range(5):
                    asyncio.run(claim())
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


class Processes(Peers):
    def test_fork(self) -> None:
        device = self.device()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                device.ring(0, 0)
            except Error as failure:
                status = 0 if failure.code == Code.FORKED else 2
            device.close()
            os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        device.ring(device.id, 0)
        self.assertEqual(device.take(0), 1)

    def run_program(self, text: str, status: int = 0) -> str:
        done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", text, self.server], text=True,
                              capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout + done.stderr

    def test_the_end_of_the_interpreter(self) -> None:
        """With operations pending, views lent, a thread in the loop, and callbacks at exit that use all of it."""
        printed = self.run_program("""
import asyncio, atexit, sys, threading, ivshmem
device = ivshmem.Device(sys.argv[1])
view = device.memory
atexit.register(lambda: print("at exit", view[-1], device.take(0)))
async def wait():
    slot = await ivshmem.Slot.claim(device, 0)
    tasks = [asyncio.create_task(x) for x in (slot.offer("x").accept(), slot.connect("y"), device.wait(1))]
    started.set()
    await asyncio.gather(*tasks)
started = threading.Event()
threading.Thread(target=lambda: asyncio.run(wait()), daemon=True).start()
started.wait()
print("the end")
""")
        self.assertIn("the end\nat exit 0 0\n", printed)

    def test_a_callback_that_raises(self) -> None:
        """asyncio reports it; the connection ends."""
        printed = self.run_program("""
import asyncio, sys, ivshmem
class Bad(asyncio.Protocol):
    def data_received(self, data): raise RuntimeError("bad protocol")
    def connection_lost(self, failure): print("lost:", failure); lost.set_result(None)
async def main():
    global lost
    lost = asyncio.get_running_loop().create_future()
    devices = ivshmem.Device(sys.argv[1]), ivshmem.Device(sys.argv[1])
    one, two = await ivshmem.Slot.claim(devices[0], 0), await ivshmem.Slot.claim(devices[1], 1)
    async with await ivshmem.create_server(one, Bad, "bad"):
        channel = await two.connect("bad")
        await channel.write(b"x")
        await lost
asyncio.run(main())
""")
        self.assertIn("lost: bad protocol", printed)


if __name__ == "__main__":
    unittest.main()
