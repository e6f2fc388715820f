"""Two edges of a node that say the same: same target, trigger, guard and actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule

if TYPE_CHECKING:
    from graphrt.graph import Edge


@rule("GR106", "duplicate-edge", "warning")
@each_node
def duplicate_edge(at: Subject, node: Node) -> Finds:
    earlier: dict[int, list[Edge]] = {}
    for e in node.edges:
        before = earlier.setdefault(e.target, [])
        first = next((other for other in before if _same(other, e)), None)
        before.append(e)
        if first is None:
            continue
        target = at.nodes[e.target].name
        if node.fork and e.on_error is None:
            then = f"both are taken, and {target!r} is visited twice"
        elif first.at_most is None:
            then = "the second is never taken"
        elif e.at_most is None:
            then = f"the second takes over when the first is used up, so at_most={first.at_most} bounds nothing"
        else:
            then = f"together they bound nothing at {first.at_most} but at {first.at_most + e.at_most}"
        yield Found(
            f"edges {first.index + 1} and {e.index + 1} of {node.name!r} both lead to {target!r} on the same"
            f" conditions: {then}; remove one",
            edge=e,
            nodes=(target,),
        )


def _same(one: Edge, other: Edge) -> bool:
    return (
        one.target == other.target
        and one.on == other.on
        and one.on_error == other.on_error
        and one.when == other.when
        and one.set == other.set
        and one.each == other.each
        and one.local == other.local
    )
