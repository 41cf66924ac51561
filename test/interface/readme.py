# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""readme.py README SERVER ECHO INCLUDE LIBRARIES PEER COMPILER...: the README's programs in C and Python.

The clients run, and talk to the example `echo` at a server, whose socket takes the place of the device's address. The
task for an RTOS, which has no main(), is compiled with declarations of what it takes from its system.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import ClassVar

README, SERVER, ECHO, INCLUDE, LIBRARIES, PEER = (Path(word) for word in sys.argv[1:7])
COMPILER = sys.argv[7:]
PATIENCE = 120
ADDRESS = '"0000:00:04.0"'
SYSTEM = """
static unsigned char registers[16], memory[1 << 20];
#define REGISTERS registers
#define SHARED_MEMORY memory
#define SHARED_MEMORY_SIZE sizeof memory
uint32_t milliseconds_since_start(void);
uint32_t entropy(void);
void take_semaphore(uint32_t milliseconds);
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


class Readme(unittest.TestCase):
    work: ClassVar[Path]
    device: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.work = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        socket = cls.work / "socket"
        server = subprocess.Popen([SERVER, "-F", "-S", socket, "-l", "4M"], stderr=subprocess.PIPE, text=True)
        cls.ends(server)
        assert server.stderr
        while "listening on" not in (line := server.stderr.readline()):
            assert line, "the server ended"
        cls.device = f"server:{socket}"
        echo = subprocess.Popen([ECHO, cls.device, "0", "server"], stdout=subprocess.PIPE, text=True)
        cls.ends(echo)
        assert echo.stdout
        assert echo.stdout.readline() == "offering echo in slot 0\n"

    @classmethod
    def ends(cls, process: subprocess.Popen[str]) -> None:
        cls.addClassCleanup(process.communicate)
        cls.addClassCleanup(process.terminate)

    def written(self, name: str, text: str) -> Path:
        path = self.work / name
        path.write_text(text)
        return path

    def run_client(self, *command: str | Path) -> None:
        found = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARIES)}
        done = subprocess.run(command, env=found, text=True, capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)

    def client(self, language: str) -> str:
        text = blocks(language)[0]
        self.assertEqual(text.count(ADDRESS), 1)
        return text.replace(ADDRESS, f'"{self.device}"')

    def compile(self, *words: str | Path) -> None:
        command = [*COMPILER, "-std=c11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", f"-I{INCLUDE}", f"-I{PEER}", *words]
        done = subprocess.run(command, text=True, capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_client_in_c(self) -> None:
        source = self.written("client.c", self.client("c"))
        self.compile(source, "-o", self.work / "client", f"-L{LIBRARIES}", "-livshmem")
        self.run_client(self.work / "client")

    def test_the_client_in_python(self) -> None:
        self.run_client(sys.executable, self.written("client.py", self.client("python")))

    def test_the_task_of_an_rtos(self) -> None:
        text = blocks("c")[1]
        self.assertIn("echo_task", text)
        include, rest = text.split("\n", 1)
        self.compile("-c", self.written("task.c", f"{include}\n{SYSTEM}{rest}"), "-o", self.work / "task.o")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
