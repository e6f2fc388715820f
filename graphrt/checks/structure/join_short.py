"""A join that waits for more branches than its fork can start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule

if TYPE_CHECKING:
    from graphrt.checks.branching import Branch


@rule("GR111", "join-short", "error")
@each_node
def join_short(at: Subject, node: Node) -> Finds:
    if node.kind != "join" or node.wait is None or node.opener not in at.branches:
        return
    coming = [
        b
        for b in at.branches[node.opener]
        if b.edge is not None and at.path([b.edge.target], node.index.__eq__, [node.opener])
    ]
    inner = any(node.index in b.stops for f, bs in at.branches.items() if f != node.opener for b in bs)
    most = float("inf") if inner else sum(_branches(at, b) for b in coming)
    if most < node.wait:
        fork = at.nodes[node.opener].name
        yield Found(
            f"join {node.name!r} waits for {node.wait} branches, but {fork!r} starts at most {most:g} that come"
            " to it: the outcome is always JoinShort; wait for fewer, or fork to more nodes",
            nodes=(fork,),
        )


def _branches(at: Subject, branch: Branch) -> float:
    """Return how many branches an edge starts at most."""
    if branch.edge is None or branch.edge.each is None:
        return 1
    most = at.graph.field[branch.edge.each.of].schema.get("maxItems")
    return float("inf") if most is None else float(most)
