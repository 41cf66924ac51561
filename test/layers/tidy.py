# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Runs clang-tidy over all shipped sources.

Most of its time goes into the headers of others. A quick run therefore checks the sources of a program or a
library as one file, which takes a tenth of the time; with everything asked for, each is checked alone.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from checkout import BUILD, TOP, Say, tracked
from compiling import configure_host

# Without the static analyser, which takes longer than all other checks together: see CONTRIBUTING.md.
_CHECKS = "--checks=-clang-analyzer-*"
# As in .clang-tidy, and the sources that another file includes.
_SOURCES_TOO = r"--header-filter=(include|lib|tools|examples|test)/.*\.[chi]pp$"


@dataclass(frozen=True)
class Source:
    name: str
    """Relative to the checkout."""
    target: str
    options: tuple[str, ...]
    """The compiler's, in the build's folder."""


def _sources() -> list[Source]:
    wanted = {str(TOP / name): name for name in tracked("lib/*.cpp", "tools/*.cpp", "examples/*.cpp")}
    found: dict[str, Source] = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text("utf-8")):
        names = [wanted[path] for path in _compiled(Path(entry["directory"], entry["file"])) if path in wanted]
        if not names:
            continue
        # The compiler and its cache; the output, in the target's own folder; the input.
        command = re.sub(r"^(\S*ccache )?\S+ ", "", entry["command"]).removesuffix(f" -c {entry['file']}")
        options = shlex.split(re.sub(r" -MD\b| -(MF|MQ|o) \S+", "", command))
        (target,) = [option for option in options if re.fullmatch(r"-I\S+\.p", option)]
        # In a unity build the option is one that only GCC knows.
        others = tuple(option for option in options if option != target and not option.startswith("-Wshadow"))
        for name in names:
            found.setdefault(name, Source(name, target, others))
    if missing := set(wanted.values()) - found.keys():
        raise RuntimeError(f"compiled by no target, so not checked: {', '.join(sorted(missing))}")
    return list(found.values())


def _compiled(file: Path) -> list[str]:
    """Return the sources in a file that is compiled: itself, or those that meson put into it."""
    if not re.search(r"-unity\d+\.cpp$", file.name):
        return [os.path.normpath(file)]
    included = re.findall(r'^#include\s*[<"]([^>"]+)', file.read_text("utf-8"), re.MULTILINE)
    return [os.path.normpath(file.parent / name) for name in included]


def _groups(sources: Sequence[Source]) -> list[list[Source]]:
    """Sources that can be checked as one file: a target's, or examples (each a program) with the same options."""
    groups: dict[object, list[Source]] = {}
    for source in sources:
        alone = sum(other.target == source.target for other in sources) == 1
        groups.setdefault(source.options if alone and _is_program(source) else source.target, []).append(source)
    return list(groups.values())


def _is_program(source: Source) -> bool:
    return source.name.startswith("examples/")


def _included(source: Source) -> Iterator[str]:
    """Return the headers of a source, as another file includes them."""
    path = TOP / source.name
    for start, name in re.findall(r'^#include ([<"])([^>"]+)', path.read_text("utf-8"), re.MULTILINE):
        yield f"<{name}>" if start == "<" else f'"{path.parent / name}"'


def _as_one(group: Sequence[Source]) -> str:
    includes = [f'#include "{TOP / source.name}"\n' for source in group]
    if not _is_program(group[0]) or len({source.target for source in group}) == 1:
        return "".join(includes)
    # Each program in its own namespace, outside of which are its headers.
    headers = sorted({f"#include {header}\n" for source in group for header in _included(source)})
    return "".join(headers) + "".join(f"namespace program_{i} {{\n{line}}}\n" for i, line in enumerate(includes))


def _told(command: Sequence[str], folder: Path) -> str:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return (ran.stdout or ran.stderr or f"{command[-1]}: status {ran.returncode}\n") if ran.returncode else ""


def _check_alone(source: Source) -> str:
    command = ["clang-tidy", "--quiet", _CHECKS, str(TOP / source.name), "--", *source.options, source.target, "-Wshadow"]
    return _told(command, BUILD)


def _check_as_one(group: Sequence[Source]) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".cpp", encoding="utf-8") as file:
        file.write(_as_one(group))
        file.flush()
        config = f"--config-file={TOP / '.clang-tidy'}"
        options = ["--quiet", config, f"{_CHECKS},-bugprone-suspicious-include", _SOURCES_TOO]
        # A main() in a namespace needs an explicit return.
        compiler = [*group[0].options, "-Wno-return-type"]
        return _told(["clang-tidy", *options, file.name, "--", *compiler], BUILD)


def complaints(say: Say, everything: bool) -> str:
    """Return clang-tidy's messages; runs on all processors."""
    if not configure_host(say):
        return "not built"
    sources = _sources()
    if not sources:
        return "no source is compiled"
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        if everything:
            return "".join(pool.map(_check_alone, sources))
        groups = _groups(sources)
        say(f"clang-tidy: {len(sources)} files as {len(groups)}")
        return "".join(pool.map(_check_as_one, groups))
