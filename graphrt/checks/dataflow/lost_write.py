"""A write that nothing ever reads."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import edge_text


@rule("GR302", "lost-write", "warning")
@each_node
def lost_write(at: Subject, node: Node) -> Finds:
    if node.index not in at.reachable:
        return
    after = at.liveness.after(node)
    for name in node.writes:
        if name in after:
            continue
        yield Found(
            f"what {node.name!r} writes to {name!r} {_fate(at, node.index, name)}; remove the write, write"
            " another field, or read it before",
        )
    for e in node.edges:
        live = at.liveness.set_on(e)
        for c in e.set:
            if at.is_open(e) and c.field not in live:
                yield Found(
                    f"what edge {e.index + 1} ({edge_text(at.graph, e)}) sets {c.field!r} to"
                    f" {_fate(at, e.target, c.field)}; remove the assignment, or read it before",
                    edge=e,
                )


def _fate(at: Subject, index: int, name: str) -> str:
    """Say what becomes of a write that nobody reads."""
    way = at.path(at.after[index] or [index], lambda i: name in at.nodes[i].writes)
    if not way:
        return "is read by nothing"
    return f"is replaced by {at.nodes[way[-1]].name!r} before anything reads it"
