#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Ring a peer, or wait for a ring.

doorbell.py DEVICE ring PEER VECTOR
doorbell.py DEVICE wait VECTOR [SECONDS]

DEVICE is an address from lsivshmem (0000:00:04.0); on the host, server:/run/ivshmem/NAME.sock. The side that waits
prints its id first, for the peer that rings.
"""

import argparse
import asyncio
import sys

import ivshmem


async def main(name: str, what: str, numbers: list[int]) -> None:
    with ivshmem.Device(name) as device:
        print(f"peer {device.id}, {len(device.memory)} bytes, {device.vectors} vectors", flush=True)
        if what == "ring":
            device.ring(*numbers)
        else:
            async with asyncio.timeout(numbers[1] if len(numbers) == 2 else None):
                rings = await device.wait(numbers[0])
            print(f"rung {rings} time{'s' if rings != 1 else ''}")


if __name__ == "__main__":
    usage = "doorbell DEVICE ring PEER VECTOR\n       doorbell DEVICE wait VECTOR [SECONDS]"
    parser = argparse.ArgumentParser("doorbell", usage, __doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("device")
    parser.add_argument("what", choices=("ring", "wait"))
    parser.add_argument("numbers", nargs="+", type=int)
    given = parser.parse_args()
    if len(given.numbers) not in ((2,) if given.what == "ring" else (1, 2)):
        parser.error(f"{given.what}: too many numbers or too few")
    try:
        asyncio.run(main(given.device, given.what, given.numbers))
    except TimeoutError:
        sys.exit("doorbell: not rung in time")
    except (ValueError, ivshmem.Error) as failure:
        sys.exit(f"doorbell: {failure}")
