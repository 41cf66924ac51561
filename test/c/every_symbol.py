#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""every_symbol.py INCLUDE SYMBOLS_FILE: prints a program in C that links every function of the API in C.

It fails if the headers and Debian's symbols file do not name the same functions.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FUNCTION = re.compile(r"^(?:int|void|uint32_t|const char\*) (ivshmem_\w+)\(", re.MULTILINE)
LISTED = re.compile(r"^ (ivshmem_\w+)@LIBIVSHMEM_\d+ \S+$", re.MULTILINE)


def main() -> int:
    include, symbols_file = map(Path, sys.argv[1:])
    declared = {name for header in include.glob("ivshmem/c/*.h") for name in FUNCTION.findall(header.read_text("utf-8"))}
    listed = set(LISTED.findall(symbols_file.read_text("utf-8")))
    if declared != listed or not declared:
        print("only in the headers:", ", ".join(sorted(declared - listed)), file=sys.stderr)
        print("only in the symbols file:", ", ".join(sorted(listed - declared)), file=sys.stderr)
        return 1
    print("#include <ivshmem/ivshmem.h>\n\nstatic void (*const all[])(void) = {")
    print("\n".join(f"    (void (*)(void)){name}," for name in sorted(declared)))
    print("};\n\nint main(void) {")
    print("    for (size_t i = 0; i < sizeof all / sizeof *all; ++i)")
    print("        if (all[i] == 0)\n            return 1;")
    print("    return ivshmem_version_number() == 0;\n}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
