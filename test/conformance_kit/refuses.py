# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Without a peer that can be checked, the tool says what to do."""

import json
import signal
import subprocess
import unittest

import kit


class Refuses(unittest.TestCase):
    def refuses(self, table, *words, says):
        status, out, err = table.check(*words)
        self.assertEqual((status, out), (1, ""), err)
        last = err.splitlines()[-1]
        self.assertTrue(last.startswith("ivshmemctl: "), err)
        for text in says:
            self.assertIn(text, last)

    def test_no_peer(self):
        with kit.Table() as table:
            self.refuses(table, "--time-limit", "0.2", says=["start the peer under test"])
            self.refuses(table, "--time-limit", "0.2", "--slot", "3", says=["a peer in slot 3 did not come",
                                                                              "ivshmemctl peers"])

    def test_wrong_words(self):
        with kit.Table() as table:
            for number in ("R99", "R13", "V1", ""):
                self.refuses(table, "--rule", number, says=[f"{number} is not a rule", "channel-layout.md"])
            for words in (["--time-limit", "soon"], ["--slot", "-1"], ["--claim-time", "x"]):
                status, out, err = table.check(*words)
                self.assertEqual((status, out), (1, ""), err)
                self.assertIn(words[0], err)

    def test_help(self):
        with kit.Table() as table:
            status, out, err = table.check("--help")
        self.assertEqual((status, err), (0, ""))
        for word in ("--slot", "--service", "--rule", "--time-limit", "--claim-time", "--restarts", "channel-layout.md"):
            self.assertIn(word, out)

    def test_two_peers(self):
        with kit.Table() as table:
            table.c_peer()
            table.c_peer(kit.SERVER_PEER, "--slot", "0")
            self.refuses(table, says=["(0, 2)", "--slot N"])
            status, out, _ = table.check("--slot", "2", "--rule", "R1", *kit.PATIENT)
            self.assertEqual(status, 0, out)

    def test_no_such_service(self):
        with kit.Table() as table:
            table.c_peer()
            status, _, err = table.check("--service", "ekho", "--time-limit", "0.2", "--rule", "R1")
        self.assertEqual(status, 1)
        self.assertIn("offers no service 'ekho', but 'echo': name one", err)

    def test_no_free_slot(self):
        with kit.Table() as table:
            table.c_peer(kit.SERVER_PEER, "--slot", "0", "--geometry", "2,4,1024")
            table.c_peer(kit.SERVER_PEER, "--slot", "1")
            status, _, err = table.check("--slot", "1", "--rule", "R1", *kit.PATIENT)
        self.assertEqual(status, 1)
        self.assertIn("all slots of channels are held; end a peer", err)

    def leaves(self, number):
        with kit.Table() as table:
            peer = table.c_peer()
            # The peer stops first: the tool must be waiting for it when it ends.
            peer.send_signal(signal.SIGSTOP)
            with subprocess.Popen(table.command("-J", "--rule", "R1", *kit.PATIENT), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) as tool:
                tool.stderr.readline()  # its remark: it has begun
                peer.send_signal(number)
                peer.send_signal(signal.SIGCONT)
                out, err = tool.communicate(timeout=kit.PATIENCE)
        self.assertEqual(tool.returncode, 1, err)
        return out, err

    def test_a_peer_that_is_killed(self):
        out, err = self.leaves(signal.SIGKILL)
        self.assertRegex(err, r"has left, during rule \w+: the server reports that it has disconnected; start it again")
        self.assertFalse(json.loads(out)["complete"])

    def test_a_peer_that_does_not_answer(self):
        with kit.Table() as table:
            table.c_peer().send_signal(signal.SIGSTOP)
            status, rules = table.verdicts("--time-limit", "0.2")
        self.assertEqual(status, 64)
        self.assertEqual(rules["D4"]["verdict"], "broken")
        self.assertEqual((rules["C2"]["verdict"], rules["C2"].get("why")),
                         ("not shown", "the peer does not answer any more"))

    def test_a_peer_that_does_not_come_again(self):
        with kit.Table() as table:
            table.c_peer()
            status, rules = table.verdicts("--restarts", "--rule", "C6", "--rule", "C7", "--time-limit", "2")
        self.assertEqual(status, 64)
        self.assertEqual((rules["C6"]["verdict"], rules["C6"].get("seen")), ("broken", "no slot in 2000 ms"))

    def test_a_signal_while_the_peer_is_away(self):
        for number in ("C7", "C9", "C10"):
            with self.subTest(number), kit.Table() as table:
                peer = table.c_peer()
                with subprocess.Popen(table.command("--restarts", "--rule", number, *kit.PATIENT),
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tool:
                    peer.wait(kit.PATIENCE)  # its slot was taken
                    tool.send_signal(signal.SIGTERM)
                    _, err = tool.communicate(timeout=kit.PATIENCE)
                self.assertEqual(tool.returncode, -signal.SIGTERM, err)
                # What it had put into the memory is gone.
                table.c_peer()
                status, out, err = table.check(*kit.PATIENT)
                self.assertEqual(status, 0, out + err)

    def test_the_server_ends(self):
        with kit.Table() as table:
            table.c_peer().send_signal(signal.SIGSTOP)
            with subprocess.Popen(table.command("-J", "--rule", "R1", *kit.PATIENT), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) as tool:
                tool.stderr.readline()  # its remark: it has begun
                table.running[0].kill()
                out, err = tool.communicate(timeout=kit.PATIENCE)
        self.assertEqual(tool.returncode, 1, err)
        self.assertRegex(err, r"during rule \w+: the server has ended the connection")
        self.assertFalse(json.loads(out)["complete"])

    def test_a_signal(self):
        with kit.Table() as table:
            peer = table.c_peer()
            peer.send_signal(signal.SIGSTOP)
            with subprocess.Popen(table.command("--rule", "R1", *kit.PATIENT), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True) as tool:
                tool.stderr.readline()  # its remark: it has begun
                tool.send_signal(signal.SIGINT)
                _, err = tool.communicate(timeout=kit.PATIENCE)
            self.assertEqual(tool.returncode, -signal.SIGINT, err)
            peer.send_signal(signal.SIGCONT)
            # The slot was given back, and serves again.
            status, out, err = table.check("--rule", "R1", *kit.PATIENT)
            self.assertEqual(status, 0, out + err)


if __name__ == "__main__":
    unittest.main()
