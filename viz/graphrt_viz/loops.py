"""Several loops at one node, side by side.

Graphviz draws them across each other, with their labels in a row or on the lines. So it lays the picture out, and each
loop gets its share of the node's side, with its label beside it: where the picture runs down, below each other at the
right of the node; where it runs to the right, above it like stairs, the first at the right and lowest. Everything else
stays where it is, and Graphviz only draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Point: TypeAlias = tuple[float, float]

_REACH: Final = 22.0
"""How far a loop reaches away from its node, in points, where it stands at its right …"""
_STEP: Final = 8.0
"""… and how far above the node the lowest label stands, where it stands above …"""
_RIM: Final = 7.0
"""… how far from the corner of the node the first loop begins …"""
_APART: Final = 4.0
"""… and how far apart are two loops, or two labels."""
_LEAST: Final = 12.0
"""The least width of a loop at its foot …"""
_ARROW: Final = 7.5
"""… and the length of its arrowhead."""
_FLAT: Final = 0.7
"""The share of a pointed node's width that is level."""
_NODE: Final = 54.0
"""The width that Graphviz gives a node at least."""


@dataclass(frozen=True, slots=True)
class Loop:
    """An edge from a node to itself."""

    key: str
    """Its id in the layout."""
    width: float
    """Of its label, in points; 0 without one …"""
    height: float
    """… with the room around it."""
    low: bool
    """Whether there is as much room above the label as the label is high, and not below it; downwards alone."""


Loops: TypeAlias = "Mapping[str, Sequence[Loop]]"
"""The loops of nodes that have several, in the order of the definition, by the id of the node."""


def least_height(loops: Sequence[Loop]) -> float:
    """Return how high a node must be for its loops and their labels to stand at its right, in points."""
    gaps = _APART * (len(loops) - 1)
    return max(2 * _RIM + _LEAST * len(loops), sum(loop.height for loop in loops) / 2) + gaps


def least_width(loops: Sequence[Loop], *, pointed: bool) -> float:
    """Return how wide a node must be for its loops and their labels to stand above it, in points."""
    width = max(loop.width for loop in loops)
    if len(loops) > 1:
        width = (2 * _RIM + (_LEAST + _APART) * len(loops) + width) / (_FLAT if pointed else 1)
    return max(width, _NODE)


def narrower(loops: Loops) -> frozenset[str]:
    """Return all loops but the one with the widest label at each node: labels below each other need its room once."""
    widest = {max(own, key=lambda loop: loop.width).key for own in loops.values()}
    return frozenset(loop.key for own in loops.values() for loop in own) - widest


def side_by_side(laid: Mapping[str, Any], loops: Loops, *, down: bool) -> dict[str, str]:
    """Return the places of these loops, as attributes by id.

    `laid` is Graphviz's JSON of a layout, with what is drawn.
    """
    nodes = {o["id"]: o for o in laid.get("objects", ()) if "pos" in o}
    found: dict[str, str] = {}
    for key, own in loops.items():
        outline = tuple(_outline(nodes[key]))
        found |= dict(_at_the_right(outline, own) if down else _above(outline, own))
    return found


def _outline(node: Mapping[str, Any]) -> Iterator[tuple[Point, Point]]:
    """Yield the lines around a node; of a rounded corner those between the points that bend it."""
    for op in node.get("_draw_", ()):
        points = [(x, y) for x, y in op.get("points", ())]
        if op["op"] in "Ee":
            x, y, rx, ry = op["rect"]
            points = [(x + rx * math.cos(k * math.pi / 18), y + ry * math.sin(k * math.pi / 18)) for k in range(36)]
        if points:
            yield from pairwise([*points, points[0]])


def _furthest(outline: Sequence[tuple[Point, Point]], at: float, *, along: int) -> float:
    """Return how far up a node reaches at that place from the left (`along` 0), how far right at that height (1)."""
    across = 1 - along
    found: list[float] = []
    for a, b in outline:
        if min(a[along], b[along]) <= at <= max(a[along], b[along]):
            part = 0.0 if a[along] == b[along] else (at - a[along]) / (b[along] - a[along])
            found += [a[across] + part * (b[across] - a[across])]
    return max(found, default=max(p[across] for line in outline for p in line))


def _at_the_right(outline: Sequence[tuple[Point, Point]], loops: Sequence[Loop]) -> Iterator[tuple[str, str]]:
    ys = [y for line in outline for _, y in line]
    middle, half = (max(ys) + min(ys)) / 2, (max(ys) - min(ys)) / 2
    share = (2 * (half - _RIM) - _APART * (len(loops) - 1)) / len(loops)
    apex = max(x for line in outline for x, _ in line) + _REACH
    heights = [loop.height / 2 for loop in loops]
    top, labels = middle + half - _RIM, middle + (sum(heights) + _APART * (len(loops) - 1)) / 2
    for loop, height in zip(loops, heights, strict=True):
        begin, end = (_furthest(outline, y, along=1) for y in (top, top - share))
        out, back = (apex - begin) * 4 / 3, (apex - end) * 4 / 3
        line = _line((begin, top), (begin + out, top + 2), (end + back, top - share - 2), (end, top - share))
        top -= share + _APART
        centre = labels - height / 2 + (height / 2 if loop.low else -height / 2)
        labels -= height + _APART
        yield loop.key, _placed(line, loop, apex + _APART + loop.width / 2, centre)


def _above(outline: Sequence[tuple[Point, Point]], loops: Sequence[Loop]) -> Iterator[tuple[str, str]]:
    top = max(y for line in outline for _, y in line)
    level = min(x for line in outline for x, y in line if y > top - 1)
    left = max(level, min(x for line in outline for x, _ in line) + _RIM)
    label = top + _STEP
    for loop, place in zip(loops, reversed(range(len(loops))), strict=True):
        begin = left + place * (_LEAST + _APART)
        end = begin + _LEAST
        feet = [_furthest(outline, x, along=0) for x in (begin, end)]
        centre = label + loop.height / 2
        label += loop.height
        out, back = ((centre - foot) * 4 / 3 for foot in feet)
        line = _line((begin, feet[0]), (begin - 2, feet[0] + out), (end + 2, feet[1] + back), (end, feet[1]))
        yield loop.key, _placed(line, loop, end + _APART + loop.width / 2, centre)


def _line(begin: Point, out: Point, back: Point, end: Point) -> str:
    """Return a loop as Graphviz has it: where the arrow ends, then a cubic curve to where the arrow begins."""
    share = _ARROW / math.dist(back, end)
    foot = end[0] + (back[0] - end[0]) * share, end[1] + (back[1] - end[1]) * share
    return " ".join([f"e,{end[0]:.2f},{end[1]:.2f}", *(f"{x:.2f},{y:.2f}" for x, y in (begin, out, back, foot))])


def _placed(line: str, loop: Loop, x: float, y: float) -> str:
    return f'pos="{line}"' + (f' lp="{x:.2f},{y:.2f}"' if loop.width else "")
