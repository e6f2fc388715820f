"""The messages in the state after a step: who said what to whom, also inside agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from graphrt.cli.said import messages_in, objects_in, text_of, who
from graphrt.cli.screen import brief_json, line, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from graphrt.cli.screen import Part
    from graphrt.cli.steps import Level, Step, Walk
    from graphrt.inputs import Json

_STYLES: Final = {"user": "bold cyan", "assistant": "bold green", "tool": "bold magenta", "system": "bold"}
_LONG: Final = 4_000
_NEW: Final = "•"


def lines(walk: Walk, step: Step, width: int) -> list[Text]:
    """Return the messages of every graph that the step is inside of; new ones are marked."""
    rows: list[Text] = []
    for level in reversed(step.levels):
        for name, said in _conversations(level):
            where = f" inside {walk.told.visits[level.around].name}" if level.around else ""
            rows.append(line((f"{name}{where}", "dim")))
            old = _length_before(level, name)
            for number, message in enumerate(said):
                mark = _NEW if number >= old else " "
                rows += [row for part in _told(message, mark) for row in wrapped(line(part), width)]
    return rows or [line(("no field of the state holds messages here", "dim"))]


def focus(page: list[Text]) -> int:
    """Return the first new message, else the last line."""
    return next((k for k, row in enumerate(page) if row.plain.startswith(_NEW)), len(page) - 1)


def _conversations(level: Level) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the fields that hold messages, a lone one as well."""
    for name, value in level.after.items():
        if said := messages_in(level.fields[name].encode_state_value(value)):
            yield name, said


def _length_before(level: Level, name: str) -> int:
    before = level.before.get(name) if level.before is not None else None
    known: Json = level.fields[name].encode_state_value(before) if before is not None else []
    return len(cast("list[Json]", known)) if isinstance(known, list) else int(before == level.after[name])


def _told(message: dict[str, Any], mark: str) -> Iterator[Part]:
    """Yield a message: who speaks, then what is said, each line of it below."""
    failed = " (failed)" if message.get("failed") else ""
    yield f"{mark} {who(message)}{failed}", _STYLES.get(str(message["role"]), "bold")
    text = text_of(message)
    for row in (text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text)} characters)").splitlines():
        yield f"    {row}"
    for call in objects_in(message.get("tool_calls")):
        yield f"    calls {call.get('name')} {brief_json(call.get('arguments'), 200)}", "magenta"
