"""A node to which no edge leads that a run can take.

It is drawn and read by people, but it never runs. Either the edge that should lead to it was forgotten or leads
elsewhere, or every edge to it has a guard or an answer that cannot come (then that edge has a finding of its own).

Example:
    class Ticket(BaseModel):
        message: str
        reply: str = ""


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.reply)
    def answer(message: str) -> str: ...


    @flow.task
    def apologise(reply: str) -> None: ...


    flow.start(answer)

Instead:
    class Ticket(BaseModel):
        message: str
        reply: str = ""


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.reply)
    def answer(message: str) -> str: ...


    @flow.task
    def apologise(reply: str) -> None: ...


    flow.edge(answer, apologise)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    start = at.nodes[at.graph.start].name
    leading = {e.target: e.source for n in at.nodes for e in n.edges}
    for n in at.nodes:
        if n.index in at.reachable:
            continue
        if n.index not in leading:
            why = "no edge leads to it; lead one to it or remove it"
        elif any(i in at.reachable for i in range(len(at.nodes)) if _leads(at, i, n.index)):
            why = "every edge that leads to it can never be taken; mend those edges or remove it"
        else:
            why = "only unreachable nodes lead to it; lead an edge to the first of them or remove them"
        yield Found(message=f"node {n.name!r} cannot be reached from {start!r}: {why}", node=n)


def _leads(at: Subject, source: int, target: int) -> bool:
    return any(e.target == target for e in at.nodes[source].edges)


RULE = Rule("GR101", "unreachable-node", "error", _find, __doc__, mistakes=("unreachable",))
