# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The peer in C on a Cortex-M3, with the registers of ivshmem-flat as a page of the shared memory.

flat_guest.py COMPILER EMULATOR SOURCE-FOLDER BRIDGE IVSHMEMCTL SERVER: status 77 if a tool is missing."""

import json
import os
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

BRIDGE = sys.argv.pop()
SOURCES = pathlib.Path(sys.argv.pop())
EMULATOR = sys.argv.pop()
COMPILER = sys.argv.pop()
OPTIONS = ("-mcpu=cortex-m3", "-mthumb", "-std=c11", "-Os", "-ffreestanding", "-nostdlib", "-Wall", "-Wextra",
           "-Wconversion", "-Wcast-align", "-Werror", '-DSERVICE="ivshmemctl ping"')  # fmt: skip


class FlatGuest(Session):
    """The memory of the server is all of the machine's PSRAM, so both have the same file."""

    MEMORY = "16M"

    def setUp(self):
        self.object = f"ivshmem-flat-{os.getpid()}"
        self.MORE = ("-M", self.object)
        self.addCleanup(pathlib.Path("/dev/shm", self.object).unlink, missing_ok=True)
        super().setUp()
        self.kernel = self.work / "flat.elf"
        flat, peer = SOURCES / "test/peer/flat", SOURCES / "lib/peer"
        command = [COMPILER, *OPTIONS, "-I", peer, "-T", flat / "mps2_an385.ld", "-o", self.kernel,
                   peer / "ivshmem_peer.c", flat / "flat_guest.c", flat / "mps2_an385.c", "-lgcc"]  # fmt: skip
        subprocess.run(command, check=True, timeout=PATIENCE)
        self.bridge = Running(self, [BRIDGE, f"server:{self.socket}"])
        self.peer = self.bridge.wait_for(r"serves the registers of peer (\d+)\n")[1]

    def command(self, *words):
        return [*super().command(*words), "--trust-server"]

    def boot(self):
        """Start the machine; return it when the peer in it holds its slot."""
        memory = f"memory-backend-file,id=ram,share=on,mem-path=/dev/shm/{self.object},size={self.MEMORY}"
        machine = Running(self, [EMULATOR, "-machine", "mps2-an385,memory-backend=ram", "-object", memory, "-kernel",
                                 str(self.kernel), "-display", "none", "-monitor", "none", "-serial", "stdio"])  # fmt: skip
        machine.wait_for(rf"id {self.peer}\s+slot 0\s")
        return machine

    def ping(self, *words):
        """Ping the machine; return the numbers of those that were sent and that came back."""
        said = self.good("ping", "-i", 0, "-W", PATIENCE, *words)
        self.assertEqual(set(re.findall(r"from peer (\d+) \(slot 0\)", said)), {self.peer})
        return tuple(map(int, re.search(r"^(\d+) sent, (\d+) received", said, re.MULTILINE).groups()))

    def test_rules(self):
        """`ivshmemctl conformance` finds one rule broken: no register of this device says that a peer has left."""
        self.boot()
        command = self.command("conformance", "-J", "--service", "ivshmemctl ping")
        checked = subprocess.run(command, stdout=subprocess.PIPE, timeout=PATIENCE, check=False).stdout
        verdicts = {rule["number"]: rule["verdict"] for rule in json.loads(checked)["rules"]}
        self.assertEqual([rule for rule, verdict in verdicts.items() if verdict == "broken"], ["L3"])
        self.assertGreater(list(verdicts.values()).count("holds"), 50)

    def test_messages_of_each_size(self):
        self.boot()
        for size in (8, 9, 15, 56, 4096, 65536):
            self.assertEqual(self.ping("-c", 20, "-s", size), (20, 20), f"{size} bytes")

    def test_the_machine_is_killed_and_starts_again(self):
        machine = self.boot()
        ping = self.start("ping", "-i", 0.05, "-W", 0.3)
        ping.wait_for("seq=3 ")
        machine.kill()
        ping.wait_for("no answer: seq=")
        before = len(re.findall(" time=", ping.out))
        self.boot()
        ping.wait_for(" time=", before + 3)
        self.assertEqual(ping.end(signal.SIGINT), 0)

    def test_the_bridge_is_killed(self):
        self.boot()
        ping = self.start("ping", "-i", 0.05, "-W", 0.3)
        ping.wait_for("seq=3 ")
        self.bridge.kill()
        ping.wait_for("no answer: seq=.*the peer ended without closing")
        self.assertEqual(ping.end(signal.SIGINT), 0)


if __name__ == "__main__":
    for tool in (COMPILER, EMULATOR):
        if shutil.which(tool) is None:
            print(f"{tool}: not found; test/install-deps cross installs it")
            sys.exit(77)
    unittest.main()
