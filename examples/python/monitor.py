#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Print every ring and every event of a device until Ctrl-C.

monitor.py DEVICE
"""

import argparse
import asyncio
import signal
import sys

import ivshmem


async def print_rings(device: ivshmem.Device) -> None:
    while True:
        vector, count = await device.wait_any()
        print(f"vector {vector} rung {count}x", flush=True)


async def print_events(device: ivshmem.Device) -> None:
    async for event in device.events():
        print(f"{event.type}, peer {event.peer}", flush=True)
        if event.type == "removal requested":
            raise ConnectionError("the device is going away")


async def main(name: str) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with ivshmem.Device(name) as device:
        print(f"peer {device.id}, {device.description}", flush=True)
        async with asyncio.TaskGroup() as tasks:
            if device.interrupts:
                tasks.create_task(print_rings(device))
            if device.can_report_removal or device.can_report_peers or device.can_report_states:
                tasks.create_task(print_events(device))


if __name__ == "__main__":
    parser = argparse.ArgumentParser("monitor", "monitor DEVICE", __doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("device")
    given = parser.parse_args()
    try:
        asyncio.run(main(given.device))
    except asyncio.CancelledError:
        pass
    except ExceptionGroup as failures:
        sys.exit(f"monitor: {failures.exceptions[0]}")
    except OSError as failure:
        sys.exit(f"monitor: {failure}")
