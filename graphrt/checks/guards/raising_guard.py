"""A guard that cannot be computed in some state."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import edge_text, when_text


@rule("GR205", "raising-guard", "error")
@each_node
def raising_guard(at: Subject, node: Node) -> Finds:
    for index, (shown, error) in sorted(at.decisions[node.index].raising.items()):
        e = node.edges[index]
        yield Found(
            f"{when_text(shown, node)}: the guard of edge {index + 1} ({edge_text(at.graph, e)}) raises"
            f" {error}; ask is_none first",
            edge=e,
            witness=shown.witness,
        )
