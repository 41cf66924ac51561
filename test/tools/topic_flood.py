# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""topic_flood.py SOCKET KIND: a peer that misuses topics as fast as it can, until it is killed.

publish SIZE: 16 topics, flood/0 to flood/15, whose messages have SIZE bytes
names: topics that are new all the time, each with one message: names/0, names/1 and so on
scribble: topics whose words, and all behind them in the section, are written over
renames: topics whose names are written over in the memory, so that most of those found are gone a moment later

It prints "flooding", and then a line after each thousand of messages.
"""

import asyncio
import contextlib
import itertools
import random
import re
import struct
import sys
from collections import deque

from ivshmem import Device, Error, Slot

TOPICS = 16
"""Of a slot, the most."""
PAGE, BLOCK = 4096, 256
"""Of channel-layout.md: a header, and a block without its ring."""


def publish(slot, size):
    writers = [slot.write_topic(f"flood/{n}", size=4 * size, messages=4) for n in range(TOPICS)]
    message = bytes(size)
    for writer in itertools.cycle(writers):
        writer.publish(message)
        yield


def names(slot):
    open_ones = deque()
    for number in itertools.count():
        if len(open_ones) == TOPICS:
            open_ones.popleft().close()
        open_ones.append(slot.write_topic(f"names/{number}", size=64, messages=2))
        open_ones[-1].publish(b"name")
        yield


def renames(slot, memory):
    start = b"renames/"
    writers = [slot.write_topic(start.decode() + f"{number:08x}", size=64, messages=2) for number in range(TOPICS - 1)]
    whole = bytes(memory)
    places = [at.end() for at in re.finditer(start, whole)]
    assert len(places) == len(writers), places
    for number in itertools.count():
        for at in places:
            memory[at:at + 8] = b"%08x" % (number * TOPICS + at)
        if number % 100 == 0:
            slot.write_topic("bell", size=64, messages=2).close() # rings all slots
        yield


def scribble(slot, memory):
    writers = [slot.write_topic(f"scribbled/{number}", size=4096, messages=16) for number in range(TOPICS - 1)]
    offset, size = slot.region
    of = slot.geometry
    section = size // of.slots // PAGE * PAGE
    topics = PAGE + (of.slots - 1) * of.lanes * (BLOCK + of.ring_size)
    begin, end = offset + section * slot.number + topics, offset + section * (slot.number + 1)
    source = random.Random(1)
    for number in itertools.count():
        with contextlib.suppress(Error):
            writers[number % len(writers)].publish(b"scribbled")
            if number % 100 == 0:
                slot.write_topic("bell", size=64, messages=2).close() # rings all slots
        at = source.randrange(begin, source.choice((begin + 8192, end))) // 4 * 4
        memory[at:at + 4] = struct.pack("<I", source.choice((source.randrange(512), source.randrange(1 << 32))))
        yield


async def main(path, kind, *words):
    with Device(f"server:{path}") as device:
        async with await Slot.claim(device) as slot:
            print("flooding", flush=True)
            kinds = {"publish": publish, "names": names, "renames": lambda of: renames(of, device.memory),
                     "scribble": lambda of: scribble(of, device.memory)}
            work = kinds[kind](slot, *map(int, words))
            for done, _ in enumerate(work, 1):
                if done % 1000 == 0:
                    print(done, flush=True)
                if done % 100 == 0:
                    await asyncio.sleep(0) # its slot answers claims


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
