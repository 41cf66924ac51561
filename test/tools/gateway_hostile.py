# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""gateway_hostile.py IVSHMEM_GATEWAY IVSHMEMCTL IVSHMEM_SERVER: brokers that break the rules of MQTT."""

import pathlib
import random
import signal
import unittest

from fake_broker import ACCEPTED, FakeBroker, publish
from gateway_session import GatewayCase

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

    def test_the_end_in_the_middle_of_a_message(self):
        """It is not passed on, and the next connection begins with a new one."""
        def half(one):
            one.sendall(ACCEPTED + publish(b"in/0", b"half of it")[:-3])

        def whole(one):
            one.sendall(ACCEPTED + publish(b"in/0", b"whole"))
            while one.recv(65536):
                pass

        reader = self.reader("i/0", "-c", 1)
        gateway = self.run_against(half, whole)
        self.assertEqual((reader.end(), reader.out), (0, "whole\n"))
        self.assertRegex(gateway.err, "it ended the connection: .*; trying again")
        self.good_end(gateway)

    def test_an_alias_of_a_topic(self):
        """The gateway allows none, so a message that has only that breaks the rules."""
        def alias(one):
            body = b"\0\0" + b"\3\x23\0\1" + b"x"
            one.sendall(ACCEPTED + bytes([0x30, len(body)]) + body)
            while one.recv(65536):
                pass

        gateway = self.run_against(alias)
        gateway.wait_for(r"network protocol error.*trying again", where="err")
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
