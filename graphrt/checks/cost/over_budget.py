"""A flow that may do more than its budget allows, or of which nobody can say how much it does at most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.checks.settings import Settings
from graphrt.checks.worst import worst

if TYPE_CHECKING:
    from graphrt.checks.worst import What, Worst


@rule("GR501", "over-budget", "error", settings=Settings(max_visits=20))
def over_budget(at: Subject) -> Finds:
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
            f"a run may make {_how_many(bound)} {called}, more than the {budget} of the budget{_why(bound)}",
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
