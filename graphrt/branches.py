"""Lines, scopes and joins: who runs beside whom, what each sees, and when they meet.

Theory
------
*State.* The state at a point is the fold, in canonical order, of the writes of the visits behind it. It is kept
incrementally: a `Line` (a sequence of visits) carries the state that its next visit sees, and a `Delta` per field that
it wrote since it began. Where lines meet, their deltas are applied, in canonical order, to the state at the point where
they parted: `merging` does that.

*Scopes.* A visit of a join's opener opens a scope. Everything live in it holds a *token* in it and in all scopes around
it: a running visit at its own node; a branch not yet started at its target; an arrival parked at a join, in the scopes
around that join's scope, at that join; a scope that waits for its closing join, in the scopes around it, at that join.
A closing join fires when its scope holds no token and nothing is parked at another join of it. A partial join fires
when no token of its scope stands at a node that can still reach it. So a settle touches only the scopes of the visit
that ended.

This module moves lines; it knows nothing of attempts, guards or time, and never decides which edge is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphrt import openers
from graphrt.errors import JoinShort
from graphrt.lines import Crossing, Delta, Fan, Fired, Line, Scope, Visit, reduced
from graphrt.merging import merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graphrt.fields import Field
    from graphrt.graph import Edge, Graph, Node
    from graphrt.lines import Crossed, Key, State

_NO_FIELDS: frozenset[str] = frozenset()
_NO_EDGES: frozenset[int] = frozenset()


class Joins:
    """What a graph's shape says about its joins; computed once and shared by all runs."""

    def __init__(self, graph: Graph) -> None:
        nodes = graph.nodes
        prior = openers.prior_of(nodes) if any(n.kind == "join" for n in nodes) else []
        self.openers: dict[int, tuple[Node | None, frozenset[int]]] = {}
        """Opener: its closing join, and the indices of its edges that lead there."""
        self.before: dict[int, int] = {}
        """Partial join: the nodes that can still reach it, as bits."""
        self.whole = False
        """Whether some join gathers lines of the whole run."""
        for n in nodes:
            if n.kind != "join":
                continue
            if n.opener is None:
                self.whole = True
                self.before[n.index] = openers.before_join(nodes, prior, n)
            elif n.closes:
                leads = frozenset(e.index for e in openers.leading(nodes, prior, n.opener, n.index))
                self.openers[n.opener] = (n, leads)
            else:
                self.openers.setdefault(n.opener, (None, frozenset()))
                self.before[n.index] = openers.before_join(nodes, prior, n)
        self.masked = frozenset(n.opener for n in nodes if n.kind == "join" and n.opener is not None and not n.closes)
        self.splits = tuple(n.splits for n in nodes)
        self.counts = any(n.wait is not None for n in nodes)
        """Whether some join goes on before all have arrived."""
        self._nodes = nodes
        self._plain = not self.before and not self.counts

    def is_hop(self, edge: Edge) -> bool:
        """Say whether nothing can fire when a line leaves its node by this edge alone, which leads to no join."""
        source, target = self._nodes[edge.source], self._nodes[edge.target]
        alone = self._plain and not source.splits and source.index not in self.openers
        return alone and edge.each is None and target.kind != "join"


