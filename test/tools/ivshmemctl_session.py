# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The common parts of the tests of ivshmemctl's conversations: a server, and several instances of the tool."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SERVER = pathlib.Path(sys.argv.pop()).resolve()
IVSHMEMCTL = pathlib.Path(sys.argv.pop()).resolve()

VECTORS = 3
PATIENCE = 60
"""The time limit of each step in seconds, on a busy machine."""


class Running:
    """A running tool; its output goes to files."""

    def __init__(self, case, command, **options):
        number = len(list(case.work.iterdir()))
        self.out_file, self.err_file = (case.work / f"{number}.{name}" for name in ("out", "err"))
        with self.out_file.open("wb") as out, self.err_file.open("wb") as err:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, **options)
        case.addCleanup(self.kill)

    @property
    def out(self):
        return self.out_file.read_text()

    @property
    def err(self):
        return self.err_file.read_text()

    def wait_for(self, pattern, times=1, where="out"):
        """Waits until the output has so many matches; returns the last."""
        deadline = time.monotonic() + PATIENCE
        while len(found := list(re.finditer(pattern, getattr(self, where)))) < times:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{pattern!r} not seen {times} times; status {self.process.returncode}\n"
                                     f"{self.out[-2000:]}\n{self.err[-2000:]}")
            time.sleep(0.02)
        return found[-1]

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, number=None):
        """Ends it with a signal, if one is given, and returns its status."""
        if number is not None:
            self.signal(number)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def lines(self):
        """Its output, parsed as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


class Session(unittest.TestCase):
    """A test with its own server."""

    MEMORY = "1M"
    MORE: tuple = ()
    """Options of the server."""

    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-ctl-"))
        self.addCleanup(shutil.rmtree, self.work)
        self.socket = self.work / "socket"
        said = self.work / "server.log"
        with said.open("wb") as log:
            self.server = subprocess.Popen([SERVER, "-F", "-S", self.socket, "-l", self.MEMORY, "-n", str(VECTORS),
                                            *self.MORE], stdout=log, stderr=log)
        self.addCleanup(self.stop_server)
        deadline = time.monotonic() + PATIENCE
        # The socket's file exists a moment before the server listens.
        while "listening on" not in said.read_text():
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not listen: {said.read_text()}")
            time.sleep(0.02)

    def stop_server(self):
        if self.server.poll() is None:
            self.server.kill()
        self.server.wait()

    def command(self, *words):
        return [str(IVSHMEMCTL), "--socket", str(self.socket), *map(str, words)]

    def start(self, *words):
        return Running(self, self.command(*words))

    def run_tool(self, *words, **options):
        return subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE, check=False, **options)

    def good(self, *words):
        result = self.run_tool(*words)
        self.assertEqual(result.returncode, 0, (words, result.stderr))
        return result.stdout

    def bad(self, *words, says=(), status=1):
        """Runs the tool, which must fail and give the reason in its last line."""
        result = self.run_tool(*words)
        self.assertEqual(result.returncode, status, (words, result.stderr))
        last = result.stderr.splitlines()[-1]
        self.assertTrue(last.startswith("ivshmemctl: "), result.stderr)
        for text in says:
            self.assertIn(text, last)
        return result

    def end_of_a_pipe(self, words, provoke, remark):
        """Closes the pipe before the tool writes: it must end, silently or with one line."""
        with subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as tool:
            patience = threading.Timer(PATIENCE, tool.kill)
            patience.start()
            self.addCleanup(patience.cancel)
            if remark is not None:
                line = tool.stderr.readline()
                self.assertIn(remark, line)
            else:
                line = tool.stdout.readline()
            tool.stdout.close()
            provoke(line)
            said = tool.stderr.read()
            self.assertIn(tool.wait(PATIENCE), (1, -signal.SIGPIPE), said)
            self.assertLessEqual(said.count("\n"), 1, said)
