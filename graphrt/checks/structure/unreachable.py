"""A node to which nothing leads from the start."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR101", "unreachable-node", "error", mistakes=("unreachable",))
def unreachable_node(at: Subject) -> Finds:
    start = at.nodes[at.graph.start].name
    leading = {e.target for n in at.nodes for e in n.edges}
    for n in at.nodes:
        if n.index in at.drawn.reachable:
            continue
        if n.index in leading:
            why = "only unreachable nodes lead to it; lead an edge to the first of them or remove them"
        else:
            why = "no edge leads to it; lead one to it or remove it"
        yield Found(f"node {n.name!r} cannot be reached from {start!r}: {why}", node=n)
