# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_facts.py IVSHMEMCTL IVSHMEM_SERVER: the output of info and bench for a server's memory."""

import json
import os
import random
import subprocess
import unittest

from ivshmemctl_memory_case import IVSHMEMCTL, PATIENCE, SIZE, MemoryCase


class Info(MemoryCase):
    def test_text(self):
        text = self.good("info").decode()
        for line in (f"reached by     server {self.socket}", "vectors        2, of which all can be waited for",
                     "events         peers that join and leave", "memory         1M (1048576 bytes), write-back"):
            self.assertIn(line + "\n", text)
        self.assertRegex(text, r"(?m)^id +\d+$")
        self.assertNotIn("kernel", text)
        text = self.good("info", "-v").decode()
        self.assertIn(f"\nkernel         {os.uname().release}\n", text)
        self.assertRegex(text, r"(?m)^ivshmemctl +\d+\.\d+\.\d+$")

    def test_json(self):
        printed = json.loads(self.good("-J", "info"))
        self.assertEqual((printed["address"], printed["backend"], printed["error"]), (None, "server", None))
        self.assertEqual((printed["size"], printed["cache_mode"], printed["vectors"], printed["interrupts"]),
                         (SIZE, "write-back", 2, 2))
        self.assertEqual((printed["max_peers"], printed["peer_events"], printed["state_events"]), (65536, True, False))
        self.assertEqual(printed["system"]["kernel"], os.uname().release)

    def test_a_failed_open_is_described(self):
        result = subprocess.run([IVSHMEMCTL, "info", "-J", "--socket", self.work / "none"], capture_output=True,
                                text=True, timeout=PATIENCE, check=False)
        self.assertEqual(result.returncode, 1)
        printed = json.loads(result.stdout)
        self.assertNotIn("backend", printed)
        self.assertEqual(f"ivshmemctl: {printed['error']}\n", result.stderr)


class Bench(MemoryCase):
    def test_reading_only(self):
        printed = json.loads(self.good("bench", "-J"))
        modes = {each["cache_mode"]: each for each in printed["memory"]}
        self.assertEqual(set(modes), {"private memory", "write-back", "write-combining", "uncached"})
        self.assertGreater(modes["write-back"]["read"], 0)
        self.assertIsNone(modes["write-back"]["write"])
        self.assertIn("write-back", modes["uncached"]["error"])
        self.assertGreater(printed["ring_ns"], 0)
        self.assertLessEqual(printed["self_ring_ns"]["min"], printed["self_ring_ns"]["median"])
        self.assertNotIn("message_ns", printed)

    def test_the_memory_is_restored(self):
        data = random.Random(9).randbytes(SIZE)
        self.good("write", "0", input=data)
        text = self.good("bench", "--write", "--channel", "0x123", "300001").decode()
        self.assertRegex(text, r"(?m)^write-back +read \d+ MiB/s, write \d+ MiB/s, copy \d+ MiB/s$")
        self.assertRegex(text, r"(?m)^ring +\d+ ns$")
        self.assertRegex(text, r"(?m)^message and answer +\d+\.\d+ us ")
        self.assertRegex(text, r"(?m)^messages +\d+ a second of 64 bytes; \d+ MiB/s in \d+ bytes$")
        self.assertEqual(self.memory(), data)

    def test_one_mode(self):
        printed = json.loads(self.good("bench", "-J", "--cache", "write-back", "0", "64"))
        self.assertEqual([each["cache_mode"] for each in printed["memory"]], ["private memory", "write-back"])
        self.bad("bench", "--cache", "uncached", says=["write-back"])

    def test_ranges(self):
        self.bad("bench", SIZE, says=["0 bytes"])
        self.bad("bench", "--write", "0", SIZE + 1, says=["past the end"])


class ClosedStreams(MemoryCase):
    """As some init scripts, cron and supervisors start a program."""

    def test_no_file_takes_the_place_of_a_stream(self):
        for closed in ("<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"):
            target = self.work / "target"
            for status, words in ((0, ("read", "-o", target, 0, 16)), (1, ("read", "-o", target, 0, SIZE + 1)),
                                  (0, ("info", "-v")), (1, ("dump", SIZE + 1))):  # fmt: skip
                with self.subTest(closed=closed, words=words):
                    target.write_bytes(b"")
                    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *self.command(*words)]
                    ran = subprocess.run(shell, capture_output=True, timeout=PATIENCE, check=False)
                    self.assertEqual(ran.returncode, status, ran.stderr)
                    self.assertEqual(target.read_bytes(), bytes(16 if words[0] == "read" and status == 0 else 0))


if __name__ == "__main__":
    unittest.main()
