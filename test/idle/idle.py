#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""idle.py SERVER PROGRAM...: a writer and a reader of each program wait on a topic without messages, and do not run.

The kernel counts how long each thread ran, to the nanosecond, and how often it was switched: a process that made one
system call ran. A process that waits looks again after 10 ms, and then after twice as long each time, so a period
without a look comes, which one that looks at a fixed period up to 2 s does not have. The processes do not beat.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

QUIET = 2.0
"""In seconds: a process that did not run for this time is idle. Nothing can show that but time."""
PERIODS = 20
SERVER = ""
PROGRAMS: list[Path] = []


class Party:
    def __init__(self, case: unittest.TestCase, program: Path, device: str, what: str) -> None:
        self.name = f"{program.name} {what}"
        interpreter = [sys.executable] if program.suffix == ".py" else []
        command = [*interpreter, str(program), device, what]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        case.addCleanup(self.process.communicate)
        case.addCleanup(self.process.kill)

    def line(self) -> str:
        assert self.process.stdout
        line: str = self.process.stdout.readline()
        return line

    def say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def ran(self) -> list[tuple[int, list[int]]]:
        """Return how long each thread ran, and how often it was switched."""
        counts = []
        for thread in sorted(Path(f"/proc/{self.process.pid}/task").iterdir()):
            time_run = int((thread / "schedstat").read_text().split()[0])
            counts.append((time_run, [int(n) for n in re.findall(r"ctxt_switches:\s*(\d+)", (thread / "status").read_text())]))
        return counts


class Idle(unittest.TestCase):
    def server(self, socket: Path) -> str:
        server = subprocess.Popen([SERVER, "-F", "-S", socket, "-l", "4M"], stderr=subprocess.PIPE, text=True)
        self.addCleanup(server.communicate)
        self.addCleanup(server.terminate)
        assert server.stderr
        while "listening on" not in (line := server.stderr.readline()):
            assert line, "the server ended"
        return f"server:{socket}"

    def exchange(self, writer: Party, reader: Party, text: str) -> None:
        writer.say(f"{text}\n")
        self.assertEqual(reader.line(), f"{text}\n", reader.name)

    def test_an_idle_topic_costs_nothing(self) -> None:
        work = Path(self.enterContext(tempfile.TemporaryDirectory()))
        pairs = []
        for program in PROGRAMS:
            device = self.server(work / program.name)
            reader = Party(self, program, device, "read")
            self.assertEqual(reader.line(), "reading\n")
            writer = Party(self, program, device, "write")
            for text in ("one", "two", "three"):
                self.exchange(writer, reader, text)
            pairs.append((writer, reader))
        restless = {party.name: party for pair in pairs for party in pair}
        for _ in range(PERIODS):
            before = {name: party.ran() for name, party in restless.items()}
            time.sleep(QUIET)
            restless = {name: party for name, party in restless.items() if party.ran() != before[name]}
            if not restless:
                break
        self.assertEqual(list(restless), [], f"ran in each of {PERIODS} periods of {QUIET} s without a message")
        for writer, reader in pairs:  # it still waits
            self.exchange(writer, reader, "four")
            reader.process.kill()
            reader.process.wait()


if __name__ == "__main__":
    SERVER = sys.argv[1]
    PROGRAMS = [Path(word) for word in sys.argv[2:]]
    unittest.main(argv=sys.argv[:1], verbosity=2)
