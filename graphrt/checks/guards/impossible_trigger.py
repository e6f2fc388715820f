"""An edge that waits for an outcome which its node never has."""

from __future__ import annotations

from graphrt.checks.elements import covering, untriggered
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import edge_text


@rule("GR208", "impossible-trigger", "error", mistakes=("impossible-answer", "on-answer"))
@each_node
def impossible_trigger(at: Subject, node: Node) -> Finds:
    for e in untriggered(node):
        if covering(node, e) is not None:
            continue
        lacks = "has no deadline" if node.kind == "ask" and e.on_error == "DeadlinePassed" else "never has it"
        if node.kind == "join":
            lacks = "waits for all branches"
        yield Found(
            f"edge {e.index + 1} ({edge_text(at.graph, e)}) is never taken: {node.kind} {node.name!r} {lacks}"
            f"{at.cut_off([e])};"
            f" {'give it deadline=' if node.kind == 'ask' else 'give it wait='}, or remove the edge",
            edge=e,
        )
