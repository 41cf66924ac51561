# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Runs layers, one after another or in parallel."""

from __future__ import annotations

import concurrent.futures
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from checkout import Say
from totals import FAILED, Totals

Played = dict[str, tuple[float, Totals]]
"""The seconds and the totals of each layer that ran."""


@dataclass(frozen=True)
class Layer:
    what: str
    run: Callable[[Say, bool], Totals]
    """Called with a function that prints, and whether --all was given."""


_printing = threading.Lock()


def _say(name: str) -> Say:
    def say(text: str) -> None:
        with _printing:
            print("".join(f"{name:8} {line}".rstrip() + "\n" for line in text.splitlines() or [""]), end="", flush=True)

    return say


def _one(name: str, layer: Layer, everything: bool) -> tuple[float, Totals]:
    say = _say(name)
    say(f"== {layer.what}")
    began = time.monotonic()
    try:
        counted = layer.run(say, everything)
    except Exception:
        say(traceback.format_exc())
        counted = FAILED
    if counted.passed + counted.failed + counted.skipped == 0:
        say("FAIL: it has run no test")
        counted += FAILED
    seconds = time.monotonic() - began
    say(f"== {counted}, {seconds:.0f} s")
    return seconds, counted


def play(layers: Mapping[str, Layer], steps: Sequence[Sequence[Sequence[str]]], everything: bool) -> Played:
    """Run the layers of each step, with its lanes in parallel."""
    played: Played = {}

    def run(lane: Sequence[str]) -> None:
        for name in lane:
            played[name] = _one(name, layers[name], everything)

    for lanes in steps:
        with concurrent.futures.ThreadPoolExecutor(max_workers=len(lanes)) as side_by_side:
            for done in [side_by_side.submit(run, lane) for lane in lanes]:
                done.result()
    return played
