"""The state of the line that a step is about, after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from rich.cells import cell_len

from graphrt.cli.screen import json_text, line, wrapped

if TYPE_CHECKING:
    from rich.text import Text

    from graphrt.cli.steps import Step, Walk
    from graphrt.inputs import Json

UNKNOWN: Final = ("the state is not known here", "dim")
_LONG_VALUE: Final = 2_000


def lines(walk: Walk, step: Step, width: int) -> list[Text]:
    """Return the fields with their values; what the step changed is marked."""
    if not step.levels:
        return [line(UNKNOWN)]
    level = step.levels[0]
    changed = {c.field for c in level.changes()}
    values = step.state()
    widest = min(20, max((cell_len(n) for n in values), default=0))
    rows: list[Text] = []
    if level.around:
        rows.append(line((f"inside {walk.told.visits[level.around].name}", "dim")))
    for name, value in values.items():
        mark, style = ("•", "bold yellow") if name in changed else (" ", "bold")
        head = line((f"{mark} {name}", style), " " * max(0, widest - cell_len(name)), "  ")
        rows += wrapped(line(head, value_text(value)), width)
    return rows


def value_text(value: Json) -> str:
    """Return a value as JSON, of a very long one the beginning."""
    if isinstance(value, list) and len(items := cast("list[Json]", value)) > _LONG_VALUE:
        return f"{json_text(items[:_LONG_VALUE], indent=None)[:_LONG_VALUE]}… ({len(items)} items)"
    text = json_text(value, indent=None)
    return text if len(text) <= _LONG_VALUE else f"{text[:_LONG_VALUE]}… ({len(text)} characters)"
