# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""ivshmemctl on captured trees: what the tests of its subcommands share.

A test that imports this takes MAKE_TREES IVSHMEMCTL as its arguments."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

IVSHMEMCTL = pathlib.Path(sys.argv.pop()).resolve()
MAKE_TREES = pathlib.Path(sys.argv.pop()).resolve()

ADDRESS = "0000:00:04.0"
DEVICE = f"/sys/bus/pci/devices/{ADDRESS}"
RELEASE = "6.1.0-1-amd64"


class Trees(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-trees-"))
        self.addCleanup(shutil.rmtree, self.top)
        subprocess.run([MAKE_TREES, self.top], check=True)

    def run_tool(self, *words, status=0):
        done = subprocess.run([IVSHMEMCTL, *words], cwd=self.top, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
        self.assertEqual(done.returncode, status, f"{words}\n{done.stdout}\n{done.stderr}")
        self.assertNotIn("terminate called", done.stderr)
        return done

    def write(self, tree, path, content):
        file = self.top / tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def modules(self, tree, *names):
        """Give the kernel of this tree these modules and no others."""
        self.write(tree, "proc/sys/kernel/osrelease", f"{RELEASE}\n")
        lines = "".join(f"kernel/drivers/{name}.ko.xz: kernel/drivers/base.ko.xz\n" for name in names)
        self.write(tree, f"lib/modules/{RELEASE}/modules.dep", lines)

    def reports_a_full_output(self, *words):
        with open("/dev/full", "w") as full:
            done = subprocess.run([IVSHMEMCTL, *words], cwd=self.top, stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("could not be written", done.stderr)

    def names_options(self, subcommand, *options):
        text = self.run_tool(subcommand, "--help").stdout
        for option in options:
            self.assertIn(option, text)
