# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The library and the peer in C pass, and the page has the same numbers as the tool."""

import re
import unittest

import kit

UNSEEN = {"R13", "V1", "T1", "T7", "T12", "T13", "T14"}
"""Rules that cannot be seen from outside."""
ECHO = {"T3", "T4", "T5", "T6", "T8", "T9", "T10", "T11"}
"""Rules that are seen only of a peer that publishes again what it reads of a topic: `ivshmemctl serve` does not."""
ENDS = {"T2", "D2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10"}
"""Rules that are seen only of a peer that comes again when it ends."""


class Passes(unittest.TestCase):
    def passes(self, start, *options):
        with kit.Table() as table:
            start(table)
            status, rules = table.verdicts(*kit.PATIENT, *options)
        for number, rule in rules.items():
            unseen = UNSEEN if "--restarts" in options else UNSEEN | ENDS
            if "ivshmemctl ping" in options:
                unseen = unseen | ECHO
            self.assertEqual(rule["verdict"], "not shown" if number in unseen else "holds", rule)
            if number in ENDS and rule["verdict"] == "not shown":
                self.assertIn("use --restarts", rule["why"])
        self.assertEqual(status, 0)
        return rules

    def test_the_peer_in_c(self):
        rules = self.passes(lambda table: table.c_peer())
        page = (kit.TOP / "lib/channel/channel-layout.md").read_text()
        numbers = re.findall(r"\[([A-Z]\d+)\]|\*\*(T\d+)\.\*\*", page)
        numbers = [one or other for one, other in numbers]
        self.assertEqual(len(numbers), len(set(numbers)))
        self.assertEqual(set(numbers), set(rules))
        self.assertLessEqual(UNSEEN | ENDS, set(rules))

    def test_the_peer_in_c_in_another_slot(self):
        self.passes(lambda table: table.c_peer(kit.SERVER_PEER, "--slot", "0", "--geometry", "2,2,1024"))

    def test_the_library(self):
        self.passes(lambda table: table.library(), "--service", "ivshmemctl ping")

    def test_topics_of_the_library(self):
        with kit.Table() as table:
            table.start([kit.LIBRARY_PEER, table.socket], r"slot 2 of")
            rules = [word for number in ECHO for word in ("--rule", number)]
            status, said = table.verdicts(*rules, *kit.PATIENT)
        self.assertEqual({number for number, rule in said.items() if rule["verdict"] == "holds"} & ECHO, ECHO, said)
        self.assertEqual(status, 0)

    def test_the_peer_in_c_that_comes_again(self):
        self.passes(lambda table: table.c_peer_again(), "--restarts")

    def test_the_library_that_comes_again(self):
        self.passes(lambda table: table.library_again("--slot", "2"), "--restarts", "--service", "ivshmemctl ping")

    def test_a_peer_that_comes_again_in_any_slot(self):
        with kit.Table() as table:
            table.c_peer_again(kit.SERVER_PEER, "--slot", "any")
            rules = [word for number in ENDS for word in ("--rule", number)]
            status, said = table.verdicts("--restarts", *rules, *kit.PATIENT)
        self.assertEqual(status, 0, said)
        self.assertLessEqual({number for number, rule in said.items() if rule["verdict"] == "not shown"}, {"C10", "T2"})
        self.assertIn("start it in slot 2", said["C10"]["why"])

    def test_a_peer_of_few_abilities(self):
        for options in (["--polls"], ["--limit", "16"], ["--geometry", "2,1,1024", "--slot", "1"]):
            with self.subTest(options), kit.Table() as table:
                table.c_peer(kit.SERVER_PEER, *options)
                status, rules = table.verdicts(*kit.PATIENT)
                self.assertEqual([rule for rule in rules.values() if rule["verdict"] == "broken"], [])
                self.assertEqual(status, 0)
                self.assertEqual(rules["R2"]["verdict"], "holds")

    def test_text(self):
        with kit.Table() as table:
            table.c_peer()
            status, out, err = table.check(*kit.PATIENT, "--rule", "R1", "--rule", "R13")
        self.assertEqual(status, 1)
        self.assertIn("R13 is not a rule with a check", err)
        self.assertEqual(out, "")
        with kit.Table() as table:
            table.c_peer()
            status, out, err = table.check(*kit.PATIENT, "--rule", "R1")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"\AR1   holds      head and total .*\n1 hold, 0 broken, 0 not shown\n\Z")
        self.assertRegex(err, r"\Aivshmemctl: server .*: checking peer 0 in slot 2, service 'echo'\n\Z")


if __name__ == "__main__":
    unittest.main()
