"""How much can a run do at most? An upper bound on its visits and on its requests to models.

A line that goes through the graph makes, in the worst case, the dearest choice at every node. What a fork starts until
its closing join is a *scope*; its cost is the sum over its branches, and the line goes on at the join. A cycle is
bounded if every way round it crosses an edge with `at_most`, or one whose guard waits for a counter (`rounds < 3`):
such edges cut a walk into pieces without a cycle, one more than they may be crossed. A list that nothing bounds gives
as many branches as the caller of the bound assumes.

Attempts that fail and are retried are not counted: a visit is one visit however often it is tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from graphrt.checks.counters import most_crossings
from graphrt.checks.elements import is_model
from graphrt.openers import leading, prior_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from graphrt.graph import Edge, Graph, Node

What: TypeAlias = Literal["visits", "requests"]
_TALKS: Final = frozenset({"model", "answer"})
"""The nodes inside an agent that make requests."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A cycle of nodes, and how often it can be gone round at most."""

    nodes: tuple[str, ...]
    rounds: int
    cost: float
    """What all rounds together come to."""


@dataclass(frozen=True, slots=True)
class Worst:
    """An upper bound."""

    most: float
    """Infinite if nothing bounds it."""
    loop: Loop | None
    """The cycle that most of it comes from; None if there is none."""
    unbounded: tuple[str, ...] = ()
    """Why it is infinite: cycles and lists without a bound."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A way for a line from a node to the next."""

    target: int
    cost: float = 0
    """Of the scope that is passed on the way."""
    at_most: int | None = None


@dataclass(slots=True)
class _Part:
    """What can be said about the nodes of one scope."""

    steps: dict[int, list[_Step]] = field(default_factory=dict[int, "list[_Step]"])
    together: set[int] = field(default_factory=set[int])
    """Nodes all of whose steps are taken, each by a line of its own."""


def worst(graph: Graph, what: What, items: int | None = None) -> Worst:
    """Return an upper bound on the visits of a run, or on its requests to models.

    Args:
        graph: the graph; what agents and flows inside it do counts as well.
        what: what is counted.
        items: how many items a list has at most whose type does not bound it; None for any number.
    """
    bound = _Bound(graph, what, items)
    most = bound.line(graph.start, frozenset())
    if graph.limits is not None and graph.limits.visits is not None:
        most = min(most, float(graph.limits.visits))
    loop = max(bound.loops, key=lambda one: one.cost, default=None)
    reasons = tuple(dict.fromkeys(bound.unbounded)) if math.isinf(most) else ()
    return Worst(most, loop if loop is not None and loop.cost > 0 else None, reasons)


