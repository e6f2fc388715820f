"""The file is what the protocol says: read by the protocol's own classes, it tells the same spans."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from graphrt import Flow
from graphrt.telemetry.otlp import nanoseconds, otlp_of
from graphrt.telemetry.spans import spans_of
from graphrt.trace import Trace
from tests.cli import scenes
from tests.telemetry.flows import Desk
from tests.telemetry.test_spans import ALL

_DATA = Path(__file__).parents[1] / "viz" / "data"
LABELS: list[str] = [
    label for name in ("labels_extra.json", "blns.json") for label in json.loads((_DATA / name).read_text("utf-8"))
]
_IDS = {"traceId", "spanId", "parentSpanId"}


def parsed(text: str) -> ExportTraceServiceRequest:
    """Read OTLP JSON by the protocol's own classes; these take ids as base64 where OTLP has hexadecimal digits."""

    def base64_ids(value: Any) -> Any:
        if isinstance(value, list):
            return [base64_ids(v) for v in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        found = cast("dict[str, Any]", value)
        return {
            k: base64.b64encode(bytes.fromhex(v)).decode() if k in _IDS else base64_ids(v) for k, v in found.items()
        }

    return json_format.ParseDict(base64_ids(json.loads(text)), ExportTraceServiceRequest())


def echo(message: str) -> str:
    """Return what came in."""
    return message


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("make", ALL)
def test_the_protocol_reads_what_was_written(make: Callable[[], Trace], content: bool) -> None:
    """No unknown field, no wrong type; ids, names, times, attributes, events, links and status come through."""
    trace = make()
    request = parsed(otlp_of(trace, content=content))
    (resource,) = request.resource_spans
    assert {a.key: a.value.string_value for a in resource.resource.attributes} == {
        "service.name": "graphrt",
        "graphrt.flow": trace.header.flow,
    }
    (scope,) = resource.scope_spans
    ours = spans_of(trace, content=content)
    assert len(scope.spans) == len(ours) > 2
    for theirs, mine in zip(scope.spans, ours, strict=True):
        assert (theirs.trace_id.hex(), theirs.span_id.hex()) == (mine.trace_id, mine.span_id)
        assert theirs.parent_span_id.hex() == (mine.parent_id or "")
        assert theirs.name == mine.name
        assert (theirs.start_time_unix_nano, theirs.end_time_unix_nano) == (
            nanoseconds(mine.started),
            nanoseconds(mine.ended),
        )
        assert {
            a.key: getattr(a.value, a.value.WhichOneof("value") or "") for a in theirs.attributes
        } == mine.attributes
        assert [(e.name, len(e.attributes)) for e in theirs.events] == [
            (e.name, len(e.attributes)) for e in mine.events
        ]
        assert [(n.trace_id.hex(), n.span_id.hex()) for n in theirs.links] == [
            (n.trace_id, n.span_id) for n in mine.links
        ]
        assert (theirs.status.code == 2, theirs.status.message) == (mine.error is not None, mine.error or "")


def test_ids_are_hexadecimal_and_numbers_are_text() -> None:
    """As the protocol's JSON has it: hexadecimal ids, enums as numbers, whole numbers of 64 bits as text."""
    form = json.loads(otlp_of(scenes.completed()))
    span = form["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert len(span["traceId"]) == 32
    assert len(span["spanId"]) == 16
    int(span["traceId"] + span["spanId"], 16)
    assert span["kind"] == 1
    assert span["startTimeUnixNano"].isdecimal()
    assert {"key": "graphrt.attempt", "value": {"intValue": "1"}} in span["attributes"]


def test_one_run_is_one_line() -> None:
    """Files can be put one behind the other, as a collector's files have it; the same run gives the same bytes."""
    one = otlp_of(scenes.completed())
    assert one == otlp_of(scenes.completed())
    assert one.isascii()
    assert one.count("\n") == 1
    assert one.endswith("}\n")


def test_any_name_can_be_told() -> None:
    """Names of nodes and values of states come through, whatever is in them."""
    for name in LABELS[::7]:
        flow = Flow("names", Desk)
        flow.task(writes=flow.state.draft, name=name)(echo)
        if flow.check():
            continue  # no node can be named so
        trace = flow.run_sync(Desk(message=name), run_id="r").trace
        request = parsed(otlp_of(trace, content=True))
        first, run = request.resource_spans[0].scope_spans[0].spans
        assert first.name == f"graphrt.node {name}"
        state = next(a.value.string_value for a in run.attributes if a.key == "graphrt.state")
        assert json.loads(state)["message"] == name
