"""Why a visit was left as it was: what `graphrt why` tells, as it was known at the step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.cli.commands.why import reasons
from graphrt.cli.screen import line, wrapped

if TYPE_CHECKING:
    from rich.text import Text

    from graphrt.cli.steps import Step, Walk


def lines(walk: Walk, step: Step, width: int) -> list[Text]:
    """Return every edge tried, and what its guard read."""
    if step.visit is None:
        return [line(("no visit ended in this step", "dim"))]
    told = walk.past.at(step.record.seq + 1)
    return [row for part in reasons(told, told.visits[step.visit.id], width) for row in wrapped(line(part), width)]
