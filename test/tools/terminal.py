# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The output of a program on a terminal."""

import contextlib
import os
import pty
import subprocess
import threading
import time

PATIENCE = 60
"""The time limit of a program in seconds."""


def shown_on_terminal(case, command, feed=b"", status=0):
    """Runs a program with a terminal as its standard error; returns the output there."""
    ours, theirs = pty.openpty()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        program = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs))
        os.close(theirs)
        patience = threading.Timer(PATIENCE, program.kill)
        patience.start()
        stack.callback(patience.cancel)
        for part in (feed[:1], feed[1:]):  # slowly enough for a progress bar
            program.stdin.write(part)
            program.stdin.flush()
            time.sleep(1.3 if feed else 0)
        program.stdin.close()
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while text := os.read(ours, 65536):
                shown += text
        case.assertEqual(program.wait(), status, shown)
    return shown.decode()
