# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The checks of the style layer."""

from __future__ import annotations

import re
import subprocess

import tidy
from checkout import TOP, Say, tracked
from totals import FAILED, PASSED, Totals


def _check(say: Say, what: str, complaints: str) -> Totals:
    """One check, which passes if it reports nothing."""
    say(f"{'FAIL' if complaints else 'ok':4} {what}")
    for line in complaints.splitlines()[:60]:
        say(f"     {line}")
    return FAILED if complaints else PASSED


def _untagged() -> str:
    """Files without their SPDX tags. The licence's own text, and files that cannot hold a comment, are left out."""
    exempt = re.compile(
        r"^LICENSE$|^debian/(changelog|source/format|.*\.doc-base)$"
        r"|\.(json|expected|golden|svg|png)$|/(expected|golden|corpus)/"
    )
    missing = []
    for name in tracked():
        text = (TOP / name).read_bytes()[:2000]
        if not exempt.search(name) and not (b"SPDX-License-Identifier:" in text and b"SPDX-FileCopyrightText:" in text):
            missing.append(f"{name}: no SPDX tags")
    return "\n".join(missing)


def _unformatted() -> str:
    sources = tracked("*.cpp", "*.hpp", *(f"{folder}/*.[ch]" for folder in ("examples", "include", "lib", "test/c", "test/peer")))
    command = ["clang-format", "--dry-run", "-Werror", *sources]
    ran = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    return (ran.stdout + ran.stderr or f"status {ran.returncode}") if ran.returncode else ""


def _untyped() -> str:
    examples = (TOP / name for name in tracked("examples/python/*.py"))
    ran = subprocess.run(["mypy", "ivshmem", *examples], cwd=TOP / "lib/python", capture_output=True, text=True, check=False)
    return (ran.stdout + ran.stderr or f"status {ran.returncode}") if ran.returncode else ""


def run(say: Say, everything: bool) -> Totals:
    totals = _check(say, "every file has SPDX tags", _untagged())
    totals += _check(say, "clang-format", _unformatted())
    totals += _check(say, "mypy --strict", _untyped())
    return totals + _check(say, "clang-tidy", tidy.complaints(say, everything))
