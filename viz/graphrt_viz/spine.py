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
    ways = _Ways(picture, [n.id for n in picture.nodes])
    count = len(picture.nodes)
    starts = [i for i, n in enumerate(picture.nodes) if n.kind == "start"] or ways.entrances()
    loops, order = ways.loops([*starts, *range(count)])
    if not order:
        return Spine((), frozenset(), frozenset())
    longest = [0] * count
    onward = [-1] * count
    for node in order:  # every node stands behind those it leads to
        best = (-1, False)
        for i in ways.out[node]:
            if i not in loops:
                # Of equally long ways one that is no error, then the one that is defined first.
                error = picture.edges[i].error
                length = longest[ways.target[i]] + (not error)
                if (length, not error) > best:
                    best, longest[node], onward[node] = (length, not error), length, i
    node = max(starts or order, key=longest.__getitem__)
    nodes, edges = [node], set[int]()
    while (i := onward[node]) >= 0:
        edges.add(i)
        node = ways.target[i]
        nodes.append(node)
    names = [picture.nodes[i].id for i in nodes]
    loops |= {i for i, e in enumerate(picture.edges) if e.source == e.target}
    if picture.clusters:
        framed = _Ways(picture, [p.id for parts in (picture.nodes, picture.clusters) for p in parts])
        loops |= framed.loops([*starts, *range(len(framed.out))])[0]
    return Spine(tuple(names), frozenset(edges), frozenset(loops), _apart(picture, names))


class _Ways:
    """The edges between some parts of a picture, which are called by their places."""

    def __init__(self, picture: Picture, ids: list[str]) -> None:
        place = {ident: i for i, ident in enumerate(ids)}
        self.out: list[list[int]] = [[] for _ in ids]
        """The edges that leave each part."""
        self.target = [-1] * len(picture.edges)
        self.entered: set[int] = set()
        for i, e in enumerate(picture.edges):
            source, target = place.get(e.source), place.get(e.target)
            if source is not None and target is not None:
                self.out[source].append(i)
                self.target[i] = target
                if source != target:
                    self.entered.add(target)

    def entrances(self) -> list[int]:
        """Return the parts that no other part leads to."""
        return [i for i in range(len(self.out)) if i not in self.entered]

    def loops(self, roots: list[int]) -> tuple[set[int], list[int]]:
        """Return the edges that lead back to an open part, and all parts in the order in which the search left them."""
        loops: set[int] = set()
        order: list[int] = []
        state = [0] * len(self.out)  # 1 open, 2 left
        for root in roots:
            if state[root]:
                continue
            state[root] = 1
            path = [(root, iter(self.out[root]))]
            while path:
                part, edges = path[-1]
                for i in edges:
                    target = self.target[i]
                    if state[target] == 1:
                        loops.add(i)
                    elif not state[target]:
                        state[target] = 1
                        path.append((target, iter(self.out[target])))
                        break
                else:
                    state[part] = 2
                    order.append(part)
                    path.pop()
        return loops, order


def _apart(picture: Picture, spine_nodes: list[str]) -> frozenset[str]:
    """Return the nodes of the spine between a fork and the join behind it."""
    forks = any(n.kind == "fork" for n in picture.nodes) or any(e.fork for e in picture.edges)
    if not forks:
        return frozenset()
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