class _Bound:
    """The bound of one graph."""

    def __init__(self, graph: Graph, what: What, items: int | None) -> None:
        self.graph, self.items = graph, items
        self.what: What = what
        self.closing = {n.opener: n.index for n in graph.nodes if n.closes and n.opener is not None}
        self.prior = prior_of(graph.nodes)
        self.loops: list[Loop] = []
        self.unbounded: list[str] = []
        self._weights: dict[int, float] = {}
        self._lines: dict[tuple[int, frozenset[int]], float] = {}

    def weight(self, node: Node) -> float:
        """Return what one visit of a node comes to, with what is inside it."""
        if node.index not in self._weights:
            inside = 0.0
            if node.graph is not None:
                of = worst(node.graph, self.what, self.items) if not is_model(node) else self._agent(node.graph)
                inside = of.most
                self.unbounded += [f"{why}, inside {node.name!r}" for why in of.unbounded]
            talks = self.what == "requests" and is_model(node) and node.graph is None
            self._weights[node.index] = inside + (1.0 if self.what == "visits" or talks else 0.0)
        return self._weights[node.index]

    def _agent(self, graph: Graph) -> Worst:
        if self.what == "visits":
            return worst(graph, self.what, self.items)
        bound = _Requests(graph, self.what, self.items)
        most = bound.line(graph.start, frozenset())
        return Worst(most, None, tuple(dict.fromkeys(bound.unbounded)) if math.isinf(most) else ())

    # -- one line and all that it starts ------------------------------------------------------------------------------

    def line(self, entry: int, cut: frozenset[int]) -> float:
        """Return what a line comes to at most that begins at a node, until it comes to one of the joins in `cut`."""
        key = entry, cut
        if key not in self._lines:
            self._lines[key] = math.inf  # a scope that contains itself
            self._lines[key] = 0.0 if entry in cut else self._walk(entry, self._part(entry, cut))
        return self._lines[key]

    def _part(self, entry: int, cut: frozenset[int]) -> _Part:
        """Return the steps of a line from a node on, with the scopes that it passes as steps of their own."""
        part, todo = _Part(), [entry]
        while todo:
            i = todo.pop()
            if i in part.steps:
                continue
            part.steps[i] = self._steps(self.graph.nodes[i], cut, part)
            todo += [s.target for s in part.steps[i] if s.target not in cut]
        for i, steps in part.steps.items():
            part.steps[i] = [s if s.target not in cut else _Step(-1, s.cost, s.at_most) for s in steps]
        return part

    def _steps(self, node: Node, cut: frozenset[int], part: _Part) -> list[_Step]:
        failed = [_Step(e.target, 0, self._at_most(e)) for e in node.edges if e.on_error is not None]
        normal = [e for e in node.edges if e.on_error is None]
        closing = self.closing.get(node.index)
        if closing is None or closing in cut:
            if node.splits:
                part.together.add(node.index)
                return [_Step(-1, self._branch(e, cut), None) for e in normal] + failed
            return [_Step(e.target, 0, self._at_most(e)) for e in normal] + failed
        inner = cut | {closing}
        leads = {e.index for e in leading(self.graph.nodes, self.prior, node.index, closing)}
        if node.fork:
            return [_Step(closing, sum(self._branch(e, inner) for e in normal)), *failed]
        found: list[_Step] = []
        for e in normal:
            if e.each is not None or e.index in leads:
                found.append(_Step(closing, self._branch(e, inner), self._at_most(e)))
            else:
                found.append(_Step(e.target, 0, self._at_most(e)))
        return found + failed

    def _at_most(self, edge: Edge) -> int | None:
        """Return how often a line may cross an edge: by its own bound, or because a counter in its guard runs out."""
        counted = most_crossings(self.graph, edge) if edge.when is not None else None
        return min((n for n in (edge.at_most, counted) if n is not None), default=None)

    def _branch(self, edge: Edge, cut: frozenset[int]) -> float:
        """Return what the branches of an edge come to."""
        one = self.line(edge.target, cut)
        if edge.each is None or one == 0:
            return one
        most = self.graph.field[edge.each.of].schema.get("maxItems")
        if most is None:
            most = self.items
        if most is None:
            self.unbounded.append(f"the list {edge.each.of!r} may have any length")
            return math.inf
        return one * int(most)

    def _walk(self, entry: int, part: _Part) -> float:
        """Return the dearest walk through the steps."""
        import networkx as nx  # noqa: PLC0415 - slow to load, and costs are not always asked for

        drawn: nx.DiGraph[int] = nx.DiGraph()
        drawn.add_nodes_from(part.steps)
        drawn.add_edges_from((i, s.target) for i, steps in part.steps.items() for s in steps if s.target >= 0)
        value: dict[int, float] = {-1: 0.0}
        # Components come so that those behind others are done first.
        for component in nx.strongly_connected_components(drawn):
            first = min(component)
            if len(component) == 1 and not drawn.has_edge(first, first):
                value[first] = self.weight(self.graph.nodes[first]) + self._onwards(first, part, value)
                continue
            total = self._round_and_round(component, part)
            out = max(
                (s.cost + value[s.target] for i in component for s in part.steps[i] if s.target not in component),
                default=0.0,
            )
            value.update(dict.fromkeys(component, total + out))
        return value[entry]

    def _onwards(self, index: int, part: _Part, value: dict[int, float]) -> float:
        steps = [s.cost + value[s.target] for s in part.steps[index]]
        if index not in part.together:
            return max(steps, default=0.0)
        normal = sum(e.on_error is None for e in self.graph.nodes[index].edges)
        return max([sum(steps[:normal]), *steps[normal:]])

    def _round_and_round(self, component: Collection[int], part: _Part) -> float:
        """Return what a line comes to at most inside a set of nodes that all reach each other."""
        bounded = [s for i in component for s in part.steps[i] if s.target in component and s.at_most is not None]
        piece = self._piece(component, part)
        rounds = sum(s.at_most for s in bounded if s.at_most is not None)
        crossing = sum(s.cost * s.at_most for s in bounded if s.at_most is not None)
        total = math.inf if piece is None else piece * (rounds + 1) + crossing
        names = self._cycle(component, part)
        if piece is None and total > 0:
            if self._is_free(component, part):
                return 0.0
            self.unbounded.append(f"nothing bounds the cycle {' → '.join(names)}")
        else:
            self.loops.append(Loop(names, rounds, total))
        return total

    def _is_free(self, component: Collection[int], part: _Part) -> bool:
        """Tell whether going round costs nothing."""
        return all(self.weight(self.graph.nodes[i]) == 0 and all(s.cost == 0 for s in part.steps[i]) for i in component)

    def _piece(self, component: Collection[int], part: _Part) -> float | None:
        """Return the dearest walk that crosses no bounded edge; None if it may go round for ever."""
        import networkx as nx  # noqa: PLC0415 - as above

        free: nx.DiGraph[int] = nx.DiGraph()
        free.add_nodes_from(component)
        for i in component:
            for s in part.steps[i]:
                if s.target in component and s.at_most is None:
                    before = free.get_edge_data(i, s.target, {"cost": 0.0})["cost"]
                    free.add_edge(i, s.target, cost=max(before, s.cost))
        if not nx.is_directed_acyclic_graph(free):
            return None
        dearest: dict[int, float] = {}
        for i in reversed(list(nx.topological_sort(free))):
            on = max((free.edges[i, k]["cost"] + dearest[k] for k in free.successors(i)), default=0.0)
            dearest[i] = self.weight(self.graph.nodes[i]) + on
        return max(dearest.values())

    def _cycle(self, component: Collection[int], part: _Part) -> tuple[str, ...]:
        """Return a cycle through the first node of a component, shortest first."""
        first = min(component)
        came, todo = {first: -1}, [first]
        for i in todo:
            for s in part.steps[i]:
                if s.target == first:
                    back = [first]
                    while i != -1:
                        back.append(i)
                        i = came[i]  # noqa: PLW2901 - the loop ends here
                    return tuple(self.graph.nodes[k].name for k in reversed(back))
                if s.target in component and s.target not in came:
                    came[s.target] = i
                    todo.append(s.target)
        return ()


class _Requests(_Bound):
    """The requests of an agent, seen from inside."""

    def weight(self, node: Node) -> float:
        """Return the requests of one visit."""
        if node.graph is not None:
            return super().weight(node)
        named = any(n.name in _TALKS for n in self.graph.nodes)
        talks = node.name in _TALKS if named else node.kind == "task" and "tools" not in node.about
        return 1.0 if talks else 0.0
