# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Several test runs in parallel, shown as one: their lines as they arrive, and one line of totals."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from lab import processes

_TOTALS = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?|\d+ s")


def run(commands: Sequence[Sequence[str]]) -> int:
    """Run these commands; return 0 if all of them do."""
    began = time.monotonic()
    # They share the processors.
    each = max(1, (os.cpu_count() or 1) // len(commands))
    os.environ["DEB_BUILD_OPTIONS"] = f"{os.environ.get('DEB_BUILD_OPTIONS', '')} parallel={each}".strip()
    children = [processes.start(command, subprocess.PIPE) for command in commands]
    totals = [0, 0, 0]
    writing = threading.Lock()

    def read(child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            text = line.decode("utf-8", "replace")
            match = _TOTALS.fullmatch(text.rstrip("\n"))
            with writing:
                if match is None:
                    sys.stdout.write(text)
                    sys.stdout.flush()
                elif match[1]:
                    for index, number in enumerate(match.groups()):
                        totals[index] += int(number or 0)

    readers = [threading.Thread(target=read, args=(child,), daemon=True) for child in children]
    try:
        for reader in readers:
            reader.start()
        statuses = [child.wait() for child in children]
        for reader in readers:
            reader.join()
    finally:
        # SIGTERM, not SIGKILL, so that they clean up.
        for child in children:
            processes.stop(child, patience=20)
    print(f"{time.monotonic() - began:.0f} s")
    skipped = f", {totals[2]} skipped" if totals[2] else ""
    print(f"{totals[0]} passed, {totals[1]} failed{skipped}")
    return 0 if all(status == 0 for status in statuses) else 1
