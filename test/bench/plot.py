# SPDX-License-Identifier: BSL-1.0
# SPDX-FileCopyrightText: The libivshmem authors
"""Line plots with logarithmic axes, as SVG, side by side with one legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#17becf", "#bcbd22", "#7f7f7f",
           "#0b3d2e", "#000080")
WIDTH, HEIGHT = 460, 400
"""Of a panel, inside its axes."""
LEFT, TOP, BOTTOM, LEGEND = 75, 45, 60, 200


@dataclass
class Line:
    name: str
    """Lines of one name have one colour and one place in the legend."""
    points: list[tuple[float, float]] = field(default_factory=list)
    dashed: bool = False


@dataclass
class Panel:
    title: str
    across: str
    up: str
    lines: list[Line]
    ticks: dict[float, str]
    """The labels below the horizontal axis, and their places."""


def _text(x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def _between(value: float, low: float, high: float) -> float:
    """Return the position of a value on a logarithmic axis, from 0 to 1."""
    return (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))


def _panel(panel: Panel, left: float, colours: dict[str, str]) -> list[str]:
    values = [y for line in panel.lines for _, y in line.points] or [1.0]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** max(math.ceil(math.log10(max(values))), math.log10(low) + 1)
    first, last = min(panel.ticks) / 1.5, max(panel.ticks) * 1.5

    def x(value: float) -> float:
        return left + _between(value, first, last) * WIDTH

    def y(value: float) -> float:
        return TOP + HEIGHT - _between(value, low, high) * HEIGHT

    drawn = [_text(left + WIDTH / 2, TOP - 18, panel.title, more='font-size="15" font-weight="bold"')]
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        decade = 10.0**power
        drawn.append(_line(left, y(decade), left + WIDTH, y(decade), 'stroke="#c8c8c8"'))
        drawn.append(_text(left - 7, y(decade) + 4, f"{decade:g}" if abs(power) < 6 else f"1e{power}", "end"))
        drawn += [_line(left, y(decade * n), left + WIDTH, y(decade * n), 'stroke="#eeeeee"')
                  for n in range(2, 10) if decade * n < high]
    for value, label in panel.ticks.items():
        drawn.append(_line(x(value), TOP, x(value), TOP + HEIGHT, 'stroke="#e0e0e0"'))
        drawn.append(_text(x(value), TOP + HEIGHT + 18, label))
    drawn.append(f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="black"/>')
    drawn.append(_text(left + WIDTH / 2, TOP + HEIGHT + 42, panel.across))
    middle = TOP + HEIGHT / 2
    drawn.append(_text(left - 52, middle, panel.up, more=f'transform="rotate(-90 {left - 52:.1f} {middle:.1f})"'))
    for line in panel.lines:
        colour, dashes = colours[line.name], 'stroke-dasharray="6 4"' if line.dashed else ""
        places = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line.points)
        drawn.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.8" {dashes}/>')
        # A figure that stands alone would be lost among the lines.
        radius = 3 if len(line.points) > 1 else 7
        drawn += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="{radius}" fill="{"white" if line.dashed else colour}" '
                  f'fill-opacity="{1 if radius == 3 else 0.3}" '
                  f'stroke="{colour}" stroke-width="1.5"/>' for a, b in line.points]
    return drawn


def write(path: Path, panels: Sequence[Panel], solid: str, dashed: str) -> None:
    """`solid` and `dashed` are the legends of the two kinds of lines."""
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    each = LEFT + WIDTH + 20
    width, height = each * len(panels) + LEGEND, TOP + HEIGHT + BOTTOM
    drawn = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             'font-family="sans-serif" font-size="12">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for i, panel in enumerate(panels):
        drawn += _panel(panel, i * each + LEFT, colours)
    left, top = each * len(panels) + 5, TOP + 10
    keys = [(name, colours[name], "") for name in names]
    keys += [(solid, "black", ""), (dashed, "black", 'stroke-dasharray="6 4"')]
    for i, (name, colour, dashes) in enumerate(keys):
        down = top + i * 21 + (12 if i >= len(names) else 0)
        drawn.append(_line(left, down, left + 30, down, f'stroke="{colour}" stroke-width="2" {dashes}'))
        drawn.append(_text(left + 38, down + 4, name, "start"))
    path.write_text("\n".join([*drawn, "</svg>", ""]), "utf-8")
