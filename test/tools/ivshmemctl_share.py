# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_share.py IVSHMEM_SHARE IVSHMEMCTL IVSHMEM_SERVER: the tool on a device that several programs share."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest

from ivshmemctl_session import IVSHMEMCTL, PATIENCE, VECTORS, Running, Session

SHARE = pathlib.Path(sys.argv.pop()).resolve()


class Share(Session):
    def setUp(self):
        super().setUp()
        self.share = self.work / "share"
        self.service = Running(self, [SHARE, f"server:{self.socket}", "-S", self.share])
        self.service.wait_for("sharing ", where="err")

    def shared(self, *words):
        done = subprocess.run([IVSHMEMCTL, "-D", f"share:{self.share}", *map(str, words)], capture_output=True,
                              text=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_programs_that_share_it_are_listed(self):
        waits = Running(self, [IVSHMEMCTL, "-D", f"share:{self.share}", "wait"])
        waits.wait_for("waiting for", where="err")
        deadline = time.monotonic() + PATIENCE
        used = rf"(?m)^  used by +process {waits.process.pid} of user \d+: ivshmemctl, vectors 0 1 2$"
        while not re.search(used, said := self.shared("info")):
            self.assertLess(time.monotonic(), deadline, said)
        self.assertRegex(said, r"(?m)^reached by +shared, server ")
        self.assertEqual(len(re.findall("used by", said)), 2)
        users = json.loads(self.shared("info", "-J"))["users"]
        self.assertIn(waits.process.pid, [user["process"] for user in users])

    def test_a_ring_reaches_each_program(self):
        waits = [Running(self, [IVSHMEMCTL, "-D", f"share:{self.share}", "wait"]) for _ in range(2)]
        for one in waits:
            one.wait_for("waiting for", where="err")
        self.good("ring", 0, VECTORS - 1)
        for one in waits:
            one.wait_for(f"(?m)vector {VECTORS - 1}|^{VECTORS - 1} ")

    def test_it_is_started_by_hand(self):
        at = self.work / "by hand"
        words = ["--socket", self.socket, "share", "--at", at, "--max-programs", 1, "--max-programs-per-user", 1]
        by_hand = Running(self, ["env", f"PATH={SHARE.parent}", IVSHMEMCTL, *map(str, words)])
        by_hand.wait_for(f"sharing .* at {at}: .*programs: at most 1\n", where="err")
        self.assertIn("shared, server", subprocess.run([IVSHMEMCTL, "-D", f"share:{at}", "info"], capture_output=True,
                                                       text=True, timeout=PATIENCE, check=True).stdout)
        self.assertEqual(by_hand.end(signal.SIGINT), 0)
        refused = self.run_tool("share", "--at", at, "--group", "none such", env={"PATH": SHARE.parent})
        self.assertEqual(refused.returncode, 1)
        self.assertIn("no such group", refused.stderr)

    def test_a_device_alone_has_no_users(self):
        self.assertEqual(json.loads(self.good("info", "-J"))["users"], [])
        self.assertNotIn("used by", self.good("info"))


if __name__ == "__main__":
    unittest.main()
