# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl_memory.py IVSHMEMCTL IVSHMEM_SERVER: info, dump, read, write, fill and bench over a server's
memory."""

import array
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

SERVER = pathlib.Path(sys.argv.pop()).resolve()
IVSHMEMCTL = pathlib.Path(sys.argv.pop()).resolve()

SIZE = 1 << 20
PATIENCE = 60
"""Seconds that anything may take on a busy machine."""


class MemoryCase(unittest.TestCase):
    """Tests on one server; each finds its memory zeroed."""

    size = SIZE

    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-ctl-"))
        cls.addClassCleanup(shutil.rmtree, cls.work)
        cls.socket = cls.work / "socket"
        server = subprocess.Popen([SERVER, "-F", "-S", cls.socket, "-m", cls.work, "-l", str(cls.size), "-n", "2"],
                                  stderr=subprocess.PIPE)
        cls.addClassCleanup(lambda: (server.terminate(), server.communicate()))
        deadline = time.monotonic() + PATIENCE
        while not cls.socket.exists():
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not listen: {server.stderr.read()}")
            time.sleep(0.02)

    def setUp(self):
        self.good("fill", "0", "0")

    def command(self, *words):
        return [IVSHMEMCTL, "--socket", self.socket, *map(str, words)]

    def run_tool(self, *words, **options):
        given = {"stdin": subprocess.DEVNULL} if "input" not in options else {}
        return subprocess.run(self.command(*words), capture_output=True, timeout=PATIENCE, check=False,
                              **(given | options))

    def good(self, *words, **options):
        """Runs the tool, which works and complains of nothing."""
        result = self.run_tool(*words, **options)
        self.assertEqual((result.returncode, result.stderr), (0, b""), words)
        return result.stdout

    def bad(self, *words, says=(), status=1, **options):
        """Runs the tool, which fails and says why in one line."""
        result = self.run_tool(*words, **options)
        said = result.stderr.decode()
        self.assertEqual(result.returncode, status, (words, said))
        self.assertRegex(said, r"\Aivshmemctl: .*\n\Z")
        for text in says:
            self.assertIn(text, said)
        return result.stdout

    def memory(self):
        return self.good("read")


class Copying(MemoryCase):
    def test_round_trip_through_files(self):
        # From and to offsets that are aligned to nothing, longer than one piece of the tool.
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

    def test_a_redirected_file_is_taken_from_where_it_is(self):
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
        # A pattern that no piece is a multiple of.
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
        # Lines that repeat, lines that nearly do, and any bytes.
        lines = [chance.choice([bytes(16), b"\xff" * 16, chance.randbytes(16)]) for _ in range(9000)]
        self.good("write", "0", input=b"".join(lines))
        file = self.work / "all"
        self.good("read", "-o", file)
        ranges = [(0, SIZE), (0, 65536), (65520, 33), (1, 100_000), (100, 15), (100, 16), (100, 17)]
        ranges += [(chance.randrange(SIZE // 2), chance.randrange(1, 3000)) for _ in range(20)]
        for offset, length in ranges:
            for more in ([], ["-v"]):
                wanted = subprocess.run(["hexdump", "-C", *more, "-s", str(offset), "-n", str(length), file],
                                        capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout
                self.assertEqual(self.good("dump", *more, offset, length), wanted, (offset, length, more))

    def test_the_middle_of_a_pipe(self):
        # Whoever reads the first line only ends it, without a complaint.
        with subprocess.Popen(self.command("dump", "-v"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
            self.assertTrue(tool.stdout.readline().startswith(b"00000000  "))
            tool.stdout.close()
            self.assertEqual(tool.stderr.read(), b"")
            self.assertIn(tool.wait(PATIENCE), (1, -signal.SIGPIPE))


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

    @unittest.skipUnless(os.geteuid() == 0, "only root can become nobody")
    def test_no_permission(self):
        self.work.chmod(0o755)
        self.socket.chmod(0o600)
        self.addCleanup(self.socket.chmod, 0o666)
        tool = self.work / "tool"
        for words in (["info"], ["dump"], ["read"], ["write", "0"], ["fill", "0", "0"], ["bench"]):
            if not tool.exists():  # where it was built need not be open to nobody
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


class Interrupted(MemoryCase):
    """Signals, in the middle of something that would last for ever."""

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

    def test_bench_puts_back(self):
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
        """Waits until what is in a pipe is nothing, or something, and does not change for a while."""
        held, before, same, deadline = array.array("i", [0]), -1, 0, time.monotonic() + PATIENCE
        while same < 20:
            self.assertLess(time.monotonic(), deadline, "the pipe does not settle")
            fcntl.ioctl(pipe, termios.FIONREAD, held)
            same = same + 1 if held[0] == before and (held[0] == 0) == empty else 0
            before = held[0]
            time.sleep(0.01)


class Terminal(MemoryCase):
    """What is shown on a terminal, and what is not."""

    def on_terminal(self, *words, feed=b""):
        """Runs the tool with a terminal as its standard error; returns what that shows."""
        ours, theirs = pty.openpty()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, ours)
            tool = stack.enter_context(
                subprocess.Popen(self.command(*words), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs))
            os.close(theirs)
            for part in (feed[:1], feed[1:]):  # as slowly as makes a bar worth while
                tool.stdin.write(part)
                tool.stdin.flush()
                time.sleep(1.3 if feed else 0)
            tool.stdin.close()
            shown = b""
            with contextlib.suppress(OSError):  # the end of a terminal
                while text := os.read(ours, 65536):
                    shown += text
            self.assertEqual(tool.wait(PATIENCE), 0, shown)
        return shown.decode()

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

    def test_bytes_are_not_for_terminals(self):
        ours, theirs = pty.openpty()
        result = subprocess.run(self.command("read"), stdout=theirs, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
        os.close(theirs)
        os.close(ours)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"terminal", result.stderr)


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
        told = json.loads(self.good("-J", "info"))
        self.assertEqual((told["address"], told["backend"], told["error"]), (None, "server", None))
        self.assertEqual((told["size"], told["cache_mode"], told["vectors"], told["interrupts"]),
                         (SIZE, "write-back", 2, 2))
        self.assertEqual(told["system"]["kernel"], os.uname().release)

    def test_what_cannot_be_opened_is_described(self):
        result = subprocess.run([IVSHMEMCTL, "info", "-J", "--socket", self.work / "none"], capture_output=True,
                                text=True, timeout=PATIENCE, check=False)
        self.assertEqual(result.returncode, 1)
        told = json.loads(result.stdout)
        self.assertNotIn("backend", told)
        self.assertEqual(f"ivshmemctl: {told['error']}\n", result.stderr)


class Bench(MemoryCase):
    def test_reading_only(self):
        told = json.loads(self.good("bench", "-J"))
        modes = {each["cache_mode"]: each for each in told["memory"]}
        self.assertEqual(set(modes), {"private memory", "write-back", "write-combining", "uncached"})
        self.assertGreater(modes["write-back"]["read"], 0)
        self.assertIsNone(modes["write-back"]["write"])
        self.assertIn("write-back", modes["uncached"]["error"])
        self.assertGreater(told["ring_ns"], 0)
        self.assertLessEqual(told["self_ring_ns"]["min"], told["self_ring_ns"]["median"])
        self.assertNotIn("message_ns", told)

    def test_everything_is_put_back(self):
        data = random.Random(9).randbytes(SIZE)
        self.good("write", "0", input=data)
        text = self.good("bench", "--write", "--channel", "0x123", "300001").decode()
        self.assertRegex(text, r"(?m)^write-back +read \d+ MiB/s, write \d+ MiB/s, copy \d+ MiB/s$")
        self.assertRegex(text, r"(?m)^ring +\d+ ns$")
        self.assertRegex(text, r"(?m)^message and answer +\d+\.\d+ us ")
        self.assertRegex(text, r"(?m)^messages +\d+ a second of 64 bytes; \d+ MiB/s in \d+ bytes$")
        self.assertEqual(self.memory(), data)

    def test_one_mode(self):
        told = json.loads(self.good("bench", "-J", "--cache", "write-back", "0", "64"))
        self.assertEqual([each["cache_mode"] for each in told["memory"]], ["private memory", "write-back"])
        self.bad("bench", "--cache", "uncached", says=["write-back"])

    def test_ranges(self):
        self.bad("bench", SIZE, says=["0 bytes"])
        self.bad("bench", "--write", "0", SIZE + 1, says=["past the end"])


if __name__ == "__main__":
    unittest.main()
