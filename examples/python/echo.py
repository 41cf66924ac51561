#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Send lines of text to another VM, which sends each line back.

echo.py DEVICE SLOT server
echo.py DEVICE SLOT client

DEVICE is an address from lsivshmem (0000:00:04.0); on the host, server:/run/ivshmem/NAME.sock. SLOT is this program's
place in the shared memory (0 to 3). Each program needs its own.
"""

import argparse
import asyncio
import sys

import ivshmem
from on_slot import run_on_slot

LONGEST_MESSAGE = 64 * 1024
GONE = (ivshmem.Code.CHANNEL_RESET, ivshmem.Code.PEER_LOST)


async def send_back(channel: ivshmem.Channel) -> None:
    async with channel:
        try:
            async for message in channel:
                await channel.send(message)
        except ivshmem.Error as failure:
            if failure.code not in GONE:
                raise


async def serve(slot: ivshmem.Slot) -> None:
    print("offering echo in slot", slot.number, flush=True)
    async with asyncio.TaskGroup() as tasks, slot.offer("echo", max_message=LONGEST_MESSAGE) as service:
        async for channel in service:
            print("slot", channel.peer_slot, "is here", flush=True)
            tasks.create_task(send_back(channel))


async def ask(slot: ivshmem.Slot) -> None:
    async with await slot.connect("echo") as channel:
        # Not sys.stdin, which would block the event loop: the slot could not answer claims.
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            await channel.send(line.removesuffix(b"\n"))
            print((await channel.receive()).decode(errors="replace"), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("echo", "echo DEVICE SLOT server|client", __doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("device")
    parser.add_argument("slot")
    parser.add_argument("what", choices=("server", "client"))
    given = parser.parse_args()
    run_on_slot(given.device, given.slot, serve if given.what == "server" else ask)
