"""Answers to questions of a run: which question is meant, what it admits, and asking a person at a terminal.

Where the code of the flow is at hand, the run itself says whether an answer fits. Without it, the type that the trace
has of the field says so.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from graphrt.errors import AnswerRefused, UseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.text import Text

    from graphrt.cli.screen import Part
    from graphrt.fields import Field
    from graphrt.inputs import Json
    from graphrt.told import Account, VisitAccount

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def open_questions(told: Account) -> list[VisitAccount]:
    """Return the visits of a run that wait for an answer.

    Raises:
        UseError: none does; says how the run stands.
    """
    waiting = [v for v in told.visits.values() if v.status == "waiting"]
    if told.status in {"completed", "failed", "cancelled"}:
        again = "" if told.status == "completed" else f"; `graphrt resume {told.run}` lets it go on"
        raise UseError(f"run {told.run} is {told.status}, so it takes no answer{again}", run=told.run)
    if not waiting:
        raise UseError(f"run {told.run} asks nothing now", run=told.run)
    return waiting


def which_question(told: Account, words: Sequence[str]) -> tuple[VisitAccount, str | None]:
    """Return the question that is meant and its answer, from what stands behind the run; None if it has to be asked.

    Raises:
        UseError: it is not clear which question is meant, or the visit named asks nothing.
    """
    from graphrt.cli.which import which_visit

    if len(words) > 2:
        raise UseError(f"expected RUN VISIT ANSWER, got {len(words)} words behind RUN; quote an answer that has spaces")
    waiting = open_questions(told)
    if len(words) == 2:
        visit = which_visit(told, words[0])
        if visit not in waiting:
            told_now = f"was answered {visit.answer!r}" if visit.answer is not None else "asks nothing now"
            message = f"{visit.name} (visit {visit.id}) {told_now}; open: {_listed(waiting)}"
            raise UseError(message, run=told.run, visit=visit.id)
        return visit, words[1]
    if len(waiting) == 1:
        return waiting[0], words[0] if words else None
    if words and (named := [v for v in waiting if words[0] in {v.id, v.name, v.node.name}]):
        if len(named) == 1:
            return named[0], None
        waiting = named
    raise UseError(f"run {told.run} asks {len(waiting)} things; say which: {_listed(waiting)}", run=told.run)


def _listed(waiting: Sequence[VisitAccount]) -> str:
    most = 5
    shown = "; ".join(f"{v.id} ({v.name}: {v.question})" for v in waiting[:most])
    return shown + (f"; and {len(waiting) - most} more" if len(waiting) > most else "")


def check(told: Account, visit: VisitAccount, answer: str) -> None:
    """See that an answer is one that the question admits, without the code of the flow.

    Raises:
        AnswerRefused: it is not; says what is expected.
    """
    where = f"{visit.question!r} (node {visit.node.name!r}, visit {visit.id})"
    if visit.answers:
        if answer not in visit.answers:
            expected = ", ".join(repr(a) for a in visit.answers)
            raise AnswerRefused(f"{answer!r} is no answer to {where}; expected one of {expected}", visit=visit.id)
        return
    field = field_of(told, visit)
    if field is not None and not any(_fits(field.schema, value, field.schema) for value in _spelt(answer)):
        raise AnswerRefused(f"{answer!r} is no answer to {where}; expected {field.type_text}", visit=visit.id)


def field_of(told: Account, visit: VisitAccount) -> Field | None:
    """Return the field that a question writes, as the trace knows it."""
    return told.graph_around(visit).field[visit.node.writes[0]] if visit.node.writes else None


def _spelt(answer: str) -> list[Json]:
    """Return what an answer may mean: its text, and the JSON that it spells."""
    try:
        return [answer, json.loads(answer)]
    except (ValueError, RecursionError):
        return [answer]


def _fits(schema: Json, value: Json, whole: Json) -> bool:
    """Say if a value may fit a JSON schema; what is not known here is left to whoever has the code."""
    if not isinstance(schema, dict):
        return True
    parts = cast("dict[str, Any]", schema)
    if isinstance(reference := parts.get("$ref"), str):
        return _fits(whole.get("$defs", {}).get(reference.rpartition("/")[2]), value, whole)
    if "const" in parts:
        return bool(parts["const"] == value)
    if "enum" in parts:
        return value in parts["enum"]
    for some in ("anyOf", "oneOf"):
        if some in parts:
            return any(_fits(one, value, whole) for one in parts[some])
    kinds = _KINDS.get(parts.get("type", ""))
    if kinds is None:
        return True
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


# -- a person ---------------------------------------------------------------------------------------------------------


def ask(told: Account, visit: VisitAccount) -> str:
    """Show a question on the terminal and return what is typed.

    Raises:
        UseError: there is nobody to ask.
        Abort: the person gave up.
        KeyboardInterrupt: the command was stopped.
    """
    from graphrt.cli.screen import note, say
    from graphrt.cli.stopping import asked

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        choice = "|".join(visit.answers) or "VALUE"
        message = f"{visit.name} (visit {visit.id}) asks: {visit.question} Say the answer: "
        raise UseError(f"{message}graphrt answer {told.run} {visit.id} {choice}")
    say(*question(visit))
    while True:
        typed = asked(prompt(told, visit), "nothing was answered; the question stays open")
        if not typed:
            continue
        try:
            return chosen(told, visit, typed)
        except AnswerRefused as error:
            note(error.message)


def question(visit: VisitAccount) -> Iterator[Part]:
    """Yield what is asked, what it is about, and the answers that can be chosen, if there are some."""
    from graphrt.cli.screen import line

    yield line((visit.name, "bold"), f" (visit {visit.id}) asks: {visit.question}")
    yield from what_about(visit)
    for number, choice in enumerate(visit.answers, 1):
        yield line((f"  {number}  ", "bold"), choice)


def prompt(told: Account, visit: VisitAccount) -> str:
    """Return what stands before the cursor where an answer is typed."""
    field = field_of(told, visit)
    wanted = f"1–{len(visit.answers)}, or the word" if visit.answers else field.type_text if field else "any text"
    return f"answer ({wanted})> "


def chosen(told: Account, visit: VisitAccount, typed: str) -> str:
    """Return the answer that is meant by what was typed: a word, or the number of one.

    Raises:
        AnswerRefused: it does not fit; says what does.
    """
    if typed.isdecimal() and typed not in visit.answers and 1 <= int(typed) <= len(visit.answers):
        return visit.answers[int(typed) - 1]
    check(told, visit, typed)
    return typed


def what_about(visit: VisitAccount, indent: str = "  ") -> Iterator[Text]:
    """Yield the values that a question shows to whoever answers it, nothing of them cut."""
    from graphrt.cli.screen import json_text, line
    from graphrt_viz.wording import visible

    for name, value in visit.reads.items():
        if isinstance(value, dict) and value.keys() >= {"id", "name", "arguments"}:
            call = cast("dict[str, Any]", value)  # of a tool
            yield line((f"{indent}tool  ", "dim"), (str(call["name"]), "bold"))
            arguments: dict[str, Json] = call["arguments"] or {}
            width = max(map(len, arguments), default=0)
            for argument, given in arguments.items():
                shown = visible(json_text(given, indent=None))
                yield line((f"{indent}  {argument:<{width}}  ", "dim"), shown)
        else:
            yield line((f"{indent}{name}  ", "dim"), visible(json_text(value, indent=None)))
