"""What was said around a step: to a model and by it, to a tool and by it, also inside agents.

Messages of the state are told as a conversation, each with a bar at its side, new ones marked. Where an agent keeps
none, since it asks its model only once, it is told what it was given and what it made of that.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from graphrt import inputs as i
from graphrt.cli.said import messages_in, objects_in, text_of, who
from graphrt.cli.screen import brief_json, json_text, line, wrapped
from graphrt.cli.steps import around

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.text import Text

    from graphrt.cli.screen import Part
    from graphrt.cli.steps import Level, Step, Walk
    from graphrt.inputs import Json

_STYLES: Final = {"user": "cyan", "assistant": "green", "tool": "magenta", "system": "yellow"}
_LONG: Final = 4_000
_FEW_ITEMS: Final = 40
_NEW: Final = "•"
_BAR: Final = "│"


def lines(walk: Walk, step: Step, width: int) -> list[Text]:
    """Return what was said in every graph that the step is inside of; new messages are marked."""
    rows: list[Text] = []
    asked = _asked_a_model(step)
    if asked and (text := _instructions(walk, step)):
        rows += _bubble(" ", "instructions", "system", text.splitlines(), width)
    before = len(rows)
    for level in reversed(step.levels):
        for name, said in _conversations(level):
            where = f" inside {walk.told.visits[level.around].name}" if level.around else ""
            rows.append(line((f"{name}{where}", "dim")))
            old = _length_before(level, name)
            for number, message in enumerate(said):
                rows += _told(message, _NEW if number >= old else " ", width)
    if asked and len(rows) == before:
        rows += _exchange(step, width)
    return rows or [line(("nothing was said here: no field of the state holds messages", "dim"))]


def focus(page: list[Text]) -> int:
    """Return the first new message, else the last line."""
    return next((k for k, row in enumerate(page) if row.plain.startswith(_NEW)), len(page) - 1)


# ---- an agent without a conversation


def _asked_a_model(step: Step) -> bool:
    given = step.record.input
    if not isinstance(given, (i.AttemptSucceeded, i.AttemptFailed)):
        return False
    return given.usage is not None and given.usage.model is not None


def _instructions(walk: Walk, step: Step) -> str:
    """Return the instructions of the agent that a step asks the model for."""
    if step.visit is None:
        return ""
    agent = walk.told.visits.get(around(step.visit.id), step.visit)
    found = agent.node.about.get("instructions") or step.visit.node.about.get("instructions")
    return found.strip() if isinstance(found, str) else ""


def _exchange(step: Step, width: int) -> Iterator[Text]:
    """Yield what a model was given and what it answered, from the fields that were read and written."""
    given = step.record.input
    if step.saw:
        yield from _bubble(" ", "read", "user", _fields(step.saw), width)
    if isinstance(given, i.AttemptSucceeded) and given.writes:
        yield from _bubble(_NEW, "answer", "assistant", _fields(given.writes), width)


def _fields(values: Mapping[str, Json]) -> list[Part]:
    """Return the fields that hold something; all of them if none does."""
    full = {name: value for name, value in values.items() if value not in ("", None, [], {})}
    return [row for name, value in (full or values).items() for row in _named(name, value)]


# ---- messages


def _conversations(level: Level) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the fields that hold messages, a lone one as well."""
    for name, value in level.after.items():
        if said := messages_in(level.fields[name].encode_state_value(value)):
            yield name, said


def _length_before(level: Level, name: str) -> int:
    before = level.before.get(name) if level.before is not None else None
    known: Json = level.fields[name].encode_state_value(before) if before is not None else []
    return len(cast("list[Json]", known)) if isinstance(known, list) else int(before == level.after[name])


def _told(message: dict[str, Any], mark: str, width: int) -> list[Text]:
    """Return a message: who speaks, what is said, which tools are called with what."""
    role = str(message["role"])
    speaker = "instructions" if role == "system" else who(message)
    if role == "tool":
        speaker = f"{message.get('name', 'tool')} {'failed' if message.get('failed') else 'gave back'}"
    rows: list[Part] = list(_said(text_of(message), as_data=role == "tool"))
    for call in objects_in(message.get("tool_calls")):
        rows.append(line("calls ", (str(call.get("name")), "bold")))
        given: Json = call.get("raw") or call.get("arguments")
        if isinstance(given, dict):
            rows += [
                line("  ", row) for name, value in cast("dict[str, Json]", given).items() for row in _named(name, value)
            ]
        else:
            rows.append(f"  {brief_json(given, 200)}")
    return _bubble(mark, speaker, "failed" if message.get("failed") else role, rows, width)


def _said(text: str, *, as_data: bool) -> Iterator[Part]:
    """Yield the lines of a text; what a tool gave back is laid out if it is a list or an object."""
    shown = text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text)} characters)"
    if as_data and text[:1] in {"[", "{"} and len(text) <= _LONG:
        try:
            value: Json = json.loads(text)
        except ValueError:
            pass
        else:
            yield from _laid_out(value)
            return
    yield from shown.splitlines()


def _laid_out(value: Json) -> Iterator[Part]:
    """Yield an item or a field of a value a line."""
    if isinstance(value, list):
        items = cast("list[Json]", value)
        yield from (line(("-  ", "dim"), _plain(item)) for item in items[:_FEW_ITEMS])
        if len(items) > _FEW_ITEMS:
            yield f"… {len(items) - _FEW_ITEMS} more", "dim"
    elif isinstance(value, dict):
        for name, part in cast("dict[str, Json]", value).items():
            yield from _named(name, part)
    else:
        yield _plain(value)


def _named(name: str, value: Json) -> Iterator[Part]:
    """Yield a value behind its name; the further lines of a text below."""
    first, *more = (_plain(value)[:_LONG] or '""').splitlines() or [""]
    yield line((f"{name}  ", "dim"), first)
    for row in more:
        yield f"  {row}"


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else json_text(value, indent=None)


def _bubble(mark: str, speaker: str, role: str, said: list[Part] | list[str], width: int) -> list[Text]:
    """Return what somebody said below their name, with a bar at its side."""
    style = "red" if role == "failed" else _STYLES.get(role, "")
    rows = [line(f"{mark} ", (speaker, f"bold {style}".strip()))]
    for part in said:
        rows += [line((f"  {_BAR} ", style), row) for row in wrapped(line(part), max(8, width - 4))]
    return rows
