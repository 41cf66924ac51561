# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_memory.py IVSHMEMCTL IVSHMEM_SERVER: dump, read, write and fill over a server's memory, also on a
terminal, and interrupted."""

import array
import fcntl
import os
import pty
import random
import shutil
import signal
import subprocess
import termios
import time
import unittest

from ivshmemctl_memory_case import PATIENCE, SIZE, MemoryCase
from terminal import shown_on_terminal


class Copying(MemoryCase):
    def test_round_trip_through_files(self):
        # Unaligned offsets, and longer than one block of the tool.
        data = random.Random(5).randbytes(200_001)
        source, target = self.work / "source", self.work / "target"
        source.write_bytes(data)
        self.good("write", "-i", source, "4097")
        self.good("read", "-o", target, "4097", len(data))
        self.assertEqual(target.read_bytes(), data)
        memory = self.memory()
        self.assertEqual(len(memory), SIZE)
        self.assertEqual(memory, bytes(4097) + data + bytes(SIZE - 4097 - len(data)), "only what was named changed")

    def test_round_trip_through_pipes(self):
        data = random.Random(6).randbytes(70_003)
        self.good("write", "0x10001", input=data)
        self.assertEqual(self.good("read", "0x10001", len(data)), data)

    def test_a_redirected_file_is_read_from_its_position(self):
        source = self.work / "half"
        source.write_bytes(b"A" * 1000 + b"B" * SIZE)
        with source.open("rb") as file:
            file.seek(1000)
            self.good("write", "0", input=None, stdin=file)
        self.assertEqual(self.memory(), b"B" * SIZE)

    def test_length_of_the_input_limits(self):
        self.good("write", "8", "4", input=b"abcdefgh")
        self.assertEqual(self.good("read", "0", "16"), bytes(8) + b"abcd" + bytes(4))

    def test_a_file_that_exists_is_replaced(self):
        target = self.work / "old"
        target.write_bytes(b"x" * 100)
        self.good("read", "-o", target, "0", "3")
        self.assertEqual(target.read_bytes(), bytes(3))

    def test_fill(self):
        self.good("fill", "0xa5", "0x7fff", "0x1003")
        memory = self.memory()
        self.assertEqual(memory, bytes(0x7FFF) + b"\xa5" * 0x1003 + bytes(SIZE - 0x7FFF - 0x1003))
        # No block is a multiple of the length of this pattern.
        self.good("fill", "1,0x2,3", "5", "200000")
        self.assertEqual(self.good("read", "5", "200000"), (b"\1\2\3" * 66667)[:200000])
        self.assertEqual(self.good("read", "0", "5"), bytes(5))

    def test_fill_to_the_end(self):
        self.good("fill", "255", SIZE - 3)
        self.assertEqual(self.memory(), bytes(SIZE - 3) + b"\xff" * 3)

    def test_numbers(self):
        for text, offset in (("1K", 1024), ("0x10K", 16384), ("0X1f", 31), ("007", 7)):
            self.good("fill", "1", text, "1")
            self.assertEqual(self.memory().index(b"\1"), offset, text)
            self.setUp()
        self.assertEqual(len(self.good("read", "0", "1M")), SIZE)
        self.assertEqual(len(self.good("read", "1048575")), 1)

    def test_length_0(self):
        for words in (["dump", "0", "0"], ["read", "0", "0"], ["read", SIZE, "0"], ["dump", SIZE], ["read", "1M"],
                      ["fill", "7", "16", "0"], ["fill", "7", SIZE]):
            self.assertEqual(self.good(*words), b"", words)
        self.good("write", "16", "0", input=b"abc")
        self.good("write", SIZE, input=b"")
        self.assertEqual(self.memory(), bytes(SIZE))

    def test_cache_modes_of_a_server(self):
        self.good("write", "--cache", "write-back", "0", input=b"abc")
        self.assertEqual(self.good("read", "--cache=write-back", "0", "3"), b"abc")
        for mode in ("write-combining", "uncached"):
            self.bad("read", "--cache", mode, "0", "3", says=["write-back"])


class Dump(MemoryCase):
    def test_expected(self):
        self.good("write", "16", input=b"0123456789abcdef" * 3 + b"\0\x1f ~\x7f\x80\xff")
        self.assertEqual(self.good("dump", "0", "74").decode(), """\
00000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
00000010  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|
*
00000040  00 1f 20 7e 7f 80 ff 00  00 00                    |.. ~......|
0000004a
""")
        self.assertEqual(self.good("dump", "0x11", "2").decode(), """\
