"""A run that has not ended, and cannot be resumed under today's definition.

It has gone a way that the flow no longer has: a node was renamed or removed, or edges were put in another order, so
that its visits have other places. Keep the old name, finish such runs with the old code first, or cancel them. Looked
for by `graphrt check --against RUNS`.

Recorded:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task
    def begin(draft: str) -> None: ...


    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision)
    flow.edge(begin, approve)
    run = flow.run_sync(Ticket(draft="A kettle is a vessel."), run_id="k3v9x2mq7p")

Example:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task
    def begin(draft: str) -> None: ...


    release = flow.ask("release", "Send it?", reads=s.draft, writes=s.decision)
    flow.edge(begin, release)

Instead:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task
    def begin(draft: str) -> None: ...


    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision)
    flow.edge(begin, approve)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    if at.is_inside:
        return
    for r in at.settings.against:
        if r.lost is not None:
            yield Found(message=f"run {r.run} has not ended and could not be resumed: {r.lost}")


RULE = Rule("GR602", "not-resumable", "error", _find, __doc__, beside=("GR601",))
