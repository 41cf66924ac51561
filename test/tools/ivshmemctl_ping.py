# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_ping.py IVSHMEMCTL IVSHMEM_SERVER: ping and serve between processes."""

import json
import re
import signal
import unittest

from ivshmemctl_session import PATIENCE, Session
from terminal import shown_on_terminal

STATISTICS = (r"--- ping statistics ---\n(?P<sent>\d+) sent, (?P<received>\d+) received, (?P<lost>[\d.e+]+)% lost\n"
              r"(rtt min/avg/max/mdev = (?P<min>[\d.]+)/(?P<avg>[\d.]+)/(?P<max>[\d.]+)/[\d.]+ ms, "
              r"median (?P<median>[\d.]+) ms\n)?\Z")


class PingCase(Session):
    def serve(self, *words):
        """Returns a 'serve' that is ready, its peer id and its slot."""
        server = self.start("serve", *words)
        found = server.wait_for(r"answering pings as peer (\d+), in slot (\d+)\n", where="err")
        return server, int(found[1]), int(found[2])

    def statistics(self, text):
        found = re.search(STATISTICS, text)
        self.assertTrue(found, text)
        return int(found["sent"]), int(found["received"]), found


class Answered(PingCase):
    def test_text(self):
        _, peer, slot = self.serve()
        for words in ([], [peer]):
            out = self.good("ping", *words, "-c", 3, "-i", 0.01)
            lines = out.splitlines()
            for number, line in enumerate(lines[:3], 1):
                start = rf"^56 bytes from peer {peer} \(slot {slot}\)"
                self.assertRegex(line, rf"{start}: seq={number} time=\d+\.\d{{3}} ms$")
            sent, received, found = self.statistics(out)
            self.assertEqual((sent, received, found["lost"]), (3, 3, "0"))
            least, mean, most, median = (float(found[name]) for name in ("min", "avg", "max", "median"))
            self.assertLessEqual(least, mean)
            self.assertLessEqual(mean, most)
            self.assertTrue(least <= median <= most)

    def test_json(self):
        self.serve()
        *answers, last = map(json.loads, self.good("ping", "-J", "-c", 2, "-i", 0.01).splitlines())
        self.assertEqual([answer["seq"] for answer in answers], [1, 2])
        self.assertEqual((last["sent"], last["received"], last["lost_percent"]), (2, 2, 0))
        self.assertEqual(last["rtt_ns"]["min"], min(answer["rtt_ns"] for answer in answers))
        self.assertEqual(last["rtt_ns"]["max"], max(answer["rtt_ns"] for answer in answers))

    def test_flood(self):
        self.serve()
        out = self.good("ping", "-f", "-c", 20_000)
        self.assertEqual(self.statistics(out)[:2], (20_000, 20_000))
        self.assertTrue(out.startswith("---"), "no line for each")

    def test_sizes(self):
        self.serve()
        for size in (8, 57, 4096, 4097, "1M"):
            out = self.good("ping", "-s", size, "-c", 3, "-i", 0, "-W", 30)
            self.assertEqual(self.statistics(out)[:2], (3, 3), size)
        self.assertIn("1048576 bytes from", out)

    def test_quiet(self):
        self.serve()
        out = self.good("ping", "-q", "-c", 2, "-i", 0)
        self.assertTrue(out.startswith("2 sent, 2 received"), out)

    def test_three_at_once(self):
        server, _, _ = self.serve("-v")
        pings = [self.start("ping", "-f", "-c", 2000, "-W", 30) for _ in range(3)]
        for ping in pings:
            self.assertEqual(ping.end(), 0, ping.err)
            self.assertEqual(self.statistics(ping.out)[:2], (2000, 2000))
        server.wait_for(r"slot \d\): 2000 messages answered; then: ", 3, where="err")
        self.assertEqual({int(slot) for slot in re.findall(r"\(slot (\d)\) pings\n", server.err)}, {1, 2, 3})
        self.assertEqual(server.end(signal.SIGINT), 0)

    def test_two_servers(self):
        ids = [self.serve()[1] for _ in range(2)]
        for slot, peer in enumerate(ids):
            self.assertIn(f"from peer {peer} (slot {slot}): seq=1", self.good("ping", peer, "-c", 1))


