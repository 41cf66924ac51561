# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Several test runs in parallel, shown as one: their tests as they end, and one line of totals."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence

from . import processes

LEFT_OUT = "left out: "
_TOTALS = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?")
_RESULT = re.compile(r"(ok|FAIL|skip) ")
_NOT_SHOWN = re.compile(rf"\d+ s|{LEFT_OUT}.*")
"""Lines of a run that its parent prints for all of them."""


class _Runs:
    """Takes one command after another, in as many threads as may run at once."""

    def __init__(self, commands: Iterable[Sequence[str]], stop: bool) -> None:
        self.totals = [0, 0, 0]
        self._waiting = iter(commands)
        self._stop = stop
        self._lock = threading.Lock()
        self._said: set[str] = set()
        self._running: set[subprocess.Popen[bytes]] = set()

    def work(self) -> None:
        while (child := self._next()) is not None:
            totals = self._read(child)
            status = child.wait()
            with self._lock:
                self._running.discard(child)
                if totals is None or (status != 0 and totals[1] == 0):
                    self._show([f"FAIL a run of tests ended with status {status}" + ("" if totals else " and without totals")])
                    totals = [0, 1, 0]
                self.totals = [sum(pair) for pair in zip(self.totals, totals)]

    def end(self) -> None:
        with self._lock:
            self._waiting = iter(())
            running = list(self._running)
        for child in running:
            # SIGTERM, not SIGKILL, so that they clean up.
            processes.stop(child, patience=20)

    def _next(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            command = None if self._stop and self.totals[1] else next(self._waiting, None)
            if command is None:
                return None
            child = processes.start(command, subprocess.PIPE)
            self._running.add(child)
            return child

    def _read(self, child: subprocess.Popen[bytes]) -> list[int] | None:
        """Show the lines of a test and what is indented below it together; return the totals."""
        totals = None
        block: list[str] = []
        assert child.stdout is not None
        for line in child.stdout:
            text = line.decode("utf-8", "replace").rstrip("\n")
            if match := _TOTALS.fullmatch(text):
                totals = [int(number or 0) for number in match.groups()]
            elif text.startswith(" ") and block:
                block.append(text)
            elif not _NOT_SHOWN.fullmatch(text):
                with self._lock:
                    self._show(block)
                    # What each run says of this machine is shown once.
                    known = not _RESULT.match(text) and text in self._said
                    self._said.add(text)
                block = [] if known else [text]
        with self._lock:
            self._show(block)
        return totals

    def _show(self, lines: Sequence[str]) -> None:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()


def run(commands: Iterable[Sequence[str]], at_once: int, stop: bool = False) -> int:
    """Run these commands, so many at once; with `stop`, start none after a failure. Return the exit status."""
    began = time.monotonic()
    runs = _Runs(commands, stop)
    threads = [threading.Thread(target=runs.work, daemon=True) for _ in range(at_once)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        runs.end()
    passed, failed, skipped = runs.totals
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed{f', {skipped} skipped' if skipped else ''}")
    return 1 if failed else 0
