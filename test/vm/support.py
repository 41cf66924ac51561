# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The common parts of the library's VM tests: its programs, and functions that read their output."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import Guest, Result, build_folder
from lab.case import LabCase

CONFORMANCE = build_folder() / "test/conformance/conformance"
PROBE = build_folder() / "test/vm/guest/probe"
IVSHMEMCTL = build_folder() / "tools/ivshmemctl/ivshmemctl"
LSIVSHMEM = build_folder() / "tools/lsivshmem/lsivshmem"
PROGRAMS = (CONFORMANCE, PROBE, LSIVSHMEM)
"""The programs that a guest needs."""

PATIENCE = 120.0
"""The time limit of a check in seconds, also on a busy machine."""

DEVICES = "/sys/bus/pci/devices"
PAT = "/sys/kernel/debug/x86/pat_memtype_list"

_ROLES = ("first", "second", "third")
_HEADER = Path(__file__).resolve().parents[2] / "include/ivshmem/error.hpp"


def errc(name: str) -> int:
    """Return the number of an ivshmem::errc."""
    text = _HEADER.read_text("utf-8")
    body = re.sub(r"//.*", "", text[text.index("enum class errc {") : text.index("};")])
    return re.findall(r"(\w+)\s*(?:=\s*1)?\s*,", body.partition("{")[2]).index(name) + 1


@dataclass(frozen=True)
class Party:
    """The machine on which a program runs, and the device that it opens there."""

    guest: Guest | None
    device: str

    def start(self, program: Path, *words: object) -> Callable[[float], Result]:
        """Start a program on the device. The returned function waits for its end."""
        arguments = " ".join(str(word) for word in words)
        if self.guest is not None:
            return self.guest.spawn(f"{program.name} {arguments}").wait
        command = [str(program), *arguments.split()]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def wait(timeout: float) -> Result:
            try:
                out, err = child.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                child.kill()
                out, err = child.communicate()
                err += f"no end within {timeout:g} s, killed"
            return Result(" ".join(command), child.returncode, out, err)

        return wait


class DeviceCase(LabCase):
    """Tests that open devices."""

    @staticmethod
    def errc(name: str) -> int:
        return errc(name)

    def assertConforms(self, result: Result, *wanted: str) -> None:
        """Assert that all checks passed, and that they include these: the program skips what a device cannot do."""
        shown = f"{result.command}: status {result.rc}\n{result.stdout}\n{result.stderr}"
        self.assertEqual(re.findall(r"^not ok .*", result.stdout, re.MULTILINE), [], shown)
        self.assertEqual(result.rc, 0, shown)
        passed = set(re.findall(r"^ok (\S+)", result.stdout, re.MULTILINE))
        self.assertLessEqual(set(wanted), passed, shown)

    def alone(self, guest: Guest, device: str, *wanted: str, vectors: int = 0) -> Result:
        """Run the conformance program on one device."""
        result = guest.run(f"{CONFORMANCE.name} {device} --vectors {vectors}", timeout=PATIENCE, check=False)
        self.assertConforms(result, "memory.every-page", "open-again", *wanted)
        return result

    def together(
        self, parties: Sequence[Party], rung: Sequence[int], vectors: int = 0, *, crowded: bool = False
    ) -> None:
        """Run the conformance program on two or three devices at once.

        rung: the number of vectors of each party that the others can ring. crowded: others than the parties may ring.
        """
        waits = [
            party.start(
                CONFORMANCE, party.device, "--role", role, "--parties", len(parties),
                *(("--vectors", vectors) if vectors else ()), *(["--crowded"] if crowded else []),
                "--timeout", int(PATIENCE),
            )
            for party, role in zip(parties, _ROLES)
        ]  # fmt: skip
        results = [wait(PATIENCE + 30) for wait in waits]
        for me, result in enumerate(results, 1):
            others = [other for other in range(1, len(parties) + 1) if other != me]
            rings = [f"{how}.{o}-{me}.{v}" for how in ("ring", "ring-any") for o in others for v in range(rung[me - 1])]
            self.assertConforms(result, "session.ids", *rings, *(f"message.{other}-{me}.7" for other in others))
            self.assertEqual(sum(name.startswith("ring") for name in _passed(result)), len(rings), result.stdout)

    def assertFails(self, result: Result, name: str, *fragments: str) -> None:
        """Assert that a probe ended with this errc, and that its message has all these fragments."""
        shown = f"{result.command}: status {result.rc}\n{result.stdout}\n{result.stderr}"
        match = re.search(r"^error ivshmem (\d+) (.*)$", result.stdout, re.MULTILINE)
        self.assertIsNotNone(match, shown)
        assert match is not None
        self.assertEqual(int(match[1]), errc(name), shown)
        for fragment in fragments:
            self.assertIn(fragment, match[2])
        self.assertEqual(result.rc, 3, shown)


def _passed(result: Result) -> list[str]:
    return re.findall(r"^ok (\S+)", result.stdout, re.MULTILINE)


def probe(guest: Guest, *words: object, timeout: float = 60, **options: Any) -> Result:
    """Run the probe in a guest; it may fail."""
    return guest.run(" ".join([PROBE.name, *map(str, words)]), timeout=timeout, check=False, **options)


def facts(result: Result) -> dict[str, str]:
    """Return the lines "name: value" that the probe prints."""
    result.check()
    return dict(re.findall(r"^([\w-]+): (.*)$", result.stdout, re.MULTILINE))


def bar(guest: Guest, address: str, number: int) -> int:
    """Return the physical address of a BAR."""
    lines = guest.run(f"cat {DEVICES}/{address}/resource").stdout.splitlines()
    return int(lines[number].split()[0], 16)
