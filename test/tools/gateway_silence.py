# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""gateway_silence.py RESOLVER IVSHMEM_GATEWAY IVSHMEMCTL IVSHMEM_SERVER: brokers and servers of names that do not answer.

RESOLVER is silent_resolver.c as a library; "-" leaves out the tests that preload it.
"""

import contextlib
import errno
import os
import pathlib
import signal
import sys
import threading
import time
import unittest

RESOLVER = sys.argv.pop(-4)

# pylint: disable=wrong-import-position
from fake_broker import ACCEPTED, FakeBroker, connack, packets  # noqa: E402 - it takes the other arguments
from gateway_session import PATIENCE, GatewayCase  # noqa: E402

PING = 0xC0


class Brokers(GatewayCase):
    RULES = ("--in", "in/#", "--to", "i/", "--out", "o", "--to", "out")

    def setUp(self):
        super().setUp()
        self.over = threading.Event()
        self.addCleanup(self.over.set)

    def against(self, *answers, more=()):
        broker = FakeBroker(self, *answers, port=0)
        return self.run_gateway(*self.RULES, *more, port=broker.port)

    def silent(self, one):
        while one.recv(65536):
            pass

    def slow(self, one):
        """An answer that arrives byte by byte, and never is whole."""
        for byte in connack(b"\x26" + bytes((0, 60)) + bytes(60) + bytes((0, 0)))[:-1]:
            one.sendall(bytes([byte]))
            if self.over.wait(1):
                return

    def test_no_answer(self):
        """Each connection has a time limit, also while bytes arrive. Then it is tried again, and works at last."""
        def good(one):
            one.sendall(ACCEPTED)
            self.silent(one)

        gateways = [self.against(answer, good) for answer in (self.silent, self.slow)]
        for gateway in gateways:
            gateway.wait_for(r"no answer in 20 s, before it accepted the connection \(CONNACK\).*trying again", where="err")
            gateway.wait_for("connected as", where="err")
            self.assertEqual(gateway.end(signal.SIGTERM), 0)

    def test_silence_after_the_answer(self):
        """The gateway asks (PINGREQ), gets no answer, and connects again."""
        pinged = threading.Event()

        def silent(one):
            one.sendall(ACCEPTED)
            for first, _ in packets(one):
                if first == PING:
                    pinged.set()

        gateway = self.against(silent, more=("--keepalive", 5))
        gateway.wait_for("connected as", 2, where="err")
        self.assertTrue(pinged.is_set())
        self.assertRegex(gateway.err, "trying again")
        self.assertEqual(gateway.end(signal.SIGTERM), 0)

    def test_the_end_does_not_wait_for_an_answer(self):
        asked = threading.Event()

        def silent(one):
            asked.set()
            self.silent(one)

        gateway = self.against(silent)
        self.assertTrue(asked.wait(PATIENCE))
        self.assertEqual(gateway.end(signal.SIGTERM), 0)
        self.assertNotIn("no answer", gateway.err)


@unittest.skipIf(RESOLVER == "-", "the library is not preloaded with a sanitizer")
class Names(GatewayCase):
    """No server of names answers. Without events to wait for, SIGTERM must come while the lookup goes on."""

    def setUp(self):
        super().setUp()
        self.fifo = self.work / "resolver"
        os.mkfifo(self.fifo)

    def run_deaf(self, *words):
        gateway = self.run_gateway("--out", "o", "--to", "out", *words, env={
            **os.environ, "LD_PRELOAD": str(pathlib.Path(RESOLVER).resolve()), "SILENT_RESOLVER": str(self.fifo)})
        return gateway, self.asked(gateway)

    def asked(self, gateway):
        """Waits until the gateway looks a name up. Closing what this returns ends the lookup."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fd = os.open(self.fifo, os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError as error:
                if error.errno != errno.ENXIO or time.monotonic() > deadline or gateway.process.poll() is not None:
                    raise
                time.sleep(0.02)
        gate = contextlib.ExitStack()
        gate.callback(os.close, fd)
        self.addCleanup(gate.close)
        return gate

    def test_the_loop_goes_on(self):
        gateway, gate = self.run_deaf("--qos", 0, "--queue-messages", 3)
        self.say(self.writer("o"), *range(8))
        gateway.wait_for(r"dropped.*queue", where="err")
        gateway.wait_for("its host is still being looked up; check its name, and /etc/resolv.conf", where="err")
        FakeBroker(self, lambda one: (one.sendall(ACCEPTED), list(packets(one))))
        gate.close()
        gateway.wait_for("connected as", where="err")
        self.assertEqual(gateway.end(signal.SIGTERM), 0)

    def test_the_end(self):
        gateway, _ = self.run_deaf()
        self.assertEqual(gateway.end(signal.SIGTERM), 0)

    def test_the_end_with_messages(self):
        """They are given up after a few seconds."""
        gateway, _ = self.run_deaf("--qos", 0, "--queue-messages", 3)
        self.say(self.writer("o"), *range(8))
        gateway.wait_for(r"dropped.*queue", where="err")
        self.assertEqual(gateway.end(signal.SIGTERM), 0)
        self.assertIn("3 messages were not delivered", gateway.err)


if __name__ == "__main__":
    unittest.main()
