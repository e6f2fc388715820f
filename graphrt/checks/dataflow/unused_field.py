"""A field of the state that no node and no edge reads or writes."""

from __future__ import annotations

from graphrt.checks.elements import declared_at
from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR303", "unused-field", "warning")
def unused_field(at: Subject) -> Finds:
    if at.is_inside:
        return  # a flow that others use may carry fields for them
    used = {name for i in range(len(at.nodes)) for name in at.reads(i)}
    for f in at.graph.fields:
        if f.name in used or at.writers[f.name]:
            continue
        must = ", though every caller must give it" if f.required else ""
        yield Found(
            f"nothing in the flow reads or writes field {f.name!r}{must}; remove it, or use it",
            place=declared_at(at.graph.state_type, f.name),
        )
