# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The examples in C and Python in a guest, on a real device, and those of each language on the host."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from lab import Doorbell, Guest, Job, Server, build_folder, python
from lab.case import LabCase
from lab.runner import long
from support import PATIENCE

TOP = Path(__file__).resolve().parents[2]
EXAMPLES = ("doorbell", "echo", "file-copy", "monitor", "request-response", "topic")
STARTS = "Python starts in four seconds under TCG, for each pair of languages"
TEXT = "one\ntwo\n\n" + "x" * 5000 + "\nthe end\n"


def python_in_guest() -> dict[str, Path | bytes]:
    """Return the files of Python, of the module and of the examples."""
    sources = list((TOP / "examples/python").glob("*.py"))
    names = {"gettext", "concurrent.futures.thread"}  # which functions import
    for source in sources:
        names |= python.imported(source)
    names -= {source.stem for source in sources}
    found = python.files(sorted(names), TOP / "lib/python", build_folder() / "lib")
    return found | {f"/python/{source.name}": source for source in sources}


class OnHost:
    """An example that runs on the host; killed at the end if it still runs."""

    LANGUAGES = ("cpp", "c", "python")
    ENVIRONMENT = {"LD_LIBRARY_PATH": str(build_folder() / "lib"), "PYTHONPATH": str(TOP / "lib/python"),
                   "PYTHONDONTWRITEBYTECODE": "1"}

    def __init__(self, case: Languages, language: str, program: str, words: str) -> None:
        command = {"cpp": [build_folder() / "examples" / program], "c": [build_folder() / "examples/c" / program],
                   "python": [sys.executable, TOP / "examples/python" / f"{program}.py"]}[language]
        self.child = subprocess.Popen([*command, f"server:{case.shared.socket}", *words.split()], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env={**os.environ, **self.ENVIRONMENT})
        case.addCleanup(self.child.communicate)
        case.addCleanup(self.child.kill)
        self.said = ""

    def says(self, text: str) -> str:
        assert self.child.stdout
        while text not in (line := self.child.stdout.readline()):
            self.said += line
            assert line, f"{self.child.args}: ended without {text!r}: {self.said}"
        self.said += line
        return self.said

    def end(self, text: str = "", terminate: bool = False) -> str:
        """Return its output, after it has read this text; it must succeed."""
        if terminate:
            self.child.terminate()
        out, errors = self.child.communicate(text, timeout=PATIENCE)
        assert self.child.returncode == 0, f"{self.child.args}: {self.child.returncode}: {errors}"
        return self.said + out


class InGuest:
    """An example that runs in the guest."""

    LANGUAGES = ("c", "python")

    def __init__(self, case: Languages, language: str, program: str, words: str) -> None:
        # By its path, because the shell has its own echo.
        command = {"c": f"/bin/{program}", "python": f"{python.COMMAND} /python/{program}.py"}[language]
        self.job: Job = case.guest.spawn(f"exec {command} {case.device} {words} < /python/text")

    def says(self, text: str) -> str:
        return self.job.wait_output(text, PATIENCE)

    def end(self, text: str = "", terminate: bool = False) -> str:
        """As OnHost.end(), but it always reads TEXT."""
        if terminate:
            self.job.signal("TERM")
        return self.job.wait(PATIENCE).check().stdout


Place = type[OnHost] | type[InGuest]


