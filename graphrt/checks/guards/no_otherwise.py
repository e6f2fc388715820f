"""A node all of whose edges are guarded, where it cannot be decided that one of them always matches."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule


@rule("GR206", "no-otherwise", "warning")
@each_node
def no_otherwise(at: Subject, node: Node) -> Finds:
    decision = at.decisions[node.index]
    if not decision.is_open or decision.gap is not None:
        return
    guards = [e.when.text for e in node.edges if e.when is not None and e.on_error is None]
    shown = "; ".join(guards[:3]) + ("; …" if len(guards) > 3 else "")
    why = "" if decision.is_complete else ", because there are too many cases to try"
    yield Found(
        f"it is not decided whether one of the guards of {node.name!r} always holds{why} ({shown}): a state in"
        " which none does fails the run with NoRoute; add a last edge without when=",
    )
