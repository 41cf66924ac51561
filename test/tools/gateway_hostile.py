# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""gateway_hostile.py IVSHMEM_GATEWAY IVSHMEMCTL IVSHMEM_SERVER: brokers that break the rules of MQTT."""

import pathlib
import random
import signal
import socket
import threading
import unittest

from gateway_session import GatewayCase

ACCEPTED = bytes([0x20, 3, 0, 0, 0])
"""CONNACK without a session and properties."""


def publish(topic, payload=b""):
    body = len(topic).to_bytes(2, "big") + topic + b"\0" + payload
    assert len(body) < 128
    return bytes([0x30, len(body)]) + body


class FakeBroker:
    """Answers each connection in turn by a function; the last one answers all others."""

    def __init__(self, case, *answers):
        self.socket = socket.create_server(("127.0.0.1", case.port))
        self.answers = list(answers)
        case.addCleanup(self.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                one = self.socket.accept()[0]
            except OSError:
                return
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            with one:
                try:
                    one.recv(65536)  # CONNECT
                    answer(one)
                except OSError:
                    pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Hostile(GatewayCase):
    RULES = ("--in", "in/#", "--to", "i/", "--out", "o", "--to", "out")

    def run_against(self, *answers):
        FakeBroker(self, *answers)
        return self.run_gateway(*self.RULES)

    def good_end(self, gateway):
        self.assertEqual(gateway.end(signal.SIGTERM), 0)

    def test_garbage(self):
        """Also packets of types that libmosquitto aborts at."""
        def garbage(one):
            one.sendall(b"\x03" + random.Random(1).randbytes(65536))
            while one.recv(65536):
                pass

        gateway = self.run_against(lambda one: one.sendall(ACCEPTED[:2]), garbage)
        gateway.wait_for(r"before it accepted the connection \(CONNACK\)", where="err")
        gateway.wait_for(r"a packet with a malformed header", where="err")
        self.good_end(gateway)

    def test_a_packet_that_is_too_long_takes_no_memory(self):
        def flood(one):
            one.sendall(ACCEPTED + b"\x30\xff\xff\xff\x7f")
            block = bytes(1 << 20)
            for _ in range(200):
                one.sendall(block)

        gateway = self.run_against(flood)
        gateway.wait_for(r"it sent a packet of 268435455 bytes, and the limit is \d+", where="err")
        status = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0])
        self.assertLess(peak, 150_000)  # KiB; under a sanitizer too
        self.good_end(gateway)

    def test_a_flood_of_topics_and_of_bad_names(self):
        def flood(one):
            one.sendall(ACCEPTED)
            for number in range(3000):
                one.sendall(publish(b"in/%d" % number, b"x" * 20))
            for name in (b"in/../a", b"in//a", b"$SYS/a", b"else/where", b"in/" + b"x" * 90):
                one.sendall(publish(name))
            one.sendall(publish(b"in/0", b"last"))
            while one.recv(65536):
                pass

        reader = self.reader("i/0", "--latest")
        gateway = self.run_against(flood)
        reader.wait_for(r"(?m)^last$")
        gateway.wait_for(r"dropped", where="err")
        self.good_end(gateway)


if __name__ == "__main__":
    unittest.main()
