#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Count the rings of a device while it exists: close it when its removal is requested, and open it again when it is
back, as after the migration of a VM.

hotplug.py DEVICE
"""

import argparse
import asyncio
import signal
import sys

import ivshmem


async def count_rings(device: ivshmem.Device, rings: int) -> int:
    """Return when the device is being removed."""
    while True:
        try:
            vector, count = await device.wait_any()
        except ivshmem.Error as failure:
            if failure.code != ivshmem.Code.DEVICE_REMOVED:
                raise
            return rings
        rings += count
        print(f"vector {vector}, rings so far: {rings}", flush=True)


async def main(name: str) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    rings = 0
    # The first changes report the devices that are already present.
    async for change, info in ivshmem.DeviceMonitor():
        print(change, info.address, flush=True)
        if change == "removed" or not info.driver:
            continue  # a later change reports its driver
        try:
            device = ivshmem.Device(name)
        except ivshmem.Error as failure:
            print("cannot be opened yet:", failure, flush=True)
            continue
        with device:  # which cannot be removed before its end
            if not device.interrupts:
                print("cannot be rung: bind it to vfio-pci", flush=True)
                continue
            print("open, peer", device.id, flush=True)
            rings = await count_rings(device, rings)
        print("let go, rings so far:", rings, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser("hotplug", "hotplug DEVICE", __doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("device")
    given = parser.parse_args()
    try:
        asyncio.run(main(given.device))
    except asyncio.CancelledError:
        pass
    except OSError as failure:
        sys.exit(f"hotplug: {failure}")
