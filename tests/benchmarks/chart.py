"""The chart: a panel a figure, a bar a contender, on a logarithmic scale. Plain SVG, written by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple


class Bar(NamedTuple):
    """One contender's figure."""

    name: str
    value: float


class Panel(NamedTuple):
    """One figure of all contenders that have it."""

    title: str
    bars: Sequence[Bar]


WIDTH: Final = 460
"""Of a panel, in pixels."""
_NAMES: Final = 165
_VALUES: Final = 62
_ROW: Final = 22
_HEAD: Final = 40
_GAP: Final = 18
_COLOURS: Final = {"graphrt": "#1f6feb", "floor": "#8c959f"}
_OTHERS: Final = "#d4a72c"


def draw(panels: Sequence[Panel], title: str) -> str:
    """Return the panels side by side, two in a row."""
    rows = [panels[i : i + 2] for i in range(0, len(panels), 2)]
    parts: list[str] = []
    y = 44
    for row in rows:
        for column, panel in enumerate(row):
            parts += _panel(panel, _GAP + column * (WIDTH + _GAP), y)
        y += _HEAD + _ROW * max(len(panel.bars) for panel in row) + _GAP
    width = 2 * WIDTH + 3 * _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}" '
        'font-family="system-ui, sans-serif" font-size="13" role="img">'
    )
    return "\n".join(
        [
            head,
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{y}" fill="#ffffff"/>',
            f'<text x="{_GAP}" y="28" font-size="16" font-weight="600" fill="#1f2328">{escape(title)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(panel: Panel, x: float, y: float) -> list[str]:
    low = 10 ** math.floor(math.log10(min(bar.value for bar in panel.bars)))
    high = 10 ** math.ceil(math.log10(max(bar.value for bar in panel.bars) * 1.001))
    room = WIDTH - _NAMES - _VALUES
    parts = [f'<text x="{x}" y="{y + 16}" font-weight="600" fill="#1f2328">{escape(panel.title)}</text>']
    bottom = y + _HEAD - 10 + _ROW * len(panel.bars)
    decades = round(math.log10(high / low))
    for decade in range(decades + 1):
        at = x + _NAMES + room * decade / decades
        parts.append(f'<line x1="{at:.1f}" y1="{y + 24}" x2="{at:.1f}" y2="{bottom}" stroke="#d0d7de"/>')
    for place, bar in enumerate(panel.bars):
        top = y + _HEAD - 12 + place * _ROW
        length = room * math.log10(bar.value / low) / decades
        colour = _COLOURS.get(bar.name, _OTHERS)
        parts += [
            f'<text x="{x + _NAMES - 8}" y="{top + 13}" text-anchor="end" fill="#1f2328">{escape(bar.name)}</text>',
            f'<rect x="{x + _NAMES}" y="{top + 1}" width="{max(length, 2):.1f}" height="16" rx="2" fill="{colour}"/>',
            f'<text x="{x + _NAMES + max(length, 2) + 6:.1f}" y="{top + 13}" fill="#57606a">{_short(bar.value)}</text>',
        ]
    return parts


def _short(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.2g}"
