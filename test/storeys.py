#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Check that each storey of lib includes only itself and the storeys below it: storeys.py TOP.

Public headers include public headers only, and none outside of ivshmem/asio includes Boost or the Asio layer.
The peer in C, lib/peer, is two files that include nothing but three headers of a freestanding C.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

STOREYS = ["base", "discovery", "backends", "device", "channel", "c"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def included(source: Path) -> Iterator[tuple[str, str]]:
    for match in INCLUDE.finditer(source.read_text("utf-8")):
        yield match[1], match[2]


def library(top: Path) -> Iterator[str]:
    """Return the violations in lib; the storeys are listed from the ground up."""
    for source in sorted((top / "lib").rglob("*.[ch]pp")):
        name = source.relative_to(top / "lib")
        if name.parts[0] not in STOREYS:
            yield f"lib/{name}: in no storey; there are {', '.join(STOREYS)}"
            continue
        allowed = STOREYS[: STOREYS.index(name.parts[0]) + 1]
        for quote, header in included(source):
            folder, _, rest = header.partition("/")
            if quote == '"' and not rest:
                yield f"lib/{name}: includes \"{header}\" without its folder"
            elif quote == '"' and folder not in allowed:
                yield f"lib/{name}: includes {header}, which is above it"
            elif quote == "<" and folder in STOREYS:
                yield f"lib/{name}: includes <{header}>: a storey's own headers are in quotes"
            elif header.startswith(("boost/", "ivshmem/asio")):
                yield f"lib/{name}: includes {header}: the library has no Boost"


def public(top: Path) -> Iterator[str]:
    """Return the violations in the public headers."""
    for source in sorted((top / "include").rglob("*.hpp")):
        name = source.relative_to(top)
        asio = "asio" in name.parts or name.name == "asio.hpp"
        for quote, header in included(source):
            if quote == '"':
                yield f"{name}: includes \"{header}\": public headers name each other <ivshmem/...>"
            elif not asio and header.startswith(("boost/", "ivshmem/asio")):
                yield f"{name}: includes {header}: only the Asio layer does"


def peer(top: Path) -> Iterator[str]:
    """Return the violations in the peer in C, which a user copies."""
    freestanding = {("<", "stdbool.h"), ("<", "stddef.h"), ("<", "stdint.h")}
    allowed = {
        "ivshmem_peer.h": freestanding,
        "ivshmem_peer.c": {('"', "ivshmem_peer_private.h")},
        "ivshmem_peer_private.h": {('"', "ivshmem_peer.h")},
        "ivshmem_peer_topics.h": {('"', "ivshmem_peer.h")},
        "ivshmem_peer_topics.c": {('"', "ivshmem_peer_topics.h"), ('"', "ivshmem_peer_private.h")},
    }
    sources = {source.name: source for source in (top / "lib/peer").iterdir() if source.suffix != ".md"}
    if sources.keys() != allowed.keys():
        yield f"lib/peer: has {', '.join(sorted(sources))}, not the files {', '.join(allowed)}"
    for name in sources.keys() & allowed.keys():
        for quote, header in included(sources[name]):
            if (quote, header) not in allowed[name]:
                yield f"lib/peer/{name}: includes {header}: it must be freestanding"


def main(top: Path) -> int:
    complaints = [*library(top), *public(top), *peer(top)]
    print("\n".join(complaints) or "each storey stands on those below it")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
