# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The examples of channels and streams, each between the same two guests."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Iterator
from typing import ClassVar

from lab import Doorbell, Guest, Job, Result, Server, booted, build_folder
from lab.case import LabCase
from support import PATIENCE

EXAMPLES = ("echo", "file-copy", "http-get", "http-server", "request-response")
SIZE = 8 << 20
"""The size of the copied file in bytes."""


class Examples(LabCase):
    shared: ClassVar[Server]
    left: ClassVar[Guest]
    right: ClassVar[Guest]
    devices: ClassVar[dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.shared = cls.enterClassContext(Server(cls.work, vectors=1, size="8M"))
        device = Doorbell(cls.shared.socket, 1)
        programs = [build_folder() / "examples" / name for name in EXAMPLES]
        # The programs are large, because they have debug information.
        guests = [
            Guest(cls.work, name, devices=[device], programs=programs, memory=512) for name in ("left", "right")
        ]
        cls.left, cls.right = cls.enterClassContext(booted(*guests))
        cls.devices = {}
        for guest in guests:
            cls.devices[guest.name] = guest.address()
            guest.bind(guest.address(), "vfio-pci")

    def start(self, guest: Guest, program: str, slot: int, words: str = "") -> Job:
        # By its path, because the shell has its own echo.
        return guest.spawn(f"exec /bin/{program} {self.devices[guest.name]} {slot} {words}")

    def client(self, program: str, words: str = "") -> Result:
        return self.start(self.right, program, 1, words).wait(PATIENCE)

    @contextlib.contextmanager
    def server(self, program: str, words: str, says: str) -> Iterator[Job]:
        """Run a program in the left guest; it must exit cleanly on SIGTERM."""
        job = self.start(self.left, program, 0, words)
        job.wait_output(says, PATIENCE)
        yield job
        job.signal("TERM")
        job.wait(PATIENCE).check()

    def test_echo(self) -> None:
        with self.server("echo", "server", "offering echo"):
            for text in ("one\\ntwo\\n\\nthe end", "again\\n"):
                lines = text.replace("\\n", "\n").rstrip("\n") + "\n"
                self.right.put("/tmp/lines", text.replace("\\n", "\n").encode())
                self.assertEqual(self.client("echo", "client < /tmp/lines").check().stdout, lines)

    def test_request_response(self) -> None:
        with self.server("request-response", "server", "answering"):
            answers = self.client("request-response", "client").check().stdout.splitlines()
        self.assertEqual(
            set(answers[:3]), {"2 + 40: 42", "6 * 7: 42", "operation 99: not understood"}
        )
        self.assertEqual(answers[3:], ["wait for half a second: 500", "wait for an hour: no answer in time"])

    def test_file_copy(self) -> None:
        self.right.run(f"head -c {SIZE} /dev/urandom > /tmp/original; : > /tmp/nothing")
        for original, size in (("original", SIZE), ("nothing", 0)):
            receiver = self.start(self.left, "file-copy", 0, "receive /tmp/copy")
            sent = self.client("file-copy", f"send /tmp/{original}").check()
            received = receiver.wait(PATIENCE).check()
            checksum = self.right.run(f"sha256sum < /tmp/{original}").stdout
            self.assertEqual(self.left.run("sha256sum < /tmp/copy").stdout, checksum)
            self.assertIn(f"{size} bytes, CRC-32 ", sent.stdout)
            self.assertEqual(sent.stdout.partition(": ")[2], received.stdout.partition(": ")[2])
            self.assertNotIn("%", sent.stderr + received.stderr)  # no terminal, no progress

    def test_an_interrupted_copy_leaves_no_file(self) -> None:
        self.right.run("truncate -s 4G /tmp/endless")
        receiver = self.start(self.left, "file-copy", 0, "receive /tmp/never")
        sender = self.start(self.right, "file-copy", 1, "send /tmp/endless")
        self.left.wait_for("test -s /tmp/never.part", PATIENCE)
        sender.signal("TERM")
        self.assertEqual(sender.wait(PATIENCE).rc, 1)
        result = receiver.wait(PATIENCE)
        self.assertEqual(result.rc, 1, result.stdout)
        self.assertIn("the peer closed the channel", result.stderr)
        self.assertEqual(self.left.run("ls /tmp/never*", check=False).stdout, "")

    def test_http(self) -> None:
        self.left.run("mkdir -p /tmp/www/sub; echo '<p>here' > /tmp/www/index.html; echo secret > /tmp/secret")
        self.left.run("ln -sf ../secret /tmp/www/link; head -c 3000000 /dev/urandom > /tmp/www/sub/large")
        checksum = self.left.run("sha256sum < /tmp/www/sub/large").stdout
        with self.server("http-server", "/tmp/www", "serving HTTP"):
            page = self.client("http-get", "/").check()
            self.assertEqual(page.stdout, "<p>here\n")
            self.assertIn("/: 200 OK, 8 bytes, text/html", page.stderr)
            # Two clients at once: a guest and the host.
            job = self.start(self.right, "http-get", 1, "/sub/large > /tmp/large")
            command = [str(build_folder() / "examples/http-get"), f"server:{self.shared.socket}", "2", "/sub/large"]
            host = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
            job.wait(PATIENCE).check()
            self.assertEqual(hashlib.sha256(host.stdout).hexdigest(), checksum.split()[0])
            self.assertEqual(self.right.run("sha256sum < /tmp/large").stdout, checksum)
            outside = ("/../secret", "/link", "/sub/../../secret", "//tmp/secret", "/missing")
            got = self.client("http-get", " ".join(("/", *outside, "/sub/large > /tmp/last")))
            self.assertEqual(got.rc, 1)
            self.assertEqual(got.stderr.count(": 404 "), len(outside), got.stderr)
            self.assertEqual(self.right.run("grep -c secret /tmp/last", check=False).stdout.strip(), "0")

    def test_the_built_in_page(self) -> None:
        with self.server("http-server", "", "serving HTTP"):
            self.assertIn("Hello from another VM", self.client("http-get", "/").check().stdout)

    def test_wrong_words_are_answered_with_the_usage(self) -> None:
        for program in EXAMPLES:
            result = self.left.run(f"/bin/{program}", check=False)
            self.assertEqual(result.rc, 2, program)
            self.assertIn(f"usage: {program} DEVICE SLOT", result.stderr)
            words = {"file-copy": "send /x", "http-get": "/", "http-server": ""}.get(program, "client")
            result = self.left.run(f"/bin/{program} 0000:ff:1f.7 0 {words}", check=False)
            self.assertEqual(result.rc, 1, program)
            self.assertIn(f"{program}: 0000:ff:1f.7", result.stderr)
