"""How exceptions and answers stand in a trace: as names and texts that are compared without an import."""

from __future__ import annotations

import json
import sys
from typing import cast

from graphrt.errors import GraphrtError, type_name
from graphrt.inputs import ErrorInfo, Json


def error_info(error: BaseException, *, message: str | None = None) -> ErrorInfo:
    """Return an exception as a trace keeps it: type, bases up to Exception, message, plain facts."""
    lineage = tuple(
        type_name(k) for k in type(error).__mro__ if issubclass(k, BaseException) and k is not BaseException
    )
    detail: dict[str, Json] = {}
    if isinstance(error, GraphrtError):
        detail = {k: v for k, v in error.facts.items() if v is not None and _is_plain(v)}
    retry_after = getattr(error, "retry_after_s", None)
    return ErrorInfo(
        type=type_name(type(error)),
        message=str(error) if message is None else message,
        lineage=lineage,
        detail=detail,
        retry_after_s=_finite(retry_after),
    )


def _finite(value: object) -> float | None:
    """Return a number of seconds that can be waited for; None for anything else."""
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= sys.float_info.max else None


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_plain(v) for v in cast("list[object]", value))
    return value is None or isinstance(value, (str, int, float, bool))


def label_of(answer: Json) -> str:
    """Return an answer as text: edges, traces and people name it so. Text stands for itself, other values in JSON."""
    return answer if isinstance(answer, str) else json.dumps(answer)
