"""An agent that nothing keeps from calling its tools for ever."""

from __future__ import annotations

from graphrt.checks.elements import is_model
from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR403", "boundless-agent", "warning")
def boundless_agent(at: Subject) -> Finds:
    if at.has_limits:
        return
    for n in at.nodes:
        if not is_model(n) or n.graph is None:
            continue
        inside = Subject(n.graph, at.settings, f"{at.name}/{n.name}")
        for part in inside.unbounded:
            cycle = inside.trail(inside.cycle(min(part), part))
            yield Found(
                f"nothing bounds how often agent {n.name!r} goes round ({cycle}); give an edge inside it"
                " at_most=…, or the flow Limits(visits=…)",
                node=n,
            )
