# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The folder of one run: logs, sockets, memory files."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from .errors import LabError

# The size of sun_path in struct sockaddr_un, with the terminating zero.
_LONGEST_SOCKET_PATH = 107


class Workdir:
    """A temporary folder that is deleted on success, and kept and reported on failure."""

    def __init__(self, name: str, keep: bool = False) -> None:
        """`keep`: keep the folder in any case."""
        # Sockets need short paths, so a deeply nested TMPDIR is not used.
        base = tempfile.gettempdir()
        if len(base) > 40:
            base = "/tmp"
        self.path = Path(tempfile.mkdtemp(prefix=f"ivshmem-{name[:24]}-", dir=base))
        self.keep = keep
        # An interrupted process leaves no folder behind.
        atexit.register(self.close)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def socket(self, name: str) -> Path:
        path = self.path / name
        if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
            raise LabError(f"{path}: too long for a socket; set TMPDIR to a shorter folder")
        return path

    def __enter__(self) -> Workdir:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, GeneratorExit):
            self.close()
        else:
            self.close(failed=True)

    def close(self, failed: bool = False) -> None:
        atexit.unregister(self.close)
        if failed or self.keep:
            print(f"logs are kept in {self.path}", file=sys.stderr)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
