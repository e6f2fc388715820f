"""A question that a run waits with, and that offers other answers today.

Whoever was asked saw the old answers, and may give one that is refused now, or that leads nowhere. Answer such runs
before the change, or keep the old answers beside the new ones. Looked for by `graphrt check --against RUNS`.

Recorded:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state
    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision)
    run = flow.run_sync(Ticket(draft="A kettle is a vessel."), run_id="k3v9x2mq7p")

Example:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "discard"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state
    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision)

Instead:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state
    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision)
    flow.edge(approve, flow.end("sent"), on="send")
    flow.edge(approve, flow.end("dropped"), on="drop")
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
    if at.is_inside:
        return
    for r in at.settings.against:
        for a in r.asked:
            gone = [answer for answer in a.before if answer not in a.now]
            if a.now and (gone or not a.before):
                offered = listed(gone) if gone else "any answer"
                yield Found(
                    message=f"run {r.run} waits at visit {a.visit} ({a.node}) for an answer and offered {offered},"
                    f" which is none of {listed(a.now)} any more; answer it before the change, or keep the answer",
                    node=at.graph.by_name.get(a.node),
                )


RULE = Rule("GR603", "changed-question", "error", _find, __doc__, beside=("GR601",))
