# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_states.py IVSHMEMCTL IVSHMEM_SERVER: state without a device that has states; the VM tests have one."""

import unittest

from ivshmemctl_session import Session


class States(Session):
    def test_a_device_without_states(self):
        for words in (["state"], ["state", "-J"], ["state", 7], ["state", 0], ["state", "0xffffffff"]):
            result = self.bad(*words, says=[str(self.socket), "it is not an ivshmem-v2 device", "ivshmemctl peers",
                                            "lsivshmem -o ADDRESS,GENERATION"])
            self.assertEqual((result.stdout, result.stderr.count("\n")), ("", 1), words)

    def test_bad_input(self):
        for text in ("4294967296", "4G", "0x100000000"):
            result = self.bad("state", text, says=["is not a state", "4294967295"])
            self.assertEqual(result.stdout, "")
        for text in ("", "x", "1.5", "7 "):
            self.bad("state", text, says=["VALUE", "is not a number", "see ivshmemctl --help"])
        self.bad("state", "--", "-1", says=["VALUE"])
        self.bad("state", 1, 2, says=["see ivshmemctl --help"])

    def test_help(self):
        self.assertRegex(self.good("state", "--help"), r"(?s)until Ctrl-C.*The state is 0 afterwards")


if __name__ == "__main__":
    unittest.main()
