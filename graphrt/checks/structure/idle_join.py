"""A join at which no two lines can meet.

It waits for branches that no fork opens, or that another join has gathered already, so it does nothing: either the fork
was written as plain edges, of which only one is taken, or the join can go.

Example:
    class Claim(BaseModel):
        text: str
        facts: Annotated[list[str], append] = []


    flow = Flow("claim", Claim)
    s = flow.state


    @flow.task
    def begin() -> None: ...


    @flow.task(writes=s.facts)
    def policy(text: str) -> str: ...


    @flow.task(writes=s.facts)
    def history(text: str) -> str: ...


    known = flow.join("known")
    flow.edge(begin, policy, when=matches(s.text, "policy"))
    flow.edge(begin, history)
    flow.edge([policy, history], known)

Instead:
    class Claim(BaseModel):
        text: str
        facts: Annotated[list[str], append] = []


    flow = Flow("claim", Claim)
    s = flow.state


    @flow.task
    def begin() -> None: ...


    @flow.task(writes=s.facts)
    def policy(text: str) -> str: ...


    @flow.task(writes=s.facts)
    def history(text: str) -> str: ...


    known = flow.join("known")
    flow.fork(begin, [policy, history])
    flow.edge([policy, history], known)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    gathering = {j for branches in at.branches.values() for b in branches for j in b.stops}
    for n in at.nodes:
        if n.kind != "join" or n.index in gathering or n.index not in at.reachable:
            continue
        why = "the branches of every fork before it have been gathered" if at.branches else "the graph has no fork"
        yield Found(
            message=f"join {n.name!r} never has more than one line to wait for: {why}; fork before it (flow.fork,"
            " flow.each), or remove it",
            node=n,
        )


RULE = Rule("GR107", "idle-join", "warning", _find, __doc__)
