#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Compile the peer in C for a freestanding target, and print what it takes: compile.py SOURCE MOST COMPILER [OPTION...].

Fails on a warning, if the object needs anything but memcpy(), GCC's own functions and those of the peer, if the code takes more than MOST
bytes (0: any), and if a channel takes more than 256. Prints the bytes of the code and of the state, and the deepest
stack that GCC knows of. Exits with 77, which is a skipped test, if there is no such compiler.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

FLAGS = "-Os -Wall -Wextra -Wconversion -Wcast-align -Wshadow -pedantic -Werror -ffreestanding -nostdlib -fno-pic".split()
ALLOWED = re.compile(r"memcpy|__aeabi_\w+|__sync_synchronize|ivshmem_peer_\w+")
STATE = """
#include "ivshmem_peer.h"
#if IVSHMEM_PEER_TOPICS
#include "ivshmem_peer_topics.h"
const unsigned char a_writer[sizeof(struct ivshmem_peer_topic_writer)] = {1};
const unsigned char a_reader[sizeof(struct ivshmem_peer_topic_reader)] = {1};
#endif
const unsigned char a_peer[sizeof(struct ivshmem_peer)] = {1};
const unsigned char a_channel[sizeof(struct ivshmem_peer_channel)] = {1};
"""


def deepest(graph: str) -> tuple[int, str]:
    """Return the bytes of the deepest stack in a call graph of GCC, and the function that begins it."""
    own = {
        title: int(size)
        for title, size in re.findall(r'node: \{ title: "([^"]+)" label: "[^"]*\\n(\d+) bytes', graph)
    }
    calls: dict[str, set[str]] = {title: set() for title in own}
    for caller, called in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', graph):
        if caller in own and called in own and caller != called:
            calls[caller].add(called)
    depths: dict[str, int] = {}

    def depth(title: str, above: tuple[str, ...] = ()) -> int:
        if title in above:
            raise ValueError(f"{title} calls itself: its stack has no bound")
        if title not in depths:
            depths[title] = own[title] + max((depth(c, (*above, title)) for c in calls[title]), default=0)
        return depths[title]

    title = max(own, key=depth)
    return depths[title], title.rpartition(":")[2]


def sizes(tool: str, compiled: Path) -> Mapping[str, int]:
    done = subprocess.run([tool, "-S", "-t", "d", compiled], capture_output=True, text=True, check=True)
    return {f[3]: int(f[1]) for f in map(str.split, done.stdout.splitlines()) if len(f) == 4}


def main(source: Path, most: int, compiler: str, options: Sequence[str]) -> int:
    if shutil.which(compiler) is None:
        print(f"skipped: there is no {compiler}")
        return 77
    gcc = "clang" not in compiler
    tool = f"{compiler.rpartition('-')[0]}-nm" if "-" in compiler and gcc else "nm"
    with tempfile.TemporaryDirectory() as folder:
        code, state = Path(folder) / "peer.o", Path(folder) / "state.o"
        state.with_suffix(".c").write_text(STATE, "ascii")
        graph = ["-fcallgraph-info=su"] if gcc else []
        command = [compiler, *FLAGS, *options, f"-I{source.parent}", "-c"]
        subprocess.run([*command, *graph, source, "-o", code], check=True)
        if "c++" in options:
            return 0
        subprocess.run([*command, state.with_suffix(".c"), "-o", state], check=True)
        undefined = subprocess.run([tool, "-u", code], capture_output=True, text=True, check=True).stdout.split()
        foreign = [name for name in undefined if name != "U" and not ALLOWED.fullmatch(name)]
        if foreign:
            print(f"FAIL: it needs {', '.join(foreign)}")
            return 1
        text = sum(size for name, size in sizes(tool, code).items())
        of_state = sizes(tool, state)
        print(f"text {text} bytes;", ", ".join(f"{name.removeprefix('a_')} {size}" for name, size in of_state.items()))
        if gcc:
            depth, first = deepest(code.with_suffix(".ci").read_text("utf-8"))
            print(f"stack {depth} bytes, in {first}()")
        if most and text > most:
            print(f"FAIL: the code takes more than {most} bytes")
            return 1
        if of_state["a_channel"] > 256:
            print("FAIL: a channel takes more than 256 bytes")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
