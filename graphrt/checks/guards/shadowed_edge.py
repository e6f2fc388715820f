"""An edge that is never taken, because the edges before it take everything that it would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.elements import covering
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import edge_text

if TYPE_CHECKING:
    from graphrt.graph import Edge


@rule("GR202", "shadowed-edge", "error")
@each_node
def shadowed_edge(at: Subject, node: Node) -> Finds:
    never = at.decisions[node.index].never
    for e in node.edges:
        by = covering(node, e)
        if by is None and never.get(e.index) != "covered":
            continue
        if by is None:
            before = [o for o in node.edges[: e.index] if o.on_error is None and o.on in {None, e.on}]
            whole = next((o for o in before if o.when is None and o.at_most is None), None)
            by = whole or (before[0] if len(before) == 1 else None)
        who = f"edge {by.index + 1} ({edge_text(at.graph, by)})" if by is not None else "the edges before it"
        yield Found(
            f"edge {e.index + 1} ({edge_text(at.graph, e)}) is never taken: {who}"
            f" {'take' if by is None else 'takes'} everything that it would"
            f"{at.cut_off([e])}; {_remedy(at, node, e, by)}",
            edge=e,
        )


def _remedy(at: Subject, node: Node, edge: Edge, by: Edge | None) -> str:
    """Return what to do; two edges without a condition are how other libraries write a fork."""
    if by is not None and _is_plain(by) and _is_plain(edge) and node.kind == "task":
        names = ", ".join(at.graph.nodes[e.target].name for e in node.edges if _is_plain(e))
        return f"to start both at once write flow.fork({node.name}, [{names}]); else put it first, or remove it"
    return "put it first, or remove it"


def _is_plain(edge: Edge) -> bool:
    return edge.when is None and edge.on is None and edge.on_error is None and edge.each is None
