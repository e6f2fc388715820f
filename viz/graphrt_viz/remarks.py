"""Remarks laid on a picture: what somebody found who looked at the definition, at the nodes and edges it is about.

Who found it, and by which rules, is no business of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from graphrt_viz.extract import step_into

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from graphrt_viz.picture import PEdge, Picture, Remark


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a definition something is."""

    path: tuple[str, ...] = ()
    """The names of nodes that lead to it, from the outermost graph on; none for the outermost graph itself."""
    edge: int | None = None
    """The number of an edge that leaves the node, counted from 0; None for the node."""


def remarked(picture: Picture, remarks: Iterable[tuple[Place, Remark]]) -> Picture:
    """Return a picture of a definition with remarks at their places.

    What is about something that is not drawn, because the node around it is closed, stands at that node; what is about
    the outermost graph, at the picture.
    """
    drawn = {n.id for n in picture.nodes} | {c.id for c in picture.clusters}
    edges = dict(_numbered(picture.edges))
    at: dict[tuple[str, int | None], tuple[Remark, ...]] = {}
    for place, remark in remarks:
        key = _drawn(place, drawn, edges)
        at[key] = (*at.get(key, ()), remark)
    return replace(
        picture,
        nodes=tuple(replace(n, remarks=n.remarks + at.get((n.id, None), ())) for n in picture.nodes),
        edges=tuple(replace(e, remarks=e.remarks + at.get(key, ())) for key, e in _numbered(picture.edges)),
        clusters=tuple(replace(c, remarks=c.remarks + at.get((c.id, None), ())) for c in picture.clusters),
        remarks=picture.remarks + at.get(("", None), ()),
    )


def _numbered(edges: Iterable[PEdge]) -> Iterator[tuple[tuple[str, int | None], PEdge]]:
    """Yield edges with their source and their number there; loops that stand for retrying have none."""
    count: dict[str, int] = {}
    for edge in edges:
        if edge.retry:
            yield (edge.source, -1), edge
            continue
        number = count.get(edge.source, 0)
        count[edge.source] = number + 1
        yield (edge.source, number), edge


def _drawn(place: Place, drawn: Collection[str], edges: Collection[tuple[str, int | None]]) -> tuple[str, int | None]:
    """Return the id and the number of the edge under which a place is drawn; an empty id for the whole."""
    idents = [""]
    for name in place.path:
        idents.append(step_into(idents[-1], name))
    shown = next((i for i in reversed(idents) if i in drawn), "")
    key = shown, place.edge
    return key if shown == idents[-1] and key in edges else (shown, None)
