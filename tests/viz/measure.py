"""What a layout gives away about how it looks: which boxes lie on each other, in points.

Boxes are read from the drawing operations that Graphviz wrote down, so they are what is drawn, not what was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from typing import Any

from graphrt_viz import metrics
from graphrt_viz.exporters.dot import Direction
from graphrt_viz.picture import Picture
from graphrt_viz.settling import laid_out, settled
from graphrt_viz.theme import LIGHT


@dataclass(frozen=True)
class Box:
    """A rectangle that something drawn fills."""

    key: str
    x0: float
    y0: float
    x1: float
    y1: float

    def overlap(self, other: Box) -> float:
        """Return how deep two boxes lie in each other, in points; 0 if they do not."""
        w = min(self.x1, other.x1) - max(self.x0, other.x0)
        h = min(self.y1, other.y1) - max(self.y0, other.y0)
        return max(0.0, min(w, h))

    def distance(self, way: list[tuple[float, float]]) -> float:
        """Return how far the nearest of some points is from the box; 0 if one is inside."""
        return min(
            (hypot(max(self.x0 - x, 0, x - self.x1), max(self.y0 - y, 0, y - self.y1)) for x, y in way),
            default=0.0,
        )


@dataclass(frozen=True)
class Measured:
    """The boxes of nodes and labels of a picture, and points on the way of each edge."""

    nodes: tuple[Box, ...]
    labels: tuple[Box, ...]
    texts: tuple[Box, ...]
    """Texts of nodes, as wide as they are drawn."""
    ways: dict[str, list[tuple[float, float]]]

    def loose_texts(self, most: float = 0.5) -> list[str]:
        """Return the nodes that one of their texts sticks out of."""
        boxes = {b.key: b for b in self.nodes}
        return [t.key for t in self.texts if t.x0 < boxes[t.key].x0 - most or t.x1 > boxes[t.key].x1 + most]

    def overlaps(self, least: float = 1.5) -> list[tuple[str, str, float]]:
        """Return each pair of a label with a node, a label with a label, a node with a node that lie on each other."""
        boxes = [*self.nodes, *self.labels]
        boxes.sort(key=lambda b: b.x0)
        found: list[tuple[str, str, float]] = []
        for i, a in enumerate(boxes):
            for b in boxes[i + 1 :]:
                if b.x0 >= a.x1:
                    break
                if (deep := a.overlap(b)) > least:
                    found.append((a.key, b.key, round(deep, 1)))
        return found

    def crossed_labels(self, margin: float = 2.0) -> list[tuple[str, str]]:
        """Return each pair of an edge and the label of another edge that it runs through."""
        found: list[tuple[str, str]] = []
        for key, way in self.ways.items():
            for box in self.labels:
                if box.key == key:
                    continue
                inside = (box.x0 + margin, box.x1 - margin, box.y0 + margin, box.y1 - margin)
                if any(inside[0] < x < inside[1] and inside[2] < y < inside[3] for x, y in way):
                    found.append((key, box.key))
        return found

    def misleading_labels(self, margin: float = 2.0) -> list[tuple[str, str]]:
        """Return each pair of a label and an edge that it lies nearer to than to its own, by more than `margin`."""
        found: list[tuple[str, str]] = []
        for box in self.labels:
            own = box.distance(self.ways.get(box.key, []))
            found += [
                (box.key, key)
                for key, way in self.ways.items()
                if key != box.key and own > margin and box.distance(way) < own - margin
            ]
        return found


def measured(picture: Picture, direction: Direction = "TB") -> Measured:
    """Lay a picture out and measure it."""
    planned = settled(picture, LIGHT, direction).plan
    laid = laid_out(planned, len(picture.nodes))
    nodes = [_box(o["id"], o["_draw_"]) for o in laid.get("objects", ()) if str(o.get("id", "")).startswith("n")]
    texts: list[Box] = []
    for o in laid.get("objects", ()):
        ops = [op for op in o.get("_ldraw_", ()) if op["op"] == "T"] if str(o.get("id", "")).startswith("n") else ()
        for op, span in zip(ops, planned.spans.get(str(o.get("id")), ()), strict=False):
            x, y = op["pt"]
            word = span.text.rstrip(" ")
            texts.append(Box(o["id"], x, y, x + metrics.width(word, span.size, bold=span.bold, mono=span.mono), y + 8))
    labels = [_box(e["id"], e["_ldraw_"]) for e in laid.get("edges", ()) if e.get("_ldraw_")]
    edges = laid.get("edges", ()) if labels else ()
    ways = {e["id"]: _way(e["_draw_"]) for e in edges if e.get("_draw_")}
    return Measured(tuple(b for b in nodes if b), tuple(b for b in labels if b), tuple(texts), ways)


def _box(key: str, ops: list[dict[str, Any]]) -> Box | None:
    xs: list[float] = []
    ys: list[float] = []
    for op in ops:
        if op["op"] in "Ee":
            x, y, rx, ry = op["rect"]
            xs += [x - rx, x + rx]
            ys += [y - ry, y + ry]
        elif op["op"] in "PpBb":
            xs += [p[0] for p in op["points"]]
            ys += [p[1] for p in op["points"]]
        elif op["op"] == "T":
            x, y = op["pt"]
            xs += [x, x + op["width"]]
            ys += [y - 2, y + 8]
    return Box(key, min(xs), min(ys), max(xs), max(ys)) if xs else None


def _way(ops: list[dict[str, Any]]) -> list[tuple[float, float]]:
    """Return points on the splines of an edge, about three points apart; none if there are no labels."""
    way: list[tuple[float, float]] = []
    for op in ops:
        if op["op"] not in "bB":
            continue
        points = op["points"]
        for i in range(0, len(points) - 3, 3):
            a, b, c, d = points[i : i + 4]
            length = sum(abs(q[0] - p[0]) + abs(q[1] - p[1]) for p, q in pairwise((a, b, c, d)))
            steps = max(2, int(length / 3))
            for k in range(steps + 1):
                t = k / steps
                u = 1 - t
                way.append(
                    (
                        u**3 * a[0] + 3 * u * u * t * b[0] + 3 * u * t * t * c[0] + t**3 * d[0],
                        u**3 * a[1] + 3 * u * u * t * b[1] + 3 * u * t * t * c[1] + t**3 * d[1],
                    )
                )
    return way
