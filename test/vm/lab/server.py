# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""An ivshmem server on the host."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from . import processes
from .errors import LabError
from .workdir import Workdir

REPOSITORY = Path(__file__).resolve().parents[3]
_DEFAULT_PROGRAM = "tools/ivshmem-server/ivshmem-server"


def build_folder() -> Path:
    """Return the build folder: the environment variable IVSHMEM_BUILD, or build/ in the repository."""
    return Path(os.environ.get("IVSHMEM_BUILD") or REPOSITORY / "build")


class Server:
    """An ivshmem-server that runs while this object is used in a `with` statement."""

    def __init__(
        self,
        work: Workdir,
        name: str = "server",
        *,
        vectors: int = 1,
        size: str = "4M",
        options: Sequence[str] = (),
        program: Path | None = None,
    ) -> None:
        """`size`: the value of the option -l; `options`: further command line arguments."""
        self.socket = work.socket(f"{name}.sock")
        self.log = work / f"{name}.log"
        self.vectors = vectors
        self._program = program or build_folder() / _DEFAULT_PROGRAM
        self.command = [str(self._program), "-F", "-v", "-p", str(work / f"{name}.pid")]
        self.command += ["-S", str(self.socket), "-l", size, "-n", str(vectors), *options]
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self, timeout: float = 10) -> None:
        """Start it and wait until it listens."""
        if not self._program.exists():
            raise LabError(f"{self._program}: no such program; build it: meson compile -C {build_folder()}")
        with open(self.log, "ab") as log:
            self._child = processes.start(self.command, log)
        deadline = time.monotonic() + timeout
        while not self._listens():
            if not self.running:
                status = processes.describe(self._child.wait())
                raise LabError(f"server {self._program}: it {status} before it listened{self._tail()}")
            if time.monotonic() > deadline:
                self.stop()
                late = f"not listening on {self.socket} after {timeout:g} s"
                raise LabError(f"server {self._program}: {late}{self._tail()}")
            time.sleep(0.02)

    def _listens(self) -> bool:
        # A connection would make this a peer and use an id, so read the kernel's list instead.
        with open("/proc/net/unix", encoding="ascii", errors="replace") as sockets:
            for line in sockets:
                fields = line.split()
                # Flag 10000 is __SO_ACCEPTCON: the socket listens.
                if fields[-1] == str(self.socket) and int(fields[3], 16) & 0x10000:
                    return True
        return False

    def _tail(self) -> str:
        return f"; {self.log} ends with:\n" + "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-20:])

    def stop(self, patience: float = 5) -> int | None:
        """End it with SIGTERM (SIGKILL if `patience` is 0) and return its status as in subprocess."""
        if self._child is None:
            return None
        return processes.stop(self._child, patience)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
