# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The common parts of the tests of ivshmemctl's commands about memory: a server, and runs of the tool."""

import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SERVER = pathlib.Path(sys.argv.pop()).resolve()
IVSHMEMCTL = pathlib.Path(sys.argv.pop()).resolve()

SIZE = 1 << 20
PATIENCE = 60
"""The time limit of each step in seconds, on a busy machine."""


class MemoryCase(unittest.TestCase):
    """Tests on one server; each finds its memory zeroed."""

    size = SIZE

    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-ctl-"))
        cls.addClassCleanup(shutil.rmtree, cls.work)
        cls.socket = cls.work / "socket"
        server = subprocess.Popen([SERVER, "-F", "-S", cls.socket, "-m", cls.work, "-l", str(cls.size), "-n", "2"],
                                  stderr=subprocess.PIPE)
        cls.addClassCleanup(lambda: (server.terminate(), server.communicate()))
        deadline = time.monotonic() + PATIENCE
        while not cls.listens():
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not listen: {server.stderr.read()}")
            time.sleep(0.02)

    @classmethod
    def listens(cls):
        """Whether the server listens: the socket's name appears a moment earlier."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(cls.socket)) == 0

    def setUp(self):
        self.good("fill", "0", "0")

    def command(self, *words):
        return [IVSHMEMCTL, "--socket", self.socket, "--trust-server", *map(str, words)]

    def run_tool(self, *words, **options):
        given = {"stdin": subprocess.DEVNULL} if "input" not in options else {}
        return subprocess.run(self.command(*words), capture_output=True, timeout=PATIENCE, check=False,
                              **(given | options))

    def good(self, *words, **options):
        """Runs the tool, which must succeed without a message."""
        result = self.run_tool(*words, **options)
        self.assertEqual((result.returncode, result.stderr), (0, b""), words)
        return result.stdout

    def bad(self, *words, says=(), status=1, **options):
        """Runs the tool, which must fail and give the reason in one line."""
        result = self.run_tool(*words, **options)
        said = result.stderr.decode()
        self.assertEqual(result.returncode, status, (words, said))
        self.assertRegex(said, r"\Aivshmemctl: .*\n\Z")
        for text in says:
            self.assertIn(text, said)
        return result.stdout

    def memory(self):
        return self.good("read")
