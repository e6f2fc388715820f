"""Trace events: a run for Perfetto and Chrome's tracing page, a thread for each branch, times in microseconds.

It is about when, so it is made from a run's steps; a definition has no times and cannot be written so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from graphrt_viz.views.timeline import timeline_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt_viz.steps import Chronicle, Step
    from graphrt_viz.theme import Theme


def tell(chronicle: Chronicle, theme: Theme) -> str:
    """Return a run as trace events; the theme has no meaning here."""
    del theme
    events = list(_events(chronicle))
    about = {
        "run": chronicle.run,
        "flow": chronicle.flow,
        "status": chronicle.status,
        "digest": f"graphrt-picture sha256:{chronicle.picture.digest}",
    }
    lines = ",\n".join(json.dumps(e, ensure_ascii=True, sort_keys=True) for e in events)
    head = json.dumps(about, ensure_ascii=True, sort_keys=True)
    return f'{{"displayTimeUnit": "ms", "otherData": {head}, "traceEvents": [\n{lines}\n]}}\n'


def _events(chronicle: Chronicle) -> Iterator[dict[str, Any]]:
    line = timeline_of(chronicle)
    yield {"ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": {"name": f"{chronicle.flow} {chronicle.run}"}}
    for i, lane in enumerate(line.lanes, 1):
        yield {"ph": "M", "pid": 1, "tid": i, "name": "thread_name", "args": {"name": lane.name}}
        yield {"ph": "M", "pid": 1, "tid": i, "name": "thread_sort_index", "args": {"sort_index": i}}
    lanes = {bar.step: bar.lane + 1 for bar in line.bars}
    for place, step in enumerate(chronicle.steps):
        yield from _slice(chronicle, place, step, lanes[place])
        for cause in step.causes:
            if lanes[cause] != lanes[place]:  # within a lane the order says it
                yield from _arrow(chronicle.steps[cause], step, f"{cause}-{place}", lanes[cause], lanes[place])


def _slice(chronicle: Chronicle, place: int, step: Step, lane: int) -> Iterator[dict[str, Any]]:
    end = step.ended if step.ended is not None else chronicle.lasted
    event: dict[str, Any] = {
        "pid": 1,
        "tid": lane,
        "name": step.name,
        "cat": step.kind,
        "ts": _us(step.started),
        "args": _args(step, place),
    }
    if step.what == "attempt" or end > step.started:
        yield event | {"ph": "X", "dur": max(1, _us(end) - _us(step.started))}
    else:
        yield event | {"ph": "i", "s": "t"}


def _args(step: Step, place: int) -> dict[str, Any]:
    said: dict[str, Any] = {"step": step.label, "place": place + 1, "visit": step.visit, "status": step.status}
    said |= {"attempt": step.attempt} if step.attempts > 1 else {}
    for key in ("outcome", "error", "tokens", "cost_usd", "model", "item", "question", "by"):
        if value := getattr(step, key):
            said[key] = value
    if step.uncounted and step.tokens:
        said["tokens"] = f"≥ {step.tokens}"
    taken = [f"{e.target}: {e.condition}" if e.condition else e.target for e in step.exits if e.result == "taken"]
    return said | ({"to": taken} if taken else {}) | ({"wrote": step.wrote} if step.wrote else {})


def _arrow(cause: Step, step: Step, key: str, source: int, target: int) -> Iterator[dict[str, Any]]:
    until = cause.ended if cause.ended is not None and cause.ended <= step.started else cause.started
    common = {"pid": 1, "name": "causes", "cat": "causes", "id": key}
    yield common | {"ph": "s", "tid": source, "ts": max(_us(cause.started), _us(until) - 1)}
    yield common | {"ph": "f", "bp": "e", "tid": target, "ts": _us(step.started)}


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
