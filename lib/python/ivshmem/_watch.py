# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A descriptor of the library in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections.abc import Callable, Iterable


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

    @property
    def is_here(self) -> bool:
        """Whether the loop runs in this thread."""
        return asyncio._get_running_loop() is self._loop

    def call_soon(self, function: Callable[..., object], *arguments: object) -> None:
        """Call a function in the loop, in whichever thread that runs; never if the loop was closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def stop(self) -> None:
        if self._end.alive and not self._loop.is_closed():
            self._loop.remove_reader(self._copy)

    def close(self) -> None:
        if self.is_here:
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
        if self._watch.is_here:
            wake(self._waiting)
        else:
            self._watch.call_soon(wake, self._waiting)
        self._watch.close()


class Readables:
    """Descriptors of one object, for which the tasks of any event loops wait."""

    def __init__(self) -> None:
        self._all: dict[tuple[asyncio.AbstractEventLoop, int], Readable] = {}

    async def wait(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        if (loop, fd) not in self._all:
            for key in list(self._all):
                if key[0].is_closed():
                    self._all.pop(key).close()
            self._all[loop, fd] = Readable(fd)
        await self._all[loop, fd].wait()

    def close(self) -> None:
        for key in list(self._all):
            self._all.pop(key).close()


def wake(waiting: Iterable[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)
