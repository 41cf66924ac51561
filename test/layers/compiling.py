# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Builds with meson, and the compiler's cache that they share."""

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

# Another clone finds what this one compiled: neither the folder nor absolute paths below it count.
_CCACHE = {"CCACHE_NOHASHDIR": "1", "CCACHE_BASEDIR": str(TOP)}


def build(
    say: Say, folder: Path, compiler: str, options: Sequence[str] = (), targets: Sequence[str] = (), prefix: Sequence[str] = ()
) -> bool:
    """Configure and compile, all or the targets that are named; nothing is built twice."""
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
    """The build that the host layer, the guests and a person at the keyboard use."""
    return build(say, BUILD, "g++", [], targets)
