"""A node to which nothing leads from the start.

It is drawn and read by people, but it never runs: the edge that should lead to it was forgotten or leads elsewhere.
Where there is such an edge and it can never be taken, that edge has the finding, and names the nodes that it cuts off.

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
    leading = {e.target for n in at.nodes for e in n.edges}
    for n in at.nodes:
        if n.index in at.drawn.reachable:
            continue
        if n.index in leading:
            why = "only unreachable nodes lead to it; lead an edge to the first of them or remove them"
        else:
            why = "no edge leads to it; lead one to it or remove it"
        yield Found(message=f"node {n.name!r} cannot be reached from {start!r}: {why}", node=n)


RULE = Rule("GR101", "unreachable-node", "error", _find, __doc__, mistakes=("unreachable",))
