"""An edge that is never taken, because the edges before it take everything that it would."""

from __future__ import annotations

from graphrt.checks.elements import covering
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import edge_text


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
        who = f"edge {by.index} ({edge_text(at.graph, by)})" if by is not None else "the edges before it"
        yield Found(
            f"edge {e.index} ({edge_text(at.graph, e)}) is never taken: {who}"
            f" {'take' if by is None else 'takes'} everything that it would"
            f"{at.cut_off([e])}; put it first, or remove it",
            edge=e,
        )
