# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The common parts of the tests of `ivshmemctl conformance`: a server, a peer under test, the tool."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LIBRARY_PEER, SERVER_PEER, SERVER, IVSHMEMCTL = (pathlib.Path(sys.argv.pop()).resolve() for _ in range(4))
TOP = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 120
"""The time limit of each step in seconds, on a busy machine."""
PATIENT = ["--time-limit", "60", "--claim-time", "60000"]
"""Options with which a peer on a busy machine is not taken for a wrong one."""


class Table:
    """A server in a folder of its own, and what joins it."""

    def __enter__(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-kit-"))
        self.socket = self.work / "socket"
        self.running = []
        self.start([SERVER, "-F", "-S", self.socket, "-l", "1M", "-n", "2"], "listening on")
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            # Also what a shell has started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.work)

    def start(self, command, says):
        """Starts a program, and waits for a text in its output."""
        said = self.work / f"{len(self.running)}.log"
        with said.open("wb") as log:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
        self.running.append(process)
        deadline = time.monotonic() + PATIENCE
        while not re.search(says, said.read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{command} does not say {says!r}: {said.read_text()}")
            time.sleep(0.01)
        return process

    def again(self, command, says):
        """Starts a program that is started again whenever it ends."""
        words = ["sh", "-c", 'while :; do "$@"; sleep 0.05; done', "sh", *command]
        return self.start(words, says)

    def c_peer_again(self, program=SERVER_PEER, *options):
        return self.again([program, self.socket, "--slot", "2", "--heartbeat", "100", *options], r"slot \d+ of")

    def library_again(self, *options):
        return self.again([IVSHMEMCTL, "--socket", self.socket, "serve", *options], "answering pings")

    def c_peer(self, program=SERVER_PEER, *options):
        return self.start([program, self.socket, "--slot", "2", "--heartbeat", "100", *options], r"slot \d+ of")

    def library(self, *options):
        return self.start([IVSHMEMCTL, "--socket", self.socket, "serve", *options], "answering pings")

    def command(self, *words):
        return [str(IVSHMEMCTL), "--socket", str(self.socket), "conformance", *map(str, words)]

    def check(self, *words):
        """Runs the tool. Returns its status, its output and its messages."""
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE * 5, check=False)
        return done.returncode, done.stdout, done.stderr

    def verdicts(self, *words):
        """Runs the tool with -J. Returns the status, and the rules by their numbers."""
        status, out, err = self.check("-J", *words)
        if not out:
            raise AssertionError(err)
        return status, {rule["number"]: rule for rule in json.loads(out)["rules"]}