00000011  31 32                                             |12|
00000013
""")
        self.assertEqual(self.good("dump").decode().splitlines()[-3:], [
            "00000050  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|", "*", "00100000"])
        self.assertEqual(len(self.good("dump", "-v").splitlines()), SIZE // 16 + 1)

    @unittest.skipUnless(shutil.which("hexdump"), "hexdump is not installed")
    def test_as_hexdump(self):
        chance = random.Random(7)
        # Repeated lines, nearly repeated lines, and random bytes.
        lines = [chance.choice([bytes(16), b"\xff" * 16, chance.randbytes(16)]) for _ in range(9000)]
        self.good("write", "0", input=b"".join(lines))
        file = self.work / "all"
        self.good("read", "-o", file)
        ranges = [(0, SIZE), (0, 65536), (65520, 33), (1, 100_000), (100, 15), (100, 16), (100, 17)]
        ranges += [(chance.randrange(SIZE // 2), chance.randrange(1, 3000)) for _ in range(8)]
        for offset, length in ranges:
            for more in ([], ["-v"]):
                wanted = subprocess.run(["hexdump", "-C", *more, "-s", str(offset), "-n", str(length), file],
                                        capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout
                self.assertEqual(self.good("dump", *more, offset, length), wanted, (offset, length, more))

    def test_the_middle_of_a_pipe(self):
        # A reader that closes the pipe after one line ends the tool, without a message.
        with subprocess.Popen(self.command("dump", "-v"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
            self.assertTrue(tool.stdout.readline().startswith(b"00000000  "))
            tool.stdout.close()
            self.assertEqual(tool.stderr.read(), b"")
            self.assertIn(tool.wait(PATIENCE), (1, -signal.SIGPIPE))


class Interrupted(MemoryCase):
    """Signals, in the middle of an endless operation."""

    def interrupt(self, tool, number=signal.SIGINT):
        tool.send_signal(number)
        said = tool.stderr.read().decode()
        self.assertEqual(tool.wait(PATIENCE), -number, said)
        return said

    def test_writing_from_a_pipe(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen(self.command("write", "0"), stdin=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
                os.write(tool.stdin.fileno(), b"z" * 60_000)
                self.settle(tool.stdin, empty=True)
                self.assertIn("interrupted: 60000 bytes were written at 0x0", self.interrupt(tool, number))
            self.assertEqual(self.memory(), b"z" * 60_000 + bytes(SIZE - 60_000))
            self.setUp()

    def test_reading_into_a_full_pipe(self):
        for words, says in ((["read"], "were read into the standard output"), (["dump", "-v"], "were printed")):
            with subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
                self.settle(tool.stdout, empty=False)
                said = self.interrupt(tool)
                self.assertIn("interrupted: ", said)
                self.assertIn(says, said)
                self.assertEqual(said.count("\n"), 1)

    def test_bench_restores_the_memory(self):
        data = random.Random(8).randbytes(SIZE)
        self.good("write", "0", input=data)
        for words, last in ((["--write", "0", SIZE], b"private memory"), (["--channel"], b"ring to oneself")):
            with subprocess.Popen(self.command("bench", *words), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as tool:
                while not (line := tool.stdout.readline()).startswith(last):
                    self.assertTrue(line, "the end")
                self.assertIn("interrupted: ", self.interrupt(tool))
            self.assertEqual(self.memory(), data, words)

    def settle(self, pipe, empty):
        """Waits until a pipe is empty, or not empty, and does not change for a while."""
        held, before, same, deadline = array.array("i", [0]), -1, 0, time.monotonic() + PATIENCE
        while same < 20:
            self.assertLess(time.monotonic(), deadline, "the pipe does not settle")
            fcntl.ioctl(pipe, termios.FIONREAD, held)
            same = same + 1 if held[0] == before and (held[0] == 0) == empty else 0
            before = held[0]
            time.sleep(0.01)


class Terminal(MemoryCase):
    """The output on a terminal, and the output that is suppressed there."""

    def on_terminal(self, *words, feed=b""):
        return shown_on_terminal(self, self.command(*words), feed)

    def test_progress(self):
        shown = self.on_terminal("write", "0", feed=b"y" * (256 << 10))
        self.assertIn("write 0.", shown)
        self.assertIn("MiB/s", shown)
        self.assertTrue(shown.endswith(" \r"), "the bar is taken away")
        shown = self.on_terminal("write", "0", 256 << 10, feed=b"y" * (256 << 10))
        self.assertRegex(shown, r"write \[#* *\] +\d+% ")

    def test_no_progress(self):
        self.assertEqual(self.on_terminal("-q", "write", "0", feed=b"y" * (256 << 10)), "")
        self.assertEqual(self.on_terminal("read"), "", "it takes no second")

    def test_bytes_are_not_written_to_terminals(self):
        ours, theirs = pty.openpty()
        result = subprocess.run(self.command("read"), stdout=theirs, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
        os.close(theirs)
        os.close(ours)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"terminal", result.stderr)


if __name__ == "__main__":
    unittest.main()
