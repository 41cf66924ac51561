# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""symbols.py LIBRARY SYMBOLS_FILE: the library exports what Debian's symbols file lists.

The build of the package compares the same; this says it as soon as the library is built.
"""

import re
import struct
import subprocess
import sys
from pathlib import Path

LIBRARY, SYMBOLS_FILE = sys.argv[1:]
BITS = 8 * struct.calcsize("P")


def listed() -> set[str]:
    """The symbols for this word size, demangled: ` (arch-bits=64|c++)"NAME@NODE" VERSION`, or ` NAME@NODE VERSION`."""
    names = set()
    for line in Path(SYMBOLS_FILE).read_text("utf-8").splitlines():
        if match := re.fullmatch(r' (?:\(([^)]*)\))?(?:"([^"]*)"|(\S+)) \S+', line):
            tags, quoted, plain = match.groups()
            bits = re.search(r"arch-bits=(\d+)", tags or "")
            if bits is None or int(bits[1]) == BITS:
                names.add(quoted or plain)
    return names


def exported() -> set[str]:
    """Of the version node itself nm says the name twice."""
    shown = subprocess.run(["nm", "-DC", "--defined-only", LIBRARY], capture_output=True, text=True, check=True).stdout
    names = (re.sub(r"^\S+ \S ", "", line).replace("@@", "@") for line in shown.splitlines())
    return {f"{name}@{name}" if "@" not in name else name for name in names}


def main() -> int:
    wanted, found = listed(), exported()
    for name in sorted(wanted - found):
        print(f"listed, but not exported: {name}")
    for name in sorted(found - wanted):
        print(f"exported, but not listed: {name}")
    assert wanted
    return 0 if wanted == found else 1


if __name__ == "__main__":
    sys.exit(main())
