# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""python3 -m ivshmem: the devices of this machine, in lsivshmem's default columns."""

from __future__ import annotations

import argparse
import sys

from . import DeviceInfo, Error, __version__, discover

_NO_DEVICE = 32
_HEADINGS = ("ADDRESS", "TYPE", "SIZE", "VECTORS", "DRIVER", "GROUP", "NODE", "USE")
_TO_THE_RIGHT = {"SIZE", "VECTORS", "GROUP"}


def _size(count: int) -> str:
    """Return a size as lsivshmem prints it: in the largest unit that divides it."""
    if not count:
        return ""
    for shift, unit in ((40, "T"), (30, "G"), (20, "M"), (10, "K")):
        if count % (1 << shift) == 0:
            return f"{count >> shift}{unit}"
    return f"{count}B"


def _use(info: DeviceInfo) -> str:
    can = info.diagnosis
    words = [] if can is None else [word for word, able in (("map", can.can_map), ("ring", can.can_ring),
                                                            ("interrupt", can.can_interrupt)) if able]
    return " ".join(words) or "none"


def _row(info: DeviceInfo) -> tuple[str, ...]:
    def digits(value: int | None) -> str:
        return "" if value is None else str(value)

    return (info.address, info.type, _size(info.memory_size), digits(info.vectors), info.driver,
            digits(info.iommu_group), info.node, _use(info))


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) if heading in _TO_THE_RIGHT else cell.ljust(width)
                 for cell, width, heading in zip(row, widths, _HEADINGS)]
        lines.append(" ".join(cells).rstrip())
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m ivshmem", description="List the inter-VM shared memory devices.")
    parser.add_argument("--sysroot", default="/", metavar="DIR", help="read sys and dev under this directory")
    parser.add_argument("-V", "--version", action="version", version=__version__)
    options = parser.parse_args()
    try:
        devices = discover(options.sysroot)
    except Error as failure:
        print(f"ivshmem: {failure}", file=sys.stderr)
        return 1
    if not devices:
        print("ivshmem: no inter-VM shared memory device found", file=sys.stderr)
        return _NO_DEVICE
    print(_table([_HEADINGS, *map(_row, devices)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
