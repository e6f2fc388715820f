"""An edge that waits for an outcome which its node never has.

A question without a deadline never ends in `DeadlinePassed`, a join that waits for all branches never in `JoinShort`.
The edge is drawn, but no run takes it: the deadline or the `wait=` was forgotten.

Example:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state
    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision)
    sent, dropped, late = flow.end("sent"), flow.end("dropped"), flow.end("late")
    flow.edge(approve, sent, on="send")
    flow.edge(approve, dropped, on="drop")
    flow.edge(approve, late, on=DeadlinePassed)

Instead:
    class Ticket(BaseModel):
        draft: str
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state
    approve = flow.ask("approve", "Send it?", reads=s.draft, writes=s.decision, deadline="24h")
    sent, dropped, late = flow.end("sent"), flow.end("dropped"), flow.end("late")
    flow.edge(approve, sent, on="send")
    flow.edge(approve, dropped, on="drop")
    flow.edge(approve, late, on=DeadlinePassed)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.elements import covering, untriggered
from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.checks.wording import edge_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        for e in untriggered(n):
            if covering(n, e) is not None:
                continue
            lacks = "has no deadline" if n.kind == "ask" and e.on_error == "DeadlinePassed" else "never has it"
            if n.kind == "join":
                lacks = "waits for all branches"
            yield Found(
                message=f"edge {e.index} ({edge_text(at.graph, e)}) is never taken: {n.kind} {n.name!r} {lacks}"
                f"{at.cut_off([e])};"
                f" {'give it deadline=' if n.kind == 'ask' else 'give it wait='}, or remove the edge",
                node=n,
                edge=e,
            )


RULE = Rule("GR208", "impossible-trigger", "error", _find, __doc__, mistakes=("impossible-answer", "on-answer"))
