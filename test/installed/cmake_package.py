# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""cmake_package.py BUILD LIBRARY VERSION COMPILER: CMake finds the library, and programs build with it.

They build with what meson installs into a temporary folder, after that folder was moved.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD, LIBRARY, VERSION = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
MAJOR, MINOR, PATCH = (int(number) for number in VERSION.split("."))
ENVIRONMENT = {**os.environ, "CXX": sys.argv[4]}
SKIPPED = 77

PROGRAM = """
#include <ivshmem/ivshmem.hpp>
#include <iostream>
int main() { std::cout << ivshmem::version() << '\\n'; }
"""
ASIO_PROGRAM = """
#include <ivshmem/asio/interrupt.hpp>
#include <ivshmem/ivshmem.hpp>
#include <boost/asio/io_context.hpp>
#include <iostream>
int main() {
    boost::asio::io_context io;
    if (!ivshmem::asio::interrupt{io}.is_open())
        std::cout << ivshmem::version() << '\\n';
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(program CXX)
"""


class Package(unittest.TestCase):
    work: Path
    prefix: Path

    @classmethod
    def setUpClass(cls) -> None:
        cls.work = Path(tempfile.mkdtemp(prefix="ivshmem-cmake-"))
        cls.addClassCleanup(shutil.rmtree, cls.work)
        install = ["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--tags", "devel", "--destdir", cls.work / "staged"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        (config,) = (cls.work / "staged").rglob("ivshmemConfig.cmake")
        # The tag of the library itself includes the tools, which need not be built for this.
        folder = config.parents[2]
        shutil.copy(LIBRARY, folder)
        (folder / re.sub(r"(\.so\.\d+)\..*", r"\1", LIBRARY.name)).symlink_to(LIBRARY.name)
        (include,) = (cls.work / "staged").rglob("include")
        cls.prefix = cls.work / "moved"
        include.parent.rename(cls.prefix)

    def cmake(self, project: str, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
        """Configures a project that consists of one program."""
        self.folder = Path(tempfile.mkdtemp(dir=self.work))
        (self.folder / "program.cpp").write_text(program)
        (self.folder / "CMakeLists.txt").write_text(PROJECT + project)
        command = ["cmake", "-S", self.folder, "-B", self.folder / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}"]
        return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)

    def runs(self, project: str, program: str) -> None:
        """Checks that the program builds and prints the library's version."""
        configured = self.cmake(project, program)
        self.assertEqual((configured.returncode, configured.stderr), (0, ""), configured.stdout)
        built = subprocess.run(["cmake", "--build", self.folder / "build"], capture_output=True, text=True, check=False)
        self.assertEqual(built.returncode, 0, built.stdout + built.stderr)
        ran = subprocess.run([self.folder / "build/program"], capture_output=True, text=True, check=True)
        self.assertEqual(ran.stdout, f"{VERSION}\n")

    def test_library(self) -> None:
        self.runs(f"""
find_package(ivshmem {MAJOR}.{MINOR} REQUIRED)
find_package(ivshmem REQUIRED) # as a dependency of another package would, once more
add_executable(program program.cpp)
target_link_libraries(program ivshmem::ivshmem)
""", PROGRAM)

    def test_asio(self) -> None:
        self.runs("""
find_package(ivshmem REQUIRED COMPONENTS asio)
add_executable(program program.cpp)
target_link_libraries(program ivshmem::asio)
""", ASIO_PROGRAM)

    def test_versions(self) -> None:
        wanted = {
            f"{MAJOR}.{MINOR}": True,
            f"{VERSION} EXACT": True,
            f"{MAJOR}.{MINOR}...<{MAJOR + 1}": True,
            f"{MAJOR}.{MINOR}.{PATCH + 1}": False,
            f"{MAJOR}.{MINOR + 1}": False,
            f"{MAJOR + 1}.0": False,
            f"{MAJOR + 1}.0...<{MAJOR + 2}": False,
            f"0.0...<{VERSION}": False,
            f"0.0...{VERSION}": True,
        }
        if MINOR > 0:
            wanted[f"{MAJOR}.{MINOR - 1}"] = MAJOR > 0
        lines = (f'find_package(ivshmem {one} QUIET)\nmessage("{one}: ${{ivshmem_FOUND}}")' for one in wanted)
        said = self.cmake("\n".join(lines)).stderr
        self.assertEqual(said.splitlines(), [f"{one}: {int(found)}" for one, found in wanted.items()])

    def test_unknown_component(self) -> None:
        configured = self.cmake("find_package(ivshmem REQUIRED COMPONENTS qt)")
        self.assertNotEqual(configured.returncode, 0)
        self.assertIn("Component qt: There is no such component; the only one is asio.", " ".join(configured.stderr.split()))
        configured = self.cmake("find_package(ivshmem REQUIRED OPTIONAL_COMPONENTS qt)")
        self.assertEqual(configured.returncode, 0, configured.stderr)


if shutil.which("cmake") is None:
    print("cmake: not found; test/install-deps build installs it")
    sys.exit(SKIPPED)
unittest.main(argv=sys.argv[:1])
