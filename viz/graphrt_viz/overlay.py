"""A run on its graph: a trace in, the picture of its graph with marks out.

A trace alone is enough, no code of the flow is needed. Nothing is derived anew: counts, verdicts and values are
those recorded. Steps are numbered in the order of the trace; a crossing is a step, and so is an attempt that
failed and was repeated.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from graphrt import events as ev
from graphrt import inputs as inp
from graphrt_viz.course import Course, counterpart
from graphrt_viz.extract import named, picture_of, start_of, step_into, tools_of
from graphrt_viz.picture import EdgeMark, Failure, NodeMark, ToolMark
from graphrt_viz.wording import count, duration, money, plural, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from graphrt.graph import Graph, Node
    from graphrt.inputs import ErrorInfo, Usage
    from graphrt.trace import Record, Trace
    from graphrt_viz.extract import Opened
    from graphrt_viz.picture import PEdge, Picture, Status

_MOST_FAILURES: Final = 20
"""Failed attempts of a node that are kept one by one; of more, the latest."""
_MOST_STEPS: Final = 100
"""Crossings of an edge whose numbers are kept: the first."""
_LONG_VALUE: Final = 48
_SAME_TIME: Final = 0.01
"""Share by which the time of all attempts must differ from that of the run to be worth a word."""
CUT_OFF: Final = "cut off"
"""Status of a run that had not ended, and that nobody drives."""
UNFINISHED: Final = "unfinished"
"""Status of a run that had not ended when its records do; whether it goes on is not known."""
_MOST_MARKS: Final = 5
"""Kinds of things that happened besides which are kept for a node."""


@dataclass(slots=True)
class _Visit:
    """What is known of one visit."""

    ident: str
    node: Node
    path: tuple[str, ...] = ()
    """Names of the nodes around it and of its own."""
    status: Status = "running"
    outcome: str | None = None
    error: str | None = None
    tool: str = ""
    """The tool that it calls, if it does."""
    caught: bool = False


@dataclass(slots=True)
class _NodeTally:
    """Sums over the visits of a node, and over all that ran inside it."""

    visits: list[_Visit] = field(default_factory=list[_Visit])
    attempts: int = 0
    lost: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])
    good_s: float = 0.0
    failed_s: float = 0.0
    waited_s: float | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    tools: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    marks: dict[str, int] = field(default_factory=dict[str, int])
    """What happened besides, and how often."""


@dataclass(slots=True)
class _EdgeTally:
    """Sums over the verdicts of an edge."""

    taken: int = 0
    steps: list[int] = field(default_factory=list[int])
    values: str = ""
    reasons: dict[str, int] = field(default_factory=dict[str, int])
    """How often each kind of refusal came: `false`, `used up` …"""
    reason: str = ""
    """The latest refusal in words."""
    branches: int | None = None


@dataclass(slots=True)
class _Tally:
    """A run, counted."""

    course: Course
    shown: frozenset[str] = frozenset()
    """The ids in the picture: crossings inside closed nodes are not numbered."""
    nodes: dict[str, _NodeTally] = field(default_factory=dict[str, _NodeTally])
    edges: dict[tuple[str, int], _EdgeTally] = field(default_factory=dict[tuple[str, int], _EdgeTally])
    """By the node that is left and the index of the edge; the edge from the start has the index -1."""
    visits: dict[str, _Visit] = field(default_factory=dict[str, _Visit])
    asked: dict[str, float] = field(default_factory=dict[str, float])
    """When each open question was asked."""
    changed_at: list[int] = field(default_factory=list[int])
    """The step after which the definition changed, for each change."""
    steps: int = 0
    status: str = "running"
    run: str = ""
    forked: str = ""
    """Where the run went off from another, in words."""
    busy_s: float = 0.0
    tokens: int = 0
    cost_usd: float = 0.0


def picture_of_run(
    trace: Trace, *, opened: Opened = None, until: int | None = None, live: bool | None = None
) -> Picture:
    """Return the picture of a run.

    Args:
        trace: the run; it holds the graph. A run that went on under a changed definition is drawn on the changed one.
        opened: which nodes with a graph inside are drawn open; by default subgraphs.
        until: how many records to look at, for showing a run as it was; None for all.
        live: whether somebody drives the run now, which its trace cannot tell and its store can; None if it is not
            known. It matters only for a run that has not ended: one that nobody drives was cut off.

    Raises:
        KeyError, TypeError, ValueError: the trace does not hold the JSON form of a graph.
    """
    course = Course(trace)
    picture = picture_of(course.drawn, opened=opened)
    shown = frozenset(n.id for n in picture.nodes) | frozenset(c.id for c in picture.clusters)
    tally = _Tally(course, shown, run=trace.header.run)
    for record in list(trace.records)[:until]:
        _count_record(tally, record)
    _close(tally, live=live if until is None else True)
    return _marked(picture, tally)


# ---- counting


def _count_record(tally: _Tally, record: Record) -> None:
    tally.course.take(record)
    tally.changed_at += [tally.steps] * (len(tally.course.changes) - len(tally.changed_at))
    given = record.input
    if isinstance(given, inp.AttemptStarted):
        for owner in _with_owners(tally, given.visit)[:1]:
            owner.attempts += 1
    elif isinstance(given, (inp.AttemptSucceeded, inp.AttemptFailed)):
        _count_attempt(tally, given)
    for event in record.events:
        take = _TAKE.get(type(event))
        if take is not None:
            take(tally, event, record.at)


def _with_owners(tally: _Tally, visit: str) -> list[_NodeTally]:
    """Return the tallies of a visit's node and of the nodes around it, innermost first."""
    found: list[_NodeTally] = []
    while visit:
        known = tally.visits.get(visit)
        if known is not None:
            found.append(tally.nodes[known.ident])
        visit = visit.rpartition("/")[0]
    return found


