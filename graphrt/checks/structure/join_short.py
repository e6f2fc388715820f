"""A join that waits for more branches than its fork can start.

It never has enough: the run always comes to the outcome `JoinShort`, and fails unless an edge catches that.

Example:
    class Poll(BaseModel):
        text: str
        votes: Annotated[list[bool], append] = []


    flow = Flow("poll", Poll)
    s = flow.state


    @flow.task
    def begin() -> None: ...


    @flow.task(writes=s.votes)
    def first(text: str) -> bool: ...


    @flow.task(writes=s.votes)
    def second(text: str) -> bool: ...


    decided = flow.join("decided", wait=3)
    flow.fork(begin, [first, second])
    flow.edge([first, second], decided)

Instead:
    class Poll(BaseModel):
        text: str
        votes: Annotated[list[bool], append] = []


    flow = Flow("poll", Poll)
    s = flow.state


    @flow.task
    def begin() -> None: ...


    @flow.task(writes=s.votes)
    def first(text: str) -> bool: ...


    @flow.task(writes=s.votes)
    def second(text: str) -> bool: ...


    decided = flow.join("decided", wait=2)
    flow.fork(begin, [first, second])
    flow.edge([first, second], decided)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.branching import Branch
    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        if n.kind != "join" or n.wait is None or n.opener not in at.branches:
            continue
        coming = [
            b
            for b in at.branches[n.opener]
            if b.edge is not None and at.path([b.edge.target], n.index.__eq__, [n.opener])
        ]
        inner = any(n.index in b.stops for f, bs in at.branches.items() if f != n.opener for b in bs)
        most = float("inf") if inner else sum(_branches(at, b) for b in coming)
        if most < n.wait:
            fork = at.nodes[n.opener].name
            yield Found(
                message=f"join {n.name!r} waits for {n.wait} branches, but {fork!r} starts at most {most:g} that come"
                " to it: the outcome is always JoinShort; wait for fewer, or fork to more nodes",
                node=n,
                nodes=(fork,),
            )


def _branches(at: Subject, branch: Branch) -> float:
    """Return how many branches an edge starts at most."""
    if branch.edge is None or branch.edge.each is None:
        return 1
    most = at.graph.field[branch.edge.each.of].schema.get("maxItems")
    return float("inf") if most is None else float(most)


RULE = Rule("GR111", "join-short", "error", _find, __doc__)
