"""A question with a deadline, and no edge for the case that it passes.

When nobody answers in time, the run fails. An edge with `on=DeadlinePassed` says what happens instead.

Example:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state
    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision, deadline="24h")
    sent, dropped = flow.end("sent"), flow.end("dropped")
    flow.edge(approve, sent, on="send")
    flow.edge(approve, dropped, on="drop")

Instead:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state
    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision, deadline="24h")
    sent, dropped = flow.end("sent"), flow.end("dropped")
    flow.edge(approve, sent, on="send")
    flow.edge(approve, dropped, on="drop")
    flow.edge(approve, dropped, on=DeadlinePassed)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject

_CATCHES = frozenset({"DeadlinePassed", "RunError", "GraphrtError", "Exception"})


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        if n.deadline_s is not None and not any(e.on_error in _CATCHES for e in n.edges):
            yield Found(
                message=f"{n.name!r} has a deadline, but no edge for when it passes, so the run fails then; add an"
                " edge with on=DeadlinePassed",
                node=n,
            )


RULE = Rule("GR407", "uncaught-deadline", "warning", _find, __doc__)
