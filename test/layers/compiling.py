# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Builds with meson, and their common compiler cache."""

from __future__ import annotations

import collections
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from checkout import BUILD, TOP, Say

_locks: dict[Path, threading.Lock] = collections.defaultdict(threading.Lock)

# Other clones can use this one's objects: neither the folder nor absolute paths below it matter.
_CCACHE = {"CCACHE_NOHASHDIR": "1", "CCACHE_BASEDIR": str(TOP)}


def build(
    say: Say, folder: Path, compiler: str, options: Sequence[str] = (), targets: Sequence[str] = (), prefix: Sequence[str] = ()
) -> bool:
    """Configure and compile all targets or the named ones; nothing is built twice."""
    log = folder.with_suffix(".log")
    with _locks[folder], open(log, "wb") as out:
        known = (folder / "build.ninja").exists()
        verb = ["meson", "configure", folder] if known else ["meson", "setup", folder, TOP]
        began = time.monotonic()
        environment = {**os.environ, **_CCACHE, "CXX": f"ccache {compiler}"}
        for command in ([*verb, "-Dwerror=true", *options], [*prefix, "ninja", "-C", folder, *targets]):
            if subprocess.run(command, cwd=TOP, env=environment, stdout=out, stderr=out, check=False).returncode:
                say("\n".join(log.read_text("utf-8", "replace").splitlines()[-60:]))
                say(f"FAIL building {folder.name}")
                return False
        log.unlink()
        if list(targets) != ["build.ninja"]:
            say(f"built {folder.name} in {time.monotonic() - began:.0f} s")
    return True


def build_host(say: Say, targets: Sequence[str] = ()) -> bool:
    """The build of the host layer, the guests and the developer."""
    return build(say, BUILD, "g++", [], targets)
