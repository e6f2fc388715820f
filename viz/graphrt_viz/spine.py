"""The spine: the longest way through a picture, along which it is straightened.

The longest simple path is NP-hard to find, so we take the longest path of the graph without its loop edges: a
depth-first search from the starts, in the order of the edges, calls an edge that leads back to a node still open
a loop. What remains has no cycles and its longest path is found in linear time. Error edges count only where
nothing else leads on as far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from graphrt_viz.picture import Picture

_MANY_BRANCHES: Final = 3
"""Branches from which on a fork looks better in the middle of them than straight above the first."""


@dataclass(frozen=True, slots=True)
class Spine:
    """What the layout wants to know of a picture's shape."""

    nodes: tuple[str, ...]
    """Ids along the spine, from its start."""
    edges: frozenset[int]
    """Indices of the edges on it."""
    loops: frozenset[int]
    """Indices of the edges that lead back, self loops included."""
    apart: frozenset[str] = frozenset()
    """Nodes of the spine that stand beside others, in a branch of a fork: drawn straight, they would push the fork and
    the join aside."""


def spine(picture: Picture) -> Spine:
    """Return the spine of a picture. Equal pictures have equal spines; ties go to the edge that is defined first."""
    out: dict[str, list[int]] = {n.id: [] for n in picture.nodes}
    entered: set[str] = set()
    for i, e in enumerate(picture.edges):
        if e.source in out and e.target in out:
            out[e.source].append(i)
            if e.source != e.target:
                entered.add(e.target)
    starts = [n.id for n in picture.nodes if n.kind == "start"] or [n.id for n in picture.nodes if n.id not in entered]
    loops, order = _loops(picture, out, [*starts, *out])
    best: dict[str, tuple[int, int]] = {}
    for node in order:  # every node stands behind those it leads to
        ways = [i for i in out[node] if i not in loops]
        lengths = {i: best[picture.edges[i].target][0] + (not picture.edges[i].error) for i in ways}
        # Of equally long ways one that is no error, then the one that is defined first.
        way = max(ways, key=lambda i: (lengths[i], not picture.edges[i].error), default=-1)
        best[node] = (lengths.get(way, 0), way)
    if not order:
        return Spine((), frozenset(), frozenset())
    node = max(starts or order, key=lambda n: best[n][0])
    nodes, edges = [node], set[int]()
    while (i := best[node][1]) >= 0:
        edges.add(i)
        node = picture.edges[i].target
        nodes.append(node)
    loops |= {i for i, e in enumerate(picture.edges) if e.source == e.target}
    loops |= _framed_loops(picture, starts)
    apart = _apart(picture, nodes)
    return Spine(tuple(nodes), frozenset(edges), frozenset(loops), apart)


def _apart(picture: Picture, spine_nodes: list[str]) -> frozenset[str]:
    """Return the nodes of the spine between a fork and the join behind it."""
    kinds = {n.id: n.kind for n in picture.nodes}
    branches: dict[str, int] = {}
    for edge in picture.edges:
        if edge.fork or kinds.get(edge.source) == "fork":
            branches[edge.source] = branches.get(edge.source, 0) + 1
    forking = {n for n in spine_nodes if branches.get(n, 0) >= _MANY_BRANCHES}
    found: set[str] = set()
    inside = False
    for node in spine_nodes:
        if kinds[node] == "join":
            inside = False
        if inside:
            found.add(node)
        inside = inside or node in forking
    return frozenset(found)


def _framed_loops(picture: Picture, starts: list[str]) -> set[int]:
    """Return the edges that lead back where frames are steps of the way; none in a picture without frames."""
    if not picture.clusters:
        return set()
    out: dict[str, list[int]] = {n.id: [] for n in picture.nodes}
    out |= {c.id: [] for c in picture.clusters}
    for i, e in enumerate(picture.edges):
        out[e.source].append(i)
    return _loops(picture, out, [*starts, *out])[0]


def _loops(picture: Picture, out: dict[str, list[int]], roots: list[str]) -> tuple[set[int], list[str]]:
    """Return the edges that lead back to an open node, and all nodes in the order in which the search left them."""
    loops: set[int] = set()
    order: list[str] = []
    state: dict[str, int] = {}  # 1 open, 2 left
    for root in roots:
        if root in state:
            continue
        state[root] = 1
        path = [(root, iter(out[root]))]
        while path:
            node, edges = path[-1]
            for i in edges:
                target = picture.edges[i].target
                if state.get(target) == 1:
                    loops.add(i)
                elif target not in state:
                    state[target] = 1
                    path.append((target, iter(out[target])))
                    break
            else:
                state[node] = 2
                order.append(node)
                path.pop()
    return loops, order
