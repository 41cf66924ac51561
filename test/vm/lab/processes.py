# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Child processes that never outlive this one, however it ends."""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from types import FrameType
from typing import IO

from .errors import LabError

_running: set[subprocess.Popen[bytes]] = set()
# The kernel sends the parent-death signal when the *thread* that started a child ends, so one
# thread that lives as long as the process starts them all.
_starter = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


def start(
    command: Sequence[str],
    log: IO[bytes] | int,
    pass_fds: Sequence[int] = (),
    terminal: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a command, with its output in a log; with `terminal`, on the caller's own terminal instead."""
    # Each command execs the next, so the process id stays. The shell handles a parent that died
    # before prctl().
    orphaned = f'[ $PPID -eq {os.getpid()} ] || exit; exec "$@"'
    guarded = ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", orphaned, "sh", *command]

    def popen() -> subprocess.Popen[bytes]:
        if terminal:
            return subprocess.Popen(guarded, pass_fds=pass_fds)
        return subprocess.Popen(
            guarded,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            # Only this process gets Ctrl-C, and then ends the others in order.
            start_new_session=True,
        )

    try:
        child = _starter.submit(popen).result()
    except OSError as error:
        raise LabError(f"{command[0]}: start failed: {error}; try test/install-deps vm") from error
    _running.add(child)
    return child


def stop(child: subprocess.Popen[bytes], patience: float = 0) -> int:
    """End a child: send SIGTERM and wait `patience` seconds if that is not 0, then kill it."""
    if child.poll() is None and patience > 0:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    if child.poll() is None:
        child.kill()
    status = child.wait()
    _running.discard(child)
    return status


def describe(status: int) -> str:
    """Return how a process ended, in words."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"


def open_files(pid: int) -> dict[tuple[int, int], str]:
    """Return the files that a process has open: device and inode, and the name that /proc shows."""
    found = {}
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            known = os.stat(entry.path)
            found[known.st_dev, known.st_ino] = os.readlink(entry.path)
    return found


@atexit.register
def _stop_all() -> None:
    for child in list(_running):
        stop(child)


def end_on_signals(error: Callable[[int], BaseException] = SystemExit) -> None:
    """Make SIGTERM and SIGHUP end this process like Ctrl-C: with a clean-up.

    error: the exception to raise, constructed with the exit status.
    """

    def leave(number: int, _frame: FrameType | None) -> None:
        raise error(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
