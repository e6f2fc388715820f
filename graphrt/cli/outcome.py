"""How a run ended, for people and for programs, and what can be done next."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any, Final

from graphrt.cli import exits
from graphrt.cli.answers import what_about
from graphrt.cli.arguments import DEFAULT_STORE
from graphrt.cli.said import messages_in, text_of, who
from graphrt.cli.screen import console, json_text, line, say, say_json, wrapped
from graphrt.cli.telling import bill, can_go_on, error_text, moment, status_text, times, where
from graphrt.errors import InDoubt
from graphrt_viz.wording import lines_visible, plural, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from graphrt.cli.screen import Part
    from graphrt.graph import Graph
    from graphrt.inputs import Json
    from graphrt.runtime import Result
    from graphrt.told import Account, VisitAccount

_WIDTH: Final = 100
"""How wide text is where no terminal says it."""
_LINES: Final = 8
"""Lines of a value that are shown at most …"""
_LESS: Final = 3
"""… and of a run that did not complete."""
_MOST_TEXT: Final = 20_000
"""Characters of a value that are looked at."""


def tell(
    result: Result[Any], told: Account, graph: Graph, *, store: str, as_json: bool = False, compact: bool = False
) -> int:
    """Tell on standard output how a run ended, `compact` in one line; return the exit code that says so."""
    if as_json:
        say_json(_as_json(result, told, graph), indent=None if compact else 2)
    else:
        say(*_lines(result, told, graph, store))
    return exits.OF_STATUS[result.status]


def again(command: str, store: str) -> str:
    """Return a command as it is to be typed, with the store that it needs."""
    known = os.environ.get("GRAPHRT_STORE") or DEFAULT_STORE
    return f"graphrt {command}" + ("" if store == known else f" --store {shlex.quote(store)}")


def state_of(result: Result[Any], graph: Graph) -> dict[str, Json]:
    """Return the final state, or that of the main line so far, as JSON in the order of the fields."""
    values = dict(result.state) if result.status == "completed" else result.partial
    return {f.name: f.encode_state_value(values[f.name]) for f in graph.fields if f.name in values}


# -- for people -------------------------------------------------------------------------------------------------------


def _lines(result: Result[Any], told: Account, graph: Graph, store: str) -> Iterator[Part]:
    """Yield the state, then how the run ended: what a person has to know or to do stands last."""
    screen = console()
    completed = result.status == "completed"
    if not completed:
        yield "state so far:", "dim"
    width = screen.width if screen.is_terminal else _WIDTH
    state = state_of(result, graph)
    reply = _reply(graph, state) if completed else None
    yield from _fields(
        {name: value for name, value in state.items() if reply is None or name != "messages"},
        width,
        _LINES if completed else _LESS,
    )
    if reply is not None:
        yield from _said(reply, width)
    yield _headline(told)
    if result.error is not None:
        yield f"  {error_text(result.error)}", "red"
        yield from _raised_at(result)
    yield from in_doubt(told)
    for visit in _questions(told):
        yield from _question(visit)
    if not store.startswith("memory:"):
        yield from _next(told, store, screen.width)


def _reply(graph: Graph, state: dict[str, Json]) -> str | None:
    """Return what was answered in the end where the flow is a conversation; None if it is none, or nobody answered."""
    from graphrt.configurations.state import hears

    said = messages_in(state.get("messages")) if hears(graph.field.get("messages")) else []
    return (text_of(said[-1]) or None) if said and said[-1]["role"] == "assistant" else None


def _said(text: str, width: int) -> Iterator[Text]:
    """Yield the lines of what a model said, as it reads; a very long text is cut."""
    shown = text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}… ({len(text):,} characters)"
    for part in lines_visible(shown.strip("\n")).split("\n"):
        for row in wrapped(line(part), max(20, width - 2)):
            yield line("  ", row) if row.plain else row


def _headline(told: Account) -> Text:
    at = ""
    if told.failed_at is not None:
        at = f" at {where(told, told.failed_at)}"
    elif told.cancelled_by:
        at = f" by {told.cancelled_by}"
    elif told.status == "completed" and told.ends:
        at = f" at {', '.join(told.ends)}"
    totals = told.totals
    parts = [plural(totals.visits, "visit")]
    if totals.retries:
        parts.append("1 retry" if totals.retries == 1 else f"{totals.retries} retries")
    parts += [*bill(told), *times(totals)]
    return line(status_text(told.status), at, (f"  {' · '.join(parts)}", "dim"))


def in_doubt(told: Account) -> Iterator[Part]:
    """Yield the attempts that were cut off by a crash, and what became of their visits."""
    for visit in told.visits.values():
        for attempt in visit.attempts:
            if attempt.lost:
                what = f"attempt {attempt.number} of {visit.name} (visit {visit.id}) was cut off"
                yield f"  in doubt: {what}; its effect may have taken place", "yellow"


def _raised_at(result: Result[Any]) -> Iterator[Part]:
    """Yield where in the author's code an error was raised, if it was raised in this process."""
    from graphrt.cli.target import place_of
    from graphrt.errors import RunFailed

    try:
        result.unwrap()
    except RunFailed as error:
        cause = error.__cause__
        if cause is not None and (place := place_of(cause)) is not None:
            for row in place.split("\n"):
                yield f"  {row}", "dim"


