# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""As topic_idle.cpp."""

from __future__ import annotations

import asyncio
import sys

import ivshmem


async def write(slot: ivshmem.Slot) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    with slot.write_topic("idle") as writer:
        while line := await lines.readline():
            writer.publish(line)


async def read(slot: ivshmem.Slot) -> None:
    with slot.read_topic("idle") as reader:
        print("reading", flush=True)
        async for message in reader:
            print(message.bytes.decode(), end="", flush=True)


async def main(device_name: str, what: str) -> None:
    with ivshmem.Device(device_name) as device:
        async with await ivshmem.Slot.claim(device, 0 if what == "write" else 1) as slot:
            await (write if what == "write" else read)(slot)


asyncio.run(main(*sys.argv[1:]))
