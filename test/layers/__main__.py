# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Run the tests, layer by layer; the last line has the totals. Started by `run`.

Catch2 programs count by their test cases, other programs of meson's as one test each, the VM layer and
the packages by their tests, and the style layer by its checks.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

sys.dont_write_bytecode = True
# The lab of the VM tests has the cache folder.
sys.path.append(str(Path(__file__).resolve().parents[1] / "vm"))

import host  # noqa: E402  (the path comes first)
import runners  # noqa: E402
import sanitizers  # noqa: E402
import style  # noqa: E402
from checkout import Say  # noqa: E402
from totals import FAILED, Totals  # noqa: E402


@dataclass(frozen=True)
class Layer:
    what: str
    run: Callable[[Say, bool], Totals]
    """Called with a function that prints, and whether --all was given."""


def _say(name: str) -> Say:
    def say(text: str) -> None:
        print("".join(f"{name:8} {line}".rstrip() + "\n" for line in text.splitlines() or [""]), end="", flush=True)

    return say


class _Failures:
    """Keeps each line that begins with FAIL, and the indented lines below it, of what passes through `say`."""

    def __init__(self, say: Say) -> None:
        self.lines: list[str] = []
        self._say = say
        self._inside = False

    def say(self, text: str) -> None:
        self._say(text)
        for line in text.splitlines():
            self._inside = line.startswith("FAIL") or (self._inside and line.startswith("  "))
            if self._inside:
                self.lines.append(line)


def _processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _run(name: str, layer: Layer, everything: bool, failures: dict[str, list[str]]) -> tuple[str, Totals]:
    kept = _Failures(_say(name))
    say, failures[name] = kept.say, kept.lines
    say(f"== {layer.what}")
    began = time.monotonic(), _processor_seconds()
    try:
        counted = layer.run(say, everything)
    except Exception:
        say(traceback.format_exc())
        counted = FAILED
    if counted.passed + counted.failed + counted.skipped == 0:
        say("FAIL: it has run no test")
        counted += FAILED
    seconds = f"{time.monotonic() - began[0]:5.0f} s ({_processor_seconds() - began[1]:5.0f} s of processors)"
    say(f"== {counted}, {seconds}")
    return seconds, counted


LAYERS = {
    "host": Layer("pure tests, captured sysfs trees, whole programs on this machine (GCC)", host.alone),
    "vm": Layer("real devices in real guests", runners.vm),
    "packages": Layer("the Debian packages, built and installed in clean Debian systems", runners.packages),
    "style": Layer("SPDX tags, clang-format, clang-tidy", style.run),
    "asan": Layer("the host layer under AddressSanitizer and UndefinedBehaviorSanitizer (clang)", sanitizers.asan),
    "tsan": Layer("the tests of the host layer that have threads, under ThreadSanitizer (clang)", sanitizers.tsan),
}


def _layers(chosen: Collection[str]) -> dict[str, Layer]:
    """The layers, of which the host's leaves to the sanitizers' what both would run."""
    beside = replace(LAYERS["host"], run=host.beside_asan)
    return LAYERS | ({"host": beside} if "asan" in chosen else {})


def main() -> int:
    names = "\n".join(f"  {name:8} {layer.what}" for name, layer in LAYERS.items())
    parser = argparse.ArgumentParser(prog="test/run", description=__doc__, epilog=f"layers:\n{names}",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="run also what takes long; the quick run names what it leaves out")
    parser.add_argument("layer", nargs="*", help="run only these; all without one")
    options = parser.parse_args()
    chosen = options.layer or list(LAYERS)
    for name in chosen:
        if name not in LAYERS:
            parser.error(f"{name}: no such layer; there are {', '.join(LAYERS)}")
    for tool in ("meson", "ninja", "git", "ccache"):
        if shutil.which(tool) is None:
            parser.error(f"{tool}: not found; test/install-deps installs it")

    # One after another: each keeps all processors busy.
    failures: dict[str, list[str]] = {}
    played = {name: _run(name, layer, options.all, failures) for name, layer in _layers(chosen).items() if name in chosen}
    print("==")
    for name, (seconds, counted) in played.items():
        print(f"{name:8} {seconds}  {counted}")
    left_out = [f"{name}: {', '.join(counted.left_out)}" for name, (_, counted) in played.items() if counted.left_out]
    if left_out:
        print(f"left out: {'; '.join(left_out)} (test/run --all)")
    # Again, where a reader of a long log looks first.
    for name, lines in failures.items():
        if lines:
            print("==")
            _say(name)("\n".join(lines))
    totals = sum((counted for _, counted in played.values()), Totals())
    print(totals)
    return 1 if totals.failed or totals.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
