#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""pairs.py SERVER LANGUAGE=FOLDER...: the examples of each language talk to those of each other one, on the host.

A folder has the programs doorbell, echo, file-copy, hotplug, monitor, request-response and topic, or some of them, or
scripts in Python of these names. A pair of the first language is left out, which has tests of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

PATIENCE = 60
"""In seconds; a machine may be ten times slower than a usual one."""

PROGRAMS = ("doorbell", "echo", "file-copy", "hotplug", "monitor", "request-response", "topic")
SERVER = ""
FOLDERS: dict[str, Path] = {}


def example(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).exists() else folder / f"{name}.py"


def has(folder: Path, name: str) -> bool:
    return example(folder, name).exists()


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def pixels_of(png: bytes, width: int, height: int) -> list[bytes]:
    """Return the rows of a PNG of 8 bits each of red, green and blue, without filters; check its checksums."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    data, at = b"", 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        content = png[at + 8 : at + 8 + length]
        assert png[at + 8 + length : at + 12 + length] == struct.pack(">I", zlib.crc32(kind + content))
        if kind == b"IHDR":
            assert content == struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        data += content if kind == b"IDAT" else b""
        at += 12 + length
    raw, line = zlib.decompress(data), 1 + 3 * width
    assert len(raw) == line * height
    return [raw[row + 1 : row + line] for row in range(0, len(raw), line)]


class Process:
    """A program whose output is read line by line; killed at the end if it still runs."""

    def __init__(self, *command: str | Path, text: str = "") -> None:
        self.input = tempfile.TemporaryFile("w+")
        self.input.write(text)
        self.input.seek(0)
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdin=self.input, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.input.close()
        self.errors.close()

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().rstrip("\n")

    def end(self, terminate: bool = False) -> str:
        """Return the rest of its output; the program must succeed."""
        if terminate:
            self.process.terminate()
        output, _ = self.process.communicate(timeout=PATIENCE)
        self.errors.seek(0)
        assert self.process.returncode == 0, f"{self.process.args}: {self.process.returncode}: {self.errors.read()}"
        return output


class Pairs(unittest.TestCase):
    work: ClassVar[Path]
    device: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.work = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        socket = cls.work / "socket"
        command = [SERVER, "-F", "-S", str(socket), "-l", "8M", "-n", "2"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        cls.addClassCleanup(server.communicate)
        cls.addClassCleanup(server.terminate)
        assert server.stderr
        while "listening on" not in (line := server.stderr.readline()):
            assert line, "the server ended"
        cls.device = f"server:{socket}"

    def pairs(self, program: str) -> Iterator[tuple[Path, Path]]:
        languages = list(FOLDERS)
        for one, other in itertools.product((name for name in languages if has(FOLDERS[name], program)), repeat=2):
            if one != other or one != languages[0]:
                with self.subTest(one=one, other=other):
                    yield FOLDERS[one], FOLDERS[other]

    @contextlib.contextmanager
    def server(self, folder: Path, program: str, says: str) -> Iterator[Process]:
        with Process(example(folder, program), self.device, "0", "server") as server:
            self.assertEqual(server.line(), says)
            yield server
            server.end(terminate=True)

    def client(self, folder: Path, program: str, text: str = "", slot: int = 1) -> Process:
        return Process(example(folder, program), self.device, str(slot), "client", text=text)

    def test_doorbell(self) -> None:
        for one, other in self.pairs("doorbell"):
            with Process(example(one, "doorbell"), self.device, "wait", "1", str(PATIENCE)) as waits:
                said = waits.line()
                self.assertRegex(said, r"^peer \d+, 8388608 bytes, 2 vectors$")
                with Process(example(other, "doorbell"), self.device, "ring", said.split()[1].rstrip(","), "1") as rings:
                    self.assertRegex(rings.end(), r"^peer \d+, 8388608 bytes, 2 vectors\n$")
                self.assertEqual(waits.end(), "rung 1 time\n")

    def test_monitor(self) -> None:
        for one, other in self.pairs("monitor"):
            with Process(example(one, "monitor"), self.device) as monitor:
                said = monitor.line()
                self.assertRegex(said, r"^peer \d+, server /")
                peer = said.split()[1].rstrip(",")
                with Process(example(other, "monitor"), self.device) as second:
                    joined = second.line().split()[1].rstrip(",")
                    self.assertEqual(monitor.line(), f"peer joined, peer {joined}")
                    second.end(terminate=True)
                self.assertEqual(monitor.line(), f"peer left, peer {joined}")
                with Process(example(other, "doorbell"), self.device, "ring", peer, "1") as rings:
                    rings.end()
                while (said := monitor.line()) != "vector 1 rung 1x":
                    self.assertRegex(said, r"^peer (joined|left), peer \d+$")  # both may have become none
                monitor.end(terminate=True)

    def test_echo(self) -> None:
        text = "one\ntwo\n\n" + "x" * 50000 + "\nthe end"
        for one, other in self.pairs("echo"):
            with self.server(one, "echo", "offering echo in slot 0") as server:
                for _ in range(2):
                    with self.client(other, "echo", text) as client:
                        self.assertEqual(client.end(), text + "\n")
                    self.assertEqual(server.line(), "slot 1 is here")

    def test_request_response(self) -> None:
        servers: dict[Path, list[Path]] = {}
        for one, other in self.pairs("request-response"):
            servers.setdefault(one, []).append(other)
        for one, others in servers.items():
            with self.server(one, "request-response", "answering in slot 0"):
                # Each takes seconds, for an answer that never comes: at once, in slots 1 to 3.
                for some in (others[:3], others[3:]):
                    with contextlib.ExitStack() as stack:
                        clients = [(other, stack.enter_context(self.client(other, "request-response", slot=slot)))
                                   for slot, other in enumerate(some, 1)]
                        for other, client in clients:
                            with self.subTest(one=one, other=other):
                                answers = client.end().splitlines()
                                self.assertEqual(set(answers[:3]), {"2 + 40: 42", "6 * 7: 42", "operation 99: not understood"})
                                self.assertEqual(answers[3:], ["wait for half a second: 500", "wait for an hour: no answer in time"])

    def test_topic(self) -> None:
        text = "one\ntwo\n\n" + "x" * 5000 + "\nthe end"
        writers: dict[Path, list[Path]] = {}
        for one, other in self.pairs("topic"):
            writers.setdefault(one, []).append(other)
        for one, some in ((one, some) for one, others in writers.items() for some in (others[:3], others[3:]) if some):
            with self.subTest(writer=one, readers=some), contextlib.ExitStack() as stack:
                readers = [stack.enter_context(Process(example(other, "topic"), self.device, str(slot), "subscribe"))
                           for slot, other in enumerate(some, 1)]
                for slot, reader in enumerate(readers, 1):
                    self.assertEqual(reader.line(), f"listening in slot {slot}")
                with Process(example(one, "topic"), self.device, "0", "publish", text=text) as writer:
                    self.assertEqual(writer.end(), "")
                for reader in readers:
                    self.assertEqual(reader.end(), text + "\n")

    def test_file_copy(self) -> None:
        for (one, other), size in ((pair, size) for pair in self.pairs("file-copy") for size in (3_000_001, 0)):
            original, copy = self.work / "original", self.work / "copy"
            original.write_bytes(os.urandom(size))
            with Process(example(one, "file-copy"), self.device, "0", "receive", copy) as receiver:
                with Process(example(other, "file-copy"), self.device, "1", "send", original) as sender:
                    sent = sender.end()
                received = receiver.end()
            self.assertEqual(*(hashlib.sha256(path.read_bytes()).digest() for path in (original, copy)))
            self.assertIn(f"{size} bytes, CRC-32 ", sent)
            self.assertEqual(sent.partition(": ")[2], received.partition(": ")[2])
            self.assertFalse((self.work / "copy.part").exists())
            copy.unlink()

    def test_frames(self) -> None:
        """Only in C++: each frame is checked, and the last one becomes a picture."""
        program, picture = next(iter(FOLDERS.values())) / "frames", self.work / "frame.png"
        with Process(program, self.device, "send", "320x192") as sender:
            self.assertEqual(sender.line(), "sending 320x192")
            with Process(program, self.device, "receive", picture, "30") as receiver:
                self.assertEqual(receiver.line(), "receiving")
                *_, rate, said = receiver.end().splitlines()
            sender.end(terminate=True)
        self.assertRegex(rate, r"^\d+ frames, [\d.]+ a second, \d+ skipped$")
        number = int(said.removeprefix(f"{picture}: frame "))
        pixels = pixels_of(picture.read_bytes(), 320, 192)
        # The bar is 5 pixels wide, and moves by 8 with each frame. It is white, and no colour of the card is.
        row = pixels[-1]
        white = [x for x in range(320) if row[3 * x : 3 * x + 3] == b"\xff\xff\xff"]
        self.assertEqual(white, [x for x in range(number * 8 % 320, number * 8 % 320 + 5) if x < 320])

    def test_what_a_user_types_wrongly(self) -> None:
        for folder in FOLDERS.values():
            for program in filter(partial(has, folder), PROGRAMS):
                done = run(example(folder, program))
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"usage: {program} DEVICE", done.stderr)
            for program, *words in filter(lambda command: has(folder, command[0]), (("echo", "0", "client"), ("monitor",))):
                done = run(example(folder, program), "nonsense", *words)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr, f"^{program}: .*nonsense")


if __name__ == "__main__":
    SERVER, *languages = sys.argv[1:]
    FOLDERS = {name: Path(folder) for name, _, folder in (word.partition("=") for word in languages)}
    unittest.main(argv=sys.argv[:1])
