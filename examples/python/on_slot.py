# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Runs a coroutine on a slot of a device, for the examples in this folder."""

import asyncio
import pathlib
import signal
import sys
from collections.abc import Awaitable, Callable

import ivshmem


def run_on_slot(device_name: str, slot_number: str, body: Callable[[ivshmem.Slot], Awaitable[None]]) -> None:
    """Open a device, claim a slot of its memory and run body(slot). Ctrl-C ends it in order."""

    async def run() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        # Beats once a second, so that peers in other VMs notice if this program is killed.
        with ivshmem.Device(device_name) as device:
            async with await ivshmem.Slot.claim(device, int(slot_number), heartbeat=1) as slot:
                await body(slot)

    try:
        asyncio.run(run())
    except asyncio.CancelledError:
        pass
    except (ValueError, OSError) as failure:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: {failure}")
