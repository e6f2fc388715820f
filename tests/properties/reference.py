"""From the design's executable model: isolated branches, scoped joins and visit ids, as the semantics define them.

State is defined, not mutated: the state at a point is the fold, in canonical order, of the writes of the visits behind
it. Joins are asked again after every visit, scope by scope. Clarity beats speed everywhere, and nothing is shared with
the runtime but the graph: not the openers of joins, not the scopes, not the numbering.

Missing, and so compared elsewhere: errors and retries, asks, joins that do not wait for all, limits, actions, fields
local to a branch but for the item, graphs inside nodes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

import networkx as nx

from graphrt.fields import Field
from graphrt.graph import Edge, Graph, Node
from graphrt.inputs import Json

State: TypeAlias = dict[str, Any]
Part: TypeAlias = int | tuple[int, int, int]
Id: TypeAlias = tuple[Part, ...]
Shape: TypeAlias = dict[int, set[int]]


class NotAGraph(Exception):
    """The checker would refuse this graph."""


class Conflict(Exception):
    """Two writes beside each other to a plain field."""


class NoRoute(Exception):
    """No edge matches."""


def text_of(visit: Id) -> str:
    """Return an id as people read it."""

    def part(p: Part) -> str:
        if isinstance(p, int):
            return str(p)
        kind, number, more = p
        return ("j" if kind == 2 else "") + str(number) + (f"-{more}" if more >= 0 else "")

    return ".".join(map(part, visit))


def _key(visit: Id) -> tuple[tuple[int, int, int], ...]:
    return tuple((0, p, 0) if isinstance(p, int) else p for p in visit)


class Joints:
    """Where the joins of a graph belong: the opener of each, and which one closes it."""

    def __init__(self, nodes: tuple[Node, ...], start: int = 0) -> None:
        """Find them.

        Raises:
            NotAGraph: branches would multiply, or a join is ambiguous.
        """
        self.nodes = nodes
        self.shape: Shape = {n.index: {e.target for e in n.edges} for n in nodes}
        whole: nx.DiGraph[int] = nx.DiGraph((i, k) for i, targets in self.shape.items() for k in targets)
        whole.add_node(start)
        found = nx.immediate_dominators(whole, start)
        self.above: dict[int, int | None] = {**found, start: None}
        if any(n.index not in self.above for n in nodes):
            raise NotAGraph("unreachable")
        self.before = {n.index: self._before(self.shape, n.index) for n in nodes}
        self.joins = [n for n in nodes if n.kind == "join"]
        self.opener = {n.index: self._opener(n) for n in self.joins}
        self.joins_of: dict[int, list[Node]] = {}
        for n in self.joins:
            if (opener := self.opener[n.index]) is not None:
                self.joins_of.setdefault(opener, []).append(n)
        self.closing: dict[int, int] = {}
        for opener, joins in self.joins_of.items():
            for n in joins:
                if self._closes(n, opener, joins):
                    self.closing[opener] = n.index
        self.leads = {f: self._leading(f) for f in self.joins_of}
        for opener, joins in self.joins_of.items():
            for n in joins:
                if self.closing.get(opener) != n.index:
                    self.before[n.index] = self._before(self._without(opener, *self._closings(opener)), n.index)
        for n in nodes:
            if n.splits or n.index in self.joins_of:
                self._check(n)

    def dominates(self, one: int, other: int | None) -> bool:
        """Tell whether every path from the start to `other` passes `one`."""
        while other is not None and other != one:
            other = self.above[other]
        return other == one

    def _without(self, *gone: int) -> Shape:
        return {i: targets - set(gone) for i, targets in self.shape.items() if i not in gone}

    def _before(self, shape: Shape, node: int) -> set[int]:
        """Return what can reach a node; itself only by an edge of its own."""
        own = {node} if node in self.shape[node] else set[int]()
        return {i for i in shape if node in _below(shape, i)} | own

    def _closings(self, opener: int) -> list[int]:
        return [self.closing[opener]] if opener in self.closing else []

    def _opener(self, join: Node) -> int | None:
        if join.of is not None:
            if join.of == join.index or not self.dominates(join.of, join.index):
                raise NotAGraph("of= names no dominator")
            return join.of
        closed: set[int] = set()
        at = self.above[join.index]
        while at is not None:
            node = self.nodes[at]
            if node.splits and at not in closed:
                return at
            if node.kind == "join" and node is not join:
                opener = self._opener(node)
                if opener is None:
                    return None
                if opener not in closed and opener != at:
                    closed.add(opener)
                    inner = self.nodes[opener].kind == "join" and opener != join.index
                    at = opener if inner else self.above[opener]
                    continue
            at = self.above[at]
        return None

    def _closes(self, join: Node, opener: int, joins: list[Node]) -> bool:
        inside = self._without(opener)
        down = _below(inside, join.index)
        others = [k.index for k in joins if k is not join]
        return all(k not in down and join.index in _below(inside, k) for k in others)

    def _leading(self, opener: int) -> frozenset[int]:
        """Return the indices of the edges from which the closing join can be reached."""
        if opener not in self.closing:
            return frozenset()
        inside, join = self._without(opener), self.closing[opener]
        return frozenset(
            e.index for e in self.nodes[opener].edges if e.target == join or join in _below(inside, e.target)
        )

    def _check(self, fork: Node) -> None:
        cut = [c for c in self._closings(fork.index) if c != fork.index]
        for opener, closing in self.closing.items():
            outside = fork.index not in {opener, closing} and self.dominates(opener, fork.index)
            if outside and fork.index not in _below(self._without(opener), closing):
                cut.append(closing)
        rest = self._without(*cut)
        inside: set[int] = set()
        for e in self._branching(fork):
            if e.target in rest:
                inside |= {e.target} | _below(rest, e.target)
        if fork.index in inside:
            raise NotAGraph(f"a branch of {fork.name} leads back to it")
        for join in self.joins_of.get(fork.index, []):
            if join.of is None and any(self._ambiguous(fork, join, self.nodes[i]) for i in sorted(inside)):
                raise NotAGraph(f"{join.name} needs of=")

    def _branching(self, fork: Node) -> list[Edge]:
        """Return the edges that start a branch or open a scope.

        The model took them all; the text is finer: a first-match node that takes a plain edge from which its closing
        join cannot be reached goes on in its own line.
        """
        if fork.fork or (fork.index in self.joins_of and fork.index not in self.closing):
            return list(fork.edges)
        return [e for e in fork.edges if e.each or e.index in self.leads.get(fork.index, ())]

    def _ambiguous(self, fork: Node, join: Node, inner: Node) -> bool:
        """Tell whether a fork within another may run more than once there and lead to the same join."""
        if not inner.splits or inner is fork:
            return False
        in_cycle = any(inner.index in _below(self.shape, k) for k in _below(self.shape, inner.index))
        if not in_cycle and not any(e.each for e in fork.edges):
            return False
        around = [
            closing
            for opener, closing in self.closing.items()
            if closing != join.index and opener != fork.index and self.dominates(opener, inner.index)
        ]
        rest = self._without(*around)
        return inner.index in rest and join.index in _below(rest, inner.index)


def _below(shape: Shape, start: int) -> set[int]:
    """Return what can be reached from a node, without itself."""
    seen, todo = set[int](), list(shape.get(start, ()))
    while todo:
        i = todo.pop()
        if i not in seen:
            seen.add(i)
            todo += shape[i]
    return seen - {start}


@dataclass(eq=False)
class Visit:
    """One execution of one node."""

    id: Id
    node: Node
    causes: tuple[Visit, ...]
    local: State
    scopes: tuple[Scope, ...]
    crossed: dict[tuple[int, int], int]
    state: State = field(default_factory=dict[str, Any])
    writes: dict[str, Json] = field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        """Its id as people read it."""
        return text_of(self.id)


@dataclass(eq=False)
class _Arrival:
    visit: Visit
    crossed: dict[tuple[int, int], int]


@dataclass(eq=False)
class Scope:
    """What runs below one visit of an opener; of the whole run, `at` is None."""

    at: Visit | None
    outer: tuple[Scope, ...] = ()
    pends: bool = False
    live: set[Visit] = field(default_factory=set[Visit])
    parked: dict[int, list[_Arrival]] = field(default_factory=dict[int, list[_Arrival]])
    ended: list[Visit] = field(default_factory=list[Visit])
    last: dict[Id, int] = field(default_factory=dict[Id, int])
    """The highest number that was given on each line."""
    fired: dict[int, int] = field(default_factory=dict[int, int])


class Run:
    """A run whose every step a test decides: `ready` has the visits that can be completed."""

    def __init__(self, graph: Graph, state: State) -> None:
        """Begin with a state of decoded values."""
        self.graph = graph
        self.joints = Joints(graph.nodes, graph.start)
        self.start = dict(state)
        self.top = Scope(None)
        self.ready: list[Visit] = []
        self.visits: list[Visit] = []
        self.open: list[Scope] = []
        self.state: State | None = None
        """The final state."""
        self._visit((0,), graph.nodes[graph.start], (), {}, (self.top,), {})

    # -- history ------------------------------------------------------------------------------------------------------

    def fold(self, tips: Iterable[Visit]) -> State:
        """Return the state behind visits, their own writes included.

        Raises:
            Conflict: two of the writes are beside each other, to a plain field.
        """
        state, past, writers = dict(self.start), dict[Visit, set[Visit]](), dict[str, list[Visit]]()
        for v in _canonical(tips):
            past[v] = set().union(*(past[c] | {c} for c in v.causes))
            for name, value in v.writes.items():
                known: Field = self.graph.field[name]
                if known.reducer is not None:
                    state[name] = known.reduce(state[name], known.decode(value))
                    continue
                writers[name] = [w for w in writers.get(name, []) if w not in past[v]] + [v]
                state[name] = known.decode(value)
        for name, last in writers.items():
            if len(last) > 1:
                raise Conflict(name)
        return state

    # -- going on -----------------------------------------------------------------------------------------------------

    def _visit(
        self,
        id_: Id,
        node: Node,
        causes: Iterable[Visit],
        local: State,
        scopes: tuple[Scope, ...],
        crossed: dict[tuple[int, int], int],
    ) -> None:
        visit = Visit(id_, node, tuple(causes), local, scopes, dict(crossed))
        visit.state = self.fold(visit.causes) | local
        line, number = id_[:-1], id_[-1]
        assert isinstance(number, int)
        for scope in scopes:
            scope.live.add(visit)
            scope.last[line] = max(scope.last.get(line, -1), number)
        assert id_ not in {w.id for w in self.visits}, f"two visits {visit.name}"
        self.visits.append(visit)
        self.ready.append(visit)

    def complete(self, visit: Visit, writes: dict[str, Json]) -> None:
        """End a visit and go on from it.

        Raises:
            Conflict: branches that met had written one field.
            NoRoute: no edge matched.
        """
        self.ready.remove(visit)
        visit.writes = writes
        for scope in visit.scopes:
            scope.live.discard(visit)
        state = self.fold([visit]) | visit.local
        node, taken = visit.node, list[Edge]()
        for e in node.edges:
            used_up = e.at_most is not None and visit.crossed.get((e.source, e.index), 0) >= e.at_most
            if not used_up and (e.when is None or e.when.evaluate(state)[0]):
                taken.append(e)
                if not node.fork:
                    break
        if node.edges and not taken:
            raise NoRoute(node.name)
        self._leave(visit, state, taken)
        while self._fire_one():
            pass
        if not self.top.live:
            self.state = self.fold(self.visits)

    def _leave(self, visit: Visit, state: State, taken: list[Edge]) -> None:
        node, scopes = visit.node, visit.scopes
        mine = self.joints.joins_of.get(node.index, [])
        pends = any(e.index in self.joints.leads.get(node.index, ()) for e in taken)
        plain = len(taken) == 1 and not taken[0].each and not node.fork and not pends
        branches = node.splits and not plain
        if mine and (branches or pends or node.index not in self.joints.closing):
            scope = Scope(visit, visit.scopes, pends)
            scopes = (*scopes, scope)
            self.open.append(scope)
        moves = [(e, k, x) for e in taken for k, x in (enumerate(state[e.each.of]) if e.each else [(-1, None)])]
        if not moves:  # The model told all scopes; but a line that a closing join gathers goes on for those around.
            around = [s for s in scopes if self._closing(s) is not None]
            (around or [self.top])[-1].ended.append(visit)
        for e, k, x in moves:
            local = visit.local | ({e.each.item: x} if e.each else {})
            here = visit.id[-1]
            assert isinstance(here, int)
            id_: Id = (*visit.id, (1, e.index, k), 0) if branches else (*visit.id[:-1], here + 1)
            crossing = (e.source, e.index)
            crossed = visit.crossed | {crossing: visit.crossed.get(crossing, 0) + 1}
            self._arrive(self.graph.nodes[e.target], id_, visit, local, scopes, crossed)

    def _arrive(
        self,
        node: Node,
        id_: Id,
        visit: Visit,
        local: State,
        scopes: tuple[Scope, ...],
        crossed: dict[tuple[int, int], int],
    ) -> None:
        if node.kind != "join":
            self._visit(id_, node, (visit,), local, scopes, crossed)
            return
        opener = self.joints.opener[node.index]
        mine = [s for s in scopes if s in self.open and s.at is not None and s.at.node.index == opener]
        scope = self.top if opener is None else mine[-1] if mine else None
        if scope is None:  # its scope is closed: a join of one
            self._visit(id_, node, (visit,), local, scopes, crossed)
            return
        scope.parked.setdefault(node.index, []).append(_Arrival(visit, crossed))

    # -- joins --------------------------------------------------------------------------------------------------------

    def _closing(self, scope: Scope) -> Node | None:
        """Return the join that a scope waits for."""
        if scope.at is None or not scope.pends:
            return None
        join = self.joints.closing.get(scope.at.node.index)
        return None if join is None else self.graph.nodes[join]

    def _below(self, scope: Scope) -> list[Scope]:
        return [s for s in self.open if scope is self.top or scope in s.outer]

    def _fire_one(self) -> bool:
        for scope in sorted(self.open, key=lambda s: -len(s.outer)):
            closing = self._closing(scope)
            below = self._below(scope)
            busy = bool(scope.live) or any(s.parked or self._closing(s) is not None for s in below)
            if self._fire_partial(scope, closing):
                return True
            if busy or any(closing is None or j != closing.index for j in scope.parked):
                continue
            self.open.remove(scope)
            if closing is not None:
                self._close(closing, scope, scope.parked.pop(closing.index, []))
            return True
        return self._fire_partial(self.top, None)

    def _fire_partial(self, scope: Scope, closing: Node | None) -> bool:
        mask = {v.node.index for v in scope.live}
        for s in self._below(scope):
            mask |= set(s.parked)
            pending = self._closing(s)
            if pending is not None:
                mask.add(pending.index)
        waiting = sorted(j for j in scope.parked if closing is None or j != closing.index)
        for j in waiting:
            if not (mask | (set(waiting) - {j})) & self.joints.before[j]:
                self._meet(self.graph.nodes[j], scope)
                return True
        if waiting and not mask:
            self._meet(self.graph.nodes[waiting[0]], scope)
            return True
        return False

    def _close(self, join: Node, scope: Scope, arrivals: list[_Arrival]) -> None:
        at = scope.at
        assert at is not None
        line, number = at.id[:-1], at.id[-1]
        assert isinstance(number, int)
        if not at.node.splits:
            number = max(scope.last.get(line, number), number)
        causes = _once([a.visit for a in arrivals] + scope.ended) or [at]
        self._visit((*line, number + 1), join, causes, at.local, at.scopes, at.crossed)

    def _meet(self, join: Node, scope: Scope) -> None:
        arrivals = scope.parked.pop(join.index)
        k = scope.fired.get(join.index, 0)
        scope.fired[join.index] = k + 1
        base: Id = scope.at.id if scope.at is not None else ()
        local = scope.at.local if scope.at is not None else {}
        scopes = (self.top,) if scope is self.top else (*scope.outer, scope)
        crossed: dict[tuple[int, int], int] = reduce(_most, (a.crossed for a in arrivals), {})
        self._visit((*base, (2, join.index, k), 0), join, _once(a.visit for a in arrivals), local, scopes, crossed)


def _most(one: dict[tuple[int, int], int], other: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
    return {e: max(one.get(e, 0), other.get(e, 0)) for e in (*one, *other)}


def _once(visits: Iterable[Visit]) -> list[Visit]:
    return sorted(set(visits), key=lambda v: _key(v.id))


def _canonical(tips: Iterable[Visit]) -> list[Visit]:
    """Order the visits behind `tips` so that causes come first, ties by id."""
    seen, todo = set[Visit](), list(tips)
    while todo:
        v = todo.pop()
        if v not in seen:
            seen.add(v)
            todo += v.causes
    waits = {v: len(set(v.causes)) for v in seen}
    after: dict[Visit, list[Visit]] = {}
    for v in seen:
        for c in set(v.causes):
            after.setdefault(c, []).append(v)
    heap = [(_key(v.id), id(v), v) for v in seen if not waits[v]]
    heapq.heapify(heap)
    order: list[Visit] = []
    while heap:
        v = heapq.heappop(heap)[2]
        order.append(v)
        for w in after.get(v, []):
            waits[w] -= 1
            if not waits[w]:
                heapq.heappush(heap, (_key(w.id), id(w), w))
    return order
