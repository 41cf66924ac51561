#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Send several requests to another VM at once. Each answer has the id of its request, so that quick answers overtake
slow ones. A request that takes too long is abandoned.

request-response.py DEVICE SLOT server
request-response.py DEVICE SLOT client

DEVICE is an address from lsivshmem (0000:00:04.0); on the host, server:/run/ivshmem/NAME.sock.
"""

import argparse
import asyncio
import itertools
import struct

import ivshmem
from on_slot import run_on_slot

ADD, MULTIPLY, WAIT_MILLISECONDS = 0, 1, 2
REQUEST = struct.Struct("<IIqq")  # id, operation, a, b
RESPONSE = struct.Struct("<IIq")  # id, understood, value


async def answer(channel: ivshmem.Channel, number: int, what: int, a: int, b: int) -> None:
    value = None
    if what == ADD:
        value = a + b
    elif what == MULTIPLY:
        value = a * b
    elif what == WAIT_MILLISECONDS and 0 <= a <= 3_600_000:
        await asyncio.sleep(a / 1000)
        value = a
    understood = value is not None and -1 << 63 <= value < 1 << 63  # a client may send any number
    await channel.send(RESPONSE.pack(number, understood, value if understood else 0))


async def answer_all(channel: ivshmem.Channel) -> None:
    async with channel:
        try:
            async with asyncio.TaskGroup() as tasks:
                async for message in channel:
                    if len(message) != REQUEST.size:
                        return  # not a client of this service
                    tasks.create_task(answer(channel, *REQUEST.unpack(message)))
        except* ivshmem.Error:
            pass  # the peer is gone


async def serve(slot: ivshmem.Slot) -> None:
    print("answering in slot", slot.number, flush=True)
    async with asyncio.TaskGroup() as tasks:
        async for channel in slot.offer("request-response", max_message=REQUEST.size):
            tasks.create_task(answer_all(channel))


class Caller:
    """The pending requests of a channel."""

    def __init__(self, channel: ivshmem.Channel) -> None:
        self._channel = channel
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[tuple[int, int]]] = {}

    async def call(self, what: int, a: int, b: int) -> tuple[int, int]:
        number = next(self._ids)
        answered: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            await self._channel.send(REQUEST.pack(number, what, a, b))
            return await answered
        finally:
            del self._waiting[number]

    async def receive_answers(self) -> None:
        async for message in self._channel:
            number, understood, value = RESPONSE.unpack(message)
            if number in self._waiting:  # else it is too late
                self._waiting[number].set_result((understood, value))
        raise ConnectionError("the server has ended")


async def ask(caller: Caller, name: str, what: int, a: int, b: int = 0) -> None:
    try:
        async with asyncio.timeout(2):
            understood, value = await caller.call(what, a, b)
        print(f"{name}: {value if understood else 'not understood'}", flush=True)
    except TimeoutError:
        print(f"{name}: no answer in time", flush=True)


async def ask_all(slot: ivshmem.Slot) -> None:
    caller = Caller(await slot.connect("request-response"))
    answers = asyncio.create_task(caller.receive_answers())
    answers.add_done_callback(lambda ended: None if ended.cancelled() else asked.cancel("the server has ended"))
    asked = asyncio.gather(
        ask(caller, "wait for an hour", WAIT_MILLISECONDS, 3_600_000),
        ask(caller, "wait for half a second", WAIT_MILLISECONDS, 500),
        ask(caller, "2 + 40", ADD, 2, 40),
        ask(caller, "6 * 7", MULTIPLY, 6, 7),
        ask(caller, "operation 99", 99, 0))
    try:
        await asked
    except asyncio.CancelledError:
        if not answers.done():
            raise
        await answers
    answers.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser("request-response", "request-response DEVICE SLOT server|client", __doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("device")
    parser.add_argument("slot")
    parser.add_argument("what", choices=("server", "client"))
    given = parser.parse_args()
    run_on_slot(given.device, given.slot, serve if given.what == "server" else ask_all)
