# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The library and the peer in C pass, and the page has the same numbers as the tool."""

import re
import unittest

import kit

UNSEEN = {"D2", "R13", "C3", "C4", "C5", "C6", "V1"}


class Passes(unittest.TestCase):
    def passes(self, start, *options):
        with kit.Table() as table:
            start(table)
            status, rules = table.verdicts(*kit.PATIENT, *options)
        for number, rule in rules.items():
            self.assertEqual(rule["verdict"], "not shown" if number in UNSEEN else "holds", rule)
        self.assertEqual(status, 0)
        return rules

    def test_the_peer_in_c(self):
        rules = self.passes(lambda table: table.c_peer())
        page = (kit.TOP / "lib/channel/channel-layout.md").read_text()
        numbers = re.findall(r"\[([A-Z]\d+)\]", page)
        self.assertEqual(len(numbers), len(set(numbers)))
        self.assertEqual(set(numbers), set(rules))
        self.assertLessEqual(UNSEEN, set(rules))

    def test_the_peer_in_c_in_another_slot(self):
        self.passes(lambda table: table.c_peer(kit.SERVER_PEER, "--slot", "0", "--geometry", "2,2,1024"))

    def test_the_library(self):
        self.passes(lambda table: table.library(), "--service", "ivshmemctl ping")

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
            status, out, err = table.check(*kit.PATIENT, "--rule", "R1", "--rule", "C4")
        self.assertEqual(status, 1)
        self.assertIn("C4 is not a rule with a check", err)
        self.assertEqual(out, "")
        with kit.Table() as table:
            table.c_peer()
            status, out, err = table.check(*kit.PATIENT, "--rule", "R1")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"\AR1   holds      head and total .*\n1 hold, 0 broken, 0 not shown\n\Z")
        self.assertRegex(err, r"\Aivshmemctl: server .*: checking peer 0 in slot 2, service 'echo'\n\Z")


if __name__ == "__main__":
    unittest.main()