class Branches:
    """The lines of one graph in one run. The stepper tells it what visits wrote and which edges were taken."""

    __slots__ = ("born", "fans", "fields", "fired", "graph", "joins", "live", "open", "prefix", "root", "top")

    def __init__(self, graph: Graph, joins: Joins, state: State, prefix: str = "") -> None:
        self.graph = graph
        self.fields = graph.field
        self.joins = joins
        self.prefix = prefix
        """Stands before every visit id: empty, or the id of the node visit that this graph is inside of, and `/`."""
        self.root = Line((), prefix, state, delta=None, behind=(), crossed={}, local=_NO_FIELDS, scopes=())
        self.top = Scope(self.root, None, "", (), None, masked=joins.whole)
        self.root.scopes = (self.top,)
        self.live: dict[str, Visit] = {}
        self.open: dict[Scope, None] = {}
        """Scopes in which joins may still fire, in the order of their opening."""
        self.fans: dict[Fan, None] = {}
        """Bounded fan-outs with branches still waiting."""
        self.born: list[Visit] = []
        """Visits that began and that the stepper has not taken up yet."""
        self.fired: list[Fired] = []
        """Joins that fired likewise, in order; their visits are not among `born`."""

    # -- what the stepper calls ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Visit the start node. A join there has one line to gather, the run's own, and fires at once."""
        node = self.graph.nodes[self.graph.start]
        visit = self._visit(self.root, node, ())
        if node.kind == "join":
            self.fired.append(Fired(visit, None, 1, (), None))

    @property
    def done(self) -> bool:
        """Whether nothing is live any more."""
        return not self.top.count and not self.top.parked

    def write(self, line: Line, values: Sequence[tuple[Field, Any]], by: Visit, *, replace: bool = False) -> None:
        """Write decoded values of a visit to fields on a line: through their reducers, or replacing.

        Raises:
            WriteRefused: a reducer raised; nothing was written.
        """
        state = line.state.copy()
        delta = line.delta
        for field, value in values:
            state[field.name] = value if replace or field.reducer is None else reduced(field, state[field.name], value)
        line.state = state
        if delta is not None:
            for field, value in values:
                name = field.name
                mine = delta.get(name)
                if mine is None:
                    mine = delta[name] = Delta()
                mine.node, mine.visit = by.node.name, by.id
                if replace or field.reducer is None:
                    mine.replace(value)
                else:
                    mine.add(value)

    def hop(self, visit: Visit, edge: Edge) -> Visit:
        """Move a line over an edge that is a hop (see `Joins.is_hop`): short for `leave` and `arrive`."""
        line = visit.line
        if edge.at_most is not None:
            key = (edge.source, edge.index)
            line.crossed = {**line.crossed, key: line.crossed.get(key, 0) + 1}
        line.numbers.last = number = line.numbers.last + 1
        node = self.graph.nodes[edge.target]
        live = self.live
        del live[visit.id]
        following = Visit(f"{line.prefix}{number}", number, node, line, (visit.id,), self)
        live[following.id] = following
        return following

    def leave(self, visit: Visit, taken: Sequence[tuple[Edge, Sequence[Any] | None]]) -> list[Crossing]:
        """End a visit by the edges taken; an `each` edge comes with its items.

        Returns the crossings in order, so that the caller can apply the edges' actions to their lines; it then calls
        `arrive` for each, or `end` if there is none, and `settle` once for each of `chains`.
        """
        node, line = visit.node, visit.line
        del self.live[visit.id]
        for scope in line.scopes:
            scope.release(node.index)
        if self.joins.counts:
            _strike(line.scopes, visit)
        opening = self.joins.openers.get(node.index)
        may_split = self.joins.splits[node.index]
        if not taken or (opening is None and not may_split):
            return [Crossing(taken[0][0], line)] if taken else []
        closing, leads = opening or (None, _NO_EDGES)
        pends = any(edge.index in leads for edge, _ in taken)
        first, items = taken[0]
        alone = len(taken) == 1 and items is None and not pends and (not node.fork or first.on_error is not None)
        splits = may_split and not alone
        if opening is not None and (splits or pends or closing is None):
            self._open(visit, closing if pends else None)
        if not splits:
            return [Crossing(first, line)]
        crossings: list[Crossing] = []
        for edge, items in taken:
            if items is None:
                crossings.append(Crossing(edge, self._branch(visit.place, line, edge)))
            else:
                crossings += self._fan_out(visit, edge, items)
        return crossings

    def arrive(self, crossing: Crossing, causes: tuple[str, ...], place: Key) -> None:
        """Bring a line to the target of its edge: a visit, a place at a join, or in the queue of a fan-out.

        `causes` has the visit that was left, which stands at `place`; many crossings may share both.
        """
        edge, line, fan = crossing.edge, crossing.line, crossing.fan
        if edge.at_most is not None:
            key = (edge.source, edge.index)
            line.crossed = {**line.crossed, key: line.crossed.get(key, 0) + 1}
        if fan is not None and crossing.queued:
            fan.waiting.append(line)
            for scope in fan.line.scopes:
                scope.hold(edge.target)
        else:
            self._arrive(self.graph.nodes[edge.target], line, causes, place)

    def end(self, line: Line, visit: Visit) -> None:
        """End a line: its visit has no edge to take."""
        line.cause, line.place = visit.id, visit.place
        for scope in reversed(line.scopes):
            if scope.closing is not None:
                scope.ended.append(line)
                return
        self.top.ended.append(line)

    def settle(self, scopes: tuple[Scope, ...]) -> None:
        """Fire every join that has nothing left to wait for, innermost scopes first.

        Raises:
            WriteConflict: branches that meet wrote one field; nothing was changed, the same call raises again.
        """
        for scope in reversed(scopes):
            if scope.fan is not None and not scope.count:
                self._next_branch(scope)
            while self._fire(scope):
                pass
            if scope.closing is None and scope.opener is not None and not scope.count and not scope.parked:
                self.open.pop(scope, None)
                _strike(scope.outer, scope)

    def settle_all(self) -> None:
        """Fire what can be fired anywhere: for a run that stopped in the middle of a settle and is taken up again."""
        for scope in sorted(self.open, key=lambda s: -len(s.outer)):
            self.settle((*scope.outer, scope))
        self.settle((self.top,))

    def final(self) -> State:
        """Return the state of a completed run: the fold of all kept visits.

        Raises:
            WriteConflict: two lines that never met wrote one field.
        """
        return merge(self.fields, self.root, self.top.ended, keep=_NO_FIELDS, node=None)[0]

    def state_behind(self, line: Line) -> State:
        """Return the state at the end of a line, without what belongs to its branch alone."""
        state = dict(line.state)
        for name in line.local:
            at = line
            while name in at.local:
                at = at.behind[0]
            state[name] = at.state[name]
        return state

    def drop(self, visit: Visit) -> None:
        """Forget a live visit and its line, without settling."""
        del self.live[visit.id]
        for scope in visit.line.scopes:
            scope.release(visit.node.index)
        _strike(visit.line.scopes, visit)

    # -- lines --------------------------------------------------------------------------------------------------------

    def _visit(self, line: Line, node: Node, causes: tuple[str, ...], scopes: tuple[Scope, ...] | None = None) -> Visit:
        line.numbers.last = number = line.numbers.last + 1
        if scopes is not None:
            line.scopes = scopes
        visit = Visit(f"{line.prefix}{number}", number, node, line, causes, self)
        self.live[visit.id] = visit
        for scope in line.scopes:
            scope.hold(node.index)
        if self.joins.counts:
            _enrol(line.scopes, visit)
        if node.kind != "join":
            self.born.append(visit)
        return visit

    def _open(self, visit: Visit, closing: Node | None) -> None:
        line = visit.line
        scope = Scope(line, visit.node, visit.id, line.scopes, closing, masked=visit.node.index in self.joins.masked)
        if closing is not None:
            for outer in line.scopes:
                outer.hold(closing.index)
        self.open[scope] = None
        _enrol(line.scopes, scope)
        line.scopes = (*line.scopes, scope)

    def _branch(self, place: Key, line: Line, edge: Edge) -> Line:
        return Line(
            (*place, 1, edge.index, -1),
            f"{line.prefix}{line.numbers.last}.{edge.index}.",
            line.state,
            delta={},
            behind=(line,),
            crossed=line.crossed,
            local=_local(line, edge),
            scopes=line.scopes,
        )

    def _fan_out(self, visit: Visit, edge: Edge, items: Sequence[Any]) -> list[Crossing]:
        each = edge.each
        assert each is not None, "only an `each` edge comes with items"
        line, place, index = visit.line, visit.place, edge.index
        prefix = f"{line.prefix}{line.numbers.last}.{index}-"
        behind, local = (line,), _local(line, edge)  # shared: there may be many branches
        lines = [
            Line(
                (*place, 1, index, k),
                f"{prefix}{k}.",
                {**line.state, each.item: item},
                delta={},
                behind=behind,
                crossed=line.crossed,
                local=local,
                scopes=line.scopes,
                item=each.item,
            )
            for k, item in enumerate(items)
        ]
        if each.at_once is None or len(items) <= each.at_once:
            return [Crossing(edge, branch) for branch in lines]
        fan = Fan(line, (visit.id,), place, edge.target)
        self.fans[fan] = None
        _enrol(line.scopes, fan)
        for branch in lines[: each.at_once]:
            self._take_slot(fan, branch)
        return [Crossing(edge, branch, fan, queued=k >= each.at_once) for k, branch in enumerate(lines)]

    def _take_slot(self, fan: Fan, branch: Line) -> Scope:
        """Put a scope of its own around a branch of a bounded fan-out: when it runs empty, the next may start."""
        slot = Scope(fan.line, None, fan.causes[0], branch.scopes, None, masked=False)
        slot.fan = fan
        branch.scopes = (*branch.scopes, slot)
        return slot

    def _next_branch(self, slot: Scope) -> None:
        """A branch of a bounded fan-out has ended or waits at a join: start the next one."""
        fan, slot.fan = slot.fan, None
        while fan is not None and fan.waiting:
            branch = fan.waiting.popleft()
            for scope in fan.line.scopes:
                scope.release(fan.target)
            following = self._take_slot(fan, branch)
            self._arrive(self.graph.nodes[fan.target], branch, fan.causes, fan.place)
            if following.count:
                return
        if fan is not None:
            self.fans.pop(fan, None)
            _strike(fan.line.scopes, fan)

    def _arrive(self, node: Node, line: Line, causes: tuple[str, ...], place: Key) -> None:
        if node.kind != "join":
            self._visit(line, node, causes)
            return
        scope = self.top if node.opener is None else _opened_by(node.opener, line.scopes)
        if scope is None:  # Its scope is closed already: a join of one.
            self.fired.append(Fired(self._visit(line, node, causes), None, 1, (), None))
            return
        if scope is not line.scopes[-1]:
            for inner in line.scopes[len(scope.outer) + 1 :]:
                inner.leaked = True
        line.cause, line.place = causes[0], place
        scope.parked.setdefault(node.index, []).append(line)
        for outer in scope.outer:
            outer.hold(node.index)

    # -- joins --------------------------------------------------------------------------------------------------------

    def _fire(self, scope: Scope) -> bool:
        """Fire at most one join of a scope; tell whether one fired."""
        parked = scope.parked
        closing = scope.closing
        if closing is None:
            return bool(parked) and self._fire_partial(scope)
        others = len(parked) > (closing.index in parked)
        if others and self._fire_partial(scope):
            return True
        if closing.wait is not None:
            return self._fire_count(scope, closing)
        if not scope.count and not others:
            arrivals = parked.get(closing.index, [])
            self._close(scope, closing, arrivals, scope.ended, len(arrivals), None)
            return True
        return False

    def _fire_count(self, scope: Scope, closing: Node) -> bool:
        """Fire an `any` or `n` join as soon as enough distinct branches have arrived, or none can any more."""
        assert closing.wait is not None
        arrivals = scope.parked.get(closing.index, [])
        branches = scope.branches
        if branches is None:
            branches = scope.branches = set()
        while scope.examined < len(arrivals):
            branches |= self._direct_branches(scope, arrivals[scope.examined])
            scope.examined += 1
            if len(branches) >= closing.wait:
                self._close(scope, closing, arrivals[: scope.examined], [], len(branches), None)
                return True
        if scope.count or len(scope.parked) > (closing.index in scope.parked):
            return False
        short = JoinShort(
            f"join {closing.name!r} waits for {closing.wait} branches of {scope.at}, but only {len(branches)} arrived"
            " and no more can;"
            " lead an edge away from it with on=JoinShort, or wait for fewer",
            node=closing.name,
            expected=closing.wait,
            arrived=len(branches),
        )
        self._close(scope, closing, arrivals, scope.ended, len(branches), short)
        return True

    def _direct_branches(self, scope: Scope, line: Line) -> set[Key]:
        """Return the branches of the scope's own fork that a line descends from."""
        found: set[Key] = set()
        todo = [line]
        while todo:
            at = todo.pop()
            if scope.line in at.behind or at is scope.line:
                found.add(at.key)
            else:
                todo.extend(at.behind)
        return found

    def _close(
        self,
        scope: Scope,
        join: Node,
        arrivals: list[Line],
        ended: list[Line],
        arrived: int,
        short: JoinShort | None,
    ) -> None:
        line = scope.line
        tips = [*arrivals, *ended]
        state, deltas = merge(self.fields, line, tips, keep=scope.local, node=join)
        dropped = self._drop_scope(scope)
        del self.open[scope]
        _strike(scope.outer, scope)
        scope.closing = None
        for outer in scope.outer:
            outer.release(join.index)
        if scope.leaked:
            line = self._go_on_apart(scope, tips)
        elif line.delta is not None:
            for name, delta in deltas:
                mine = line.delta.get(name)
                if mine is None:
                    mine = line.delta[name] = Delta()
                mine.absorb(delta)
        line.state = state
        line.crossed = scope.crossed
        line.local = scope.local
        causes = _causes(tips) or (scope.at,)
        visit = self._visit(line, join, causes, scope.outer)
        self.fired.append(Fired(visit, scope.at, arrived, dropped, short))

    def _go_on_apart(self, scope: Scope, tips: list[Line]) -> Line:
        """Go on from a closing join under the opener's name, but as a line of its own.

        A line that left the scope for a join outside is beside what follows here, yet behind it lies the opener's line
        as it was when it parted: so that line must stay as it is.
        """
        was = scope.line
        line = Line(
            was.key,
            was.prefix,
            was.state,
            delta={},
            behind=tuple(tips) or (was,),
            crossed=was.crossed,
            local=was.local,
            scopes=scope.outer,
        )
        line.numbers = was.numbers
        line.apart = (*was.key, 0, was.numbers.last + 1, 0)
        return line

    def _drop_scope(self, scope: Scope) -> tuple[Visit, ...]:
        """Forget everything in a scope that is about to close; only `any` and `n` joins leave anything behind."""
        dropped: list[Visit] = []
        if scope.count:
            assert scope.members is not None, "other joins wait until nothing is left"
            members = list(scope.members)
            dropped = sorted((m for m in members if isinstance(m, Visit)), key=lambda v: v.place)
            for visit in dropped:
                self.drop(visit)
            for inner in members:
                if isinstance(inner, Scope):
                    if inner.closing is not None:
                        _release(inner.outer, inner.closing.index, 1)
                        inner.closing = None
                    self._unpark(inner)
                    del self.open[inner]
                    _strike(inner.outer, inner)
                elif isinstance(inner, Fan):
                    _release(inner.line.scopes, inner.target, len(inner.waiting))
                    inner.waiting.clear()
                    del self.fans[inner]
                    _strike(inner.line.scopes, inner)
        self._unpark(scope)
        return tuple(dropped)

    def _unpark(self, scope: Scope) -> None:
        for index, arrivals in scope.parked.items():
            _release(scope.outer, index, len(arrivals))
        scope.parked = {}

    def _fire_partial(self, scope: Scope) -> bool:
        waiting = sorted(j for j in scope.parked if scope.closing is None or j != scope.closing.index)
        here = 0
        for j in waiting:
            here |= 1 << j
        for j in waiting:
            if not (scope.mask | (here & ~(1 << j))) & self.joins.before[j]:
                self._meet(scope, self.graph.nodes[j])
                return True
        if waiting and not scope.count:  # They wait for each other and for nothing else.
            self._meet(scope, self.graph.nodes[waiting[0]])
            return True
        return False

    def _meet(self, scope: Scope, join: Node) -> None:
        """Fire a partial join: what waits at it goes on as a line of its own inside the scope."""
        arrivals = scope.parked[join.index]
        base = scope.line
        state, _ = merge(self.fields, base, arrivals, keep=scope.local, node=join)
        del scope.parked[join.index]
        for outer in scope.outer:
            for _ in arrivals:
                outer.release(join.index)
        k = scope.fired.get(join.index, 0)
        scope.fired[join.index] = k + 1
        key: Key = (2, join.index, k)
        prefix = f"{self.prefix}j{join.index}-{k}."
        if scope is not self.top:
            opened = int(scope.at.rpartition(".")[2].rpartition("/")[2])
            key = (*base.key, 0, opened, 0, *key)
            prefix = f"{scope.at}.j{join.index}-{k}."
        crossed: Crossed = {}
        for arrival in arrivals:
            for edge, count in arrival.crossed.items():
                crossed[edge] = max(count, crossed.get(edge, 0))
        line = Line(
            key,
            prefix,
            state,
            delta={},
            behind=tuple(arrivals),
            crossed=crossed,
            local=scope.local,
            scopes=(*scope.outer, scope),
        )
        if scope is self.top and len(arrivals) == 1 and arrivals[0] is self.root and self._nothing_else():
            line.delta, line.behind = None, ()
            self.root = scope.line = line
        short = None
        if join.wait is not None and join.wait > len(arrivals):
            short = JoinShort(
                f"join {join.name!r} waits for {join.wait} lines, but only {len(arrivals)} arrived and no more can",
                node=join.name,
                expected=join.wait,
                arrived=len(arrivals),
            )
        visit = self._visit(line, join, _causes(arrivals))
        self.fired.append(Fired(visit, scope.at or None, len(arrivals), (), short))

    def _nothing_else(self) -> bool:
        """Tell whether the run's first line is its only one, so that nothing will ever be merged with it."""
        top = self.top
        return not top.count and not top.parked and not top.ended and not self.open and self.root.scopes == (top,)


