# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_refusals.py IVSHMEMCTL IVSHMEM_SERVER: errors of the commands about memory."""

import os
import shutil
import subprocess
import unittest

from ivshmemctl_memory_case import IVSHMEMCTL, PATIENCE, SIZE, MemoryCase


class Refusals(MemoryCase):
    def test_ranges(self):
        for words in (["dump", SIZE + 1], ["dump", "0", SIZE + 1], ["read", "1", SIZE], ["fill", "1", "1", SIZE],
                      ["read", "0xffffffffffffffff", "2"], ["fill", "1", "16777215G"], ["write", SIZE + 1]):
            self.bad(*words, says=[f"{SIZE} bytes", "past the end"])
        self.assertEqual(self.memory(), bytes(SIZE))

    def test_a_file_is_not_touched_when_the_range_is_wrong(self):
        target = self.work / "kept"
        target.write_bytes(b"kept")
        self.bad("read", "-o", target, "0", "2M")
        self.assertEqual(target.read_bytes(), b"kept")

    def test_numbers(self):
        for text in ("", "4Q", "4k", "0x", "x4", "1.5", "4KM", "99999999999999999999", "99999999999G", "4 "):
            self.bad("dump", text, says=["OFFSET", "see ivshmemctl --help"])
        self.bad("dump", "0", "--", "-1", says=["LENGTH"])
        for text in ("256", "1,", ",1", "1,,2", "ff", "-1", ""):
            self.bad("fill", "--", text, "0", says=["PATTERN"])

    def test_missing_arguments(self):
        for words in (["write"], ["fill"], ["fill", "0"], ["dump", "0", "1", "2"], ["read", "--cache", "fast"]):
            self.bad(*words, says=["see ivshmemctl --help"], input=b"abc")

    def test_json(self):
        for words in (["dump"], ["read"], ["write", "0"], ["fill", "1", "0"]):
            self.bad("-J", *words, says=["JSON"])
        self.assertEqual(self.memory(), bytes(SIZE))

    def test_input_of_known_size(self):
        source = self.work / "large"
        source.write_bytes(b"x" * (SIZE - 99))
        self.bad("write", "-i", source, "100", says=[str(source), "nothing was written"])
        self.bad("write", "-i", source, "0", SIZE, says=[str(source), "nothing was written"])
        self.assertEqual(self.memory(), bytes(SIZE))
        self.good("write", "-i", source, "99")

    def test_input_of_unknown_size(self):
        self.bad("write", SIZE - 5, input=b"123456", says=["the standard input", "5 bytes"])
        self.assertEqual(self.memory()[-6:], b"\00012345")
        self.bad("write", "0", "10", input=b"abcd", says=["has 4 bytes", "10"])
        self.assertEqual(self.memory()[:5], b"abcd\0")
        self.good("write", SIZE - 5, input=b"54321")

    def test_unsealed_memory(self):
        for words in (["dump"], ["info"], ["ping", "-c", "1"]):
            command = [word for word in self.command(*words) if word != "--trust-server"]
            result = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
            self.assertEqual((result.returncode, result.stdout), (1, b""))
            self.assertRegex(result.stderr.decode(), r"\Aivshmemctl: .*is not sealed.*--trust-server.*\n\Z")

    def test_files(self):
        nowhere = self.work / "no" / "file"
        self.bad("write", "-i", nowhere, "0", says=[str(nowhere), "open", "No such file"])
        self.bad("read", "-o", nowhere, says=[str(nowhere), "open", "No such file"])
        self.bad("write", "-i", self.work, "0", says=[str(self.work), "read", "directory"])
        self.bad("read", "-o", self.work, says=[str(self.work), "open", "directory"])
        if os.geteuid() != 0:
            secret = self.work / "secret"
            secret.touch(0)
            self.bad("write", "-i", secret, "0", says=[str(secret), "Permission denied"])

    def test_full_disk(self):
        self.bad("read", "-o", "/dev/full", says=["/dev/full", "write", "No space left"])
        with open("/dev/full", "wb") as full:
            for words in (["read"], ["dump"], ["info"], ["bench"]):
                result = subprocess.run(self.command(*words), stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE,
                                        check=False)
                self.assertEqual(result.returncode, 1, words)
                self.assertTrue(result.stderr.startswith(b"ivshmemctl: "), result.stderr)
                self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)

    def test_no_device(self):
        empty = self.work / "machine"
        (empty / "sys/bus/pci/devices").mkdir(parents=True)
        for words in (["info"], ["dump"], ["read"], ["write", "0"], ["fill", "0", "0"], ["bench"]):
            for status, device in ((1, f"server:{self.work}/none"), (32, "00:04.0"), (32, "any"), (1, "nonsense")):
                command = [IVSHMEMCTL, "--sysroot", empty, "-D", device, *words]
                result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                        timeout=PATIENCE, check=False)
                self.assertEqual((result.returncode, result.stdout), (status, ""), command)
                self.assertRegex(result.stderr, r"\Aivshmemctl: .*\n\Z")

    def test_doctor_without_a_device(self):
        empty = self.work / "empty"
        (empty / "sys/bus/pci/devices").mkdir(parents=True)
        done = subprocess.run([IVSHMEMCTL, "--sysroot", empty, "doctor"], capture_output=True, text=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 32, done.stderr)
        self.assertRegex(done.stdout.replace("\n", " "), r"vfio-user-pci, +which +QEMU +has +since +10\.1")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become nobody")
    def test_no_permission(self):
        self.work.chmod(0o755)
        self.socket.chmod(0o600)
        self.addCleanup(self.socket.chmod, 0o666)
        tool = self.work / "tool"
        for words in (["info"], ["dump"], ["read"], ["write", "0"], ["fill", "0", "0"], ["bench"]):
            if not tool.exists():  # the build folder may be closed to the user nobody
                shutil.copy(IVSHMEMCTL, tool)
                for library in (IVSHMEMCTL.parents[2] / "lib").glob("libivshmem.so*"):
                    if library.is_file():
                        shutil.copy(library, self.work)
            result = subprocess.run([tool, "--socket", self.socket, *words], stdin=subprocess.DEVNULL, text=True,
                                    capture_output=True, timeout=PATIENCE, check=False, user="nobody",
                                    env={**os.environ, "LD_LIBRARY_PATH": str(self.work)}, cwd=self.work)
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn("ermission denied", result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
