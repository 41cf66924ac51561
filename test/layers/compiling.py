# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Builds with meson, and their common compiler cache."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from checkout import BUILD, TOP, Say

# Other clones can use this one's objects: neither the folder nor absolute paths below it matter.
_CCACHE = {"CCACHE_NOHASHDIR": "1", "CCACHE_BASEDIR": str(TOP)}

_OF_LONG_TESTS = ("asio-protocols", "headers-alone", "stream_peer")


def build(say: Say, folder: Path, compiler: str, options: Sequence[str] = (), targets: Sequence[str] = ()) -> bool:
    """Configure and compile all targets or the named ones; nothing is built twice."""
    log = folder.with_suffix(".log")
    with open(log, "wb") as out:
        known = (folder / "build.ninja").exists()
        verb = ["meson", "configure", folder] if known else ["meson", "setup", folder, TOP]
        began = time.monotonic()
        of_c = {"g++": "gcc", "clang++": "clang"}[compiler]
        environment = {**os.environ, **_CCACHE, "CXX": f"ccache {compiler}", "CC": f"ccache {of_c}"}
        for command in ([*verb, "-Dwerror=true", *options], ["ninja", "-C", folder, *targets]):
            if subprocess.run(command, cwd=TOP, env=environment, stdout=out, stderr=out, check=False).returncode:
                say("\n".join(log.read_text("utf-8", "replace").splitlines()[-60:]))
                say(f"FAIL building {folder.name}")
                return False
        log.unlink()
        if list(targets) != ["build.ninja"]:
            say(f"built {folder.name} in {time.monotonic() - began:.0f} s")
    return True


def configure_host(say: Say) -> bool:
    """Configures the build that the host layer, the guests and a person at the keyboard use."""
    # A program's files as one take a third of the time, and names and lines alone of all debug information a third
    # less. A folder that a person has configured stays as it is.
    options = [] if (BUILD / "build.ninja").exists() else ["-Dunity=on", "-Dcpp_args=-g1"]
    return build(say, BUILD, "g++", options, ["build.ninja"])


def build_host(say: Say, without: Collection[str] = ()) -> bool:
    """Compile that build, except what no quick test runs, and the named files, relative to its folder."""
    return configure_host(say) and build(say, BUILD, "g++", [], sorted(set(_default_targets()) - set(without)))


def build_everything(say: Say) -> bool:
    return configure_host(say) and build(say, BUILD, "g++")


def build_for_guests(say: Say) -> bool:
    """Compile the programs of that build that guests and packages run."""
    return configure_host(say) and build(say, BUILD, "g++", [], sorted(_default_targets(lambda folder: (
        folder.parts[:1] != ("test",) or folder.is_relative_to("test/vm") or folder.is_relative_to("test/conformance")
    ))))  # fmt: skip


def _default_targets(wanted: Callable[[Path], bool] = lambda folder: True) -> Iterator[str]:
    """The files of the targets that quick tests run, from folders of the checkout that are wanted."""
    for target in introspected(BUILD, "--targets"):
        folder = Path(target["defined_in"]).parent.relative_to(TOP)
        quick = target["name"] not in _OF_LONG_TESTS and folder.parts[:2] not in (("test", "bench"), ("test", "relacy"))
        # What is linked into a program is built with it.
        own = target["build_by_default"] and target["type"] != "static library"
        if own and quick and wanted(folder):
            yield from (os.path.relpath(file, BUILD) for file in target["filename"])


def introspected(folder: Path, what: str) -> list[dict[str, Any]]:
    """Returns what meson knows of a folder that is configured."""
    listed = subprocess.run(["meson", "introspect", what, folder], capture_output=True, text=True, check=True)
    return list(json.loads(listed.stdout))
