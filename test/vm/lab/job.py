# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A command that runs in a guest, and its result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import CommandFailed, CommandTimeout

if TYPE_CHECKING:
    from .guest import Guest


@dataclass(frozen=True)
class Result:
    """The result of a command. The status is 128 + N if signal N ended it."""

    command: str
    rc: int
    stdout: str
    stderr: str

    def check(self) -> Result:
        """Return this result if the command succeeded; otherwise raise an error with its output."""
        if self.rc != 0:
            raise CommandFailed(f"{self.command!r}: status {self.rc}{_shown(self.stdout, self.stderr)}")
        return self


def _shown(stdout: str, stderr: str) -> str:
    texts = (("stdout", stdout), ("stderr", stderr))
    return "".join(f"\n--- {name}\n{text.rstrip()[-4000:]}" for name, text in texts if text.strip())


class Job:
    """A command that was started in a guest."""

    def __init__(self, guest: Guest, number: int, command: str) -> None:
        self._guest = guest
        self._number = number
        self.command = command

    @property
    def ended(self) -> bool:
        return self._guest.control.has_reply(self._number)

    def wait(self, timeout: float = 30) -> Result:
        """Wait for the end. A command that takes longer is killed, with its children, and is an error."""
        reply = self._guest.control.wait_reply(self._number, timeout)
        if reply is None:
            self.signal("KILL")
            # Its output so far.
            late = self._guest.control.wait_reply(self._number, 10)
            shown = _shown(_text(late.stdout), _text(late.stderr)) if late else ""
            raise CommandTimeout(
                self._guest.explain(f"{self.command!r}: no end within {timeout:g} s, killed{shown}")
            )
        return Result(self.command, reply.rc, _text(reply.stdout), _text(reply.stderr))

    def output(self) -> str:
        """Return its standard output so far."""
        return self._guest.run(f"cat /run/lab/{self._number}/stdout").stdout

    def wait_output(self, text: str, timeout: float = 30) -> str:
        """Wait until its standard output contains this text, and return the whole output."""
        deadline = time.monotonic() + timeout
        while text not in (output := self.output()):
            if self.ended:
                result = self.wait(0)
                if text in result.stdout:
                    return result.stdout
                raise CommandFailed(
                    f"{self.command!r}: ended with status {result.rc}, without {text!r} in its output"
                    f"{_shown(result.stdout, result.stderr)}"
                )
            if time.monotonic() > deadline:
                raise CommandTimeout(
                    self._guest.explain(f"{self.command!r}: no {text!r} within {timeout:g} s{_shown(output, '')}")
                )
            time.sleep(0.05)
        return output

    def signal(self, name: str) -> None:
        """Send a signal ("TERM", "KILL", ...) to it and its children; do nothing if it has ended."""
        pid = f"/run/lab/{self._number}/pid"
        self._guest.run(f"[ ! -e {pid} ] || kill -{name} -- -$(cat {pid})", check=False)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