def _local(line: Line, edge: Edge) -> frozenset[str]:
    """Return the fields that are local to a branch which leaves a line by an edge."""
    if not edge.local and not edge.each:
        return line.local
    return line.local | frozenset(edge.local) | frozenset((edge.each.item,) if edge.each else ())


def _enrol(scopes: Iterable[Scope], member: Visit | Scope | Fan) -> None:
    for scope in scopes:
        if scope.members is not None:
            scope.members[member] = None


def _strike(scopes: Iterable[Scope], member: Visit | Scope | Fan) -> None:
    for scope in scopes:
        if scope.members is not None:
            scope.members.pop(member, None)


def _release(scopes: Iterable[Scope], node: int, times: int) -> None:
    for scope in scopes:
        for _ in range(times):
            scope.release(node)


def _causes(tips: Iterable[Line]) -> tuple[str, ...]:
    """Return the visits that lines came from, each once, in canonical order."""
    return tuple(dict.fromkeys([tip.cause for tip in sorted(tips, key=_place_of)]))


def _place_of(line: Line) -> Key:
    return line.place


def _opened_by(opener: int, scopes: tuple[Scope, ...]) -> Scope | None:
    """Return the innermost scope that a visit of a node opened."""
    for scope in reversed(scopes):
        if scope.opener is not None and scope.opener.index == opener:
            return scope
    return None
