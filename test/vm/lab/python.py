# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Python for guests: this interpreter, with the modules that are imported."""

from __future__ import annotations

import ast
import importlib.util
import marshal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from .arch import X86_64
from .libraries import libraries

INTERPRETER = Path(sys.executable).resolve()
"""A program for the guest. Without OpenSSL, whose libraries are larger than all the rest."""

COMMAND = f"env PYTHONHOME=/usr {INTERPRETER.name} -B"
"""Runs it in the guest."""

_IMPORTED = """
import importlib, sys
sys.modules["ssl"] = None
sys.path.append(sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
for name, module in sys.modules.items():
    if getattr(module, "__file__", None):
        print(name, hasattr(module, "__path__"), module.__file__, sep="|")
"""


def files(modules: Iterable[str], folder: Path, libraries_of: Path) -> dict[str, Path | bytes]:
    """Return the files of modules, of the standard library or in a folder, and of all that these import."""
    done = subprocess.run([sys.executable, "-I", "-c", _IMPORTED, folder, *modules], capture_output=True, text=True,
                          check=True, env={"LD_LIBRARY_PATH": str(libraries_of)})
    home = f"/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
    found: dict[str, Path | bytes] = {}
    for line in done.stdout.splitlines():
        name, is_package, source = line.split("|")
        if source.endswith(".so"):
            found[f"{home}/lib-dynload/{Path(source).name}"] = Path(source)
            found.update(libraries(Path(source), X86_64))
        elif source.endswith(".py") and name != "__main__":
            place = name.replace(".", "/") + ("/__init__" if is_package == "True" else "")
            found[f"{home}/{place}.pyc"] = compiled(Path(source))
    return found


def imported(source: Path) -> set[str]:
    """Return the modules that a source imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def compiled(source: Path) -> bytes:
    """Return what Python takes instead of a source, in a guest that should not take seconds to compile it."""
    kept = Path(importlib.util.cache_from_source(str(source)))
    if kept.exists() and kept.stat().st_mtime >= source.stat().st_mtime:
        return kept.read_bytes()
    code = compile(source.read_bytes(), source.name, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
