"""Which edges a visit is left by: the edges of each node by outcome, and the verdict on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graphrt.branches import Joins
from graphrt.entering import Entry
from graphrt.errors import GuardError, NoRoute
from graphrt.events import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.graph import Edge, Graph, Node
    from graphrt.inputs import ErrorInfo
    from graphrt.lines import Visit

Taken: TypeAlias = "list[tuple[Edge, Sequence[Any] | None]]"
"""Edges that are taken; of an `each` edge, with the items that it starts a branch for."""

SURE: Final = (Verdict(0, "taken"),)
"""The verdicts of a node with one edge that is always taken."""


class Ways:
    """Edges that a node may be left by, in the order of the definition."""

    __slots__ = ("edges", "untried")

    def __init__(self, edges: tuple[Edge, ...]) -> None:
        self.edges = edges
        self.untried = tuple([Verdict(e.index, "not tried") for e in edges])
        """That verdict of each of them: what stands behind the one that was taken."""


_NO_WAYS: Final = Ways(())


def _ways(edges: list[Edge]) -> Ways:
    return Ways(tuple(edges)) if edges else _NO_WAYS


class Exit:
    """What a graph says of one node: how it is left, and what its work is, or how the graph inside of it begins."""

    __slots__ = ("choices", "entry", "errors", "hops", "plain", "policies", "sure", "works")

    def __init__(self, graph: Graph, node: Node, joins: Joins) -> None:
        normal = tuple([e for e in node.edges if e.on_error is None])
        labels = sorted({e.on for e in normal if e.on is not None})
        self.plain = _ways([e for e in normal if e.on is None])
        """For the plain outcome, and for answers that no edge names."""
        self.choices = {a: _ways([e for e in normal if e.on is None or e.on == a]) for a in labels}
        """By answer."""
        self.errors = tuple([e for e in node.edges if e.on_error is not None])
        self.hops = tuple([joins.is_hop(edge) for edge in node.edges])
        """By edge: whether crossing it alone can make nothing fire."""
        self.sure: Taken | None = None
        """Of a node with one edge that is always taken: that edge, as `leave` wants it."""
        only = normal[0] if len(normal) == 1 and normal[0].index == 0 else None
        if only is not None and only.on is None and only.when is None and only.at_most is None and only.each is None:
            self.sure = [(only, None)]
        self.works = node.graph is None and node.kind not in {"ask", "end", "join"}
        """Whether a visit of the node is an attempt at its work."""
        self.entry = Entry(graph, node) if node.graph is not None else None
        """How the graph inside of it begins, if it has one."""
        self.policies = (*graph.policies, *node.policies)
        """What was said about requests to models, in the graph and the node, outermost first."""

    def ways(self, outcome: str | None) -> Ways:
        """Return the edges for a good outcome."""
        return self.plain if outcome is None else self.choices.get(outcome, self.plain)


class Plan:
    """A graph prepared for stepping: its joins, and what it says of each node."""

    __slots__ = ("exits", "graph", "joins")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.joins = Joins(graph)
        self.exits = [Exit(graph, node, self.joins) for node in graph.nodes]
        """By the index of the node."""


def judge(visit: Visit, ways: Ways, *, every: bool) -> tuple[list[Verdict], Taken]:
    """Try edges in the order of the definition; stop at the first that matches unless `every` match is wanted.

    Raises:
        GuardError: a guard raised, or what an `each` edge goes over is no list.
    """
    state, crossed = visit.line.state, visit.line.crossed
    verdicts: list[Verdict] = []
    taken: Taken = []
    for edge in ways.edges:
        count = values = items = None
        if edge.at_most is not None:
            count = crossed.get((edge.source, edge.index), 0)
            if count >= edge.at_most:
                verdicts.append(Verdict(edge.index, "used up", None, count))
                continue
        guard = edge.when
        if guard is not None:
            try:
                true, values = guard.evaluate(state)
            except Exception as error:
                raise _guard_error(visit, edge, error) from error
            if not true:
                verdicts.append(Verdict(edge.index, "false", values, count))
                continue
        if edge.each is not None:
            items = state[edge.each.of]
            count = _size(visit, edge, items)
        verdicts.append(Verdict(edge.index, "taken", values, count))
        taken.append((edge, items))
        if not every:
            verdicts += ways.untried[len(verdicts) :]
            break
    return verdicts, taken


def plan_of(graph: Graph) -> Plan:
    """Return the plan of a graph; made once and kept with it."""
    plan = graph.__dict__.get("_plan")
    if plan is None:
        plan = Plan(graph)
        object.__setattr__(graph, "_plan", plan)
    return plan


def catches(edge: Edge, error: ErrorInfo) -> bool:
    """Say whether an error edge is for this error."""
    return edge.on_error == error.type or edge.on_error in error.lineage


def no_route(
    graph: Graph, visit: Visit, outcome: str | None, edges: Sequence[Edge], verdicts: Sequence[Verdict]
) -> NoRoute:
    """Return the error of a visit that no edge leads away from."""
    node = visit.node
    tried: list[str] = []
    for edge, verdict in zip(edges, verdicts, strict=True):
        values = ", ".join(f"{k} = {v!r}" for k, v in (verdict.values or {}).items())
        text = edge.when.text if edge.when is not None else "always"
        why = (
            f"{verdict.count} of {edge.at_most} used"
            if verdict.result == "used up"
            else f"{text} is false ({values})"
            if values
            else text
        )
        tried.append(f"-> {graph.nodes[edge.target].name}: {why}")
    ended = f"answered {outcome!r}" if outcome is not None else "completed"
    listed = "; ".join(tried) or f"no edge leads on for {outcome!r}"
    message = (
        f"{node.name!r} (visit {visit.id}) {ended}, but none of its edges matches: {listed}."
        " Add an edge without a guard as the last one, or widen a guard, then resume"
    )
    return NoRoute(message, node=node.name, visit=visit.id, outcome=outcome)


def _size(visit: Visit, edge: Edge, items: Any) -> int:  # noqa: ANN401 - whatever the state holds
    """Return how many branches an `each` edge starts."""
    try:
        return len(items)
    except TypeError:
        assert edge.each is not None, "only an `each` edge has items"
        node = visit.node.name
        message = (
            f"edge {edge.index + 1} of {node!r} (visit {visit.id}) starts a branch for each of {edge.each.of!r},"
            f" which is {items!r}; it takes a list"
        )
        raise GuardError(message, node=node, visit=visit.id, edge=edge.index) from None


def _guard_error(visit: Visit, edge: Edge, error: Exception) -> GuardError:
    text = edge.when.text if edge.when is not None else ""
    node = visit.node.name
    where = f"edge {edge.index + 1} of {node!r} (visit {visit.id})"
    message = f"the guard {text!r} of {where} raised {type(error).__name__}: {error}"
    return GuardError(message, node=node, visit=visit.id, edge=edge.index)
