"""A guard that holds in every state that can come to it."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import edge_text


@rule("GR204", "needless-guard", "warning")
@each_node
def needless_guard(at: Subject, node: Node) -> Finds:
    decision = at.decisions[node.index]
    for e in node.edges:
        if e.index in decision.always and e.index not in decision.never:
            yield Found(
                f"the guard of edge {e.index + 1} ({edge_text(at.graph, e)}) holds in every state that can"
                " come here; leave it out, or mend it",
                edge=e,
            )
