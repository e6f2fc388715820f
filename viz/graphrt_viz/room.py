"""The same places in several pictures of one graph: every label gets the room that its largest form needs.

Where a definition and its runs, or the steps of a run, stand beside each other, nothing may move between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt_viz import looks
from graphrt_viz.spine import spine
from graphrt_viz.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Look, Room
    from graphrt_viz.picture import Picture


def shared_room(pictures: Sequence[Picture], direction: Direction = "TB") -> Room:
    """Return the least sizes of labels with which all `pictures` have one layout.

    Raises:
        ValueError: they are not pictures of one graph: their nodes, edges or clusters differ.
    """
    room: dict[str, tuple[float, float]] = {}
    for picture in pictures:
        if _shape(picture) != _shape(pictures[0]):
            both = f"{pictures[0].title!r} and {picture.title!r}"
            raise ValueError(f"pictures {both} are not of one graph: their nodes, edges or clusters differ")
        ctx = looks.context(picture, LIGHT, spine(picture).loops, down=direction == "TB")
        _widen(room, "title", looks.Look({}, looks.title_cell(picture, LIGHT)))
        for frame in picture.clusters:
            _widen(room, frame.id, looks.cluster_look(frame, ctx))
        for node in picture.nodes:
            _widen(room, node.id, looks.node_look(node, ctx))
        for i, edge in enumerate(picture.edges):
            _widen(room, f"e{i + 1}", looks.edge_look(i, edge, ctx))
    return room


def _shape(picture: Picture) -> object:
    return (
        [(n.id, n.kind, n.cluster) for n in picture.nodes],
        [(e.source, e.target, e.retry) for e in picture.edges],
        [(c.id, c.parent) for c in picture.clusters],
    )


def _widen(room: dict[str, tuple[float, float]], key: str, look: Look) -> None:
    if look.cell is not None:
        w, h = room.get(key, (0.0, 0.0))
        room[key] = (max(w, look.cell.w), max(h, look.cell.h))
