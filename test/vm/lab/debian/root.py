# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Debian roots: created once with debootstrap and apt, kept in the cache, and never changed again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from .. import archive, cache
from ..errors import LabError
from ..job import Result
from ..step import step
from .inside import Inside

SUITES = ("bookworm", "trixie")
CROSS_PROFILES = "cross,nocheck"
"""Of a build for another architecture. Not nodoc, with which debhelper leaves out manual pages."""

_BOOST = {"bookworm": "libboost1.81-dev", "trixie": "libboost-dev"}
_GUEST = (
    # The tools of an administrator, ...
    "systemd systemd-sysv udev kmod adduser pciutils driverctl bash-completion",
    # ... of a programmer, ...
    "g++ make pkgconf",
    # ... and the other dependencies of the packages, so that nothing is fetched without a network.
    "libpci3 libsmartcols1",
)
_TOOLS = "dpkg-dev fakeroot ccache lintian blhc autopkgtest cmake" # cmake: for debian/tests

_APT = """\
Dir::Etc::SourceList "/run/lab/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "/run/lab/lists";
Dir::Cache "/run/lab/cache";
Acquire::Languages "none";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
"""
# Files that take time to unpack and are not needed here. Applies only to the preparation, not to
# later installs.
_DPKG = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
"""


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


class DebianRoot:
    def __init__(self, suite: str) -> None:
        if suite not in SUITES:
            raise LabError(f"suite {suite}: not known; there are: {', '.join(SUITES)}")
        self.suite = suite

    def cached(self, name: str, fill: Callable[[Path], None]) -> Path:
        """Return the folder of this name in this suite's part of the cache."""
        return cache.entry(f"debian/{self.suite}/{name}", fill)

    def keep_newest(self, used: Path, count: int) -> None:
        """Delete the older entries of this entry's kind."""
        os.utime(used)
        kind = used.name.rpartition("-")[0]
        entries = sorted(used.parent.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime)
        for old in entries[:-count]:
            shutil.rmtree(old, ignore_errors=True)

    # -- the roots ------------------------------------------------------------------------------------

    def minbase(self) -> Path:
        """Return debootstrap's minbase: dpkg, apt and their dependencies; no systemd and no udev."""

        def fill(target: Path) -> None:
            with step(f"{self.suite}: the minimal root"):
                self._debootstrap(target)

        return self.cached("minbase-1", fill) / "root"

    def guest(self) -> Path:
        """Return the root of a guest: systemd, udev, the tools of an administrator and a compiler."""
        wanted = " ".join((*_GUEST, _BOOST[self.suite]))

        def finish(root: Path) -> None:
            # Without one, systemd treats this as the first boot and sets up a lot.
            (root / "etc/machine-id").write_text("5e1f" * 8 + "\n", "ascii")

        return self._grown("guest", f"apt-get install -y -q {wanted}", finish)

    def build(self, control: Path) -> Path:
        """Return the root that builds a package: its build dependencies, and the tools that check it."""
        return self._builder("build", f"apt-get install -y -q {_TOOLS} && apt-get build-dep -y -q /run/lab/source", control)

    def cross(self, control: Path, architecture: str) -> Path:
        """Return the root that builds the packages of another architecture: no program of that can run in it."""
        tools = f"dpkg-dev fakeroot ccache blhc crossbuild-essential-{architecture}"
        wanted = f"--arch-only --host-architecture {architecture} --build-profiles {CROSS_PROFILES}"
        commands = (
            f"dpkg --add-architecture {architecture} && apt-get update -q && apt-get install -y -q {tools} && "
            f"apt-get build-dep -y -q {wanted} /run/lab/source"
        )
        return self._builder(f"cross_{architecture}", commands, control)

    def _builder(self, name: str, commands: str, control: Path) -> Path:
        needs = re.findall(r"^Build-Depends.*(?:\n[ #].*)*", control.read_text("utf-8"), re.MULTILINE)
        if not needs:
            raise LabError(f"{control}: no Build-Depends")
        binds = {"/run/lab/source/debian/control": control}
        return self._grown(name, commands, lambda root: None, "\n".join(needs), binds)

    def _grown(
        self,
        name: str,
        commands: str,
        finish: Callable[[Path], None],
        more: str = "",
        binds: Mapping[str, Path] | None = None,
    ) -> Path:
        def fill(target: Path) -> None:
            base = self.minbase()
            with step(f"{self.suite}: the root '{name}'"), self.online(target / "root", base, binds) as run:
                run(commands)
                finish(target / "root")

        made = self.cached(f"{name}-{_digest(commands, more)}", fill)
        self.keep_newest(made, 2)
        return made / "root"

    def _debootstrap(self, target: Path) -> None:
        mirror = archive.mine()
        script = Path("/usr/share/debootstrap/scripts", self.suite)
        # An older debootstrap does not know the newer suites, which need the same steps as older
        # ones.
        known = script if script.exists() else script.with_name("sid")
        with cache.scratch() as folder:
            for name in ("lower", "work", "point"):
                (folder / name).mkdir()
            root = target / "root"
            root.mkdir()
            overlay = f"volatile,lowerdir={folder}/lower,upperdir={root},workdir={folder}/work"
            mounted = f'mount -t overlay -o "{overlay}" overlay "{folder}/point" && debootstrap "$@"'
            words = ["--variant=minbase", f"--keyring={mirror.keyring}", self.suite, f"{folder}/point", mirror.uri, str(known)]
            namespaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc"]
            command = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", *namespaces, "--", "sh", "-c", mounted, "sh", *words]
            proxy = {f"{scheme}_proxy": mirror.proxy for scheme in ("http", "https") if mirror.proxy}
            done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **proxy}, check=False)
            if done.returncode != 0:
                raise LabError(f"debootstrap {self.suite}: {(done.stdout + done.stderr).strip()[-3000:]}")
        # The files that it took from this machine or fetched.
        for name in ("etc/resolv.conf", "etc/hostname"):
            (root / name).unlink(missing_ok=True)
        (root / "etc/hostname").write_text("debian\n", "ascii")
        (root / "etc/apt/sources.list").write_text("", "ascii")
        for folder_name in ("var/lib/apt/lists", "var/cache/apt"):
            shutil.rmtree(root / folder_name)
            (root / folder_name).mkdir()
        (root / "var/cache/apt/archives/partial").mkdir(parents=True)
        (root / "var/lib/apt/lists/partial").mkdir()

    # -- the archive ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def online(
        self, root: Path, base: Path | None = None, binds: Mapping[str, Path] | None = None
    ) -> Iterator[Callable[[str], Result]]:
        """Run commands in a folder, with access to the archive. The folder starts as a copy of `base`, if that is
        given.

        The access to the archive leaves no trace in the folder. A command that fails is tried again with fresh
        lists of packages.
        """
        mirror = archive.mine()
        if base is not None:
            subprocess.run(["cp", "-a", str(base), str(root)], check=True)
        lists = cache.root() / "debian" / self.suite / "lists"
        lists.mkdir(parents=True, exist_ok=True)
        with cache.scratch() as folder:
            for name in ("lab/cache/archives/partial", "lab/home", "lower"):
                (folder / name).mkdir(parents=True)
            lab = folder / "lab"
            shutil.copy(mirror.keyring, lab / "keyring.gpg")
            (lab / "sources.list").write_text(mirror.source(self.suite, "/run/lab/keyring.gpg"), "utf-8")
            (lab / "apt.conf").write_text(mirror.settings + _APT, "utf-8")
            (lab / "home/.dpkg.cfg").write_text(_DPKG, "utf-8")
            mounted = {"/run/lab": lab, "/run/lab/lists": lists, **(binds or {})}
            for path in ("/etc/resolv.conf", *(["/etc/ssl/certs"] if mirror.uri.startswith("https") else [])):
                if Path(path).exists():
                    mounted[path] = Path(path).resolve()
            inside = Inside(folder / "lower", root, mounted)
            environment = {"APT_CONFIG": "/run/lab/apt.conf", "HOME": "/run/lab/home"}

            def run(command: str) -> Result:
                result = inside.run(command, network=True, env=environment, check=False)
                if result.rc == 0:
                    return result
                inside.run("apt-get update -q", network=True, env=environment)
                return inside.run(command, network=True, env=environment)

            if not any(lists.glob("*Packages*")):
                inside.run("apt-get update -q", network=True, env=environment)
            yield run
            (root / "etc/resolv.conf").unlink(missing_ok=True)

    def download(self, packages: Sequence[str], target: Path) -> None:
        """Fetch packages without their dependencies into a folder."""
        with cache.scratch() as folder:
            command = f"cd /run/download && apt-get download -q {' '.join(packages)}"
            with self.online(folder / "root", self.minbase(), {"/run/download": target}) as run:
                run(command)
