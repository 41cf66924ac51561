#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Publish lines of text for any number of other VMs. A reader that is too slow skips lines, and is told how many.

topic.py DEVICE SLOT publish
topic.py DEVICE SLOT subscribe

DEVICE is an address from lsivshmem (0000:00:04.0); on the host, server:/run/ivshmem/NAME.sock. SLOT is this program's
place in the shared memory (0 to 3). Each program needs its own.
"""

import argparse
import asyncio
import sys

import ivshmem
from on_slot import run_on_slot


async def publish(slot: ivshmem.Slot) -> None:
    with slot.write_topic("lines") as writer:
        # Not sys.stdin, which would block the event loop: the slot could not answer claims.
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            writer.publish(line.removesuffix(b"\n"))


async def subscribe(slot: ivshmem.Slot) -> None:
    # Of a topic that is there already, the last line too.
    with slot.read_topic("lines", history=1) as reader:
        print("listening in slot", slot.number, flush=True)
        async for message in reader:
            if message.skipped:
                print("skipped", message.skipped, file=sys.stderr)
            print(message.bytes.decode(errors="replace"), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("topic", "topic DEVICE SLOT publish|subscribe", __doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("device")
    parser.add_argument("slot")
    parser.add_argument("what", choices=("publish", "subscribe"))
    given = parser.parse_args()
    run_on_slot(given.device, given.slot, publish if given.what == "publish" else subscribe)