def _count_attempt(tally: _Tally, given: inp.AttemptSucceeded | inp.AttemptFailed) -> None:
    good = isinstance(given, inp.AttemptSucceeded)
    visit = tally.visits.get(given.visit)
    if visit is not None and visit.tool and not good:
        for owner in _with_owners(tally, given.visit)[:2]:
            owner.tools[visit.tool][1] += 1
    tally.busy_s += given.duration_s
    tokens, cost = _used(given.usage)
    tally.tokens += tokens or 0
    tally.cost_usd += cost or 0.0
    for owner in _with_owners(tally, given.visit):
        if good:
            owner.good_s += given.duration_s
        else:
            owner.failed_s += given.duration_s
        for mark in given.marks:
            owner.marks[mark.text] = owner.marks.get(mark.text, 0) + 1
        if tokens is not None:
            owner.tokens = (owner.tokens or 0) + tokens
        if cost is not None:
            owner.cost_usd = (owner.cost_usd or 0.0) + cost


def _used(usage: Usage | None) -> tuple[int | None, float | None]:
    if usage is None:
        return None, None
    known = [t for t in (usage.input_tokens, usage.output_tokens) if t is not None]
    return (sum(known) if known else None), usage.cost_usd


def _started(tally: _Tally, event: ev.VisitStarted, at: float) -> None:
    del at
    outer, _, own = event.visit.rpartition("/")
    around = tally.visits.get(outer) if outer else None
    graph = around.node.graph if around is not None else tally.course.drawn
    path = around.ident if around is not None else ""
    if graph is None or event.node not in graph.by_name:
        return
    node = graph.by_name[event.node]
    visit = _Visit(step_into(path, event.node), node, (*(around.path if around is not None else ()), event.node))
    tally.visits[event.visit] = visit
    tally.nodes.setdefault(visit.ident, _NodeTally()).visits.append(visit)
    if own == "0" and node.index == graph.start and not event.causes:
        edge = tally.edges.setdefault((start_of(path), -1), _EdgeTally())
        edge.taken += 1
        _step(tally, start_of(path), edge)
    if around is not None:
        _count_tool(tally, visit, around, event)


