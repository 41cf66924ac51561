# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The project's packages, built in a clean root of a suite, once for the same files."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab import cache
from lab.debian import CROSS_PROFILES, DebianRoot, Inside, step

TOP = Path(__file__).resolve().parents[2]
_KEPT = 3
"""The number of builds of a suite that stay in the cache."""
_QUICK = ("bookworm",)
"""Built with nocheck: the layer host runs the same tests, with the same compiler and libraries. Built with little
debug information, all of which takes a third of the time and is in no package but those of debug symbols."""
_TOOLING = (
    *(".ci/", ".clang-format", ".clang-tidy", ".gitignore", "CONTRIBUTING.md"),
    *("test/bench/", "test/install-deps", "test/layers/", "test/packages/", "test/run", "test/vm/"),
)
"""Files and folders that no build reads: they do not come along, and if they change nothing is built again."""
_NAMED = ("test/meson.build", "test/vm/modules/")
"""What comes along all the same: a build that runs no test reads the first, and debian/copyright names the second."""

# The same packages with a version just below theirs.
_PREVIOUS = """
set -eu
cd /build
mkdir previous
for deb in *.deb; do
    case $deb in *-dbgsym_*) continue ;; esac
    rm -rf tree
    dpkg-deb -R "$deb" tree
    version=$(sed -n 's/^Version: //p' tree/DEBIAN/control)
    # Its own version, and the versions in the dependencies between the packages.
    sed -i "s/^Version: .*/&~previous/; s/= $version)/= $version~previous)/g" tree/DEBIAN/control
    dpkg-deb --root-owner-group -Znone -b tree previous >/dev/null
done
rm -rf tree
"""


@dataclass(frozen=True)
class Built:
    suite: str
    folder: Path
    """The output of dpkg-buildpackage; if it is for this machine's architecture, also previous/, with the packages in a
    lower version."""

    @property
    def log(self) -> Path:
        return self.folder / "build.log"

    @property
    def changes(self) -> Path:
        (found,) = self.folder.glob("*.changes")
        return found

    @property
    def source(self) -> Path:
        (found,) = self.folder.glob("*.dsc")
        return found

    def debs(self) -> dict[str, Path]:
        """The packages by their names, without debug symbols."""
        found = {path.name.partition("_")[0]: path for path in sorted(self.folder.glob("*.deb"))}
        return {name: path for name, path in found.items() if not name.endswith("-dbgsym")}

    def version(self) -> str:
        match = re.search(r"^Version: (.*)$", self.changes.read_text("utf-8"), re.MULTILINE)
        assert match is not None
        return match[1]


def _sources(tested: bool) -> list[str]:
    """The tracked files that a build reads or installs, with those of its tests if it runs them."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, check=True).stdout.decode()
    left_out = _TOOLING if tested else (*_TOOLING, "test/")
    return sorted(
        name
        for name in listed.split("\0")
        if name and (name.startswith(_NAMED) or not name.startswith(left_out)) and (TOP / name).is_file()
    )


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _options(suite: str) -> list[str]:
    """The options of the build, except for the number of processors."""
    asked = [word for word in os.environ.get("DEB_BUILD_OPTIONS", "").split() if not word.startswith("parallel=")]
    return sorted({*asked, "nocheck", "noautodbgsym"} if suite in _QUICK else asked)


def _parallel() -> str:
    asked = [word for word in os.environ.get("DEB_BUILD_OPTIONS", "").split() if word.startswith("parallel=")]
    return asked[-1] if asked else f"parallel={os.cpu_count() or 1}"


def _digest(suite: str, names: list[str], root: Path) -> str:
    sum_ = hashlib.sha256(f"{root.parent.name} {_options(suite)} {_PREVIOUS}".encode())
    for name in names:
        sum_.update(f"{name}\0{_executable(TOP / name)}\0".encode() + hashlib.sha256((TOP / name).read_bytes()).digest())
    return sum_.hexdigest()[:16]


def _copy(names: list[str], target: Path) -> None:
    """Pack the files as a fresh clone has them, whatever the permissions here."""
    for name in names:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TOP / name, path)
        path.chmod(0o755 if _executable(TOP / name) else 0o644)


def build(suite: str, foreign: str = "") -> Built:
    """The packages of the checkout.

    foreign: another architecture than this machine's, for which a cross compiler builds the packages that depend on it.
    """
    root = DebianRoot(suite)
    control = TOP / "debian/control"
    base = root.cross(control, foreign) if foreign else root.build(control)
    names = _sources(tested=not foreign and "nocheck" not in _options(suite))
    kind = f"built_{foreign}" if foreign else "built"
    folder = root.cached(f"{kind}-{_digest(suite, names, base)}", lambda target: _build(suite, foreign, base, names, target))
    root.keep_newest(folder, _KEPT)
    return Built(suite, folder)


def _build(suite: str, foreign: str, base: Path, names: list[str], target: Path) -> None:
    # Meson uses ccache if it is installed: a build after a small change takes a fraction of the
    # first. It does not for a cross compiler, which has its name in a folder of ccache's.
    ccache = cache.root() / "debian" / suite / "ccache"
    ccache.mkdir(exist_ok=True)
    what = f"{suite}: the packages for {foreign}" if foreign else f"{suite}: the packages"
    how = f"-B -a{foreign} -P{CROSS_PROFILES}" if foreign else ""
    with Inside.throwaway(base, {"/var/cache/ccache": ccache}) as inside, step(what):
        tree = inside.upper / "build/libivshmem"
        _copy(names, tree)
        inside.run("useradd --create-home builder && chown -R builder: /build /var/cache/ccache")
        log = tree.parent / "build.log"
        env = {"DEB_BUILD_OPTIONS": " ".join([_parallel(), *_options(suite)]), "CCACHE_DIR": "/var/cache/ccache"}
        if suite in _QUICK:
            env |= {"DEB_CFLAGS_APPEND": "-g1", "DEB_CXXFLAGS_APPEND": "-g1"}
        compilers = "PATH=/usr/lib/ccache:$PATH " if foreign else ""
        try:
            inside.run(
                f"cd /build/libivshmem && {compilers}dpkg-buildpackage -us -uc {how}",
                user="builder", log=log, env=env, timeout=3 * 3600,
            )  # fmt: skip
        except BaseException:
            kept = cache.root() / "debian" / suite / "failed-build.log"
            shutil.copyfile(log, kept)
            print(f"     the log is kept in {kept}", flush=True)
            raise
        if not foreign:
            inside.run(_PREVIOUS)
        for path in tree.parent.iterdir():
            if path != tree:
                shutil.move(path, target / path.name)
    subprocess.run(["chown", "-R", "root:root", target], check=True)
