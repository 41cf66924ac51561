#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""abi.py INCLUDE LIST [--renew] COMPILER...: the headers in C keep the binary interface that a list names.

--renew writes the list instead.
"""

from __future__ import annotations

import shutil
import struct
import sys
import tempfile
import unittest
from collections.abc import Sequence
from pathlib import Path

sys.dont_write_bytecode = True

from interface import broken, listed, measured, written  # noqa: E402

INCLUDE = Path()
LIST = Path()
COMPILER: Sequence[str] = ()

BREAKS = {
    "a member goes away": ("device.h", "    uint32_t vectors;     /**< server", "    /**< server"),
    "a member moves": ("device.h", "    int backend;          /**<", "    int later; int backend; /**<"),
    "a member becomes larger": ("slot.h", "    uint32_t heartbeat_ms;     /**<", "    uint64_t heartbeat_ms; /**<"),
    "a member gets another type": ("channel.h", "    int polling;          /**<", "    float polling; /**<"),
    "a member lies in the padding at the end": ("slot.h", "    uint32_t repairs;      /**<", "    uint32_t repairs; int late; /**<"),
    "a struct without a size grows": ("slot.h", "    uint32_t incarnation; /**< never 0; another one after",
                                      "    uint32_t incarnation; int more; /**<"),
    "a struct goes away": ("device.h", "struct ivshmem_memory {", "struct ivshmem_other_memory {"),
    "an enumerator goes away": ("device.h", "IVSHMEM_CAN_RING = 1,", ""),
    "an enumerator gets another value": ("channel.h", "IVSHMEM_STATE_LOST = 6", "IVSHMEM_STATE_LOST = 7"),
    "a function goes away": ("device.h", "int ivshmem_device_get_peers(", "int ivshmem_device_get_neighbours("),
    "a parameter gets another type": ("device.h", "ivshmem_device_take(struct ivshmem_device* device, uint32_t vector,",
                                      "ivshmem_device_take(struct ivshmem_device* device, uint64_t vector,"),
    "a function gets a parameter": ("code.h", "const char* ivshmem_version(void)", "const char* ivshmem_version(int form)"),
    "a function returns something else": ("code.h", "uint32_t ivshmem_version_number(", "uint64_t ivshmem_version_number("),
}
"""A file, a text that is once in it, and another."""
KEEPS = {
    "a struct with a size grows": ("device.h", "    const char* root;     /**<", "    const char* root; int more; /**<"),
    "a function comes": ("device.h", "int ivshmem_device_close(", "int ivshmem_device_more(int of);\nint ivshmem_device_close("),
    "an enumerator comes": ("channel.h", "IVSHMEM_STATE_LOST = 6", "IVSHMEM_STATE_LOST = 6, IVSHMEM_STATE_MORE = 7"),
    "a struct comes": ("device.h", "/** An open device.", "struct ivshmem_more {\n    int one;\n};\n/** An open device."),
    "a parameter gets another name": ("device.h", "ivshmem_device_wait(struct ivshmem_device* device,",
                                      "ivshmem_device_wait(struct ivshmem_device* of,"),
}


class Abi(unittest.TestCase):
    def found(self, include: Path) -> list[str]:
        return broken(listed(LIST.read_text("utf-8")), measured(include, COMPILER))

    def found_after(self, file: str, old: str, new: str) -> list[str]:
        """Return what is broken in a copy of the headers in which a text is replaced."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(INCLUDE, Path(folder, "include")))
            header = copy / "ivshmem/c" / file
            text = header.read_text("utf-8")
            if text.count(old) != 1:
                raise AssertionError(f"{text.count(old)} times in {file}: {old}")
            header.write_text(text.replace(old, new), "utf-8")
            return self.found(copy)

    def test_the_headers_keep_the_list(self) -> None:
        self.assertEqual(self.found(INCLUDE), [], "programs that were compiled before break: see include/abi.md")

    def test_the_list_is_not_newer_than_the_headers(self) -> None:
        text = LIST.read_text("utf-8")
        self.assertEqual(written(listed(text)), text)
        self.assertGreater(len(listed(text).functions), 80)

    def test_what_breaks_programs_is_found(self) -> None:
        for what, change in BREAKS.items():
            with self.subTest(what):
                self.assertNotEqual(self.found_after(*change), [])

    def test_what_is_new_breaks_nothing(self) -> None:
        for what, change in KEEPS.items():
            with self.subTest(what):
                self.assertEqual(self.found_after(*change), [])


if __name__ == "__main__":
    INCLUDE, LIST, *COMPILER = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
    if struct.calcsize("P") != 8:
        print("skipped: the list is that of processors with 64 bits")
        sys.exit(77)
    if COMPILER[:1] == ["--renew"]:
        LIST.write_text(written(measured(INCLUDE, COMPILER[1:] or ["cc"])), "utf-8")
    else:
        unittest.main(argv=sys.argv[:1])
