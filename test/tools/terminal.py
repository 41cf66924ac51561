# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""What a program shows on a terminal."""

import contextlib
import os
import pty
import subprocess
import threading
import time

PATIENCE = 60
"""Seconds after which a program is ended that does not end."""


def shown_on_terminal(case, command, feed=b"", status=0):
    """Runs it with a terminal as its standard error; returns what that shows."""
    ours, theirs = pty.openpty()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        program = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs))
        os.close(theirs)
        patience = threading.Timer(PATIENCE, program.kill)
        patience.start()
        stack.callback(patience.cancel)
        for part in (feed[:1], feed[1:]):  # as slowly as makes a bar worth while
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
