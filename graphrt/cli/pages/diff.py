"""What a step changed in the state: each field with its value before and after, graph by graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.cli.pages.state import UNKNOWN, value_text
from graphrt.cli.screen import line, wrapped
from graphrt.cli.steps import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from graphrt.cli.screen import Part
    from graphrt.cli.steps import Change, Step, Walk


def lines(walk: Walk, step: Step, width: int) -> list[Text]:
    """Return the changes, with signs so that no colour is needed."""
    if not step.levels:
        return [line(UNKNOWN)]
    rows: list[Text] = []
    for level in step.levels:
        changes = level.changes()
        if changes and (level.around or len(step.levels) > 1):
            where = f"inside {walk.told.visits[level.around].name}" if level.around else "in the run"
            rows.append(line((where, "dim")))
        for change in changes:
            rows.append(line((change.field, "bold")))
            rows += [row for part in _sides(change) for row in wrapped(line(part), width)]
    return rows or [line(("this step changed nothing", "dim"))]


def _sides(change: Change) -> Iterator[Part]:
    if change.added is not None:
        for value in change.added:
            yield f"  + {value_text(value)}", "green"
        return
    if change.old is not MISSING:
        yield f"  - {value_text(change.old)}", "red"
    yield f"  + {value_text(change.new)}", "green"