def _step(tally: _Tally, ident: str, edge: _EdgeTally) -> None:
    """Number the crossing of an edge that leaves `ident`, if it is to be seen."""
    if ident in tally.shown:
        tally.steps += 1
        edge.steps.append(tally.steps)


def _count_tool(tally: _Tally, visit: _Visit, around: _Visit, event: ev.VisitStarted) -> None:
    """Notice that a visit inside an agent is the call of one of its tools: the node has its name, or the item does."""
    tools = tools_of(around.node)
    for name in (event.node, named(event.item)):
        if name in tools:
            visit.tool = name
            for ident in (visit.ident, around.ident):
                tally.nodes[ident].tools.setdefault(name, [0, 0])[0] += 1
            return


def _waiting(tally: _Tally, event: ev.VisitWaiting, at: float) -> None:
    tally.asked[event.visit] = at
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status = "waiting"


def _answered(tally: _Tally, visit: str, at: float) -> None:
    """Close the question of a visit, if it had one open."""
    asked = tally.asked.pop(visit, None)
    if asked is not None and (known := tally.visits.get(visit)) is not None:
        node = tally.nodes[known.ident]
        node.waited_s = (node.waited_s or 0.0) + max(0.0, at - asked)


def _retried(tally: _Tally, event: ev.AttemptRetried, at: float) -> None:
    owners = _with_owners(tally, event.visit)
    if not owners:
        return
    tally.steps += 1
    node = tally.visits[event.visit].node
    of = node.retry.attempts if node.retry is not None else None
    failure = Failure(event.attempt, error_text(event.error), of, max(0.0, event.due - at), tally.steps)
    for owner in owners:
        owner.failures.append(failure)


def _lost(tally: _Tally, event: ev.AttemptLost, at: float) -> None:
    del at
    for owner in _with_owners(tally, event.visit):
        owner.lost += 1
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status = "lost" if event.then != "retry" else "running"


def _completed(tally: _Tally, event: ev.VisitCompleted, at: float) -> None:
    _answered(tally, event.visit, at)
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status, visit.outcome, visit.error = "good", event.outcome, None


def _failed(tally: _Tally, event: ev.VisitFailed, at: float) -> None:
    _answered(tally, event.visit, at)
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status, visit.error = "failed", error_text(event.error)


def _cancelled(tally: _Tally, event: ev.VisitCancelled, at: float) -> None:
    _answered(tally, event.visit, at)
    if (visit := tally.visits.get(event.visit)) is not None:
        visit.status = "cancelled"


def _routed(tally: _Tally, event: ev.Routed, at: float) -> None:
    del at
    visit = tally.visits.get(event.visit)
    if visit is None:
        return
    tried = {v.edge: v for v in event.verdicts}
    won = next((v.edge for v in event.verdicts if v.result == "taken"), None)
    visit.caught = event.error is not None and won is not None
    course = tally.course
    drawn = _graph_around(tally, visit)
    before = course.graph_at(visit.path[:-1], drawn)
    for edge in course.node(visit.path, visit.node).edges:
        now = edge if before is drawn else counterpart(edge, before, visit.node, drawn)
        if now is None:
            continue
        known = tally.edges.setdefault((visit.ident, now.index), _EdgeTally())
        former = course.former(edge, before, now, drawn)
        verdict = tried.get(edge.index)
        if verdict is None:
            if edge.on is not None and visit.outcome is not None and edge.on != visit.outcome:
                known.reasons["other answer"] = known.reasons.get("other answer", 0) + 1
                known.reason = f"answer: {shorten(visit.outcome, _LONG_VALUE)}"
        elif verdict.result == "taken":
            known.taken += 1
            _step(tally, visit.ident, known)
            known.values = " ".join(text for text in (values_text(verdict.values), former) if text)
            if edge.each is not None and verdict.count is not None:
                known.branches = (known.branches or 0) + verdict.count
        else:
            known.reasons[verdict.result] = known.reasons.get(verdict.result, 0) + 1
            known.reason = " ".join(text for text in (reason_text(edge.at_most, verdict, won), former) if text)


