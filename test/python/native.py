# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""native.py LIST: the structs and parameters of the module are those of the library, as include/abi.txt lists them."""

from __future__ import annotations

import ctypes
import pathlib
import re
import struct
import sys
import unittest

from ivshmem import _native

LIST = pathlib.Path(sys.argv.pop()).read_text("utf-8")
SIZES = {"int": 4, "int32_t": 4, "uint32_t": 4, "size_t": 8}
"""Of the parameters that are no pointers."""


class Native(unittest.TestCase):
    def test_structs(self) -> None:
        listed = {name: (int(size), re.findall(r"^  (\d+) (\d+) (\w+): ", members, re.MULTILINE))
                  for name, size, members in re.findall(r"^struct ivshmem_(\w+): (\d+)\n((?:  .*\n)+)", LIST, re.MULTILINE)}
        mine = {name: kind for name, kind in vars(_native).items()
                if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and kind is not _native.Sized}
        self.assertGreater(len(mine), 8)
        for name, kind in mine.items():
            size, members = listed[re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()]
            with self.subTest(name):
                self.assertEqual(ctypes.sizeof(kind), size)
                self.assertEqual([(str(getattr(kind, field[0]).offset), str(getattr(kind, field[0]).size), field[0])
                                  for field in kind._fields_], members)

    def test_parameters(self) -> None:
        listed = {name: kinds.split(", ") for name, kinds in re.findall(r"^ivshmem_(\w+): int \((.*)\)$", LIST, re.MULTILINE)}
        for name, mine in _native._PARAMETERS.items():
            with self.subTest(name):
                self.assertEqual([ctypes.sizeof(kind) for kind in mine],
                                 [8 if "*" in kind else SIZES[kind] for kind in listed[name]])


if __name__ == "__main__":
    if struct.calcsize("P") != 8:
        print("skipped: the list is that of processors with 64 bits")
        sys.exit(77)
    unittest.main()
