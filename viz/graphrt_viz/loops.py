"""Several loops at one node, side by side.

Graphviz draws them across each other, with their labels in a row. So it lays the picture out with the widest of these
labels alone; then we give each loop its share of the node's right side, and put the labels below each other. Everything
else stays where it is, and Graphviz only draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Point: TypeAlias = tuple[float, float]

_REACH: Final = 22.0
"""How far a loop reaches away from its node, in points …"""
_RIM: Final = 7.0
"""… how far below the upper edge of the node the first begins …"""
_APART: Final = 4.0
"""… and how far apart are two loops, or two labels."""
_LEAST: Final = 12.0
"""The least height of a loop …"""
_ARROW: Final = 7.5
"""… and the length of its arrowhead."""


@dataclass(frozen=True, slots=True)
class Loop:
    """An edge from a node to itself."""

    key: str
    """Its id in the layout."""
    width: float
    """Of its label, in points; 0 without one …"""
    height: float
    """… with the room that keeps it away from the middle of the node's side …"""
    low: bool
    """… which is above it, and not below."""


Loops: TypeAlias = "Mapping[str, Sequence[Loop]]"
"""The loops of nodes that have several, from top to bottom, by the id of the node."""


def least_height(loops: Sequence[Loop]) -> float:
    """Return how high a node must be for its loops and their labels to stand beside it, in points."""
    gaps = _APART * (len(loops) - 1)
    return max(2 * _RIM + _LEAST * len(loops), sum(loop.height for loop in loops) / 2) + gaps


def narrower(loops: Loops) -> frozenset[str]:
    """Return all loops but the one with the widest label at each node: labels below each other need its room once."""
    widest = {max(own, key=lambda loop: loop.width).key for own in loops.values()}
    return frozenset(loop.key for own in loops.values() for loop in own) - widest


def side_by_side(laid: Mapping[str, Any], loops: Loops) -> dict[str, str]:
    """Return the places of these loops, as attributes by id. `laid` is Graphviz's JSON of a layout with all of them."""
    nodes = {o["id"]: o for o in laid.get("objects", ()) if "pos" in o}
    edges = {e["id"]: e for e in laid.get("edges", ()) if "pos" in e}
    found: dict[str, str] = {}
    for key, own in loops.items():
        ends = [_ends(edges[loop.key]["pos"]) for loop in own]
        found |= dict(_side_by_side(_box(nodes[key]), [p for pair in ends for p in pair], own))
    return found


def _box(node: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return the middle of a node and half its height."""
    x, y = (float(v) for v in node["pos"].split(","))
    return x, y, float(node["height"]) * 36


def _ends(pos: str) -> tuple[Point, Point]:
    """Return where an edge leaves its node and where it comes back."""
    points = [part.split(",") for part in pos.split(" ")]
    tips = {part[0]: part[1:] for part in points if len(part) > 2}
    line = [part for part in points if len(part) == 2]
    (x0, y0), (x1, y1) = tips.get("s", line[0]), tips.get("e", line[-1])
    return (float(x0), float(y0)), (float(x1), float(y1))


def _side_by_side(
    box: tuple[float, float, float], rim: Sequence[Point], loops: Sequence[Loop]
) -> Iterator[tuple[str, str]]:
    """Yield the place of each loop at a node. `rim` are points of the node's right side, of which it tells the form."""
    _, middle, half = box
    high, low = middle + half - _RIM, middle - half + _RIM
    share = (high - low - _APART * (len(loops) - 1)) / len(loops)
    apex = max(x for x, _ in rim) + _REACH
    heights = [loop.height / 2 for loop in loops]
    labels = middle + (sum(heights) + _APART * (len(loops) - 1)) / 2
    for i, (loop, height) in enumerate(zip(loops, heights, strict=True)):
        top = high - i * (share + _APART)
        line = _line((_x(rim, top), top), (_x(rim, top - share), top - share), apex)
        centre = labels - height / 2
        labels -= height + _APART
        at = centre + (height / 2 if loop.low else -height / 2)
        label = f' lp="{apex + _APART + loop.width / 2:.2f},{at:.2f}"' if loop.width else ""
        yield loop.key, f'pos="{line}"{label}'


def _line(begin: Point, end: Point, apex: float) -> str:
    """Return a loop as Graphviz has it: where the arrow ends, then a cubic curve to where the arrow begins."""
    (x0, y0), (x1, y1) = begin, end
    handle = (apex - max(x0, x1)) * 4 / 3
    out, back = (x0 + handle, y0 + 2), (x1 + handle, y1 - 2)
    far = math.dist(back, end)
    foot = x1 + (back[0] - x1) * _ARROW / far, y1 + (back[1] - y1) * _ARROW / far
    return " ".join([f"e,{x1:.2f},{y1:.2f}", *(f"{x:.2f},{y:.2f}" for x, y in (begin, out, back, foot))])


def _x(rim: Sequence[Point], y: float) -> float:
    """Return how far right the side of the node is at a height, between the points that are known of it."""
    above = min((p for p in rim if p[1] >= y), key=lambda p: p[1], default=None)
    below = max((p for p in rim if p[1] <= y), key=lambda p: p[1], default=None)
    if above is None or below is None:
        return max(rim, key=lambda p: -abs(p[1] - y))[0]
    if above[1] == below[1]:
        return above[0]
    return below[0] + (above[0] - below[0]) * (y - below[1]) / (above[1] - below[1])
