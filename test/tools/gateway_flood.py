# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""gateway_flood.py IVSHMEM_GATEWAY IVSHMEMCTL IVSHMEM_SERVER: peers that misuse topics at full rate.

What ivshmem-gateway takes of the processor and of memory for them is bounded, the limits of their slots hold exactly,
and the topics of others pass all the time.
"""

import pathlib
import re
import signal
import sys
import unittest

from gateway_session import MOSQUITTO, GatewayCase, Running

MOST_RESIDENT = 64 << 10
"""In KiB: memory that the gateway may take at most, whatever peers do."""


@unittest.skipUnless(MOSQUITTO, "needs mosquitto")
class Flood(GatewayCase):
    MEMORY = "16M"
    RULES = ("--out", "good", "--to", "good", "--out", "*", "--to", "out/")

    def setUp(self):
        super().setUp()
        self.broker("allow_anonymous true\nmax_queued_messages 0\n")
        self.foreign = self.sub("-q", 1, "-t", "#", "-F", "%t %r %l")
        self.gateway_of_all, self.good = None, None
        self.said, self.used = 0, 0

    def flood(self, *words):
        """A hostile peer at work."""
        script = pathlib.Path(__file__).with_name("topic_flood.py")
        started = Running(self, [sys.executable, str(script), str(self.socket), *map(str, words)])
        started.wait_for("flooding")
        return started

    def start_good(self, *words):
        self.gateway_of_all = self.gateway(*self.RULES, *words)
        self.good = self.writer("good", "-s", "64K")
        self.others_pass()
        self.used = self.processor_time(self.gateway_of_all)

    def others_pass(self):
        """Messages of a topic of another slot arrive, each."""
        first, self.said = self.said, self.said + 20
        self.say(self.good, *("" for _ in range(first, self.said)))
        self.foreign.wait_for(r"(?m)^good 0 0$", self.said)

    def processor_time(self, running):
        """In ticks."""
        fields = pathlib.Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def resident(self):
        status = pathlib.Path(f"/proc/{self.gateway_of_all.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    def others_pass_during(self, hostile, work):
        """Until the hostile peer has done so much work."""
        for done in range(work // 10, work + 1, work // 10):
            hostile.wait_for(rf"(?m)^{done}$")
            self.others_pass()

    def assert_little_work(self, hostile):
        """The gateway has used much less of the processor than the hostile peer."""
        self.assertLess(5 * (self.processor_time(self.gateway_of_all) - self.used), self.processor_time(hostile))

    def good_end(self):
        self.others_pass()
        self.assertLess(self.resident(), MOST_RESIDENT)
        self.assertEqual(self.gateway_of_all.end(signal.SIGTERM), 0)

    def test_a_limit_of_bytes(self):
        """With one byte a second, one message of 4096 bytes passes in an hour, and empty ones of others always."""
        self.start_good("--slot-bytes", 1)
        hostile = self.flood("publish", 4096)
        self.gateway_of_all.wait_for("messages over the rate of bytes, which wait", where="err")
        self.others_pass_during(hostile, 200_000)
        self.assert_little_work(hostile)
        self.assertEqual(len(re.findall(r"(?m)^out/flood/", self.foreign.out)), 1)
        self.good_end()

    def test_a_limit_of_topics(self):
        self.start_good("--slot-topics", 3, "--slot-messages", 100)
        hostile = self.flood("publish", 100)
        self.gateway_of_all.wait_for("topics over the limit", where="err")
        self.others_pass_during(hostile, 200_000)
        self.assert_little_work(hostile)
        self.foreign.wait_for(r"(?m)^out/flood/\d+ 0 ", 300)
        self.assertEqual(len(set(re.findall(r"(?m)^out/(flood/\d+) 0 ", self.foreign.out))), 3)
        self.good_end()

    def test_messages_that_are_too_long(self):
        self.start_good("--max-message", 100, "--slot-messages", 100)
        hostile = self.flood("publish", 101)
        self.gateway_of_all.wait_for("messages that are too long", where="err")
        self.others_pass_during(hostile, 200_000)
        self.assert_little_work(hostile)
        self.good_end()
        self.assertNotIn("out/flood", self.foreign.out)

    def test_topics_that_begin_and_end(self):
        self.start_good()
        self.others_pass_during(self.flood("names"), 20_000)
        self.good_end()

    def test_names_that_are_written_over(self):
        """A reader is opened for each, and closed when the name is gone."""
        self.start_good()
        hostile = self.flood("renames")
        hostile.wait_for(r"(?m)^1000$")
        first = self.resident()
        self.others_pass_during(hostile, 200_000)
        self.assert_little_work(hostile)
        self.assertLess(self.resident() - first, 2048)
        self.good_end()

    def test_a_limit_of_retained_messages(self):
        self.start_good("--retain", "true", "--slot-retained", 5)
        self.flood("names")
        self.gateway_of_all.wait_for("retained messages over the limit", where="err")
        self.others_pass()
        late = self.sub("-q", 1, "-t", "out/#", "-F", "%t %r %p")
        self.pub("-q", 1, "-t", "out/end", "-m", "end")
        late.wait_for(r"(?m)^out/end 0 end$")
        self.assertEqual(len(re.findall(r"(?m)^out/names/\d+ 1 name$", late.out)), 5)
        self.good_end()

    def test_scribbling(self):
        self.start_good()
        self.others_pass_during(self.flood("scribble"), 100_000)
        self.good_end()


if __name__ == "__main__":
    unittest.main()
