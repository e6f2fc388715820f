"""Where graphrt answers otherwise than a scenario expects, or decides what peers dispute: the reason, and what it does.

A scenario that stands here is checked against its entry; its own expectations hold beside, as far as the entry does not
replace them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Difference:
    """One deliberate answer."""

    because: str
    """The rule that decides."""
    instead: dict[str, Any] = field(default_factory=dict[str, Any])
    """Replaces keys of `expect`; None takes one out."""


_NO_ROUTE = {"status": "failed", "error": {"type": "NoRoute"}}

DIFFERENCES: dict[str, Difference] = {
    "choice-none-matches": Difference(
        "nothing ends silently because no edge matched: NoRoute lists the verdicts", _NO_ROUTE
    ),
    "wcp-06-0": Difference(
        "the same holds for a fork node: at least one edge must match, or one without a guard be there", _NO_ROUTE
    ),
    "ctk-switch-implicit": Difference(
        "a switch that may end has an edge to an end; an unmatched one is a mistake", _NO_ROUTE
    ),
    "fsm-unknown-event": Difference(
        "an ask that names no answers takes any value of its field; no edge for it is NoRoute",
        _NO_ROUTE,
    ),
    "join-even-none": Difference(
        "a node that is not a join and is reached by two branches is visited twice, also at the same moment",
        {"steps": [["a"], ["b", "c"], ["d", "d"]], "counts": {"d": 2}},
    ),
    "join-branch-not-taken": Difference(
        "a join waits for the branches that were started, not for the edges that are drawn: it never starves",
        {
            "status": "completed",
            "steps": [["a"], ["b"], ["d"]],
            "counts": {"c": 0, "d": 1},
            "state": {"log": ["a", "b", "d"]},
        },
    ),
    "map-empty": Difference(
        "a closing join fires also when nothing arrives: `each` over an empty list goes on behind its join",
        {"status": "completed", "counts": {"work": 0, "end": 1}},
    ),
    "nest-parent-goto": Difference(
        "an inner graph is left at its end only, and what it wrote is kept; an edge of the node around it leads on",
        {"state": {"log": ["a1", "b1", "out"]}},
    ),
    "val-no-start": Difference(
        "the start is the one node without an incoming edge, unless another is named",
        {"status": "completed", "sequence": ["a", "b"]},
    ),
    "scxml-355": Difference(
        "the start is the one node without an incoming edge", {"status": "completed", "sequence": ["s0", "s1"]}
    ),
    "val-duplicate-edge": Difference(
        "two edges to one node are two edges (they may differ in action or guard): a fork over both visits it twice",
        {"status": "completed", "counts": {"b": 2}},
    ),
    "val-mixed-guarded-plain": Difference(
        "a fork node tries every edge, guarded or not",
        {"status": "completed", "steps": [["a"], ["b", "c"]]},
    ),
    "val-reserved-name": Difference(
        "no name of a node is reserved", {"status": "completed", "sequence": ["a", "__end__"]}
    ),
    "scxml-286": Difference(
        "what a node writes is known before anything runs: an unknown field refuses the graph",
        {"status": "invalid_graph"},
    ),
    "scxml-309": Difference(
        "a guard that raises fails the run and says so",
        {"status": "failed", "error": {"type": "GuardError"}, "counts": {"yes": 0, "no": 0}},
    ),
}
