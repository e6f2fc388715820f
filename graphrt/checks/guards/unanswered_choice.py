"""An answer of a router or a question for which no edge leads on.

Other answers have edges, so the flow goes on after this node; with this answer the run fails with `NoRoute`. Add an
edge with `on=` for it, or one without `on=` for the rest.

Example:
    class Ticket(BaseModel):
        message: str
        topic: Literal["billing", "bug", "praise"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    def topic_of(message: str) -> Literal["billing", "bug", "praise"]: ...


    triage = flow.router("triage", topic_of, writes=s.topic)
    accounting, engineering = flow.end("accounting"), flow.end("engineering")
    flow.edge(triage, accounting, on="billing")
    flow.edge(triage, engineering, on="bug")

Instead:
    class Ticket(BaseModel):
        message: str
        topic: Literal["billing", "bug", "praise"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    def topic_of(message: str) -> Literal["billing", "bug", "praise"]: ...


    triage = flow.router("triage", topic_of, writes=s.topic)
    accounting, engineering = flow.end("accounting"), flow.end("engineering")
    flow.edge(triage, accounting, on="billing")
    flow.edge(triage, engineering)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.checks.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        edges = [e for e in n.edges if e.on_error is None]
        if not edges or any(e.on is None for e in edges):
            continue
        silent = [a for a in n.answers if all(e.on != a for e in edges)]
        if silent:
            yield Found(
                message=f"{n.name!r} can answer {listed(silent)}, but no edge says where to go; add an edge with on="
                " for each, or one edge without on= for the rest",
                node=n,
            )


RULE = Rule("GR209", "unanswered-choice", "error", _find, __doc__, mistakes=("unanswered",))