class Lost(PingCase):
    def test_without_a_server(self):
        for words in ([], [9]):
            result = self.bad("ping", *words, "-c", 2, "-W", 0.2, "-i", 0.1, says=["no peer serves", "ivshmemctl serve"])
            lost = "no answer: seq=1, no peer serves\nno answer: seq=2, no peer serves\n"
            self.assertTrue(result.stdout.startswith(lost), result.stdout)
            sent, received, found = self.statistics(result.stdout)
            self.assertEqual((sent, received, found["lost"], found["avg"]), (2, 0, "100", None))

    def test_a_server_that_comes_late(self):
        ping = self.start("ping", "-W", 0.2, "-i", 0.1)
        ping.wait_for("no answer: seq=1, no peer serves\n")
        _, peer, _ = self.serve()
        ping.wait_for(rf" from peer {peer} ")
        self.assertEqual(ping.end(signal.SIGINT), 0)

    def test_a_server_that_stands_still(self):
        server, _, _ = self.serve()
        ping = self.start("ping", "-i", 0.05, "-W", 0.3)
        ping.wait_for("seq=3 ")
        server.signal(signal.SIGSTOP)
        lost = ping.wait_for(r"no answer: seq=(\d+)\n")[1]
        server.signal(signal.SIGCONT)
        ping.wait_for(rf"seq={lost} time=[\d.]+ ms \(late\)\n")
        ping.wait_for(rf"seq={int(lost) + 20} time=[\d.]+ ms\n")
        self.assertEqual(ping.end(signal.SIGINT), 0)
        sent, received, _ = self.statistics(ping.out)
        self.assertGreaterEqual(received, sent - 1, "late answers are answers; one may have been under way")

    def test_a_server_that_is_killed_and_started_again(self):
        server, _, _ = self.serve()
        ping = self.start("ping", "-i", 0.05, "-W", 0.3)
        ping.wait_for("seq=3 ")
        server.kill()
        ping.wait_for(r"no answer: seq=\d+, the peer ended without closing")
        ping.wait_for("no answer: ", 2)
        _, peer, _ = self.serve()
        ping.wait_for(rf"from peer {peer} .* time=", 3)
        self.assertEqual(ping.end(signal.SIGTERM), 0)
        sent, received, _ = self.statistics(ping.out)
        self.assertLessEqual(received, sent - 2)

    def test_deadline(self):
        self.serve()
        out = self.good("ping", "-i", 0.1, "-w", 0.5)
        sent, received, _ = self.statistics(out)
        self.assertGreaterEqual(received, 1)
        self.assertIn(sent - received, (0, 1))

    def test_interrupted(self):
        # Without a server, in the middle of an answer, and between two answers.
        ping = self.start("ping", "-W", 0.5, "-i", 0)
        ping.wait_for("no answer: seq=1, no peer serves\n")
        self.assertEqual(ping.end(signal.SIGINT), 1)
        self.assertEqual(self.statistics(ping.out)[1], 0)
        self.serve()
        ping = self.start("ping", "-i", PATIENCE)
        ping.wait_for("seq=1 ")
        self.assertEqual(ping.end(signal.SIGINT), 0)
        self.assertEqual(self.statistics(ping.out)[:2], (1, 1))
        ping = self.start("ping", "-i", 0)
        ping.wait_for("seq=3 ")
        self.assertEqual(ping.end(signal.SIGINT), 0, ping.err)
        sent, received, _ = self.statistics(ping.out)
        self.assertIn(sent - received, (0, 1))

    def test_progress(self):
        self.serve()
        shown = shown_on_terminal(self, self.command("ping", "-f", "-w", 4))
        self.assertRegex(shown, r"ping [1-9]\d* answers, \d+ answers/s")
        self.assertTrue(shown.endswith(" \r"), "the bar is taken away")

    def test_progress_counts_answers(self):
        server, _, _ = self.serve()
        ping = self.command("ping", "-f", "-c", 3, "-W", 1.2)
        self.assertEqual(shown_on_terminal(self, ping), "", "it takes no second")
        server.end(signal.SIGINT)
        self.assertRegex(shown_on_terminal(self, ping, status=1), r"ping \[ *\] +0% 0 answers, 0 answers/s")

    def test_a_pipe_that_ends(self):
        self.serve()
        self.end_of_a_pipe(["ping", "-i", "0.05"], lambda _: None, None)


