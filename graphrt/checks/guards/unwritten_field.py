"""A guard over a field that nothing in the flow writes.

The field begins as None, or gathers what is written through its reducer, so it is there to be filled by the flow; but
no node and no edge does. The guard says the same in every run, unless the caller happens to give the field a value. A
field with a default of its own is taken for a setting that callers give, and is left alone.

Example:
    class Ticket(BaseModel):
        message: str
        reply: str = ""
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.reply)
    def draft(message: str) -> str: ...


    @flow.task
    def send(reply: str) -> None: ...


    dropped = flow.end("dropped")
    flow.edge(draft, send, when=s.decision == "send")
    flow.edge(draft, dropped)

Instead:
    class Ticket(BaseModel):
        message: str
        reply: str = ""
        decision: Literal["send", "drop"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.reply)
    def draft(message: str) -> str: ...


    @flow.task
    def send(reply: str) -> None: ...


    decide = flow.ask("decide", "Send it?", reads=s.reply, writes=s.decision)
    dropped = flow.end("dropped")
    flow.edge(draft, decide)
    flow.edge(decide, send, on="send")
    flow.edge(decide, dropped, on="drop")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.checks.wording import edge_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    if at.is_inside:
        return  # what surrounds a flow fills its fields
    for f in at.graph.fields:
        if at.writers[f.name] or (f.reducer is None and f.default_json is not None):
            continue
        for n in at.nodes:
            for e in n.edges:
                if e.when is None or f.name not in e.when.reads:
                    continue
                yield Found(
                    message=f"the guard of edge {e.index} ({edge_text(at.graph, e)}) reads {f.name!r}, which nothing"
                    " writes; write it before, or guard by another field",
                    node=n,
                    edge=e,
                )


RULE = Rule("GR207", "unwritten-field", "warning", _find, __doc__)
