"""An answer of a router or a question for which no edge leads on."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import listed


@rule("GR209", "unanswered-choice", "error", mistakes=("unanswered",))
@each_node
def unanswered_choice(at: Subject, node: Node) -> Finds:
    edges = [e for e in node.edges if e.on_error is None]
    if not edges or any(e.on is None for e in edges):
        return
    silent = [a for a in node.answers if all(e.on != a for e in edges)]
    if silent:
        yield Found(
            f"{node.name!r} can answer {listed(silent)}, but no edge says where to go; add an edge with on="
            " for each, or one edge without on= for the rest",
        )
