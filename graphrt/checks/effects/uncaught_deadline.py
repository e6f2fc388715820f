"""A question with a deadline, and no edge for the case that it passes."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule

_CATCHES = frozenset({"DeadlinePassed", "RunError", "GraphrtError", "Exception"})


@rule("GR407", "uncaught-deadline", "warning")
@each_node
def uncaught_deadline(at: Subject, node: Node) -> Finds:
    if node.deadline_s is not None and not any(e.on_error in _CATCHES for e in node.edges):
        yield Found(
            f"{node.name!r} has a deadline, but no edge for when it passes, so the run fails then; add an"
            " edge with on=DeadlinePassed",
        )
