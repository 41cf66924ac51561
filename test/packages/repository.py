# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""A repository for apt that needs no network: the packages, and what a minimal system lacks of their dependencies and of tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from build import TOP, Built
from lab import cache
from lab.debian import DebianRoot, Inside, step

PLACE = "/srv/packages"
"""The place of the repository in systems under test."""

SOURCE = f"deb [trusted=yes] file:{PLACE} ./\n"


_PROGRAMS = "openssh-server openssh-client sudo mosquitto mosquitto-clients openssl"
"""Debian's packages that tests install with the project's."""


def _needs(built: Built) -> str:
    """Return the declared dependencies of the packages, and the other packages that tests install."""
    shown = [_PROGRAMS]
    for path in built.debs().values():
        command = ["dpkg-deb", "-f", str(path), "Pre-Depends", "Depends"]
        shown.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return "\n".join(shown)


def _closure(built: Built) -> Path:
    """Return the other packages that a minimal system needs, as files."""
    root = DebianRoot(built.suite)

    def fill(target: Path) -> None:
        binds = {"/run/built": built.folder, "/run/closure": target}
        debs = " ".join(f"/run/built/{path.name}" for path in built.debs().values())
        fetch = f"apt-get install -y -q --download-only {debs} {_PROGRAMS} && cp /run/lab/cache/archives/*.deb /run/closure/"
        with step(f"{built.suite}: what the packages depend on"), cache.scratch() as folder:
            with root.online(folder / "root", root.minbase(), binds) as run:
                run(fetch)

    return root.cached(f"closure-{hashlib.sha256(_needs(built).encode()).hexdigest()[:12]}", fill)


def compiled(built: Built, sources: Mapping[str, Path | str]) -> dict[str, bytes]:
    """Compile programs against the installed packages in the build root, because a guest is slow.

    sources: program name to source, on the host or in the -dev package.
    """
    binds = {PLACE: repository(built)}
    places = {}
    for name, source in sources.items():
        places[name] = f"/mnt/{name}.cpp" if isinstance(source, Path) else source
        if isinstance(source, Path):
            binds[places[name]] = source
    programs = {}
    with Inside.throwaway(DebianRoot(built.suite).build(TOP / "debian/control"), binds) as inside:
        inside.run(f"cd {PLACE}/built && dpkg -i libivshmem0_*.deb libivshmem-dev_*.deb")
        for name, place in places.items():
            inside.run(f"g++ -std=c++20 {place} -o /{name} $(pkg-config --cflags --libs ivshmem)")
            programs[name] = inside.path(f"/{name}").read_bytes()
    return programs


def repository(built: Built) -> Path:
    """Return the folder that a system sees at PLACE."""
    root = DebianRoot(built.suite)
    closure = _closure(built)

    def fill(target: Path) -> None:
        for name, paths in {
            "built": built.debs().values(),
            "previous": (built.folder / "previous").glob("*.deb"),
            "needed": closure.glob("*.deb"),
        }.items():
            (target / name).mkdir()
            for path in paths:
                os.link(path, target / name / path.name)
                path.chmod(0o644)
        with Inside.throwaway(root.build(TOP / "debian/control"), {PLACE: target}) as inside:
            inside.run(f"cd {PLACE} && dpkg-scanpackages -m . >Packages 2>/dev/null")

    folder = root.cached(f"{built.folder.name.replace('built-', 'repository-')}-{closure.name.removeprefix('closure-')}", fill)
    for old in folder.parent.glob("repository-*"):
        if not (folder.parent / f"built-{old.name.split('-')[1]}").exists():
            shutil.rmtree(old, ignore_errors=True)
    return folder
