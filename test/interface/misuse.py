#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The compiler's errors for programs that use the library wrongly:

    misuse.py SOURCE HEADERS INCLUDE[,INCLUDE...] COMPILER...

SOURCE has calls that must not compile, each with one error that says why. A header in the folder
HEADERS that is compiled without C++20 says so first, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ERROR = re.compile(r"^(?P<file>.+?):(?P<line>\d+):\d+: (?:fatal )?error: (?P<text>.*)$")
EXPECTED = re.compile(r"// error: (?P<name>\w+): (?P<why>.+)$")
NEEDED = "libivshmem needs C++20: -std=c++20"


def diagnostics(compiler: list[str], includes: list[str], standard: str, source: Path) -> list[tuple[str, int, str, str]]:
    """Returns the file, the line, the text and the notes of each error."""
    words = [*compiler, f"-std={standard}", "-fsyntax-only", "-fno-diagnostics-color", *("-I" + i for i in includes), str(source)]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stderr
    errors: list[tuple[str, int, str, str]] = []
    for line in said.splitlines():
        if found := ERROR.match(line):
            errors.append((found["file"], int(found["line"]), found["text"], ""))
        elif errors:
            errors[-1] = (*errors[-1][:3], errors[-1][3] + line + "\n")
    return errors


def check_calls(compiler: list[str], includes: list[str], source: Path) -> list[str]:
    expected = {number: found for number, line in enumerate(source.read_text().splitlines(), 1)
                if (found := EXPECTED.search(line))}
    if not expected:
        return [f"{source}: expects nothing"]
    limit = ["-ferror-limit=0"] if "clang" in subprocess.run(
        [*compiler, "--version"], capture_output=True, text=True, check=True).stdout else []
    wrong = []
    seen = set()
    for file, line, text, notes in diagnostics([*compiler, *limit], includes, "c++20", source):
        found = expected.get(line)
        if not found or Path(file).name != source.name or line in seen:
            wrong.append(f"{file}:{line}: not expected: {text}")
            continue
        seen.add(line)
        if found["name"] not in text:
            wrong.append(f"{file}:{line}: {found['name']!r} is not in the error: {text}")
        if found["why"] not in text + notes:
            wrong.append(f"{file}:{line}: {found['why']!r} is not said: {text}\n{notes}")
    return wrong + [f"{source}:{line}: compiles" for line in expected.keys() - seen]


def check_standard(compiler: list[str], includes: list[str], headers: Path) -> list[str]:
    wrong = []
    found = sorted(headers.glob("ivshmem/**/*.hpp"))
    if not found:
        return [f"{headers}: no headers"]
    with tempfile.TemporaryDirectory() as folder:
        for header in found:
            source = Path(folder) / "source.cpp"
            source.write_text(f"#include <{header.relative_to(headers)}>\n")
            errors = diagnostics(compiler, includes, "c++17", source)
            if len(errors) != 2 or NEEDED not in errors[0][2] or "needs-c++20" not in errors[1][2]:
                wrong.append(f"{header}: as C++17: {[text for _, _, text, _ in errors[:3]]}")
    return wrong


def main() -> int:
    source, headers, includes, *compiler = sys.argv[1:]
    wrong = check_calls(compiler, includes.split(","), Path(source))
    wrong += check_standard(compiler, includes.split(","), Path(headers))
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
