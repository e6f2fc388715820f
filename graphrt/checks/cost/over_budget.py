"""A flow that may do more than its budget allows, or of which nobody can say how much it does at most.

Looked for where a budget is given: `graphrt check --max-visits 50 --max-requests 20`, or in the settings. The bound is
that of the worst case: the dearest choice everywhere, every `at_most` used up, every list as long as its type allows.
The finding names the loop that most of it comes from, or what has no bound. Attempts that are retried count once. For
the example, the budget is 20 visits.

Example:
    class Essay(BaseModel):
        topic: str
        draft: str = ""
        score: float = 0.0


    flow = Flow("essay", Essay)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(draft: str) -> float: ...


    write = flow.agent("write", Agent("Write an essay."), reads=s.topic, writes=s.draft)
    done = flow.end("done")
    flow.start(write)
    flow.edge(write, grade)
    flow.edge(grade, write, when=s.score < 0.8, at_most=10)
    flow.edge(grade, done)

Instead:
    class Essay(BaseModel):
        topic: str
        draft: str = ""
        score: float = 0.0


    flow = Flow("essay", Essay)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(draft: str) -> float: ...


    write = flow.agent("write", Agent("Write an essay."), reads=s.topic, writes=s.draft)
    done = flow.end("done")
    flow.start(write)
    flow.edge(write, grade)
    flow.edge(grade, write, when=s.score < 0.8, at_most=3)
    flow.edge(grade, done)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.checks.settings import Settings
from graphrt.checks.worst import worst

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject
    from graphrt.checks.worst import What, Worst


def _find(at: Subject) -> Iterator[Found]:
    if at.is_inside:
        return  # its cost is part of the whole
    budgets: tuple[tuple[What, int | None, str], ...] = (
        ("visits", at.settings.max_visits, "visits"),
        ("requests", at.settings.max_requests, "requests to models"),
    )
    for what, budget, called in budgets:
        if budget is None:
            continue
        bound = worst(at.graph, what, at.settings.items)
        if bound.most <= budget:
            continue
        yield Found(
            message=f"a run may make {_how_many(bound)} {called}, more than the {budget} of the budget{_why(bound)}",
            path=bound.loop.nodes if bound.loop is not None else (),
        )


def _how_many(bound: Worst) -> str:
    return "any number of" if math.isinf(bound.most) else f"{bound.most:,.0f}"


def _why(bound: Worst) -> str:
    if bound.unbounded:
        return f": {'; '.join(bound.unbounded)}; bound it (at_most=, Field(max_length=…)) or give the flow Limits"
    if bound.loop is not None and bound.loop.cost > bound.most / 2:
        rounds = f"{bound.loop.rounds} more round{'s' if bound.loop.rounds != 1 else ''}"
        return f": {bound.loop.cost:,.0f} of them in the loop {' → '.join(bound.loop.nodes)}, with up to {rounds}"
    return "; leave steps out, or allow more"


RULE = Rule("GR501", "over-budget", "error", _find, __doc__, settings=Settings(max_visits=20))
