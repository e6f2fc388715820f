"""What a person gives a flow to begin with: `--input` and `--field`, read, checked and made a state.

Everything is checked before anything runs, and all that is wrong is told at once.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from graphrt.errors import InputRefused, UseError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from graphrt.fields import Field
    from graphrt.graph import Graph
    from graphrt.inputs import Json

_MOST: Final = 64 * 1024 * 1024
"""Bytes of an input at most: what one record of a trace can hold."""
_NEAR: Final = 12
"""Characters that are shown before and behind a mistake."""


def read_state(graph: Graph, given: str | None, fields: Sequence[str] = ()) -> BaseModel:
    """Return the state that a run of `graph` begins with.

    Args:
        graph: its fields say what is expected.
        given: a JSON object, `@FILE` with one, `-` for standard input, or the plain text of the one required text
            field, or of a message to a conversation; None for nothing.
        fields: `name=value` each, beside the input and before it.

    Raises:
        UseError: it cannot be read.
        InputRefused: it does not fit; tells everything that does not.
    """
    values = {} if given is None else _read(graph, given)
    values |= _read_fields(graph, fields)
    return _state(graph, values)


# -- reading ----------------------------------------------------------------------------------------------------------


def _read(graph: Graph, given: str) -> dict[str, Json]:
    text, source = _text(given)
    problem: ValueError | RecursionError | None = None
    try:
        value: Json = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        problem, value = error, None
    if isinstance(value, dict):
        return cast("dict[str, Json]", value)
    field = _text_field(graph)
    if field is not None and not text.lstrip().startswith("{"):
        said = value if isinstance(value, str) else text.removesuffix("\n").removesuffix("\r")
        return {field.name: said if _takes_text(field) else [{"role": "user", "content": said}]}
    if problem is not None:
        raise UseError(f"{source} is not JSON: {_place(text, problem)}; {_expected(graph)}")
    raise UseError(f"{source} is {_kind(value)}; {_expected(graph)}")


def _text(given: str) -> tuple[str, str]:
    """Return what is to be read, and what to call it."""
    if given == "-":
        stream = getattr(sys.stdin, "buffer", None)
        return (sys.stdin.read(_MOST) if stream is None else _decoded(stream.read(_MOST + 1), "standard input")), (
            "standard input"
        )
    if not given.startswith("@"):
        return _typed(given, "--input"), "--input"
    path = Path(given[1:])
    if path.is_dir():
        raise UseError(f"--input {given}: {path} is a folder, expected a file")
    try:
        with path.open("rb") as file:
            return _decoded(file.read(_MOST + 1), str(path)), str(path)
    except FileNotFoundError:
        raise UseError(f"--input {given}: there is no file {path}{_like(path)}") from None
    except OSError as error:
        raise UseError(f"--input {given}: cannot read {path}: {error.strerror or error}") from error


def _typed(text: str, source: str) -> str:
    """Return what stands on the command line, if it is text: bytes that are none are kept apart by Python."""
    wrong = next((c for c in text if "\udc80" <= c <= "\udcff"), None)
    if wrong is not None:
        raise UseError(
            f"{source} is not text in the encoding of this terminal: it has the byte 0x{ord(wrong) - 0xDC00:02x}"
        )
    return text


def _decoded(data: bytes, source: str) -> str:
    if len(data) > _MOST:
        raise UseError(f"{source} has more than {_MOST // 1024**2} MiB; a state holds less")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UseError(f"{source} is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}") from None


def _like(path: Path) -> str:
    folder = path.parent
    try:
        names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    except OSError:
        names = []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean @{folder / near[0]}?" if near else ""


def _unique(pairs: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    """Make a JSON object, but of one key only one."""
    out: dict[str, Json] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"an object has {key!r} twice")
        out[key] = value
    return out


def _place(text: str, problem: ValueError | RecursionError) -> str:
    """Tell what is wrong with JSON, and where."""
    if isinstance(problem, RecursionError):
        return "it is nested too deeply"
    if not isinstance(problem, json.JSONDecodeError):
        return str(problem)
    message = problem.msg[0].lower() + problem.msg[1:]
    if problem.pos >= len(text):
        return f"{message} at its end"
    line = f"line {problem.lineno}, " if "\n" in text.strip() else ""
    near = text[max(0, problem.pos - _NEAR) : problem.pos + _NEAR]
    return f"{message} at {line}column {problem.colno}, near {near!r}"


def _kind(value: Json) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return "a JSON text"
        case list():
            return "a JSON list"
        case _:
            return "a JSON number"


def _expected(graph: Graph) -> str:
    names = ", ".join(f.name for f in graph.fields)
    return f"expected a JSON object with fields of flow {graph.name!r} ({names or 'it has none'})"


def _text_field(graph: Graph) -> Field | None:
    """Return the field that a plain text is for: the only required one that takes text, or the conversation."""
    from graphrt.configurations.state import hears

    found = [f for f in graph.fields if f.required and _takes_text(f)]
    if len(found) == 1:
        return found[0]
    messages = graph.field.get("messages")
    return messages if not found and hears(messages) else None


def _takes_text(field: Field) -> bool:
    from graphrt.hints import bare

    return bare(field.annotation) is str


# -- single fields ----------------------------------------------------------------------------------------------------


def _read_fields(graph: Graph, given: Sequence[str]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for one in given:
        name, equals, text = _typed(one, "--field").partition("=")
        if not equals:
            raise UseError(f"--field {one!r} gives no value; expected NAME=VALUE, as in --field {_example(graph)}")
        if name in values:
            raise UseError(f"--field {name} is given twice; a field has one value")
        field = graph.field.get(name)
        values[name] = text if field is None else value_for(field, text)
    return values


def value_for(field: Field, text: str) -> Json:
    """Return what `text` means as a value of a field: itself for a text, else the JSON it spells if that fits.

    Whether it fits is not promised: what fits neither way is returned as the JSON it spells, or as it is.
    """
    if _takes_text(field):
        return text
    try:
        spelt: Json = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return text
    for value in (spelt, text):
        try:
            field.encode_whole(value)
        except ValueError:
            continue
        return value
    return spelt


def _example(graph: Graph) -> str:
    field = next(iter(graph.fields), None)
    return f"{field.name if field is not None else 'name'}=…"


# -- checking ---------------------------------------------------------------------------------------------------------


def _state(graph: Graph, values: dict[str, Json]) -> BaseModel:
    from pydantic import ValidationError

    from graphrt.fields import plain

    state_type = graph.state_type
    if state_type is None:
        raise UseError(f"flow {graph.name!r} has no code to run: its graph was read from the JSON form; name the flow")
    unknown = {name: difflib.get_close_matches(name, graph.field, n=1) for name in values if name not in graph.field}
    meant = {near for found in unknown.values() for near in found}
    problems = [_unknown(graph, name, near) for name, near in unknown.items()]
    decoded: dict[str, Any] = {}
    for field in graph.fields:
        if field.name in values:
            try:
                decoded[field.name] = plain(field.decode_whole(field.encode_whole(values[field.name])))
            except ValueError as error:
                problems.append(str(error))
        elif field.required and field.name not in meant:
            problems.append(f"field {field.name!r} ({field.type_text}) has no value and no default")
    if not problems:
        try:
            state: BaseModel = state_type.model_validate(decoded, by_name=True, by_alias=False)
        except ValidationError as error:
            problems = [e["msg"] for e in error.errors(include_url=False, include_input=False, include_context=False)]
        else:
            return state
    raise InputRefused(_told(graph, problems), problems=problems)


def _unknown(graph: Graph, name: str, near: Sequence[str]) -> str:
    hint = f"did you mean {near[0]!r}?" if near else f"its fields are {', '.join(graph.field) or 'none'}"
    return f"there is no field {name!r}; {hint}"


def _told(graph: Graph, problems: Sequence[str]) -> str:
    head = f"flow {graph.name!r} cannot begin"
    if len(problems) == 1:
        return f"{head}: {problems[0]}"
    return "\n".join([f"{head}:", *(f"  - {p}" for p in problems)])
