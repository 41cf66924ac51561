# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""forward_crowd.py IVSHMEM_FORWARD IVSHMEMCTL IVSHMEM_SERVER: a thousand connections at once, and their memory."""

import os
import re
import resource
import selectors
import signal
import socket
import unittest

from forward_session import ForwardCase

CROWD = 1000
MOST_EACH = 16 << 10
"""Bytes of memory that an idle connection may take in one process."""


class Echoing:
    """A program that serves many clients in one process, which echoes."""

    def __init__(self, case, backlog):
        self.path = str(case.work / "crowd")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(self.path)
            listening.listen(backlog)
            self.pid = os.fork()
            if self.pid == 0:
                try:
                    self.serve(listening)
                finally:
                    os._exit(1)
        case.addCleanup(self.end)

    def serve(self, listening):
        waiting = selectors.DefaultSelector()
        waiting.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is listening:
                    waiting.register(listening.accept()[0], selectors.EVENT_READ)
                    continue
                data = key.fileobj.recv(65536)
                if data:
                    key.fileobj.sendall(data)
                else:
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Crowd(ForwardCase):
    def setUp(self):
        super().setUp()
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most != resource.RLIM_INFINITY and most < 2 * CROWD + 100:
            self.skipTest(f"{most} descriptors are too few")
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536), most))

    def resident(self, running):
        with open(f"/proc/{running.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) << 10

    def test_a_thousand_at_once(self):
        serving = Echoing(self, 5) # a queue that is often full
        offering = self.forward("--offer", "crowd", "--from", f"unix:{serving.path}")
        listening, port = self.listening("crowd")
        self.assert_echoes(port)
        before = [self.resident(one) for one in (offering, listening)]
        made = [self.client(port) for _ in range(CROWD)]
        for number, one in enumerate(made):
            one.sendall(f"{number}".encode())
        for number, one in enumerate(made):
            self.assertEqual(one.recv(100), f"{number}".encode())
        each = [(self.resident(one) - was) // CROWD for one, was in zip((offering, listening), before)]
        print(f"bytes a connection: {each[0]} where it is offered, {each[1]} where it is listened")
        self.assertLess(max(each), MOST_EACH)
        for one in made:
            one.shutdown(socket.SHUT_WR)
        for one in made:
            self.assertEqual(one.recv(1), b"")
            one.close()
        listening.wait_for("bytes sent, .* received; closed\n", times=CROWD + 1, where="err")
        offering.wait_for("bytes sent, .* received; closed\n", times=CROWD + 1, where="err")
        self.assert_echoes(port)


if __name__ == "__main__":
    unittest.main()
