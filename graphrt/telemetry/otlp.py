"""A recorded run as OTLP JSON: what an OpenTelemetry collector takes, from a file or by HTTP.

The encoding is that of the protocol's specification: ids as hexadecimal digits, enums as numbers, whole numbers of 64
bits as text. A file is one line, so that several can be put one behind the other, as the collector's files have it.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from graphrt.telemetry.spans import spans_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphrt.telemetry.names import Value
    from graphrt.telemetry.span import Span
    from graphrt.trace import Trace

SERVICE: Final = "graphrt"
"""The service and the scope of what a file tells."""
_KINDS: Final = {"internal": 1, "client": 3}
_ERROR: Final = 2
_SAMPLED: Final = 0x100 | 1
"""Sampled, and it is known whether what is around a span is in another process: it is not."""


def otlp_of(trace: Trace, *, content: bool = False) -> str:
    """Return a run as OTLP JSON, the same text for the same trace.

    Args:
        trace: the run; of a fork, what happened since it went off.
        content: tell what the run worked on as well: state, prompts, answers, messages of errors.
    """
    resource = {"service.name": SERVICE, "graphrt.flow": trace.header.flow}
    scope = {"name": SERVICE}
    spans = [_span(span) for span in spans_of(trace, content=content)]
    form = {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [{"scope": scope, "spans": spans}],
            }
        ]
    }
    return json.dumps(form, ensure_ascii=True, separators=(",", ":"), allow_nan=False) + "\n"


def nanoseconds(at: float) -> int:
    """Return a time as whole nanoseconds since the epoch, as exact as a float can tell: to the microsecond."""
    return round(at * 1_000_000) * 1_000


def writable(text: str) -> str:
    """Return text that can be written as UTF-8: half a surrogate pair cannot."""
    return text.encode("utf-8", "replace").decode()


def _span(span: Span) -> dict[str, Any]:
    form: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "flags": _SAMPLED,
        "name": writable(span.name),
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(nanoseconds(span.started)),
        "endTimeUnixNano": str(nanoseconds(span.ended)),
        "attributes": _attributes(span.attributes),
    }
    if span.parent_id is not None:
        form["parentSpanId"] = span.parent_id
    if span.events:
        form["events"] = [
            {"timeUnixNano": str(nanoseconds(e.at)), "name": e.name, "attributes": _attributes(e.attributes)}
            for e in span.events
        ]
    if span.links:
        form["links"] = [
            {
                "traceId": link.trace_id,
                "spanId": link.span_id,
                "attributes": _attributes({"graphrt.link": link.why}),
                "flags": _SAMPLED,
            }
            for link in span.links
        ]
    form["status"] = {} if span.error is None else {"code": _ERROR, "message": writable(span.error)}
    return form


def _attributes(facts: Mapping[str, Value]) -> list[dict[str, Any]]:
    return list(_pairs(facts.items()))


def _pairs(items: Iterable[tuple[str, Value]]) -> Iterable[dict[str, Any]]:
    for key, value in items:
        yield {"key": key, "value": _value(value)}


def _value(value: Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value if math.isfinite(value) else {math.inf: "Infinity"}.get(value, "NaN")}
        case str():
            return {"stringValue": writable(value)}
