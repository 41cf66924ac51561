# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A descriptor of the library in an event loop."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable


def _forget(loop: asyncio.AbstractEventLoop, fd: int) -> None:
    loop.remove_reader(fd)
    os.close(fd)


def _end(loop: asyncio.AbstractEventLoop, fd: int) -> None:
    """Stop to watch, in whichever thread the last user ended."""
    try:
        loop.call_soon_threadsafe(_forget, loop, fd)
    except RuntimeError:  # the loop was closed first
        os.close(fd)


class Watch:
    """Calls a function whenever the descriptor is readable, until close() or the end of its last user.

    It watches a copy, because the library closes its own descriptor when it wants to.
    """

    def __init__(self, fd: int, call: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        copy = os.dup(fd)
        self._copy = copy
        self._call = call
        self._end = weakref.finalize(self, _end, self._loop, copy)
        self._end.atexit = False

    def start(self) -> None:
        """Watch. `call` must not keep the user of this object alive."""
        if self._end.alive:
            self._loop.add_reader(self._copy, self._call)

    def stop(self) -> None:
        if self._end.alive and not self._loop.is_closed():
            self._loop.remove_reader(self._copy)

    def close(self) -> None:
        self.stop()
        self._end()


class Readable:
    """Lets any number of tasks wait until a descriptor is readable."""

    def __init__(self, fd: int) -> None:
        self._waiting: set[asyncio.Future[None]] = set()
        waiting = self._waiting
        self._watch = Watch(fd, lambda: wake(waiting))

    async def wait(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        self._watch.start()
        try:
            await future
        finally:
            self._waiting.discard(future)
            if not self._waiting:
                self._watch.stop()

    def close(self) -> None:
        """Wake all, so that they notice that the object is closed."""
        wake(self._waiting)
        self._watch.close()


def wake(waiting: set[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
