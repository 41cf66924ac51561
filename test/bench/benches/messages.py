# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Messages between two processes of this machine, by each transport of bench-transports."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from comparison import Comparison
from plot import Line, Panel, write

from .programs import built, output

OURS = "channel"
QUEUES = ("boost-spsc", "readerwriterqueue")
SIZES = {8: "8 B", 64: "64 B", 512: "512 B", 4096: "4 KiB", 65536: "64 KiB", 1048576: "1 MiB"}
SECONDS = 0.2
"""Of each run in a comparison."""
TABLE_SECONDS = 0.1
TABLE_ROUNDS = 3
LINE = "cacheline"
LINE_SECONDS = 0.02
SKIPPED = 77
SPREAD = {"min_ns": "minimum", "median_ns": "median", "p99_ns": "99th", "p999_ns": "99.9th"}
MAIN = {"roundtrip": "median_ns", "throughput": "messages_per_second"}
SPREAD_SIZE = 8
"""Of the round trips whose spread is shown."""

Key = tuple[str, str, str]
"""The measurement, the way to wait, the transport."""
Table = dict[Key, dict[int, dict[str, float]]]
"""For each size the result of bench-transports."""


def result(transport: str, what: str, size: int, wait: str, seconds: float) -> dict[str, float] | None:
    """Returns the result of bench-transports; None if the transport cannot do it."""
    program = built("bench-transports")
    words = [program, transport, what, str(size), "--wait", wait, "--seconds", str(seconds)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if ran.returncode == SKIPPED:
        return None
    if ran.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: status {ran.returncode}: {ran.stderr.strip()}")
    return json.loads(ran.stdout)


def figure(transport: str, what: str, size: int, wait: str) -> float | None:
    """Messages per second, or the median in nanoseconds; None if the transport cannot do it."""
    said = result(transport, what, size, wait, SECONDS)
    return said and said[MAIN[what]]


def compared(rounds: int, known: Sequence[str], name: str, rivals: Sequence[str], what: str, size: int,
             wait: str, target: float | None = None) -> Iterable[Comparison]:
    """Ours beside the best of the rivals in each round."""
    present = [rival for rival in rivals if rival in known]
    if not present:
        print(f"{name}: {', '.join(rivals)}: not built", flush=True)
        return
    unit, scale, best = ("ns", 1.0, min) if what == "roundtrip" else ("GB/s", size / 1e9, max)
    turns = itertools.cycle((1, -1))

    def measure(transport: str) -> float:
        got = figure(transport, what, size, wait)
        if got is None:
            raise RuntimeError(f"{name}: {transport} cannot do it")
        return got * scale

    def rival() -> float:
        return best(measure(one) for one in present[:: next(turns)])

    def line() -> float:
        got = result(LINE, "roundtrip", 8, "spin", LINE_SECONDS)
        if got is None:
            raise RuntimeError(f"{LINE} cannot do it")
        return got[MAIN["roundtrip"]]

    comparison = Comparison(f"messages-{name}", OURS, " or ".join(present), unit, target, what == "roundtrip", line=line)
    yield comparison.play(rounds, lambda: measure(OURS), rival)


def comparisons(rounds: int, known: Sequence[str]) -> Iterable[Comparison]:
    yield from compared(rounds, known, "roundtrip-spin", (LINE,), "roundtrip", 8, "spin", 1.3)
    yield from compared(rounds, known, "roundtrip-sleep", ("eventfd",), "roundtrip", 8, "sleep", 1.2)
    for size, target in ((8, 0.8), (64, 1.0), (512, 1.0), (4096, None)):
        yield from compared(rounds, known, f"throughput-{size}", QUEUES, "throughput", size, "spin", target)
    for size in (65536, 1048576):
        yield from compared(rounds, known, f"throughput-{size}", ("memcpy",), "throughput", size, "spin", 0.9)
    for rival in ("zmq", "unix"):
        yield from compared(rounds, known, f"throughput-64-{rival}", (rival,), "throughput", 64, "sleep", 10)


def measured_table(known: Sequence[str]) -> Table:
    """The medians of all transports, sizes and ways to wait, from rounds in which each comes once."""
    runs = [(what, wait, name, size) for what, wait, name, size in
            itertools.product(("roundtrip", "throughput"), ("spin", "sleep"), known, SIZES)]
    said: dict[tuple[str, str, str, int], list[dict[str, float]]] = {}
    for i in range(TABLE_ROUNDS):
        for run in runs[:: -1 if i % 2 else 1]:
            what, wait, name, size = run
            got = result(name, what, size, wait, TABLE_SECONDS) if i == 0 or run in said else None
            if got is not None:
                said.setdefault(run, []).append(got)
    table: Table = {}
    for run in runs:
        if run in said:
            what, wait, name, size = run
            fields = SPREAD if what == "roundtrip" else (MAIN[what],)
            table.setdefault((what, wait, name), {})[size] = {
                field: median(one[field] for one in said[run]) for field in fields}
    return table


def print_rows(title: str, columns: Iterable[str], rows: Iterable[tuple[str, Iterable[str]]]) -> None:
    print(f"\n  {title}\n  {'':18}" + "".join(f"{column:>10}" for column in columns))
    for name, cells in rows:
        print(f"  {name:18}" + "".join(f"{cell:>10}" for cell in cells))


def print_table(table: Table) -> None:
    def microseconds(figure: float) -> str:
        return f"{figure / 1000:.3g}"

    def per_second(figure: float) -> str:
        return f"{figure / 1e6:.3g} M" if figure >= 1e6 else f"{figure / 1e3:.3g} k"

    titles: dict[str, tuple[str, Callable[[float], str]]] = {
        "roundtrip": ("round trip, median in us", microseconds),
        "throughput": ("messages per second", per_second),
    }
    for (what, (title, cell)), wait in itertools.product(titles.items(), ("spin", "sleep")):
        rows = {of: row for (about, by, of), row in table.items() if (about, by) == (what, wait)}
        print_rows(f"{title}, {wait}", SIZES.values(), (
            (name, (cell(row[size][MAIN[what]]) if size in row else "-" for size in SIZES)) for name, row in rows.items()))
        if what == "roundtrip":
            print_rows(f"round trip of {SIZES[SPREAD_SIZE]} in us, {wait}", SPREAD.values(), (
                (name, (microseconds(row[SPREAD_SIZE][field]) for field in SPREAD))
                for name, row in rows.items() if SPREAD_SIZE in row))
    print("  -: the transport cannot do it; bench-transports says why", flush=True)


def draw(table: Table, path: Path) -> None:
    def lines(what: str, scale: Callable[[int, float], float]) -> list[Line]:
        rows = sorted(((key, row) for key, row in table.items() if key[0] == what), key=lambda item: item[0][2] != OURS)
        return [Line(name, [(size, scale(size, got[MAIN[what]])) for size, got in row.items()], wait == "sleep")
                for (_, wait, name), row in rows]

    ticks = {float(size): label for size, label in SIZES.items()}
    write(path, [
        Panel("Round trip", "message size", "median, us", lines("roundtrip", lambda _, ns: ns / 1000), ticks),
        Panel("Throughput", "message size", "GB/s", lines("throughput", lambda size, rate: rate * size / 1e9), ticks),
    ], "spinning", "sleeping")


def messages(rounds: int, plot: Path | None = None) -> Iterable[Comparison]:
    """messages between two processes: channels beside queues, sockets and the limits of the machine"""
    print("bench-transports: " + output(built("bench-transports"), "--about"), end="", flush=True)
    known = output(built("bench-transports"), "--list").split()
    yield from comparisons(rounds, known)
    table = measured_table(known)
    print_table(table)
    if plot is not None:
        draw(table, plot)
        print(f"  plotted: {plot}", flush=True)
