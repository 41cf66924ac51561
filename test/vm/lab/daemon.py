# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A program of the host that listens on sockets."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from . import processes
from .errors import LabError

REPOSITORY = Path(__file__).resolve().parents[3]


def build_folder() -> Path:
    """Return the build folder: the environment variable IVSHMEM_BUILD, or build/ in the repository."""
    return Path(os.environ.get("IVSHMEM_BUILD") or REPOSITORY / "build")


class Daemon:
    """A program that listens on sockets, and runs while this object is used in a `with` statement."""

    def __init__(self, what: str, command: Sequence[str], sockets: Sequence[Path], log: Path) -> None:
        """`what`: the kind of program, for messages."""
        self.command = list(command)
        self.log = log
        self._what = what
        self._sockets = list(sockets)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self, timeout: float = 10) -> None:
        """Start it and wait until it listens on all its sockets."""
        program = Path(self.command[0])
        if not program.exists():
            raise LabError(f"{program}: no such program; build it: meson compile -C {build_folder()}")
        with open(self.log, "ab") as log:
            self._child = processes.start(self.command, log)
        deadline = time.monotonic() + timeout
        while missing := self._not_listening():
            if not self.running:
                status = processes.describe(self._child.wait())
                raise LabError(f"{self._what} {program}: it {status} before it listened{self._tail()}")
            if time.monotonic() > deadline:
                self.stop()
                late = f"not listening on {missing[0]} after {timeout:g} s"
                raise LabError(f"{self._what} {program}: {late}{self._tail()}")
            time.sleep(0.02)

    def _not_listening(self) -> list[Path]:
        # A connection would make this a client, so read the kernel's list instead.
        listening = set()
        with open("/proc/net/unix", encoding="ascii", errors="replace") as sockets:
            for line in sockets:
                fields = line.split()
                # Flag 10000 is __SO_ACCEPTCON: the socket listens.
                if fields[0] != "Num" and int(fields[3], 16) & 0x10000:
                    listening.add(fields[-1])
        return [path for path in self._sockets if str(path) not in listening]

    def _tail(self) -> str:
        return f"; {self.log} ends with:\n" + "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-20:])

    def stop(self, patience: float = 5) -> int | None:
        """End it with SIGTERM (SIGKILL if `patience` is 0) and return its status as in subprocess."""
        if self._child is None:
            return None
        return processes.stop(self._child, patience)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
