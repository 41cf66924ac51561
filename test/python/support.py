# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""What the tests of the module `ivshmem` share: a server, and peers at it.

A test that imports this takes the path of ivshmem-server as its last argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections.abc import AsyncIterator

from ivshmem import Channel, Code, Device, Error, Slot

SERVER = pathlib.Path(sys.argv.pop()).resolve()
PATIENCE = 60
"""At most this long, in seconds, does anything take that must happen."""

faulthandler.enable()
logging.getLogger("asyncio").setLevel(logging.ERROR)  # unittest's loops report every slow step


class Peers(unittest.IsolatedAsyncioTestCase):
    """A server, and the tests' own peers at it."""

    server: str

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.mkdtemp(prefix="ivshmem-python-")
        cls.addClassCleanup(shutil.rmtree, folder)
        socket = pathlib.Path(folder) / "socket"
        server = subprocess.Popen([SERVER, "-F", "-S", socket, "-l", "4M", "-n", "2", "-p", f"{folder}/pid"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        cls.addClassCleanup(server.communicate)
        cls.addClassCleanup(server.terminate)
        assert server.stderr
        # The socket's file exists a moment before the server listens.
        while "listening on" not in (line := server.stderr.readline()):
            assert line, f"{SERVER} ended"
        cls.server = f"server:{socket}"

    def device(self) -> Device:
        device = Device(self.server)
        self.addCleanup(device.close)
        return device

    async def slot(self, number: int | None = None, device: Device | None = None, heartbeat: float = 0) -> Slot:
        slot = await Slot.claim(device or self.device(), number, heartbeat=heartbeat)
        self.addCleanup(slot.close)
        return slot

    @contextlib.asynccontextmanager
    async def channels(self) -> AsyncIterator[tuple[Channel, Channel]]:
        """Two ends of one channel, connected."""
        # Two at once: an id of 1 or more has vectors only once the other has them, too.
        devices = self.device(), self.device()
        async with await self.slot(0, devices[0]) as offering, await self.slot(1, devices[1]) as asking:
            async with offering.offer("talk") as service:
                accepting = asyncio.create_task(service.accept())
                asked = await asking.connect("talk")
                accepted = await accepting
            async with asked, accepted:
                yield accepted, asked

    @contextlib.contextmanager
    def fails_with(self, code: Code):  # type: ignore[no-untyped-def]
        with self.assertRaises(Error) as raised:
            yield raised
        self.assertEqual(raised.exception.code, code, raised.exception)
        self.assertNotEqual(str(raised.exception), "")


class Limit(Peers):
    """Ends a test that hangs."""

    async def asyncSetUp(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        timer = loop.call_later(PATIENCE * 4, lambda: task and task.cancel())
        self.addCleanup(timer.cancel)
