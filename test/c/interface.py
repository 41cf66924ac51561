# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""The binary interface of headers in C: structs with their offsets, enumerators with their values, functions.

Only for headers as those of <ivshmem/ivshmem.h>, which declare nothing else, and each thing in a plain way.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

HEAD = """\
# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors

# The binary interface of <ivshmem/ivshmem.h> on processors with 64 bits: each struct with its size in bytes, and the
# offset and size of each member; each enumerator with its value; each function. See "The interface in C" in abi.md.
"""
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
DIRECTIVE = re.compile(r"^#.*$|^extern \"C\" \{$|^\}$", re.MULTILINE)
STRUCT = re.compile(r"^struct (\w+) \{(.*?)^\};", re.MULTILINE | re.DOTALL)
ENUM = re.compile(r"^enum (\w+) \{(.*?)^\};", re.MULTILINE | re.DOTALL)
MEMBER = re.compile(r"\s*(.+?)\s*\b(\w+)(\[\d+\])?\s*")
FUNCTION = re.compile(r"([\w ]+[\w*])\s+\**(ivshmem_\w+)\((.*)\)", re.DOTALL)
PARAMETER = re.compile(r"(.*[\s*])(\w+)", re.DOTALL)


def plain(text: str) -> str:
    return re.sub(r"\s*\*", "*", " ".join(text.split()))


@dataclass
class Struct:
    size: int
    members: dict[str, tuple[int, int, str]]
    """The offset, the size and the type of each."""

    @property
    def grows(self) -> bool:
        return "size" in self.members


@dataclass
class Interface:
    structs: dict[str, Struct] = field(default_factory=dict)
    enumerators: dict[str, int] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    """The types of the result and of the parameters."""


def member(declaration: str) -> tuple[str, str]:
    """Return the name and the type."""
    found = MEMBER.fullmatch(declaration)
    if not found or "," in declaration:
        raise ValueError(f"not the declaration of one member: {declaration}")
    return found.group(2), plain(found.group(1)) + (found.group(3) or "")


def declared(include: Path) -> tuple[dict[str, dict[str, str]], list[str], dict[str, str]]:
    """Return the members of each struct with their types, the enumerators, and the functions."""
    text = "\n".join(header.read_text("utf-8") for header in sorted(include.glob("ivshmem/c/*.h")))
    text = DIRECTIVE.sub("", COMMENT.sub("", text))
    structs = {name: dict(map(member, body.split(";")[:-1])) for name, body in STRUCT.findall(text)}
    enumerators = [one.split("=")[0].strip() for _, body in ENUM.findall(text) for one in body.split(",") if one.strip()]
    rest = ENUM.sub("", STRUCT.sub("", text))
    functions = {}
    for statement in filter(None, map(str.strip, rest.split(";"))):
        if found := FUNCTION.fullmatch(statement):
            parameters = [PARAMETER.fullmatch(p.strip()) for p in found.group(3).split(",")]
            functions[found.group(2)] = f"{plain(found.group(1))} ({', '.join(plain(p.group(1)) if p else 'void' for p in parameters)})"
        elif not re.fullmatch(r"struct \w+", statement):
            raise ValueError(f"neither a struct, an enum nor a function: {statement}")
    return structs, enumerators, functions


def measured(include: Path, compiler: Sequence[str]) -> Interface:
    """Return the interface that the headers in a folder have. The compiler's processor must be this one."""
    structs, enumerators, functions = declared(include)
    lines = ["#include <ivshmem/ivshmem.h>", "#include <stdio.h>", "int main(void) {"]
    for name, members in structs.items():
        lines.append(f'printf("%zu\\n", sizeof(struct {name}));')
        lines += [f'printf("%zu %zu\\n", offsetof(struct {name}, {m}), sizeof(((struct {name}*)0)->{m}));' for m in members]
    lines += [f'printf("%lld\\n", (long long){name});' for name in enumerators]
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "measure.c"), Path(folder, "measure")
        source.write_text("\n".join([*lines, "}"]), "utf-8")
        subprocess.run([*compiler, "-std=c11", "-w", "-I", include.resolve(), source, "-o", program], check=True, cwd=folder)
        printed = iter(subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines())
    result = Interface(functions=functions)
    for name, members in structs.items():
        size = int(next(printed))
        places = {m: tuple(map(int, next(printed).split())) for m in members}
        result.structs[name] = Struct(size, {m: (*places[m], kind) for m, kind in members.items()})
    result.enumerators = {name: int(next(printed)) for name in enumerators}
    return result


def written(interface: Interface) -> str:
    lines = []
    for name, struct in sorted(interface.structs.items()):
        lines.append(f"struct {name}: {struct.size}")
        lines += [f"  {offset} {size} {member}: {kind}" for member, (offset, size, kind) in struct.members.items()]
    lines += [f"{name} = {value}" for name, value in interface.enumerators.items()]
    lines += [f"{name}: {kind}" for name, kind in sorted(interface.functions.items())]
    return HEAD + "\n" + "\n".join(lines) + "\n"


def listed(text: str) -> Interface:
    """Read what written() returned."""
    result = Interface()
    for line in text.splitlines():
        if found := re.fullmatch(r"struct (\w+): (\d+)", line):
            members: dict[str, tuple[int, int, str]] = {}
            result.structs[found.group(1)] = Struct(int(found.group(2)), members)
        elif found := re.fullmatch(r"  (\d+) (\d+) (\w+): (.*)", line):
            members[found.group(3)] = int(found.group(1)), int(found.group(2)), found.group(4)
        elif found := re.fullmatch(r"(\w+) = (-?\d+)", line):
            result.enumerators[found.group(1)] = int(found.group(2))
        elif found := re.fullmatch(r"(\w+): (.*)", line):
            result.functions[found.group(1)] = found.group(2)
        elif line and not line.startswith("#"):
            raise ValueError(f"not understood: {line}")
    return result


def broken(before: Interface, now: Interface) -> list[str]:
    """Return what a program that was compiled with the interface of before does not have any more."""
    found = []
    for name, struct in before.structs.items():
        if name not in now.structs:
            found.append(f"struct {name} is gone")
            continue
        members = now.structs[name].members
        for member, place in struct.members.items():
            if members.get(member) != place:
                found.append(f"struct {name}: {member} was {place}, and is {members.get(member, 'gone')}")
        for member in members.keys() - struct.members.keys():
            if not struct.grows:
                found.append(f"struct {name} has no size, and so cannot get {member}")
            # Not in the padding at the end, which programs did not set to 0.
            elif members[member][0] < struct.size:
                found.append(f"struct {name}: {member} must begin behind the {struct.size} bytes that programs know")
        if now.structs[name].size < struct.size or not struct.grows and now.structs[name].size != struct.size:
            found.append(f"struct {name} had {struct.size} bytes, and has {now.structs[name].size}")
    for name, value in before.enumerators.items():
        if now.enumerators.get(name) != value:
            found.append(f"{name} was {value}, and is {now.enumerators.get(name, 'gone')}")
    for name, kind in before.functions.items():
        if now.functions.get(name) != kind:
            found.append(f"{name} was {kind}, and is {now.functions.get(name, 'gone')}")
    return found
