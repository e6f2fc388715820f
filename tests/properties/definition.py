"""What the state of a run is, by definition: the fold of the writes behind a point, in canonical order.

Slow and obvious. Nothing here is shared with the runtime but the records of a run: which visits there were, what caused
them, which edges were taken and what was written. From these alone follow the state that each visit has to see, and the
final state.

*Behind* a visit are its causes, transitively. *Canonical order* is topological by causes, ties by visit id. What an
edge writes (its actions, the item of a fan-out) is written by a point of its own between the two visits. A field local
to a branch is written for those points only that are in the same branch. Two writes to a field conflict if neither is
behind the other and one of them replaces the field.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from graphrt.events import Joined, Routed, VisitCancelled, VisitCompleted, VisitStarted
from graphrt.graph import Edge, Graph, Node
from tests.driving import Driver

Key = tuple[tuple[int, int, int], ...]
State = dict[str, Any]


class Conflict(Exception):
    """Two writes beside each other, one of which replaces."""


@dataclass(eq=False)
class Point:
    """A visit, or a crossing: something that writes."""

    name: str
    key: Key
    causes: list[Point]
    branches: tuple[tuple[Key, frozenset[str]], ...]
    """The branches around it, and what is local to each."""
    replaces: dict[str, Any] = field(default_factory=dict[str, Any])
    adds: dict[str, Any] = field(default_factory=dict[str, Any])


def key_of(visit: str) -> Key:
    """Return the place of a visit id, without what stands before its last slash, in canonical order."""
    found: list[tuple[int, int, int]] = []
    for i, part in enumerate(visit.rpartition("/")[2].split(".")):
        one, dash, other = part.removeprefix("j").partition("-")
        is_number = not i % 2 if not visit.rpartition("/")[2].startswith("j") else bool(i % 2)
        found.append((0 if is_number else 2 if part[0] == "j" else 1, int(one), int(other) if dash else -1 + is_number))
    return tuple(found)


class Definition:
    """The states of one graph in a run: of the whole, or of the graph inside one visit."""

    def __init__(self, driver: Driver, graph: Graph, start: State, prefix: str = "") -> None:
        mine = [e for e in driver.events if getattr(e, "visit", "/").rpartition("/")[0] == prefix.removesuffix("/")]
        self.driver, self.graph, self.start = driver, graph, start
        self.node = {e.visit: graph.by_name[e.node] for e in mine if isinstance(e, VisitStarted)}
        self.causes = {e.visit: e.causes for e in mine if isinstance(e, VisitStarted)}
        self.writes = {e.visit: e.writes for e in mine if isinstance(e, VisitCompleted)}
        self.cancelled = {e.visit for e in mine if isinstance(e, VisitCancelled)}
        self.joined = [e for e in mine if isinstance(e, Joined)]
        self.routed: dict[str, list[tuple[Edge, int | None]]] = {}
        for e in mine:
            if isinstance(e, Routed):
                edges = self.node[e.visit].edges
                self.routed[e.visit] = [(edges[v.edge], v.count) for v in e.verdicts if v.result == "taken"]
        self.at: dict[str, Point] = {}
        for visit in sorted(self.node, key=lambda v: list(self.node).index(v)):
            self._point(visit)

    # -- points -------------------------------------------------------------------------------------------------------

    def _point(self, visit: str) -> None:
        key, node = key_of(visit), self.node[visit]
        point = Point(visit, key, [], self._branches(key))
        for cause in self.causes[visit]:
            crossings = self._crossings(cause, visit, key, node)
            point.causes += crossings or [self.at[cause]]
        for name, value in self.writes.get(visit, {}).items():
            known = self.graph.field[name]
            (point.replaces if known.reducer is None else point.adds)[name] = known.decode(value)
        self.at[visit] = point

    def _crossings(self, cause: str, visit: str, key: Key, node: Node) -> list[Point]:
        """Return the points between a visit and one that follows it: edges that write something."""
        found: list[Point] = []
        before = key_of(cause)
        for edge, count in self.routed.get(cause, []):
            if edge.target != node.index:
                continue
            for item in range(count or 0) if edge.each else (-1,):
                branch: Key = (*before, (1, edge.index, item))
                inside = key[: len(branch)] == branch
                if node.kind != "join" and not inside and key[:-1] != before[:-1]:
                    continue
                if node.kind != "join" and inside and len(key) != len(branch) + 1:
                    continue
                if edge.each is None and not edge.set:
                    continue
                if node.kind != "join" and edge.each is not None and not inside:
                    continue
                branched = inside or edge.each is not None or self._splits(cause)
                around = self._branches(branch) if branched else self.at[cause].branches
                turn: Key = key if node.kind != "join" else ()
                point = Point(f"{cause} -> {visit}", turn, [self.at[cause]], around)
                if edge.each is not None:
                    point.replaces[edge.each.item] = self.state_after(cause)[edge.each.of][item]
                for change in edge.set:
                    value = change.value(self.state_after(cause))
                    known = self.graph.field[change.field]
                    point.replaces[change.field] = known.decode_whole(known.encode_whole(value))
                found.append(point)
        return found

    def _splits(self, visit: str) -> bool:
        """Tell whether the edges taken from a visit began branches: then somebody behind it is numbered below it."""
        return self.node[visit].fork and sum(e.on_error is None for e in self.node[visit].edges) > 1

    def _branches(self, key: Key) -> tuple[tuple[Key, frozenset[str]], ...]:
        """Return the branches that an id lies in: each part of it that names an edge."""
        found: list[tuple[Key, frozenset[str]]] = []
        prefix = next(iter(self.node)).rpartition("/")
        below = prefix[0] + prefix[1]
        for i, (kind, edge, _) in enumerate(key):
            if kind == 1:
                node = self.node[below + _text(key[:i])]
                taken = node.edges[edge]
                local = set(taken.local) | ({taken.each.item} if taken.each else set[str]())
                found.append((key[: i + 1], frozenset(local)))
        return tuple(found)

    # -- folding ------------------------------------------------------------------------------------------------------

    def state_before(self, visit: str) -> State:
        """Return the state that a visit sees."""
        return self._fold(self.at[visit].causes, self.at[visit].branches)

    def state_after(self, visit: str) -> State:
        """Return the state where a visit ends, as the guards of its edges see it."""
        return self._fold([self.at[visit]], self.at[visit].branches)

    def between(self, one: str, other: str) -> State:
        """Return the state where two visits would meet if they led to a join.

        Raises:
            Conflict: what is behind them wrote one field side by side.
        """
        tips = [self.at[one], self.at[other]]
        around = [b for b in tips[0].branches if b in tips[1].branches]
        return self._fold(tips, tuple(around))

    def final(self) -> State:
        """Return the state of the completed run: the fold of all visits that were kept."""
        return self._fold([self.at[v] for v in self.at if v not in self.dropped()], ())

    def dropped(self) -> set[str]:
        """Return the visits inside the scope of a join that did not wait for all, which are not behind it."""
        found = set(self.cancelled)
        for join in self.joined:
            if join.of is not None and self.node[join.visit].wait is not None:
                kept = {p.name for p in _behind([self.at[join.visit]])}
                found |= {v for v in self.at if v.startswith(f"{join.of}.") and v not in kept}
        return found

    def _fold(self, tips: list[Point], around: tuple[tuple[Key, frozenset[str]], ...]) -> State:
        """Fold the points behind `tips`, these included, as a point in the branches `around` sees them."""
        mine = {branch for branch, _ in around}
        state, behind = dict(self.start), dict[Point, set[Point]]()
        replaced, written = dict[str, list[Point]](), dict[str, list[Point]]()
        for point in _canonical(tips):
            behind[point] = set().union(*(behind[c] | {c} for c in point.causes))
            hidden = {name for branch, local in point.branches if branch not in mine for name in local}
            for name in [*point.replaces, *point.adds]:
                if name in hidden:
                    continue
                against = written.get(name, []) if name in point.replaces else replaced.get(name, [])
                if any(other not in behind[point] for other in against):
                    raise Conflict(name)
                written.setdefault(name, []).append(point)
                if name in point.replaces:
                    replaced.setdefault(name, []).append(point)
                    state[name] = point.replaces[name]
                else:
                    state[name] = self.graph.field[name].reduce(state[name], point.adds[name])
        return state


def _text(key: Key) -> str:
    parts: list[str] = []
    for kind, number, more in key:
        parts.append(f"{'j' if kind == 2 else ''}{number}" + (f"-{more}" if kind and more >= 0 else ""))
    return ".".join(parts)


def _behind(tips: list[Point]) -> set[Point]:
    seen, todo = set(tips), list(tips)
    while todo:
        fresh = set(todo.pop().causes) - seen
        seen |= fresh
        todo += fresh
    return seen


def _canonical(tips: list[Point]) -> list[Point]:
    """Order points so that causes come first, ties by id."""
    points = _behind(tips)
    missing = {p: len(set(p.causes)) for p in points}
    after: dict[Point, list[Point]] = {}
    for p in points:
        for c in set(p.causes):
            after.setdefault(c, []).append(p)
    heap = [(p.key, p.name, id(p), p) for p in points if not missing[p]]
    heapq.heapify(heap)
    order: list[Point] = []
    while heap:
        point = heapq.heappop(heap)[3]
        order.append(point)
        for p in after.get(point, []):
            missing[p] -= 1
            if not missing[p]:
                heapq.heappush(heap, (p.key, p.name, id(p), p))
    return order


def plain(graph: Graph, state: State) -> State:
    """Return a state as JSON, so that two can be compared."""
    return {f.name: f.encode_state_value(state[f.name]) for f in graph.fields}
