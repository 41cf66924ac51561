# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""install.py MODULE: pip installs the module from the tree, without a network, into a new environment."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

MODULE = pathlib.Path(sys.argv.pop()).resolve()


class Install(unittest.TestCase):
    def test_pip(self) -> None:
        top = pathlib.Path(tempfile.mkdtemp(prefix="ivshmem-install-"))
        self.addCleanup(shutil.rmtree, top)
        shutil.copytree(MODULE, top / "tree", ignore=shutil.ignore_patterns("__pycache__"))  # pip writes there
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

        def run(*command: object) -> str:
            done = subprocess.run(command, cwd=top, env=environment, text=True, capture_output=True, timeout=200,
                                  check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return done.stdout

        run(sys.executable, "-m", "venv", "--system-site-packages", "venv")
        run("venv/bin/pip", "install", "--no-build-isolation", "--no-deps", "--no-index", "./tree")
        printed = run("venv/bin/python", "-c", "import ivshmem; print(ivshmem.__version__, ivshmem.__file__)")
        version, _, place = printed.strip().partition(" ")
        self.assertTrue(pathlib.Path(place).is_relative_to(top.resolve() / "venv"), place)
        # The version of the metadata is the library's.
        self.assertIn(f"Version: {version}\n", run("venv/bin/pip", "show", "ivshmem"))


if __name__ == "__main__":
    unittest.main()
