# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""gateway_connack.py IVSHMEM_GATEWAY IVSHMEMCTL IVSHMEM_SERVER: what a broker's CONNACK allows, ivshmem-gateway keeps to."""

import queue
import signal
import unittest

from fake_broker import FakeBroker, connack, packets
from gateway_session import PATIENCE, GatewayCase

RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET = 0x21, 0x22, 0x24, 0x25, 0x27
PUBLISH, PUBACK, DISCONNECT = 0x30, 0x40, 0xE0


class Connack(GatewayCase):
    def against(self, properties, *words):
        """A gateway at a broker that accepts with these properties and acknowledges nothing, and a writer of o."""
        self.received = queue.Queue()

        def answer(one):
            one.sendall(connack(properties))
            for packet in packets(one):
                self.received.put(packet)

        FakeBroker(self, answer)
        gateway = self.gateway("--out", "o", "--to", "out", *words)
        return gateway, self.writer("o", "-s", "64K")

    def next(self):
        """The next packet: its type, flags, topic and payload."""
        first, body = self.received.get(timeout=PATIENCE)
        if first & 0xF0 != PUBLISH:
            return first & 0xF0, first & 0x0F, None, None
        at = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:at]
        at += 2 if first & 6 else 0
        length = body[at]
        self.assertLess(length, 128)
        return PUBLISH, first & 0x0F, topic, body[at + 1 + length:]

    def test_maximum_qos(self):
        gateway, writer = self.against(bytes([MAXIMUM_QOS, 0]), "--qos", 1)
        self.say(writer, "a", "b")
        self.assertEqual([self.next(), self.next()], [(PUBLISH, 0, b"out", b"a"), (PUBLISH, 0, b"out", b"b")])
        gateway.wait_for("its Maximum QoS is 0; messages of rules with a higher qos are sent with that", where="err")
        self.assertEqual(gateway.end(signal.SIGTERM), 0)
        self.assertEqual(gateway.err.count("Maximum QoS"), 1)

    def test_maximum_qos_1(self):
        gateway, writer = self.against(bytes([MAXIMUM_QOS, 1]), "--qos", 2)
        self.say(writer, "a")
        self.assertEqual(self.next(), (PUBLISH, 1 << 1, b"out", b"a"))
        gateway.wait_for("its Maximum QoS is 1;", where="err")

    def test_retain_available(self):
        gateway, writer = self.against(bytes([RETAIN_AVAILABLE, 0]), "--qos", 0, "--retain", "true")
        self.say(writer, "a")
        self.assertEqual(self.next(), (PUBLISH, 0, b"out", b"a"))
        gateway.wait_for("it retains no messages", where="err")

    def test_what_is_allowed_is_used(self):
        """And is not in the log. Topics are sent by their names, also if aliases are allowed."""
        gateway, writer = self.against(bytes([TOPIC_ALIAS_MAXIMUM, 0, 10]), "--qos", 2, "--retain", "true")
        self.say(writer, "a")
        self.assertEqual(self.next(), (PUBLISH, 2 << 1 | 1, b"out", b"a"))
        self.assertNotIn("Maximum QoS", gateway.err)
        self.assertNotIn("retains no", gateway.err)

    def test_receive_maximum(self):
        """Without an acknowledgement, no more are on their way until the end."""
        gateway, writer = self.against(bytes([RECEIVE_MAXIMUM, 0, 2]), "--qos", 1)
        self.say(writer, *range(5))
        self.assertEqual([self.next()[3], self.next()[3]], [b"0", b"1"])
        self.assertEqual(gateway.end(signal.SIGTERM), 0)
        self.assertEqual(self.next()[0], DISCONNECT)
        self.assertRegex(gateway.err, "[2-5] messages were not delivered")

    def test_maximum_packet_size(self):
        gateway, writer = self.against(bytes([MAXIMUM_PACKET, 0, 0, 1, 0]), "--qos", 1)
        self.say(writer, "x" * 200, "y")
        self.assertEqual(self.next(), (PUBLISH, 1 << 1, b"out", b"y"))
        gateway.wait_for("out: a message of 200 bytes is dropped: it is over the broker's Maximum Packet Size of 256 bytes",
                         where="err")


if __name__ == "__main__":
    unittest.main()
