"""A field of the state that no node and no edge reads or writes.

It comes out as it went in. A field that must be given, and that nothing looks at, is work for every caller.

Example:
    class Ticket(BaseModel):
        message: str
        urgency: int = 0
        reply: str = ""


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.reply)
    def answer(message: str) -> str: ...

Instead:
    class Ticket(BaseModel):
        message: str
        reply: str = ""


    flow = Flow("support", Ticket)
    s = flow.state


    @flow.task(writes=s.reply)
    def answer(message: str) -> str: ...
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule
from graphrt.definition import place_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    if at.is_inside:
        return  # a flow that others use may carry fields for them
    used = {name for i in range(len(at.nodes)) for name in at.reads(i)}
    for f in at.graph.fields:
        if f.name in used or at.writers[f.name]:
            continue
        must = ", though every caller must give it" if f.required else ""
        yield Found(
            message=f"nothing in the flow reads or writes field {f.name!r}{must}; remove it, or use it",
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


RULE = Rule("GR303", "unused-field", "warning", _find, __doc__)
