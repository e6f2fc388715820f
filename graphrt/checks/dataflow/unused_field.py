"""A field of the state that no node and no edge reads or writes."""

from __future__ import annotations

import inspect
import re

from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.definition import place_text


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
            place=_place(at.graph.state_type, f.name),
        )


def _place(state_type: type | None, name: str) -> str | None:
    """Return where a field is declared, if the source is at hand."""
    if state_type is None:
        return None
    try:
        lines, first = inspect.getsourcelines(state_type)
        file = inspect.getsourcefile(state_type)
    except (OSError, TypeError):
        return None
    for number, line in enumerate(lines, first):
        if re.match(rf"\s+{re.escape(name)}\s*:", line):
            return place_text((file or "?", number))
    return None
