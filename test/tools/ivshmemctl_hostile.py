# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_hostile.py IVSHMEMCTL IVSHMEM_SERVER: serve and ping beside a peer that does harm."""

import re
import signal
import threading
import unittest

import hostile_peer
from hostile_peer import HostilePeer
from ivshmemctl_session import Session

SERVICE = "ivshmemctl ping"
LONGEST_PING = 1 << 20
MOST_RESIDENT = 64 << 10
"""In KiB: the memory that 'serve' may take, whatever its peers promise."""


class Hostile(Session):
    MEMORY = "16M"

    def peer(self, *geometry):
        peer = HostilePeer(self.socket, *geometry)
        self.addCleanup(peer.close)
        return peer

    def serve(self):
        server = self.start("serve", "--slot", 0)
        server.wait_for(r"answering pings as peer \d+, in slot 0\n", where="err")
        return server

    def in_background(self, action):
        """Repeats an action until the test ends."""
        over = threading.Event()

        def repeat():
            while not over.is_set():
                action()

        thread = threading.Thread(target=repeat)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)

    def resident(self, running):
        """The most memory that a program has taken so far, in KiB."""
        with open(f"/proc/{running.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1])

    def pings(self, count=5):
        out = self.good("ping", "-c", count, "-i", 0.01, "-w", 30)
        self.assertIn(f"{count} sent, {count} received, 0% lost", out)


class Requests(Hostile):
    def asked(self):
        """A peer that has asked the server on each lane, and does not go on."""
        peer = self.peer(4, 64, 4096)
        peer.hold()
        self.serve()
        key = peer.key_of(0, SERVICE)
        for lane in range(64):
            peer.ask(0, lane, key, 0x1000 + lane)
        peer.ring(0)
        return peer

    def test_requests_that_are_never_completed(self):
        self.asked()
        self.pings()

    def test_requests_that_change_all_the_time(self):
        peer = self.peer(4, 64, 4096)
        peer.hold()
        self.serve()
        key = peer.key_of(0, SERVICE)
        epoch = 0x1000

        def ask_again():
            nonlocal epoch
            for lane in range(64):
                epoch += 1
                peer.ask(0, lane, key, epoch)
            peer.ring(0)

        ask_again()
        self.in_background(ask_again)
        self.pings()

    def test_a_peer_that_is_killed_in_the_middle(self):
        self.asked().close()
        self.pings()


class Memory(Hostile):
    def test_messages_that_are_promised_take_no_memory(self):
        lanes = 512
        peer = self.peer(3, lanes, 1024)
        peer.hold()
        server = self.serve()
        key = peer.key_of(0, SERVICE)
        before = self.resident(server)
        for lane in range(lanes):
            peer.connect(0, lane, key, 0x1000 + lane)
            peer.begin_message(0, lane, LONGEST_PING)
        self.pings()
        self.assertLess(self.resident(server) - before, MOST_RESIDENT // 2)
        self.assertLess(self.resident(server), MOST_RESIDENT)
        self.assertEqual(server.end(signal.SIGTERM), 0)


class Sections(Hostile):
    """A device of version 1 cannot keep a peer from writing to another one's section."""

    def between(self, action):
        self.serve()
        peer = self.peer(4, 4, 1024)
        peer.section = 4 << 20
        self.in_background(lambda: action(peer))
        self.pings(20)

    def test_an_incarnation_that_is_changed_all_the_time(self):
        def change(peer):
            word = peer.header(0) + hostile_peer.INCARNATION
            peer.store(word, peer.load(word) ^ 0x5555)
            peer.ring(0)
            threading.Event().wait(0.002)

        self.between(change)

    def test_claims_that_come_all_the_time(self):
        number = 0

        def claim(peer):
            nonlocal number
            number += 1
            peer.store(peer.header(0) + hostile_peer.CLAIM, number)
            peer.ring(0)

        self.between(claim)

    def test_headers_among_the_bytes_of_messages(self):
        self.serve()
        peer = self.peer(4, 4, 1024)
        size = len(peer.memory)
        for at in (3 * 4096, 1 << 20, size // 16 * 3, size - 4096):
            for version, region in ((0x20000, size), (0x10001, size), (0x10001, 2 * size)):
                with self.subTest(at=at, version=version, region=region):
                    peer.plant(at, 0, region // 4, version)
                    for word, value in ((0x20, at), (0x24, 0), (0x28, region), (0x2C, 0)):
                        peer.store(at + word, value)
                    self.pings(1)


if __name__ == "__main__":
    unittest.main()
