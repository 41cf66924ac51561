# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""version.py VERSION CHANGELOG PKG_CONFIG_FILE CMAKE_FILE PRINTS_VERSION [TOOL...]: one version everywhere."""

import re
import subprocess
import sys
import unittest
from pathlib import Path

VERSION, CHANGELOG, PKG_CONFIG_FILE, CMAKE_FILE, PRINTS_VERSION, *TOOLS = sys.argv[1:]
MAJOR, MINOR, PATCH = (int(number) for number in VERSION.split("."))
NUMBER = str(MAJOR * 1000000 + MINOR * 1000 + PATCH)


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Version(unittest.TestCase):
    def found(self, pattern: str, path: str) -> str:
        match = re.search(pattern, Path(path).read_text("utf-8"), re.MULTILINE)
        self.assertIsNotNone(match, f"{path}: no version")
        return match[1]

    def test_headers_and_library(self) -> None:
        numbers, text, number, *library = said(PRINTS_VERSION).splitlines()
        self.assertEqual((numbers, text, number), (VERSION, VERSION, NUMBER))
        self.assertEqual(library, [VERSION, NUMBER])

    def test_pkg_config(self) -> None:
        self.assertEqual(self.found(r"^Version: (.*)$", PKG_CONFIG_FILE), VERSION)

    def test_cmake(self) -> None:
        self.assertEqual(self.found(r'^set\(PACKAGE_VERSION "(.*)"\)$', CMAKE_FILE), VERSION)

    def test_changelog(self) -> None:
        """Debian's revision and the suffix of a trial build follow a hyphen, a plus or a tilde."""
        self.assertEqual(self.found(r"\A\S+ \(([^-+~)]*)", CHANGELOG), VERSION)

    def test_tools(self) -> None:
        for tool in TOOLS:
            self.assertEqual(said(tool, "--version"), f"{Path(tool).name} {VERSION}\n")


unittest.main(argv=sys.argv[:1])