class Memory(PingCase):
    def test_other_data_are_left_alone(self):
        self.good("fill", "0x5a", "0x80000", "16")
        for words in (["serve"], ["ping"], ["serve", "--slot", 3]):
            self.bad(*words, says=["holds data", "--reformat"])
        self.assertEqual(self.good("read", "0", "0x80000").strip("\0"), "", "nothing was written")
        server, _, _ = self.serve("--reformat")
        self.good("ping", "-c", 1)
        server.end(signal.SIGINT) # it gives its slot back
        self.bad("ping", says=["holds data", "--reformat", "ivshmemctl fill"])
        server, _, _ = self.serve("--reformat")
        # A killed holder looks like one that another server knows: the memory is still its.
        server.end(signal.SIGKILL)
        self.bad("ping", "-c", 1, "-W", 0.1, says=["no peer serves"])
        server, _, _ = self.serve("--reformat")
        server.end(signal.SIGINT)
        self.good("fill", "0", "0")
        self.serve()

    def test_memory_of_former_channels_may_be_used(self):
        for end in (signal.SIGINT, signal.SIGKILL):
            server, _, _ = self.serve("--slot", 3)
            self.good("ping", "-c", 3, "-s", "4K")
            server.end(end)
        self.bad("ping", "-c", 1, "-W", 0.1, says=["no peer serves"])

    def test_slots(self):
        self.assertEqual(self.serve("--slot", 2)[2], 2)
        self.assertEqual([self.serve()[2] for _ in range(3)], [0, 1, 3])
        self.bad("ping", says=["all slots", "--slot"])
        self.bad("ping", "--slot", 2, says=["slot 2 is held"])
        self.bad("ping", "--slot", 4, says=["no slot 4", "0 to 3"])
        self.bad("ping", "--slot", "0x100000001", says=["no slot"])

    def test_all_at_once(self):
        # The writes of a server that takes its slot must not look like other data to the next one.
        for _ in range(5):
            servers = [self.start("serve") for _ in range(4)]
            taken = [int(server.wait_for(r"in slot (\d)\n", where="err")[1]) for server in servers]
            self.assertEqual(sorted(taken), [0, 1, 2, 3])
            for server in servers:
                server.end(signal.SIGINT)
            self.good("fill", "0", "0")

    def test_slots_of_the_killed(self):
        for _ in range(6):
            server, _, slot = self.serve()
            self.assertEqual(slot, 0)
            server.kill()

    def test_bad_input(self):
        for words in (["-s", 7], ["-s", "2M"]):
            self.bad("ping", *words, says=["--size", "8 to 1048576"])
        self.bad("ping", 65536, says=["65536", "65535"])
        for words in (["x"], ["1", "2"], ["-c", "x"], ["-i", "-1"], ["-W", ""], ["--slot", "a"]):
            self.bad("ping", *words, says=["see ivshmemctl --help"])
        self.bad("serve", "now", says=["see ivshmemctl --help"])
        # The server numbers its peers in the order in which they join.
        following = json.loads(self.good("-J", "info"))["id"] + 1
        self.bad("ping", following, "-c", 1, says=[f"peer {following} is this process itself"])


if __name__ == "__main__":
    unittest.main()
