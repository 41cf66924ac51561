#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Watch each access of a program to the shared memory: alignment.py none|some PROGRAM.

The program prints "region ADDRESS SIZE" for each memory. Valgrind's lackey reports all accesses of all code; one to
such a memory that is not a multiple of its own size, or larger than a word of 64 bits, fails; with "some" there must be
one. An emulator does not show it, but a processor of ARM refuses it in memory of the type Device. Exits with 77, which is
a skipped test, without valgrind.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter


def main(expected: str, program: str) -> int:
    if shutil.which("valgrind") is None:
        print("skipped: there is no valgrind")
        return 77
    reads, writes = os.pipe()
    command = ["valgrind", "--tool=lackey", "--trace-mem=yes", "--basic-counts=no", f"--log-fd={writes}", program]
    pages: Counter[int] = Counter()
    odd: Counter[tuple[int, int]] = Counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[writes], text=True) as running:
        os.close(writes)
        with open(reads, encoding="ascii", errors="replace") as trace:
            for line in trace:
                if line[0] != " ":  # an instruction, or a word of valgrind itself
                    continue
                place, _, size = line[3:].partition(",")
                address, length = int(place, 16), int(size)
                pages[address >> 12] += 1
                if address % length or length > 8:
                    odd[address, length] += 1
        assert running.stdout is not None
        said = running.stdout.read()
    regions = [(int(start, 16), int(size, 16)) for start, size in re.findall(r"^region (\w+) (\w+)$", said, re.MULTILINE)]
    print(said, end="")
    if running.returncode != 0 or not regions:
        print(f"FAIL: {program}: status {running.returncode}")
        return 1
    found = False
    for start, size in regions:
        seen = sum(count for page, count in pages.items() if start <= page << 12 < start + size)
        wrong = [(address - start, length) for address, length in sorted(odd) if start <= address < start + size]
        print(f"region of {size} bytes: {seen} accesses, {len(wrong)} places of others than aligned words")
        for offset, length in wrong[:10]:
            print(f"{length} bytes at offset {offset:#x}")
        found = found or bool(wrong)
        if seen < 1000:
            print("FAIL: the trace has too few accesses")
            return 1
    if found != (expected == "some"):
        print(f"FAIL: expected {expected}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
