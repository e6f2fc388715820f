"""Fewer nodes for the same picture, for formats and readers with a limit.

The result says that it is collapsed: it hides, it never lies. First clusters are closed, innermost first. Then
nodes that play one part become one node with their number: nodes of a kind whose predecessors, and whose
successors, play the same parts (the coarsest such division, found by refining until nothing changes). If that is
not enough, or takes too long to find as in a very long chain, the picture becomes a single node that says how large
it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from graphrt_viz.picture import NODE_KINDS, Picture, PNode
from graphrt_viz.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt_viz.picture import PCluster, PEdge

_MOST_WORK: Final = 2_000_000
"""Nodes and edges looked at, over all rounds of refining."""


def collapsed(picture: Picture, most_edges: int) -> Picture:
    """Return the picture with at most that many edges; unchanged if it has no more."""
    drawn = picture
    while len(drawn.edges) > most_edges and drawn.clusters:
        drawn = _without_innermost(drawn)
    if len(drawn.edges) > most_edges:
        drawn = _without_parallels(drawn)
    if len(drawn.edges) > most_edges:
        drawn = _without_parallels(_by_parts(drawn, most_edges))
    if len(drawn.edges) > most_edges:
        size = f"{plural(len(picture.nodes), 'node')} and {plural(len(picture.edges), 'edge')}"
        whole = PNode("all", "task", picture.title, tag="COLLAPSED", subtitle=f"{size}: too many for this format")
        return replace(picture, nodes=(whole,), edges=(), clusters=(), shows="flow")
    if drawn is not picture:
        note = f"collapsed: {plural(len(picture.nodes), 'node')} shown as {len(drawn.nodes)}"
        drawn = replace(drawn, subtitle=f"{drawn.subtitle} · {note}" if drawn.subtitle else note)
    return drawn


def _without_innermost(picture: Picture) -> Picture:
    """Close every cluster that has none inside."""
    outer = {c.parent for c in picture.clusters}
    closing = {c.id: c for c in picture.clusters if c.id not in outer}
    place = {n.id: n.cluster for n in picture.nodes if n.cluster in closing}
    nodes: list[PNode] = []
    placed: set[str] = set()
    for node in picture.nodes:
        frame = place.get(node.id)
        if frame is None:
            nodes.append(node)
        elif frame not in placed:
            placed.add(frame)
            nodes.append(_closed(closing[frame], [n for n in picture.nodes if n.cluster == frame]))
    nodes += [_closed(c, []) for c in closing.values() if c.id not in placed]
    edges: list[PEdge] = []
    for e in picture.edges:
        source, target = place.get(e.source) or e.source, place.get(e.target) or e.target
        if source != target or (e.source == e.target and e.source not in place):
            edges.append(replace(e, source=source, target=target))
    clusters = tuple(c for c in picture.clusters if c.id not in closing)
    return replace(picture, nodes=tuple(nodes), edges=tuple(edges), clusters=clusters)


def _closed(frame: PCluster, inside: Sequence[PNode]) -> PNode:
    return PNode(
        frame.id,
        "subgraph",
        frame.name,
        frame.tag,
        plural(len(inside), "node"),
        cluster=frame.parent,
        tooltip=frame.tooltip,
        mark=frame.mark,
        remarks=(*frame.remarks, *(r for n in inside for r in n.remarks)),
    )


def _without_parallels(picture: Picture) -> Picture:
    """Draw the edges between the same two nodes as one that gives their number, where they say nothing else."""
    kept: dict[tuple[str, str], PEdge] = {}
    number: dict[tuple[str, str], int] = {}
    for e in picture.edges:
        key = (e.source, e.target)
        number[key] = number.get(key, 0) + 1
        kept.setdefault(key, e)
    edges = tuple(
        e if number[k] == 1 else replace(e, on="", guard=plural(number[k], "edge"), action="") for k, e in kept.items()
    )
    return replace(picture, edges=edges)


def _by_parts(picture: Picture, most_edges: int) -> Picture:
    """Draw nodes that play the same part as one; the picture itself if there is no use in it."""
    before: dict[str, set[str]] = {n.id: set() for n in picture.nodes}
    after: dict[str, set[str]] = {n.id: set() for n in picture.nodes}
    for e in picture.edges:
        before[e.target].add(e.source)
        after[e.source].add(e.target)
    part = {n.id: NODE_KINDS.index(n.kind) for n in picture.nodes}
    rounds = max(10, _MOST_WORK // (1 + len(picture.nodes) + len(picture.edges)))
    for _ in range(rounds):
        seen: dict[object, int] = {}
        finer: dict[str, int] = {}
        for n in picture.nodes:
            key = (part[n.id], _parts(before[n.id], part), _parts(after[n.id], part))
            finer[n.id] = seen.setdefault(key, len(seen))
        if len(seen) == len(set(part.values())):
            break
        part = finer
        if len(seen) > 2 * most_edges + 2:
            return picture
    else:
        return picture
    members: dict[int, list[PNode]] = {}
    for n in picture.nodes:
        members.setdefault(part[n.id], []).append(n)
    first = {n.id: members[part[n.id]][0].id for n in picture.nodes}
    nodes = tuple(
        n if len(members[part[n.id]]) == 1 else replace(n, subtitle=f"and {len(members[part[n.id]]) - 1} more like it")
        for n in picture.nodes
        if first[n.id] == n.id
    )
    edges = tuple(replace(e, source=first[e.source], target=first[e.target]) for e in picture.edges)
    return replace(picture, nodes=nodes, edges=edges)


def _parts(neighbours: set[str], part: dict[str, int]) -> frozenset[int]:
    return frozenset(part[n] for n in neighbours)
