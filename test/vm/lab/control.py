# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The control channel: the host's end of the serial port that the agent serves (guest_files/agent)."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from .errors import CommandTimeout, GuestGone


@dataclass(frozen=True)
class Reply:
    rc: int
    stdout: bytes
    stderr: bytes


_DONE = re.compile(rb"lab done (\d+) (\d+) =(\S*) =(\S*)")
_READY = re.compile(rb"lab ready (\S+)")


class Control:
    """Requests to the agent and its replies. Can be used from several threads."""

    def __init__(self, connection: socket.socket, explain: Callable[[str], str]) -> None:
        """`explain` adds facts about the guest to a message."""
        self._socket = connection
        self._explain = explain
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._next = 0
        self._starts = 0
        self._born: dict[int, int] = {}
        """The start of the agent that each request was sent to."""
        self._replies: dict[int, Reply] = {}
        self._successor: socket.socket | None = None
        self._closed = False
        threading.Thread(target=self._read, name="control", daemon=True).start()

    def _read(self) -> None:
        rest = b""
        while data := self._receive():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._handle(line)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _receive(self) -> bytes:
        """Return the next bytes, from the successor once the connection has ended; nothing at the final end."""
        while True:
            with contextlib.suppress(OSError):
                if data := self._socket.recv(1 << 16):
                    return data
            with self._changed:
                if self._successor is None:
                    return b""
                self._socket, self._successor = self._successor, None
                self._changed.notify_all()

    def succeed(self, connection: socket.socket) -> None:
        """Continue with another connection to the same agent when this one ends."""
        with self._changed:
            self._successor = connection

    def wait_succeeded(self, timeout: float) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._successor is None, timeout):
                raise CommandTimeout(self._explain("the old control channel does not end"))

    def _handle(self, line: bytes) -> None:
        with self._changed:
            if done := _DONE.search(line):
                stdout, stderr = (base64.b64decode(part) for part in done.groups()[2:])
                self._replies[int(done[1])] = Reply(int(done[2]), stdout, stderr)
            elif _READY.search(line):
                self._starts += 1
            self._changed.notify_all()

    @property
    def starts(self) -> int:
        """The number of starts of the agent so far: more than one in a guest that was rebooted."""
        return self._starts

    def wait_start(self, count: int, timeout: float) -> bool:
        """Wait until the agent was started this many times; return False on a timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._starts >= count, timeout)
            if self._closed and self._starts < count:
                raise GuestGone(self._explain("it ended before it was ready"))
            return self._starts >= count

    def request(self, kind: str, *words: str, data: bytes = b"") -> int:
        """Send a request and return its number, for `wait_reply`."""
        with self._sending:
            with self._changed:
                self._next += 1
                number = self._next
                self._born[number] = self._starts
            try:
                self._socket.sendall(" ".join((kind, str(number), *words)).encode() + b"\n" + data)
            except OSError as error:
                raise GuestGone(self._explain(f"request {kind} could not be sent: {error}")) from error
            return number

    def has_reply(self, number: int) -> bool:
        with self._changed:
            return number in self._replies

    def wait_reply(self, number: int, timeout: float) -> Reply | None:
        """Wait for the reply to a request; return None on a timeout."""

        def lost() -> bool:
            return self._closed or self._starts != self._born[number]

        with self._changed:
            self._changed.wait_for(lambda: number in self._replies or lost(), timeout)
            if number in self._replies:
                return self._replies[number]
            if lost():
                raise GuestGone(self._explain("it ended or restarted while a command ran"))
            return None
