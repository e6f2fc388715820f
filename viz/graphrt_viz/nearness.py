"""Labels that stand nearer to another edge than to their own, where a reader takes them for the other's, are moved.

Graphviz keeps room for a label and leads its edge past that room, but where pictures run to the right edges sag away
from their labels, and of an edge that is cut at a frame the label may stand at what was cut off. Such a label is put
close to its edge, as near to the middle as it gets in nobody's way. Where there is no such place it stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Point: TypeAlias = tuple[float, float]
Way: TypeAlias = "Sequence[Point]"
"""Points along an edge."""

_MARGIN: Final = 2.0
"""Points by which another edge must be nearer to be taken for the label's own."""
_GAP: Final = 3.0
"""Points between a label that was moved and its edge, and at least between it and anything else."""
_ABOVE: Final = 8.0
_BELOW: Final = 2.0
"""How far text reaches above its line and below it."""
_PACE: Final = 4.0
"""Points between two points of a way."""
_MIDDLE: Final = 0.36
"""How far from the middle of its edge a label may be moved, as a share of its length."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle."""

    x0: float
    y0: float
    x1: float
    y1: float

    @classmethod
    def around(cls, x: float, y: float, w: float, h: float) -> Box:
        """Return the box of this size around a point."""
        return cls(x - w / 2, y - h / 2, x + w / 2, y + h / 2)

    def meets(self, other: Box, gap: float) -> bool:
        """Say if two boxes are closer than that."""
        across = self.x0 < other.x1 + gap and other.x0 < self.x1 + gap
        return across and self.y0 < other.y1 + gap and other.y0 < self.y1 + gap

    def holds(self, other: Box) -> bool:
        """Say if another box is wholly inside."""
        return self.x0 <= other.x0 and self.y0 <= other.y0 and self.x1 >= other.x1 and self.y1 >= other.y1

    def distance(self, way: Way) -> float:
        """Return how far the nearest point of a way is; 0 if one is inside."""
        return min(
            (hypot(max(self.x0 - x, 0.0, x - self.x1), max(self.y0 - y, 0.0, y - self.y1)) for x, y in way),
            default=float("inf"),
        )


def moved(laid: Mapping[str, Any]) -> dict[str, Point]:
    """Return where labels of edges should stand instead, by the id of the edge: their middles, in points.

    `laid` is Graphviz's JSON of the layout, with what is drawn.
    """
    scene = _Scene(laid)
    found: dict[str, Point] = {}
    for key, box in list(scene.labels.items()):
        if scene.misleads(key, box) and (better := scene.place_for(key, box)) is not None:
            scene.labels[key] = better
            x, y = scene.middles[key]
            found[key] = x + better.x0 - box.x0, y + better.y0 - box.y0
    return found


class _Scene:
    """What stands where."""

    def __init__(self, laid: Mapping[str, Any]) -> None:
        objects: list[Mapping[str, Any]] = laid.get("objects", [])
        edges = {e["id"]: e for e in laid.get("edges", ()) if "pos" in e and e.get("style") != "invis"}
        self._page = Box(*(float(v) for v in laid["bb"].split(",")))
        self._frames = [Box(*(float(v) for v in o["bb"].split(","))) for o in objects if "bb" in o]
        self._solid = [
            Box.around(*_point(o["pos"]), float(o["width"]) * 72, float(o["height"]) * 72)
            for o in objects
            if "pos" in o
        ]
        self._solid += [
            Box.around(*_point(o["lp"]), float(o["lwidth"]) * 72, float(o["lheight"]) * 72)
            for o in (laid, *objects)
            if "lp" in o
        ]
        self._ways = {key: tuple(_points(e["pos"])) for key, e in edges.items()}
        self._reach = {key: _around(way) for key, way in self._ways.items()}
        self.middles = {key: _point(e["lp"]) for key, e in edges.items() if "lp" in e}
        """Of labels, with the room around them."""
        self.labels = {key: box for key in self.middles if (box := _drawn(edges[key].get("_ldraw_", ()))) is not None}
        """What is drawn of them."""

    def misleads(self, key: str, box: Box) -> bool:
        """Say if a label is taken for that of another edge."""
        own = box.distance(self._ways[key])
        return own > _MARGIN and any(box.distance(w) < own - _MARGIN for w in self._others(key, box, own))

    def place_for(self, key: str, box: Box) -> Box | None:
        """Return the first place at its edge at which a label is in nobody's way."""
        w, h = box.x1 - box.x0, box.y1 - box.y0
        way = self._ways[key]
        middle = (len(way) - 1) / 2
        for at in sorted(range(len(way)), key=lambda k: (abs(k - middle), k)):
            if abs(at - middle) > _MIDDLE * len(way):
                break
            x = way[at][0]
            # A slope must not run through a corner.
            beside = [y for nx, y in way if abs(nx - x) <= w / 2 + _GAP]
            for y in (max(beside) + _GAP + h / 2, min(beside) - _GAP - h / 2):
                place = Box.around(x, y, w, h)
                if self._is_free(key, place):
                    return place
        return None

    def _is_free(self, key: str, place: Box) -> bool:
        reach = self._reach[key]
        own = place.distance(self._ways[key])
        return (
            own > 1
            and self._page.holds(place)
            and all(frame.holds(place) == frame.holds(reach) for frame in self._frames)
            and not any(place.meets(frame, 0) and not frame.holds(place) for frame in self._frames)
            and not any(place.meets(solid, _GAP) for solid in self._solid)
            and not any(place.meets(label, _GAP) for other, label in self.labels.items() if other != key)
            and all(place.distance(way) > own + _MARGIN for way in self._others(key, place, own + _MARGIN))
        )

    def _others(self, key: str, box: Box, within: float) -> Iterator[Way]:
        """Yield the ways of other edges that may be that near to a box."""
        for other, reach in self._reach.items():
            if other != key and reach.meets(box, within):
                yield self._ways[other]


def _drawn(operations: Sequence[Mapping[str, Any]]) -> Box | None:
    """Return the box around what is drawn of a label; None if it is empty."""
    points: list[Point] = []
    for op in operations:
        if "points" in op:
            points += [(x, y) for x, y in op["points"]]
        elif op["op"] == "T":
            x, y = op["pt"]
            points += [(x, y - _BELOW), (x + op["width"], y + _ABOVE)]
    return _around(points) if points else None


def _around(points: Sequence[Point]) -> Box:
    return Box(
        min(x for x, _ in points), min(y for _, y in points), max(x for x, _ in points), max(y for _, y in points)
    )


def _point(text: str) -> Point:
    x, y = text.split(",")
    return float(x), float(y)


def _points(pos: str) -> Iterator[Point]:
    """Yield points on the curves of an edge as Graphviz has it, from its begin to its end."""
    line = [_point(part) for part in pos.split(" ") if part[0] not in "es"]
    for i in range(0, len(line) - 3, 3):
        a, b, c, d = line[i : i + 4]
        length = sum(abs(q[0] - p[0]) + abs(q[1] - p[1]) for p, q in pairwise((a, b, c, d)))
        steps = max(2, int(length / _PACE))
        for k in range(steps + 1):
            t = k / steps
            u = 1 - t
            p, q, r, s = u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t
            yield p * a[0] + q * b[0] + r * c[0] + s * d[0], p * a[1] + q * b[1] + r * c[1] + s * d[1]
