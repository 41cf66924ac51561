# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The peer in C, compiled for another processor and run by qemu-user, at a server with the library's peers.

foreign_processor.py TRIPLET EMULATOR SOURCE-FOLDER IVSHMEMCTL SERVER: status 77 if a tool is missing."""

import pathlib
import re
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
sys.dont_write_bytecode = True

from ivshmemctl_session import PATIENCE, Running, Session  # noqa: E402  (it takes the last two arguments)

sys.path.append(str(pathlib.Path(__file__).resolve().parent))

from silent_holder import SilentHolder  # noqa: E402

SOURCES = pathlib.Path(sys.argv.pop())
EMULATOR = sys.argv.pop()
COMPILER = f"{sys.argv.pop()}-gcc"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wcast-align", "-Wshadow", "-Werror")
PING = "ivshmemctl ping"
"""The service that `ivshmemctl ping` asks for: an echo."""


class ForeignProcessor(Session):
    MEMORY = "4M"

    def setUp(self):
        super().setUp()
        self.program = self.work / "server_peer"
        command = [COMPILER, "-std=c11", "-O2", "-static", "-DIVSHMEM_PEER_TOPICS=4", *WARNINGS, "-I", SOURCES / "lib/peer", "-o", self.program,
                   *(SOURCES / "lib/peer" / name for name in ("ivshmem_peer.c", "ivshmem_peer_topics.c")),
                   *(SOURCES / "test/peer" / name for name in ("server_peer.c", "server_place.c"))]
        subprocess.run(command, check=True, timeout=PATIENCE)

    def emulated(self):
        kernel = ["--little-endian-kernel"] if sys.byteorder == "little" else []
        return [EMULATOR, str(self.program), str(self.socket), *kernel]

    def serve(self, *words):
        """Start the peer, with a service that answers pings; return it when it holds its slot."""
        peer = Running(self, [*self.emulated(), "--name", PING, *map(str, words)])
        peer.wait_for(r"slot \d+ of \d+, ")
        return peer

    def ping(self, *words):
        """Ping the only peer that answers; return the numbers of those that were sent and that came back."""
        said = self.good("ping", "-i", 0, "-W", PATIENCE, *words)
        return tuple(map(int, re.search(r"^(\d+) sent, (\d+) received", said, re.MULTILINE).groups()))

    def test_rules(self):
        """`ivshmemctl conformance` finds no rule of the layout broken; those of topics are shown, too."""
        self.serve()
        said = self.good("conformance", "--service", "ivshmemctl ping")
        for number in ("T3", "T4", "T5", "T6", "T8", "T9", "T10", "T11"):
            self.assertRegex(said, rf"(?m)^{number} +holds ")

    def test_rules_about_the_slot(self):
        """... also if the peer is ended, and comes again."""
        loop = ["sh", "-c", 'while :; do "$@"; sleep 0.1; done', "sh"]  # what it starts ends with the server
        Running(self, [*loop, *self.emulated(), "--slot", "2"]).wait_for(r"slot 2 of \d+, ")
        rules = [word for number in ("D2", *(f"C{n}" for n in range(1, 11))) for word in ("--rule", number)]
        said = self.good("conformance", "--restarts", "--time-limit", 60, "--claim-time", 60000, *rules)
        self.assertIn("11 hold, 0 broken, 0 not shown", said)

    def test_a_ring_counts_one(self):
        """The peer rings a holder of its slot, which does not answer, once in 20 ms, until it takes the slot."""
        holder = SilentHolder(self.socket)
        self.addCleanup(holder.close)
        holder.hold(slot=2)
        self.serve("--slot", 2)
        rings = holder.rings(PATIENCE)
        self.assertGreater(rings, 0)
        self.assertLess(rings, 1000)

    def test_messages_of_each_size(self):
        self.serve()
        # Whole ones, and parts of a ring of 64 KiB.
        for size in (8, 9, 15, 16, 17, 56, 4096, 32760, 32761, 65536):
            self.assertEqual(self.ping("-c", 20, "-s", size), (20, 20), f"{size} bytes")

    def test_many_messages(self):
        self.serve()
        self.assertEqual(self.ping("-c", 5000), (5000, 5000))

    def test_a_peer_that_polls(self):
        self.serve("--polls")
        self.assertEqual(self.ping("-c", 20), (20, 20))

    def test_a_peer_that_beats_is_not_lost(self):
        self.serve("--heartbeat", 100)
        self.assertEqual(self.ping("-c", 20), (20, 20))

    def test_its_geometry_is_adopted(self):
        self.assertIn("slot 1 of 3, 2 lanes, rings of 8192 bytes\n", self.serve("--geometry", "3,2,8192", "--slot", 1).out)
        self.assertEqual(self.ping("-c", 20, "-s", 9000), (20, 20))

    def test_it_adopts_the_librarys_geometry(self):
        serving = self.start("serve")
        serving.wait_for("answering pings", where="err")
        peer = Running(self, [*self.emulated(), "--slot", "any"])
        self.assertEqual(peer.wait_for(r"slot (\d) of 4, 4 lanes")[1], "1")

    def test_it_leaves_its_slot_and_comes_back(self):
        for _ in range(3):
            peer = self.serve("--slot", 0)
            self.assertEqual(self.ping("-c", 3), (3, 3))
            self.assertEqual(peer.end(signal.SIGTERM), 0)
            self.assertTrue(peer.out.endswith("ended: 0\n"), peer.out)

    def test_it_is_killed_and_comes_back(self):
        peer = self.serve("--slot", 0)
        ping = self.start("ping", "-i", 0.05, "-W", 0.3)
        ping.wait_for("seq=3 ")
        peer.kill()
        ping.wait_for("no answer: seq=")
        before = len(re.findall(" time=", ping.out))
        self.serve("--slot", 0)
        ping.wait_for(" time=", before + 3)
        self.assertEqual(ping.end(signal.SIGINT), 0)


if __name__ == "__main__":
    for tool in (COMPILER, EMULATOR):
        if shutil.which(tool) is None:
            print(f"{tool}: not found; test/install-deps cross installs it")
            sys.exit(77)
    unittest.main()