def _graph_around(tally: _Tally, visit: _Visit) -> Graph:
    """Return the drawn graph that the node of a visit stands in."""
    graph = tally.course.drawn
    for name in visit.path[:-1]:
        inside = graph.by_name[name].graph
        assert inside is not None, "a visit below another stands in a node with a graph inside"
        graph = inside
    return graph


def reason_text(bound: int | None, verdict: ev.Verdict, won: int | None) -> str:
    """Return why an edge was not taken; `won` is the index of the one that was."""
    if verdict.result == "used up":
        return f"used up: {verdict.count} of {bound}"
    if verdict.result == "not tried":
        return "not tried" if won is None else f"not tried: rule {won + 1} matched"
    return f"{verdict.result}: {values_text(verdict.values)}" if verdict.values else verdict.result


def _run_failed(tally: _Tally, event: ev.RunFailed, at: float) -> None:
    del at
    tally.status = "failed"
    visit = event.visit
    while visit:  # the nodes around it failed with it
        if (known := tally.visits.get(visit)) is not None:
            known.status, known.error, known.caught = "failed", error_text(event.error), False
        visit = visit.rpartition("/")[0]


def _set_status(status: str) -> Callable[[_Tally, Any, float], None]:
    def take(tally: _Tally, event: object, at: float) -> None:
        del event, at
        tally.status = status

    return take


def _forked(tally: _Tally, event: ev.RunForked, at: float) -> None:
    del at
    tally.status, tally.run = "running", event.run
    visit = tally.visits.get(event.visit)
    tally.forked = f"fork of {event.parent[:12]}" + (f" at {visit.node.name}" if visit is not None else "")


_TAKE: Final[Mapping[type, Callable[[_Tally, Any, float], None]]] = {
    ev.RunStarted: _set_status("running"),
    ev.RunResumed: _set_status("running"),
    ev.RunForked: _forked,
    ev.RunSuspended: _set_status("suspended"),
    ev.RunCompleted: _set_status("completed"),
    ev.RunCancelled: _set_status("cancelled"),
    ev.RunFailed: _run_failed,
    ev.VisitStarted: _started,
    ev.VisitWaiting: _waiting,
    ev.VisitCompleted: _completed,
    ev.VisitFailed: _failed,
    ev.AttemptLost: _lost,
    ev.VisitCancelled: _cancelled,
    ev.AttemptRetried: _retried,
    ev.Routed: _routed,
}


def _close(tally: _Tally, *, live: bool | None) -> None:
    """Account for what was open when the records end: questions still wait, the rest stopped with the run."""
    for visit in list(tally.asked):
        _answered(tally, visit, tally.course.at or 0.0)
    if tally.status == "running" and not live:
        tally.status = UNFINISHED if live is None else CUT_OFF
        for known in tally.visits.values():
            if known.status == "running" and live is False:
                known.status = "lost"
    if tally.status in {"completed", "failed", "cancelled"}:
        for known in tally.visits.values():
            if known.status in {"running", "waiting"}:
                known.status = "cancelled"


# ---- words


def error_text(error: ErrorInfo) -> str:
    """Return an error on one line: its type without the module, and its message."""
    name = error.type.rpartition(".")[2]
    message = " ".join(error.message.split())
    return f"{name}: {message}" if message else name


def values_text(values: Mapping[str, Any] | None) -> str:
    """Return what a guard read (`score = 0.62, rounds = 2`)."""
    return ", ".join(f"{name} = {_value(value)}" for name, value in (values or {}).items())


