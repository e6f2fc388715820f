"""Which edges a visit is left by: the edges of each node by outcome, and the verdict on each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graphrt.branches import Joins
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


class Plan:
    """A graph prepared for stepping: edges by outcome, joins, and the plans of the graphs inside."""

    __slots__ = ("choices", "errors", "graph", "hops", "joins", "plain", "sure", "untried", "works")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.joins = Joins(graph)
        self.plain: list[tuple[Edge, ...]] = []
        self.choices: list[dict[str, tuple[Edge, ...]] | None] = []
        self.errors: list[tuple[Edge, ...]] = []
        self.sure: list[Taken | None] = []
        """For a node with one edge that is always taken: that edge, as `leave` wants it."""
        self.hops = [tuple(self._is_hop(e) for e in n.edges) for n in graph.nodes]
        """By node and edge: whether crossing it alone can make nothing fire (see `Joins.hops`)."""
        self.works = [n.graph is None and n.kind not in {"ask", "end", "join"} for n in graph.nodes]
        """Whether a visit of the node is an attempt at its work."""
        most = max((len(n.edges) for n in graph.nodes), default=0)
        self.untried = [Verdict(i, "not tried") for i in range(most)]
        """That verdict, by the index of the edge."""
        for n in graph.nodes:
            normal = tuple(e for e in n.edges if e.on_error is None)
            self.errors.append(tuple(e for e in n.edges if e.on_error is not None))
            self.plain.append(tuple(e for e in normal if e.on is None))
            labels = sorted({e.on for e in normal if e.on is not None})
            self.choices.append(
                {a: tuple(e for e in normal if e.on is None or e.on == a) for a in labels} if labels else None
            )
            only = normal[0] if len(normal) == 1 and normal[0].index == 0 else None
            always = (
                only is not None
                and only.on is None
                and only.when is None
                and only.at_most is None
                and only.each is None
            )
            self.sure.append([(only, None)] if only is not None and always else None)

    def _is_hop(self, edge: Edge) -> bool:
        return self.joins.hops[edge.source] and edge.each is None and self.graph.nodes[edge.target].kind != "join"

    def edges(self, node: Node, outcome: str | None) -> tuple[Edge, ...]:
        """Return the edges for a good outcome, in the order of the definition."""
        by_answer = self.choices[node.index]
        if outcome is None or by_answer is None:
            return self.plain[node.index]
        return by_answer.get(outcome, self.plain[node.index])

    def judge(self, visit: Visit, edges: tuple[Edge, ...], *, every: bool) -> tuple[list[Verdict], Taken]:
        """Try edges in the order of the definition; stop at the first that matches unless `every` match is wanted.

        Raises:
            GuardError: a guard raised, or what an `each` edge goes over is no list.
        """
        state, crossed = visit.line.state, visit.line.crossed
        verdicts: list[Verdict] = []
        untried = self.untried
        taken: Taken = []
        for edge in edges:
            if taken and not every:
                verdicts.append(untried[edge.index])
                continue
            count = None
            if edge.at_most is not None:
                count = crossed.get((edge.source, edge.index), 0)
                if count >= edge.at_most:
                    verdicts.append(Verdict(edge.index, "used up", None, count))
                    continue
            values = None
            if edge.when is not None:
                try:
                    true, values = edge.when.evaluate(state)
                except Exception as error:
                    raise _guard_error(visit, edge, error) from error
            else:
                true = True
            if not true:
                verdicts.append(Verdict(edge.index, "false", values, count))
                continue
            items = None
            if edge.each is not None:
                items = state[edge.each.of]
                count = _size(visit, edge, items)
            verdicts.append(Verdict(edge.index, "taken", values, count))
            taken.append((edge, items))
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
