"""The spine: the longest way through a picture, along which it is straightened.

The longest simple path is NP-hard to find, so we take the longest path of the graph without its loop edges: a
depth-first search from the starts, in the order of the edges, calls an edge that leads back to a node still open
a loop. What remains has no cycles and its longest path is found in linear time. Error edges count only where
nothing else leads on as far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphrt_viz.picture import PEdge, Picture


@dataclass(frozen=True, slots=True)
class Centre:
    """A fork and the join behind it that stand above each other, in the middle of an even number of branches."""

    fork: str
    join: str
    left: int
    """Index of the edge to the last branch on the left of the middle."""


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
    forks: frozenset[str] = frozenset()
    """Ids of the nodes that several branches start at: these stand in the order in which they are defined."""
    centres: tuple[Centre, ...] = ()


def spine(picture: Picture) -> Spine:
    """Return the spine of a picture. Equal pictures have equal spines; ties go to the edge that is defined first."""
    ways = _Ways(picture, [n.id for n in picture.nodes])
    count = len(picture.nodes)
    starts = [i for i, n in enumerate(picture.nodes) if n.kind == "start"] or ways.entrances()
    loops, order = ways.loops([*starts, *range(count)])
    if not order:
        return Spine((), frozenset(), frozenset())
    branches = _branches(picture)
    behind = _Behind(picture, loops) if branches else None
    middles = {i for leaving in branches.values() if behind is not None and (i := behind.middle(leaving)) >= 0}
    longest = [0] * count
    onward = [-1] * count
    for node in order:  # every node stands behind those it leads to
        best = (False, -1, False)
        for i in ways.out[node]:
            if i not in loops:
                # Of equally long ways one that is no error, then the one that is defined first.
                error = picture.edges[i].error
                length = longest[ways.target[i]] + (not error)
                if (i in middles, length, not error) > best:
                    best, longest[node], onward[node] = (i in middles, length, not error), length, i
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
    if behind is None:
        return Spine(tuple(names), frozenset(edges), frozenset(loops))
    forking = {n for n in names if n in branches and behind.meets_beside(branches[n], edges)}
    return Spine(
        tuple(names),
        frozenset(edges),
        frozenset(loops),
        _apart(picture, names, forking),
        frozenset(branches),
        tuple(behind.centres(branches)),
    )


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


def _branches(picture: Picture) -> dict[str, list[int]]:
    """Return the edges to the branches of each fork, in their order."""
    if not any(n.kind == "fork" for n in picture.nodes) and not any(e.fork for e in picture.edges):
        return {}
    kinds = {n.id: n.kind for n in picture.nodes}
    found: dict[str, list[int]] = {}
    for i, edge in enumerate(picture.edges):
        if edge.fork or kinds.get(edge.source) == "fork":
            found.setdefault(edge.source, []).append(i)
    return {fork: leaving for fork, leaving in found.items() if len(leaving) > 1 and fork in kinds}


class _Behind:
    """What lies behind the branches of forks, along the first edge of each node or frame that leads on."""

    def __init__(self, picture: Picture, loops: set[int]) -> None:
        self.edges = picture.edges
        self.kinds = {n.id: n.kind for n in picture.nodes}
        self.next: dict[str, PEdge] = {}
        for i, edge in enumerate(picture.edges):
            if i not in loops and not edge.error and edge.source != edge.target:
                self.next.setdefault(edge.source, edge)

    def join(self, branch: int) -> str | None:
        """Return the join that the branch of an edge ends at, past those of forks inside it; None if there is none."""
        node, deep, seen = self.edges[branch].target, 0, set[str]()
        while node not in seen:
            seen.add(node)
            if self.kinds.get(node) == "join":
                if not deep:
                    return node
                deep -= 1
            onward = self.next.get(node)
            if onward is None:
                return None
            deep += onward.fork or self.kinds.get(node) == "fork"
            node = onward.target
        return None

    def middle(self, branches: Sequence[int]) -> int:
        """Return the edge in the middle of an odd number of branches that meet in one join; -1 if there is none."""
        if len(branches) % 2 == 0:
            return -1
        joins = {self.join(i) for i in branches}
        return branches[len(branches) // 2] if len(joins) == 1 and None not in joins else -1

    def meets_beside(self, branches: Sequence[int], spine_edges: set[int]) -> bool:
        """Say whether the spine goes by a branch that is not the middle one, to a join where the branches meet."""
        by = next((i for i in branches if i in spine_edges), -1)
        return by >= 0 and by != self.middle(branches) and self.join(by) is not None

    def centres(self, branches: dict[str, list[int]]) -> Iterator[Centre]:
        """Yield the forks with an even number of branches of which most end at one join."""
        for fork, leaving in branches.items():
            joins = [join for i in leaving if (join := self.join(i)) is not None]
            if len(leaving) % 2 or not joins:
                continue
            join = max(joins, key=joins.count)
            if joins.count(join) * 2 > len(leaving):
                yield Centre(fork, join, leaving[len(leaving) // 2 - 1])


def _apart(picture: Picture, spine_nodes: list[str], forking: set[str]) -> frozenset[str]:
    """Return the nodes of the spine between a fork that no branch is in the middle of, and the join behind it."""
    kinds = {n.id: n.kind for n in picture.nodes}
    found: set[str] = set()
    inside = False
    for node in spine_nodes:
        if kinds[node] == "join":
            inside = False
        if inside:
            found.add(node)
        inside = inside or node in forking
    return frozenset(found)
