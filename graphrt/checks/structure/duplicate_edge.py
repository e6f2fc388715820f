"""Two edges of a node that say the same: same target, trigger, guard and actions.

At a node that takes the first match, the second is never reached, or only repeats the first once that is used up, which
makes `at_most` mean something else than it says. At a fork, both are taken and the target is visited twice.

Example:
    class Essay(BaseModel):
        draft: str
        score: float = 0.0


    flow = Flow("essay", Essay)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(draft: str) -> float: ...


    @flow.task(writes=s.draft)
    def mend(draft: str) -> str: ...


    done = flow.end("done")
    flow.start(grade)
    flow.edge(grade, mend, when=s.score < 0.8, at_most=3)
    flow.edge(grade, mend, when=s.score < 0.8, at_most=3)
    flow.edge(grade, done)
    flow.edge(mend, grade)

Instead:
    class Essay(BaseModel):
        draft: str
        score: float = 0.0


    flow = Flow("essay", Essay)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(draft: str) -> float: ...


    @flow.task(writes=s.draft)
    def mend(draft: str) -> str: ...


    done = flow.end("done")
    flow.start(grade)
    flow.edge(grade, mend, when=s.score < 0.8, at_most=6)
    flow.edge(grade, done)
    flow.edge(mend, grade)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject
    from graphrt.graph import Edge


def _find(at: Subject) -> Iterator[Found]:
    for n in at.nodes:
        for e in n.edges:
            first = next((other for other in n.edges[: e.index] if _same(other, e)), None)
            if first is None:
                continue
            target = at.nodes[e.target].name
            if n.fork and e.on_error is None:
                then = f"both are taken, and {target!r} is visited twice"
            elif first.at_most is None:
                then = "the second is never taken"
            elif e.at_most is None:
                then = f"the second takes over when the first is used up, so at_most={first.at_most} bounds nothing"
            else:
                then = f"together they bound nothing at {first.at_most} but at {first.at_most + e.at_most}"
            yield Found(
                message=f"edges {first.index} and {e.index} of {n.name!r} both lead to {target!r} on the same"
                f" conditions: {then}; remove one",
                node=n,
                edge=e,
                nodes=(target,),
            )


def _same(one: Edge, other: Edge) -> bool:
    return (
        one.target == other.target
        and one.on == other.on
        and one.on_error == other.on_error
        and one.when == other.when
        and one.set == other.set
        and one.each == other.each
        and one.local == other.local
    )


RULE = Rule("GR106", "duplicate-edge", "warning", _find, __doc__)
