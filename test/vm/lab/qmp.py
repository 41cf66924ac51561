# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A client of QEMU's monitor protocol (QMP)."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from .errors import CommandTimeout, GuestGone, LabError


class Qmp:
    """A connection to one QEMU. Can be used from several threads."""

    def __init__(self, connection: socket.socket, explain: Callable[[str], str]) -> None:
        """`explain` adds facts about the guest to a message."""
        self._explain = explain
        self._socket = connection
        self._changed = threading.Condition()
        self._next = 0
        self._replies: dict[int, dict[str, Any]] = {}
        self._events: list[dict[str, Any]] = []
        self._greeted = False
        self._closed = False
        self._reader = threading.Thread(target=self._read, name="qmp", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as lines:
                for line in lines:
                    message = json.loads(line)
                    with self._changed:
                        if "event" in message:
                            self._events.append(message)
                        elif "QMP" in message:
                            self._greeted = True
                        else:
                            self._replies[message.get("id", -1)] = message
                        self._changed.notify_all()
        except (OSError, ValueError):
            pass
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _wait(self, condition: Any, timeout: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or condition(), timeout):
                raise CommandTimeout(self._explain(f"QMP: no {what} within {timeout:g} s"))
            if not condition():
                raise GuestGone(self._explain(f"QMP: QEMU ended before the {what} came"))

    def open(self, timeout: float = 30) -> None:
        """Wait for QEMU's greeting and negotiate capabilities."""
        self._wait(lambda: self._greeted, timeout, "greeting")
        self.execute("qmp_capabilities")

    def execute(self, command: str, timeout: float = 30, **arguments: Any) -> Any:
        """Execute a command and return its result. An underscore in an argument's name stands for a hyphen."""
        with self._changed:
            self._next += 1
            number = self._next
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        message = json.dumps({"execute": command, "arguments": named, "id": number})
        try:
            self._socket.sendall(message.encode() + b"\n")
        except OSError as error:
            raise GuestGone(self._explain(f"QMP: {command}: QEMU has ended")) from error
        self._wait(lambda: number in self._replies, timeout, f"reply to {command}")
        with self._changed:
            reply = self._replies.pop(number)
        if "error" in reply:
            raise LabError(self._explain(f"QMP: {command}: {reply['error'].get('desc', reply['error'])}"))
        return reply.get("return")

    def wait_event(self, name: str, timeout: float = 30, **data: Any) -> dict[str, Any]:
        """Wait for an event with this name and data, also one that arrived earlier, and remove it."""

        def find() -> dict[str, Any] | None:
            for event in self._events:
                if event["event"] == name and all(event.get("data", {}).get(k) == v for k, v in data.items()):
                    return event
            return None

        deadline = time.monotonic() + timeout
        with self._changed:
            while (event := find()) is None:
                left = deadline - time.monotonic()
                if self._closed:
                    raise GuestGone(self._explain(f"QMP: QEMU ended before the event {name} came"))
                if left <= 0:
                    raise CommandTimeout(self._explain(f"QMP: no event {name} within {timeout:g} s"))
                self._changed.wait(left)
            self._events.remove(event)
            return event

    def forget_events(self) -> None:
        """Drop the events that have arrived."""
        with self._changed:
            self._events.clear()

    def close(self) -> None:
        self._socket.close()
