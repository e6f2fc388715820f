"""A node that leads into a part of the graph from which no end can be reached.

Other ways through the graph come to an end, this one does not: whoever takes it goes round until a limit stops the run,
or fails. The part that is never left has a finding of its own (`endless-cycle`); this one says where a run goes astray.

Example:
    class Ticket(BaseModel):
        message: str
        topic: Literal["billing", "bug"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task
    def invoice(message: str) -> None: ...


    @flow.task
    def reproduce(message: str) -> None: ...


    @flow.task
    def log(message: str) -> None: ...


    def topic_of(message: str) -> Literal["billing", "bug"]: ...


    triage = flow.router("triage", topic_of, writes=s.topic)
    flow.edge(triage, invoice, on="billing")
    flow.edge(triage, reproduce, on="bug")
    flow.edge(reproduce, log)
    flow.edge(log, log)

Instead:
    class Ticket(BaseModel):
        message: str
        topic: Literal["billing", "bug"] | None = None


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task
    def invoice(message: str) -> None: ...


    @flow.task
    def reproduce(message: str) -> None: ...


    @flow.task
    def log(message: str) -> None: ...


    def topic_of(message: str) -> Literal["billing", "bug"]: ...


    triage = flow.router("triage", topic_of, writes=s.topic)
    flow.edge(triage, invoice, on="billing")
    flow.edge(triage, reproduce, on="bug")
    flow.edge(reproduce, log)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        i = n.index
        if i in at.ending or i not in at.reachable or i in at.cycle_of:
            continue
        if not any(p in at.ending for p in at.prior[i]):
            continue
        caught = at.path([i], lambda k: k in at.cycle_of or not at.after[k])
        way = at.path([at.graph.start], i.__eq__)
        yield Found(
            message=f"from {n.name!r} on no end can be reached: it leads to {at.nodes[caught[-1]].name!r}, which is"
            " never left; lead an edge from there to an end",
            node=n,
            path=at.names((*way, *caught[1:])),
        )


RULE = Rule("GR102", "no-way-out", "error", _find, __doc__, beside=("GR103",))
