# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""What a package has, in a form that is the same for each architecture: to compare the packages of two."""

from __future__ import annotations

import gzip
import re
import stat
import struct
import subprocess
from pathlib import Path

from lab import cache

_OWN = {"Architecture", "Installed-Size"}
"""Fields of a package that differ between architectures by their meaning."""
_LOADER = re.compile(r"ld-linux[^ ]*|ld64\.so\.\d")
"""A library of some architectures needs it for its stack protector."""


def of(deb: Path, triplet: str) -> dict[str, str]:
    """Return the package's fields, scripts and files: what it has by its name, without the architecture's triplet."""
    with cache.scratch() as folder:
        subprocess.run(["dpkg-deb", "-R", str(deb), str(folder / "tree")], check=True)
        return _control(folder / "tree/DEBIAN", triplet) | _files(folder / "tree", triplet)


def machine(deb: Path) -> set[int]:
    """Return the processors (e_machine) of the package's programs and libraries."""
    with cache.scratch() as folder:
        subprocess.run(["dpkg-deb", "-x", str(deb), str(folder / "tree")], check=True)
        started = [_start(path) for path in (folder / "tree").rglob("*") if path.is_file() and not path.is_symlink()]
        return {struct.unpack_from("<H", start, 18)[0] for start in started if start.startswith(b"\x7fELF")}


def difference(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """Return a line for each thing that is in one of two packages only, or is not the same in both."""
    lines = [f"only in the first: {name}" for name in sorted(ours.keys() - theirs.keys())]
    lines += [f"only in the second: {name}" for name in sorted(theirs.keys() - ours.keys())]
    for name in sorted(ours.keys() & theirs.keys()):
        first, second = ours[name].splitlines(), theirs[name].splitlines()
        if first != second:
            lines += [f"{name}: - {line}" for line in first if line not in second]
            lines += [f"{name}: + {line}" for line in second if line not in first]
            lines += [f"{name}: the order"] if sorted(first) == sorted(second) else []
    return lines


def _control(folder: Path, triplet: str) -> dict[str, str]:
    found = {}
    # A field is a line, and the lines after it that begin with a space.
    for field in re.split(r"\n(?! )", (folder / "control").read_text("utf-8").strip()):
        name, _, value = field.partition(":")
        if name in ("Depends", "Pre-Depends"):
            value = value.strip().replace(", ", "\n")
        if name not in _OWN:
            found[f"field {name}"] = value.strip()
    for path in folder.iterdir():
        if path.name not in ("control", "md5sums"):
            found[f"control file {path.name}"] = path.read_text("utf-8").replace(triplet, "TRIPLET")
    if symbols := found.get("control file symbols"):
        found["control file symbols"] = _demangled(symbols)
    return found


def _demangled(symbols: str) -> str:
    """Return the lines with integers of no size, which has another name if a word has 32 bits."""
    shown = subprocess.run(["c++filt"], input=symbols, capture_output=True, text=True, check=True).stdout
    shown = re.sub(r"\b(18446744073709551615ul|4294967295u)\b", "SIZE_MAX", shown)
    shown = re.sub(r"\b(\d+)u?ll?\b", r"\1", shown)
    shown = re.sub(r"\b(long long|long|int)\b", "INTEGER", shown)
    return "\n".join(sorted(shown.splitlines()))


def _files(tree: Path, triplet: str) -> dict[str, str]:
    found = {}
    for path in tree.rglob("*"):
        name = str(path.relative_to(tree))
        if name.partition("/")[0] != "DEBIAN":
            mode = path.lstat().st_mode
            what = f"mode {mode:o}" if stat.S_ISDIR(mode) else f"mode {mode:o}\n{_content(path)}"
            # Elsewhere a triplet is one that a text is about.
            own = name.startswith(f"usr/lib/{triplet}")
            found[name.replace(triplet, "TRIPLET")] = what.replace(triplet, "TRIPLET") if own else what
    return found


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(20)


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if _start(path).startswith(b"\x7fELF"):
        shown = subprocess.run(["readelf", "-dW", str(path)], capture_output=True, text=True, check=True).stdout
        needed = re.findall(r"\((NEEDED|SONAME|FLAGS|FLAGS_1)\) +(.*)", shown)
        return "\n".join(f"{tag} {value}" for tag, value in needed if not _LOADER.search(value))
    if path.suffix == ".a":
        members = subprocess.run(["ar", "t", str(path)], capture_output=True, text=True, check=True).stdout
        return "\n".join(sorted(members.splitlines()))
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.decode("utf-8")
