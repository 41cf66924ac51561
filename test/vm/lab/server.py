# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""An ivshmem server on the host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .daemon import REPOSITORY, Daemon, build_folder
from .workdir import Workdir

_DEFAULT_PROGRAM = "tools/ivshmem-server/ivshmem-server"

__all__ = ["REPOSITORY", "Server", "build_folder"]


class Server(Daemon):
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
        self.vectors = vectors
        command = [str(program or build_folder() / _DEFAULT_PROGRAM), "-F", "-v", "-p", str(work / f"{name}.pid")]
        command += ["-S", str(self.socket), "-l", size, "-n", str(vectors), *options]
        super().__init__("server", command, [self.socket], work / f"{name}.log")
