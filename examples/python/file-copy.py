#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Copy a file to another VM. A file gets its name only when it is complete.

file-copy.py DEVICE SLOT receive FILE
file-copy.py DEVICE SLOT send FILE

DEVICE is an address from lsivshmem (0000:00:04.0); on the host, server:/run/ivshmem/NAME.sock.
"""

import argparse
import asyncio
import os
import struct
import zlib

import ivshmem
from on_slot import run_on_slot

PATIENCE = 20
"""Seconds: a peer that loses its power never closes the channel."""
PIECE = 64 * 1024
# The first message, and the answer at the end: size, CRC-32, unused. The pieces of the file are between them.
SUMMARY = struct.Struct("<QII")


async def send(slot: ivshmem.Slot, name: str) -> None:
    with open(name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        channel = await slot.connect("file-copy")
        await channel.send(SUMMARY.pack(size, 0, 0))
        checksum = 0
        while piece := file.read(PIECE):
            checksum = zlib.crc32(piece, checksum)
            async with asyncio.timeout(PATIENCE):
                await channel.send(piece)
    async with asyncio.timeout(PATIENCE):
        received = SUMMARY.unpack(await channel.receive())
    if received != (size, checksum, 0):
        raise ValueError("the other side received something else")
    print(f"sent {name}: {size} bytes, CRC-32 {checksum:08x}")


async def receive(slot: ivshmem.Slot, name: str) -> None:
    part = name + ".part"
    try:
        with open(part, "wb") as file:
            channel = await slot.offer("file-copy", max_message=PIECE).accept()
            async with asyncio.timeout(PATIENCE):
                size, _, _ = SUMMARY.unpack(await channel.receive())
            checksum, left = 0, size
            while left:
                async with asyncio.timeout(PATIENCE):
                    piece = await channel.receive()
                if len(piece) > left:
                    raise ValueError("more bytes arrived than were announced")
                checksum = zlib.crc32(piece, checksum)
                file.write(piece)
                left -= len(piece)
        os.rename(part, name)
    finally:
        if os.path.exists(part):
            os.remove(part)
    print(f"received {name}: {size} bytes, CRC-32 {checksum:08x}")
    async with asyncio.timeout(PATIENCE):
        await channel.send(SUMMARY.pack(size, checksum, 0))
        await channel.drain()


if __name__ == "__main__":
    parser = argparse.ArgumentParser("file-copy", "file-copy DEVICE SLOT send|receive FILE", __doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("device")
    parser.add_argument("slot")
    parser.add_argument("what", choices=("send", "receive"))
    parser.add_argument("file")
    given = parser.parse_args()
    copy = send if given.what == "send" else receive
    run_on_slot(given.device, given.slot, lambda slot: copy(slot, given.file))
