# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The cache folder: things that are fetched or built once and are the same for every run.

An entry is a folder that appears whole or not at all: it is filled under a temporary name and renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = Path(base) / "libivshmem"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder on the file system of the cache, because the system's may be small."""
    with tempfile.TemporaryDirectory(prefix=".scratch.", dir=root()) as folder:
        yield Path(folder)


def sweep() -> None:
    """Delete unfinished entries of killed runs: those that are older than a day."""
    for path in (*root().glob(".scratch.*"), *root().glob("debian/*/.*"), *(path for kind in ("kernels", "qemu", "sysroots") for path in root().glob(f"{kind}/.*"))):
        # An entry's lock is a file, and stays.
        if path.is_dir() and time.time() - path.stat().st_mtime > 24 * 3600:
            shutil.rmtree(path, ignore_errors=True)


def entry(name: str, fill: Callable[[Path], None]) -> Path:
    """Return the folder of this name, filled by `fill` if it is missing (once, also among processes)."""
    path = root() / name
    if path.is_dir():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent / f".{path.name}.lock"):
        if path.is_dir():
            return path
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            fill(temporary)
            temporary.chmod(0o755)
            temporary.rename(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return path
