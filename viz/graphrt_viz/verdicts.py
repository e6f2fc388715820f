"""Errors, and what a guard read or why an edge was not taken, each on one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt.events import Verdict
    from graphrt.inputs import ErrorInfo

LONG_VALUE: Final = 48
"""Characters of a value that are shown."""


def error_text(error: ErrorInfo) -> str:
    """Return an error on one line: its type without the module, and its message."""
    name = error.type.rpartition(".")[2]
    message = " ".join(error.message.split())
    return f"{name}: {message}" if message else name


def values_text(values: Mapping[str, Any] | None) -> str:
    """Return what a guard read (`score = 0.62, rounds = 2`)."""
    return ", ".join(f"{name} = {_value(value)}" for name, value in (values or {}).items())


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, float) else repr(value)
    return text if len(text) <= LONG_VALUE else text[: LONG_VALUE - 1] + "…"


def reason_text(bound: int | None, verdict: Verdict, won: int | None) -> str:
    """Return why an edge was not taken; `won` is the index of the one that was."""
    if verdict.result == "used up":
        return f"used up: {verdict.count} of {bound}"
    if verdict.result == "not tried":
        return "not tried" if won is None else f"not tried: rule {won + 1} matched"
    return f"{verdict.result}: {values_text(verdict.values)}" if verdict.values else verdict.result