class Languages(LabCase):
    shared: ClassVar[Server]
    guest: ClassVar[Guest]
    device: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.shared = cls.enterClassContext(Server(cls.work, vectors=2, size="8M"))
        programs = [*(build_folder() / "examples/c" / name for name in EXAMPLES), python.INTERPRETER]
        files = {**python_in_guest(), "/python/text": TEXT}
        cls.guest = cls.enterClassContext(Guest(
            cls.work, devices=[Doorbell(cls.shared.socket, 2)], programs=programs, files=files, memory=512))
        cls.device = cls.guest.address()
        cls.guest.bind(cls.device, "vfio-pci")

    @contextlib.contextmanager
    def server(self, place: Place, language: str, program: str) -> Iterator[OnHost | InGuest]:
        """Run an example in slot 0; it must exit cleanly on SIGTERM."""
        server = place(self, language, program, "0 server")
        server.says(" in slot 0")
        yield server
        server.end(terminate=True)

    def pairs(self) -> Iterator[tuple[tuple[Place, str], tuple[Place, str]]]:
        """Each language of the guest with each of the host, in both roles."""
        for inside, outside in itertools.product(InGuest.LANGUAGES, OnHost.LANGUAGES):
            for pair in itertools.permutations([(InGuest, inside), (OnHost, outside)]):
                with self.subTest(server=pair[0], client=pair[1]):
                    yield pair[0], pair[1]

    def echo(self, server: tuple[Place, str], client: tuple[Place, str]) -> None:
        with self.server(*server, "echo") as serving:
            self.assertEqual(client[0](self, client[1], "echo", "1 client").end(TEXT), TEXT)
            serving.says("slot 1 is here")

    def test_a_server_in_the_guest(self) -> None:
        for language in InGuest.LANGUAGES:
            with self.server(InGuest, language, "echo"):
                for other in OnHost.LANGUAGES:
                    with self.subTest(server=language, client=other):
                        self.assertEqual(OnHost(self, other, "echo", "1 client").end(TEXT), TEXT)

    def test_a_client_in_the_guest(self) -> None:
        self.echo((OnHost, "python"), (InGuest, "c"))
        self.echo((OnHost, "c"), (InGuest, "python"))

    def test_a_topic_from_the_guest(self) -> None:
        reader = OnHost(self, "python", "topic", "1 subscribe")
        reader.says("listening in slot 1")
        InGuest(self, "c", "topic", "0 publish").end()
        self.assertTrue(reader.end().endswith("listening in slot 1\n" + TEXT))

    @long(STARTS)
    def test_topics(self) -> None:
        for writer, reader in self.pairs():
            reading = reader[0](self, reader[1], "topic", "1 subscribe")
            reading.says("listening in slot 1")
            writer[0](self, writer[1], "topic", "0 publish").end(TEXT)
            self.assertTrue(reading.end().endswith("listening in slot 1\n" + TEXT))

    @long(STARTS)
    def test_all_clients_in_the_guest(self) -> None:
        for server, client in self.pairs():
            if client[0] is InGuest:
                self.echo(server, client)

    @long(STARTS)
    def test_request_response(self) -> None:
        for server, client in self.pairs():
            with self.server(*server, "request-response"):
                answers = client[0](self, client[1], "request-response", "1 client").end().splitlines()
                self.assertEqual(set(answers), {"2 + 40: 42", "6 * 7: 42", "operation 99: not understood",
                                                "wait for half a second: 500", "wait for an hour: no answer in time"})

    @long(STARTS)
    def test_file_copy(self) -> None:
        original = self.work / "original"
        original.write_bytes(os.urandom(1_000_001))
        self.guest.put("/tmp/original", original.read_bytes())
        digest = hashlib.sha256(original.read_bytes()).hexdigest()
        for (to, to_language), (source, from_language) in self.pairs():
            copy = "/tmp/copy" if to is InGuest else self.work / "copy"
            receiver = to(self, to_language, "file-copy", f"0 receive {copy}")
            sender = source(self, from_language, "file-copy", f"1 send {'/tmp/original' if source is InGuest else original}")
            self.assertEqual(sender.end().partition(": ")[2], receiver.end().partition(": ")[2])
            if to is InGuest:
                self.assertEqual(self.guest.run(f"sha256sum {copy}").stdout.split()[0], digest)
            else:
                self.assertEqual(hashlib.sha256(Path(copy).read_bytes()).hexdigest(), digest)

    @long(STARTS)
    def test_rings(self) -> None:
        for (to, to_language), (source, from_language) in self.pairs():
            waiting = to(self, to_language, "doorbell", "wait 1 100")
            peer = waiting.says("vectors").split()[1].rstrip(",")
            source(self, from_language, "doorbell", f"ring {peer} 1").end()
            self.assertIn("rung 1 time\n", waiting.end())
            monitor = to(self, to_language, "monitor", "")
            peer = monitor.says("peer ").split()[1].rstrip(",")
            source(self, from_language, "doorbell", f"ring {peer} 1").end()
            monitor.says("vector 1 rung 1x")
            monitor.end(terminate=True)