def marks_text(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return what happened besides, with how often where that was more than once."""
    few = [text if times == 1 else f"{text} ×{count(times)}" for text, times in counts.items()]
    return tuple(few[:_MOST_MARKS]) + ((f"and {len(few) - _MOST_MARKS} more",) if len(few) > _MOST_MARKS else ())


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, float) else repr(value)
    return text if len(text) <= _LONG_VALUE else text[: _LONG_VALUE - 1] + "…"


def _headline(tally: _Tally) -> str:
    course = tally.course
    parts = [f"run {tally.run[:12]}", tally.status, plural(tally.steps, "step")]
    parts += [tally.forked] if tally.forked else []
    parts += [
        f"definition {was[:7]} → {now[:7]} after step {step}"
        for (was, now), step in zip(course.changes, tally.changed_at, strict=True)
    ]
    parts += course.times
    if abs(tally.busy_s - course.active_s) > _SAME_TIME * course.active_s and tally.busy_s > 0:
        parts.append(f"{duration(tally.busy_s)} busy")
    if tally.tokens:
        parts.append(f"{count(tally.tokens)} tok")
    if tally.cost_usd:
        parts.append(money(tally.cost_usd))
    return " · ".join(parts)


# ---- marking


def _marked(picture: Picture, tally: _Tally) -> Picture:
    nodes = tuple(
        replace(
            n, mark=NodeMark() if n.kind == "start" and (n.id, -1) in tally.edges else _node_mark(tally.nodes.get(n.id))
        )
        for n in picture.nodes
    )
    clusters = tuple(replace(c, mark=_node_mark(tally.nodes.get(c.id))) for c in picture.clusters)
    place: dict[str, int] = {}
    edges: list[PEdge] = []
    for e in picture.edges:
        if e.retry:
            edges.append(replace(e, mark=_loop_mark(tally.nodes.get(e.source))))
        elif e.source.endswith("//"):
            edges.append(replace(e, mark=_edge_mark(tally.edges.get((e.source, -1)))))
        else:
            index = place.get(e.source, 0)
            place[e.source] = index + 1
            edges.append(replace(e, mark=_edge_mark(tally.edges.get((e.source, index)))))
    return replace(
        picture,
        subtitle=_headline(tally),
        nodes=nodes,
        edges=tuple(edges),
        clusters=clusters,
        shows="run",
        status=tally.status,
    )


def _node_mark(tally: _NodeTally | None) -> NodeMark | None:
    if tally is None:
        return None
    latest = tally.visits[-1]
    deciding = _deciding(tally.visits)
    inside = latest.node.graph is not None
    return NodeMark(
        status=deciding.status,
        visits=len(tally.visits),
        attempts=len(tally.visits) + len(tally.failures) if inside else max(tally.attempts, len(tally.visits)),
        failures=tuple(tally.failures[-_MOST_FAILURES:]),
        good_s=round(tally.good_s, 6),
        failed_s=round(tally.failed_s, 6),
        lost=tally.lost,
        waited_s=None if tally.waited_s is None else round(tally.waited_s, 6),
        tokens=tally.tokens,
        cost_usd=None if tally.cost_usd is None else round(tally.cost_usd, 9),
        outcome=latest.outcome,
        error=deciding.error,
        tools=tuple(ToolMark(name, calls, failed) for name, (calls, failed) in tally.tools.items()),
        marks=marks_text(tally.marks),
    )


def _deciding(visits: Iterable[_Visit]) -> _Visit:
    """Return the visit that speaks for the node: a failure nobody caught, else one still open, else the latest."""
    known = list(visits)
    for group in (
        [v for v in known if v.status == "failed" and not v.caught],
        [v for v in known if v.status == "waiting"],
        [v for v in known if v.status == "lost"],
        [v for v in known if v.status == "running"],
        [v for v in known if v.status != "cancelled"],
    ):
        if group:
            return group[-1]
    return known[-1]


def _edge_mark(tally: _EdgeTally | None) -> EdgeMark | None:
    if tally is None:
        return None
    reason = ""
    if not tally.taken and tally.reason:
        times = sum(tally.reasons.values())
        reason = tally.reason if times == 1 else f"{tally.reason} (last of {count(times)})"
    values = tally.values if tally.taken < 2 or not tally.values else f"last: {tally.values}"
    return EdgeMark(tally.taken, tuple(tally.steps[:_MOST_STEPS]), values, reason, tally.branches)


def _loop_mark(tally: _NodeTally | None) -> EdgeMark | None:
    if tally is None or not tally.failures:
        return None
    return EdgeMark(len(tally.failures), tuple(f.step for f in tally.failures if f.step is not None))
