"""Draws the README's chart, the cost of one response in each server, as SVG without a library.

Strategy: bars come in groups, each with a heading; the group of what is shipped is first.

Rule: a bar's length is proportional to its figure, from zero, and the figure is beside it. The chart has its own
background, light or dark as the reader prefers, so that it is readable everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

WIDTH = 860
LEFT, RIGHT = 366, 76
"""Pixels for names before the bars, and for figures after them."""
TOP, STEP, BAR, BOTTOM = 84, 30, 18, 58
OURS = "this project"
"""The beginning of the name of this project's bar."""

_STYLE = """
    .ground { fill: #ffffff; stroke: #d5d9e0; }
    text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2733; }
    .title { font-size: 17px; font-weight: 600; }
    .quiet { fill: #5b6675; font-size: 12px; }
    .name { text-anchor: end; }
    .number { text-anchor: middle; }
    .grid { stroke: #e3e6eb; }
    .bar { fill: #9aa5b4; }
    .ours .bar { fill: #0b7a4b; }
    .ours text, .heading { font-weight: 600; }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #14181f; stroke: #39424f; }
      text { fill: #e6eaf0; }
      .quiet { fill: #9ba7b6; }
      .grid { stroke: #2b323d; }
      .bar { fill: #66727f; }
      .ours .bar { fill: #35c487; }
    }
"""


def draw_chart(title: str, subtitle: str, machine: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    """Return the chart of CPU seconds by server, in groups by heading, in their order."""
    most = max(cost for costs in groups.values() for cost in costs.values()) * 1e6
    step = 10 ** math.floor(math.log10(most))
    step = max(step // 2, 1) if most / step < 3 else step * 2 if most / step >= 6 else step
    lines = [line for heading, costs in groups.items() if costs for line in ((heading, None), *costs.items())]
    bottom = TOP + STEP * len(lines)
    scale = (WIDTH - LEFT - RIGHT) / most
    caption = f"CPU time per request; less is better. {machine}"
    size = f'viewBox="0 0 {WIDTH} {bottom + BOTTOM}" width="{WIDTH}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{bottom + BOTTOM - 1}" rx="8"/>',
            f'<text class="title" x="24" y="36">{escape(title)}</text>',
            f'<text class="quiet" x="24" y="58">{escape(subtitle)}</text>',
            *(_mark(value, LEFT + value * scale, bottom) for value in range(0, int(most) + 1, step)),
            *(_line(name, cost, TOP + STEP * row, scale) for row, (name, cost) in enumerate(lines)),
            f'<text class="quiet" x="24" y="{bottom + 40}">{escape(caption)}</text>',
            "</svg>\n",
        ]
    )


def _mark(value: int, x: float, bottom: float) -> str:
    line = f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}"/>'
    return f'{line}<text class="quiet number" x="{x:.1f}" y="{bottom + 16}">{value:,} µs</text>'


def _line(name: str, cost: float | None, top: int, scale: float) -> str:
    """Return a heading, or a bar with its name."""
    if cost is None:
        return f'<text class="heading" x="24" y="{top + BAR / 2 + 5}">{escape(name)}</text>'
    return _bar(name, cost * 1e6, top, scale)


def _bar(name: str, cost: float, top: int, scale: float) -> str:
    line = top + BAR / 2 + 5
    figure = f"{cost:,.1f}" if cost < 100 else f"{cost:,.0f}"
    return "".join(
        (
            f'<g class="{"ours" if name.startswith(OURS) else "other"}">',
            f'<text class="name" x="{LEFT - 12}" y="{line}">{escape(name)}</text>',
            f'<rect class="bar" x="{LEFT}" y="{top}" width="{cost * scale:.1f}" height="{BAR}"/>',
            f'<text x="{LEFT + cost * scale + 8:.1f}" y="{line}">{figure}</text></g>',
        )
    )
