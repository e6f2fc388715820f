"""What nodes report, as a trace can hold it: errors that cannot be printed, facts that have no JSON form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from graphrt import codec
from graphrt.errors import UseError
from graphrt.inputs import ErrorInfo, Json, Mark
from graphrt.recorded import error_info
from graphrt.values import brief

MOST_TEXT: Final = 20_000
"""Characters of an error's message that are recorded at most."""


def recorded(error: BaseException) -> ErrorInfo:
    """Return an error as a trace keeps it, however badly it behaves when it is printed."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error that cannot be printed is an error all the same
        text = f"<{type(error).__name__} that cannot be printed>"
    if len(text) > MOST_TEXT:
        text = f"{text[:MOST_TEXT]}… ({len(text)} characters)"
    info = error_info(error, message=text)
    detail = facts_as_json(info.detail) if info.detail else info.detail
    return info if detail is info.detail else msgspec.structs.replace(info, detail=detail)


def marks_as_json(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Return marks whose facts a trace can hold."""
    return tuple([msgspec.structs.replace(mark, facts=facts_as_json(mark.facts)) for mark in marks])


def facts_as_json(facts: dict[str, Any]) -> dict[str, Json]:
    """Return facts that a trace can hold: what has no JSON form is printed."""
    try:
        codec.encode_json(facts)
    except UseError:
        return {str(key): _value_as_json(value) for key, value in facts.items()}
    return facts


def _value_as_json(value: Any) -> Json:  # noqa: ANN401 - whatever a node reported
    try:
        codec.encode_json(value)
    except UseError:
        return brief(value)
    return value
