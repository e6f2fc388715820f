"""A state in which no edge of a node matches."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import when_text


@rule("GR201", "guard-gap", "error")
@each_node
def guard_gap(at: Subject, node: Node) -> Finds:
    shown = at.decisions[node.index].gap
    if shown is None:
        return
    when = when_text(shown, node)
    yield Found(
        f"{when}: no edge of {node.name!r} matches, and the run fails with NoRoute; add a last edge without"
        " when=, or widen a guard",
        witness=shown.witness,
    )
