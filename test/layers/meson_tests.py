# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The tests of a build folder, and their results."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from checkout import Say, stream
from compiling import introspected
from totals import FAILED, PASSED, Totals

LONG = "long"
"""The suite of tests that a quick run leaves out."""

_SHOWN = 40
"""Lines of a failed test's output that are shown again at the end."""


@dataclass(frozen=True)
class Test:
    name: str
    suites: frozenset[str]
    command: tuple[str, ...]
    files: tuple[str, ...]
    """The files of the build that it needs, relative to the build folder."""

    @property
    def program(self) -> str:
        return Path(self.command[0]).name

    def is_compiled_in(self, folder: Path) -> bool:
        return Path(self.command[0]).is_relative_to(folder)

    @property
    def interpreted(self) -> bool:
        """Whether Python runs it: such a test checks the output of programs."""
        return self.program.startswith("python")


def tests(folder: Path) -> list[Test]:
    """Return all tests of a configured folder."""
    files = {target["id"]: target["filename"] for target in introspected(folder, "--targets")}
    return [
        Test(
            name=test["name"],
            suites=frozenset(suite.partition(":")[2] for suite in test["suite"]),
            command=tuple(test["cmd"]),
            files=tuple(os.path.relpath(file, folder) for target in test["depends"] for file in files[target]),
        )
        for test in introspected(folder, "--tests")
    ]


def cases(result: str, output: str) -> Totals:
    """Return the number of tests that a program ran."""
    if match := re.search(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)", output):
        return Totals(passed=int(match[1])) if result == "OK" else FAILED
    if match := re.search(r"^test cases:\s*(\d+)(.*)$", output, re.MULTILINE):
        counted = dict((word, int(number)) for number, word in re.findall(r"(\d+) (passed|failed|skipped)", match[2]))
        return Totals(counted.get("passed", 0), max(1, counted.get("failed", 0)), counted.get("skipped", 0))
    for line in output.splitlines():
        if totals := Totals.found(line):
            failed = totals.failed if result == "OK" else max(1, totals.failed)
            return Totals(totals.passed, failed, totals.skipped)
    return PASSED if result in ("OK", "EXPECTEDFAIL") else Totals(skipped=1) if result == "SKIP" else FAILED


def run(say: Say, folder: Path, chosen: Iterable[Test], env: Mapping[str, str] | None = None) -> Totals:
    """Run these tests, which must be built."""
    names = [test.name for test in chosen]
    if not names:
        return Totals()
    log = folder / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    # More than there are processors: many tests wait most of the time. The time limits are those of a
    # quiet machine without sanitizers.
    at_once = str(2 * (os.cpu_count() or 1))
    options = ["--no-rebuild", "--print-errorlogs", "--num-processes", at_once, "--timeout-multiplier", "4"]
    status = stream(say, "meson", "test", "-C", folder, *options, *names, env=env)
    totals = Totals()
    reported = set()
    if log.exists():
        for line in log.read_text("utf-8").splitlines():
            entry = json.loads(line)
            reported.add(re.sub(r"^.*[:/] ?", "", entry["name"]))
            counted = cases(entry["result"], entry.get("stdout", ""))
            totals += counted
            if counted.skipped:
                say(f"skip {entry['name']}: {counted.skipped}")
            if counted.failed:
                say(f"FAIL {entry['name']}")
                said = entry.get("stdout", "").splitlines() + entry.get("stderr", "").splitlines()
                say("\n".join(f"  {line}" for line in said[-_SHOWN:]))
    for name in names:
        if name not in reported:
            say(f"FAIL {name}: meson reports no result of it")
            totals += FAILED
    if status != 0 and totals.failed == 0:
        totals += FAILED
    return totals
