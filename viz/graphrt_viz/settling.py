"""The places of everything in a picture: found by Graphviz, and put right where it does not do well.

Several loops at one node are put side by side (`loops`); where a picture runs to the right, or edges end at frames,
labels are moved to their edges (`nearness`). Then the plan says where everything stands, and Graphviz only draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from graphrt_viz.exporters import dot
from graphrt_viz.layout import run_dot
from graphrt_viz.loops import narrower, side_by_side
from graphrt_viz.nearness import moved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt_viz.exporters.dot import Direction, Plan
    from graphrt_viz.looks import Room
    from graphrt_viz.nearness import Point
    from graphrt_viz.picture import Picture
    from graphrt_viz.theme import Theme

_HALVINGS: Final = 3
"""How often a curve is halved whose handles stick out; each time they stick out a quarter as far."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A plan to be drawn."""

    plan: Plan
    laid: dict[str, Any] | None = None
    """Its layout, if it had to be found out already."""


def settled(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> Settled:
    """Return the plan of a picture, with the places of everything where they are not left to Graphviz.

    Raises:
        LayoutError: Graphviz is missing or refuses.
    """
    planned = dot.plan(picture, theme, direction, room)
    many = len(picture.nodes)
    if planned.loops:
        down = direction == "TB"
        first = dot.plan(picture, theme, direction, room, silent=narrower(planned.loops)) if down else planned
        laid = laid_out(first, many)
        places = _places(laid) | side_by_side(laid, planned.loops, down=down)
        planned = dot.plan(picture, theme, direction, room, places=places)
    if (direction == "TB" and not picture.clusters) or many > dot.MANY:
        return Settled(planned)
    laid = laid_out(planned, many)
    better = moved(laid)
    if not better:
        return Settled(planned, laid)
    return Settled(dot.plan(picture, theme, direction, room, places=_places(laid, better)))


def laid_out(plan: Plan, nodes: int) -> dict[str, Any]:
    """Return Graphviz's JSON of a plan: coordinates and drawing operations.

    Backslashes go in as slashes of the same width, because Graphviz loses count of them in drawing operations.
    """
    text = plan.text.replace("\\\\", "/")
    return msgspec.json.decode(run_dot(text, "json", nodes=nodes, engine=plan.engine), type=dict[str, Any])


def _places(laid: Mapping[str, Any], better: Mapping[str, Point] | None = None) -> dict[str, str]:
    """Return where everything stands, as attributes by id; of labels, where they should stand instead."""
    _, _, width, height = (float(v) for v in laid["bb"].split(","))
    found = {o["id"]: _said(o, "pos", "bb", "lp") for o in laid.get("objects", ()) if "id" in o}
    for edge in laid.get("edges", ()):
        moved_to = (better or {}).get(edge["id"])
        label = _said(edge, "lp") if moved_to is None else f'lp="{moved_to[0]:.2f},{moved_to[1]:.2f}"'
        found[edge["id"]] = f'pos="{_tight(edge["pos"], width, height)}" {label}' if "pos" in edge else label
    return found


def _said(part: Mapping[str, Any], *names: str) -> str:
    return " ".join([f'{name}="{part[name]}"' for name in names if name in part])


def _tight(pos: str, width: float, height: float) -> str:
    """Return the same curves with their handles inside the picture, or nearly: Graphviz makes room for handles too."""
    parts = pos.split(" ")
    ends = [part for part in parts if part[0] in "es"]
    points = [(float(x), float(y)) for x, y in (part.split(",") for part in parts if part[0] not in "es")]
    if all(0 <= x <= width and 0 <= y <= height for x, y in points):
        return pos
    for _ in range(_HALVINGS):
        points = points[:1] + [p for i in range(0, len(points) - 3, 3) for p in _halved(*points[i : i + 4])]
    return " ".join([*ends, *(f"{x:.2f},{y:.2f}" for x, y in points)])


def _halved(a: Point, b: Point, c: Point, d: Point) -> tuple[Point, ...]:
    """Return a cubic curve in two halves, without its first point (de Casteljau)."""
    ab, bc, cd = _between(a, b), _between(b, c), _between(c, d)
    left, right = _between(ab, bc), _between(bc, cd)
    return ab, left, _between(left, right), right, cd, d


def _between(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
