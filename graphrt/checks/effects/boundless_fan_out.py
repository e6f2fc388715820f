"""A branch per item of a list that a model writes, of any length."""

from __future__ import annotations

from graphrt.checks.elements import is_model
from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR404", "boundless-fan-out", "warning")
def boundless_fan_out(at: Subject) -> Finds:
    if at.has_limits:
        return
    for n in at.nodes:
        for e in n.edges:
            if e.each is None or at.graph.field[e.each.of].schema.get("maxItems") is not None:
                continue
            model = next((at.nodes[w] for w in at.writers[e.each.of] if is_model(at.nodes[w])), None)
            if model is None:
                continue
            yield Found(
                f"{n.name!r} starts a branch per item of {e.each.of!r}, a list of any length"
                f" that {model.name!r} has a model write: how much a run does is up to the model; bound the list by"
                " Field(max_length=…), or give the flow Limits",
                node=n,
                edge=e,
                nodes=(model.name,),
            )