def _questions(told: Account) -> list[VisitAccount]:
    return [told.visits[q] for q in told.questions]


def _question(visit: VisitAccount) -> Iterator[Part]:
    yield line("  ", (visit.name, "bold"), f" (visit {visit.id}) asks: {visit.question}")
    yield from what_about(visit, "    ")
    if visit.answers:
        yield f"  answers: {', '.join(visit.answers)}"
    elif visit.node.writes:
        yield f"  answer: a value of {visit.node.writes[0]}"
    if visit.due is not None:
        yield f"  until {moment(visit.due)}"


def _fields(state: dict[str, Json], width: int, most: int) -> Iterator[Text]:
    label = max((len(name) for name in state), default=0)
    for name, value in state.items():
        head = f"  {name:<{label}}  "
        rows = list(_value(value, max(20, width - len(head)), most))
        for k, row in enumerate(rows):
            yield line((head, "dim") if k == 0 else " " * len(head), row)


def _value(value: Json, width: int, most: int) -> Iterator[Part]:
    """Yield the lines of a value: JSON if it is short, else wrapped; a long text, and messages, as they read."""
    if said := messages_in(value):
        yield from _messages(said, width, most)
        return
    text = json_text(value, indent=None)
    if len(text) > width and isinstance(value, str):
        text = lines_visible(value)
    left = len(text) - _MOST_TEXT
    text = text[:_MOST_TEXT]
    rows = [row for part in text.split("\n") for row in wrapped(line(part), width)]
    if len(rows) > most + 1 or left > 0:
        more = f"… {len(rows) - most} more lines" if left <= 0 else "… much more"
        rows = [*rows[:most], line((more, "dim"))]
    yield from rows


def _messages(said: Sequence[dict[str, Any]], width: int, most: int) -> Iterator[Part]:
    """Yield a line for each message, the last `most` of them."""
    if len(said) > most:
        yield f"… {plural(len(said) - most, 'message')} before", "dim"
    for message in said[-most:]:
        name = who(message)
        yield line((name, "dim"), f"  {shorten(text_of(message), max(10, width - len(name) - 2))}")


def _next(told: Account, store: str, room: int) -> Iterator[Part]:
    """Yield what to type next."""
    run = told.run
    hints = [(again(f"answer {run} {v.id} ANSWER", store), "answers it, and goes on") for v in _questions(told)]
    if told.status == "failed":
        hints.append((again(f"why {run}", store), "why it went there"))
        if told.error is not None and told.error.type == InDoubt.__name__ and "visit" in told.error.detail:
            at = told.error.detail["visit"]
            hints.append((again(f"fork {run} --at {at}", store), "does it again, in a run of its own"))
        elif can_go_on(told):
            hints.append((again(f"resume {run}", store), "tries again from there, once the cause is mended"))
    elif told.status == "cancelled":
        hints.append((again(f"resume {run}", store), "goes on all the same"))
    elif told.status == "completed":
        hints.append((again(f"render {run} -o {run}.svg", store), "draws it on its flow"))
    hints.append((again(f"show {run}", store), "every step"))
    width = max(len(command) for command, _ in hints)
    explained = all(width + 2 + len(says) <= room for _, says in hints)
    for command, says in hints:
        yield line((f"{command:<{width}}  ", "bold"), (says, "dim")) if explained else line((command, "bold"))


# -- for programs -----------------------------------------------------------------------------------------------------


def _as_json(result: Result[Any], told: Account, graph: Graph) -> dict[str, Json]:
    import msgspec

    error = result.error
    state = state_of(result, graph)
    return {
        "run": result.run,
        "flow": told.flow,
        "status": result.status,
        "end": told.ends[0] if len(told.ends) == 1 else None,
        "ends": list(told.ends),
        "state": state if result.status == "completed" else None,
        "partial": None if result.status == "completed" else state,
        "error": None if error is None else msgspec.to_builtins(error),
        "failed_at": told.failed_at,
        "questions": [
            {
                "visit": v.id,
                "node": v.node.name,
                "question": v.question,
                "answers": list(v.answers),
                "due": v.due,
                "reads": v.reads,
            }
            for v in _questions(told)
        ],
        "in_doubt": [
            {"visit": v.id, "node": v.node.name, "attempt": a.number}
            for v in told.visits.values()
            for a in v.attempts
            if a.lost
        ],
        "totals": msgspec.to_builtins(told.totals),
    }
