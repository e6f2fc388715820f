"""Fewer nodes for the same picture, for formats and readers with a limit.

The result says that it is collapsed: it hides, it never lies. First clusters are closed, innermost first. Then
nodes that play one part become one node with their number: nodes of a kind whose predecessors, and whose
successors, play the same parts (the coarsest such division, see `partition`). If that is not enough, the picture
becomes a single node that says how large it is. What is drawn as one has the marks of all of it (see `merging`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from graphrt_viz.merging import changes_text, one_change, one_edge, one_node, whole_mark, with_text
from graphrt_viz.partition import parts_of
from graphrt_viz.picture import NODE_KINDS, Picture, PNode
from graphrt_viz.wording import plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphrt_viz.picture import PCluster, PEdge


def collapsed(picture: Picture, most_edges: int) -> Picture:
    """Return the picture with at most that many edges; unchanged if it has no more."""
    drawn = picture
    while len(drawn.edges) > most_edges and drawn.clusters:
        drawn = _without_innermost(drawn)
    if len(drawn.edges) > most_edges:
        drawn = replace(drawn, edges=_joined(drawn.edges, {}))
    if len(drawn.edges) > most_edges:
        drawn = _by_parts(drawn, most_edges)
    if len(drawn.edges) > most_edges:
        size = f"{plural(len(picture.nodes), 'node')} and {plural(len(picture.edges), 'edge')}"
        shows: Literal["flow", "run"] = "run" if picture.shows == "run" else "flow"
        whole = PNode("all", "task", picture.title, tag="COLLAPSED", mark=whole_mark(_without_frames(drawn)))
        whole = with_text(whole, f"{size}: too many for this format", shows)
        return replace(picture, nodes=(whole,), edges=(), clusters=(), shows=shows)
    if drawn is not picture:
        note = f"collapsed: {plural(len(picture.nodes), 'node')} shown as {len(drawn.nodes)}"
        drawn = replace(drawn, subtitle=f"{drawn.subtitle} · {note}" if drawn.subtitle else note)
    return drawn


def _without_frames(picture: Picture) -> Picture:
    while picture.clusters:
        picture = _without_innermost(picture)
    return picture


def _without_innermost(picture: Picture) -> Picture:
    """Close every cluster that has none inside."""
    outer = {c.parent for c in picture.clusters}
    closing = {c.id: c for c in picture.clusters if c.id not in outer}
    place = {n.id: n.cluster for n in picture.nodes if n.cluster in closing}
    inside: dict[str, list[PNode]] = {}
    for node in picture.nodes:
        if (frame := place.get(node.id)) is not None:
            inside.setdefault(frame, []).append(node)
    nodes: list[PNode] = []
    placed: set[str] = set()
    for node in picture.nodes:
        frame = place.get(node.id)
        if frame is None:
            nodes.append(node)
        elif frame not in placed:
            placed.add(frame)
            nodes.append(_closed(closing[frame], inside[frame], picture.shows))
    nodes += [_closed(c, [], picture.shows) for c in closing.values() if c.id not in placed]
    edges: list[PEdge] = []
    for e in picture.edges:
        source, target = place.get(e.source) or e.source, place.get(e.target) or e.target
        if source == e.source and target == e.target:
            edges.append(e)
        elif source != target:
            edges.append(replace(e, source=source, target=target))
    clusters = tuple(c for c in picture.clusters if c.id not in closing)
    return replace(picture, nodes=tuple(nodes), edges=tuple(edges), clusters=clusters)


def _closed(frame: PCluster, inside: Sequence[PNode], shows: str) -> PNode:
    node = PNode(
        frame.id,
        "subgraph",
        frame.name,
        frame.tag,
        cluster=frame.parent,
        tooltip=frame.tooltip,
        mark=frame.mark,
        change=one_change([frame.change, *(n.change for n in inside)]),
        level=frame.level,
        notes=(*frame.notes, *changes_text(n.change for n in inside)),
        remarks=(*frame.remarks, *(r for n in inside for r in n.remarks)),
    )
    return with_text(node, plural(len(inside), "node"), shows)


def _joined(edges: Sequence[PEdge], first: Mapping[str, str]) -> tuple[PEdge, ...]:
    """Draw the edges between the same two nodes as one that gives their number and their sums.

    `first` says which nodes are drawn as which; the others are drawn as themselves.
    """
    between: dict[tuple[str, str], list[PEdge]] = {}
    for e in edges:
        key = (first.get(e.source, e.source), first.get(e.target, e.target))
        between.setdefault(key, []).append(e)
    return tuple(
        one_edge(alike, source, target) if len(alike) > 1 else replace(alike[0], source=source, target=target)
        for (source, target), alike in between.items()
    )


def _by_parts(picture: Picture, most_edges: int) -> Picture:
    """Draw nodes that play the same part as one; the picture itself if there is no use in it.

    No two edges of it join the same two nodes.
    """
    place = {n.id: i for i, n in enumerate(picture.nodes)}
    # A part without edges holds all nodes of its kind that have none; each other part is an end of an edge.
    most_parts = 2 * most_edges + len(NODE_KINDS)
    ends = ((place[e.source], place[e.target]) for e in picture.edges)
    part = parts_of([n.kind for n in picture.nodes], ends, most_parts)
    if part is None:
        return picture
    members: dict[int, list[PNode]] = {}
    for node, number in zip(picture.nodes, part, strict=True):
        members.setdefault(number, []).append(node)
    first = {node.id: alike[0].id for alike in members.values() for node in alike}
    nodes = tuple(alike[0] if len(alike) == 1 else one_node(alike, picture.shows) for alike in members.values())
    return replace(picture, nodes=nodes, edges=_joined(picture.edges, first))
