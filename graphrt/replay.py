"""Replay: feed the recorded inputs of a run to the stepper again, without the world.

`fold` brings a stepper to where a trace ends; `verify` compares all that follows from the inputs under today's
definition with what was recorded, and names the first difference; `branch_off` finds where a fork leaves its parent. No
node's work is ever called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from graphrt.errors import GraphChanged, TraceInvalid, UseError
from graphrt.events import (
    Routed,
    RunCompleted,
    RunFailed,
    RunSuspended,
    VisitCancelled,
    VisitCompleted,
    VisitFailed,
    VisitStarted,
    VisitWaiting,
)
from graphrt.fields import MISSING
from graphrt.inputs import Resumed, Started
from graphrt.script import Script
from graphrt.stepper import Stepper
from graphrt.trace import graph_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphrt.events import Event
    from graphrt.graph import Graph, Node
    from graphrt.inputs import Input
    from graphrt.trace import Record, Trace


class Divergence(msgspec.Struct, frozen=True):
    """Where a replay first differs from what was recorded."""

    run: str
    seq: int
    """Number of the record."""
    visit: str | None
    node: str | None
    recorded: tuple[str, ...]
    """What the trace says, line by line."""
    now: tuple[str, ...]
    """What follows under the definition given."""

    def __str__(self) -> str:
        """Say where, and both sides."""
        where = f"visit {self.visit} ({self.node})" if self.visit is not None else "the run itself"
        lines = [f"run {self.run} differs at record {self.seq}, {where}:"]
        lines += ["  recorded:", *(f"    {line}" for line in self.recorded or ("nothing",))]
        lines += ["  now:", *(f"    {line}" for line in self.now or ("nothing",))]
        return "\n".join(lines)


def feed(stepper: Stepper, record: Record, *, scripted: bool) -> tuple[Event, ...]:
    """Feed one recorded input; `scripted` does what was recorded to follow instead of deciding it anew.

    Raises:
        TraceInvalid: the input does not fit the run as the records before it left it.
    """
    stepper.script = Script(record.events) if scripted else None
    try:
        return stepper.feed(record.at, _of_today(record.input, stepper.graph))[0]
    except UseError as error:
        message = f"record {record.seq} does not fit the records before it: {error.message}"
        raise TraceInvalid(message, seq=record.seq) from error
    finally:
        stepper.script = None


def _of_today(given: Input, graph: Graph) -> Input:
    """Return a recorded input with the fields that the state has now: with defaults for those that it had not then."""
    if not isinstance(given, Started) or given.state.keys() == graph.field.keys():
        return given
    state = {f.name: given.state.get(f.name, f.default_json) for f in graph.fields}
    return msgspec.structs.replace(given, state={name: value for name, value in state.items() if value is not MISSING})


def fold(trace: Trace, graph: Graph | None = None, *, upto: int | None = None) -> Stepper:
    """Return a stepper that stands where the trace ends.

    Args:
        trace: what was recorded.
        graph: the definition with its code, if the run is to go on; None for the recorded one. It may differ from the
            recorded one as long as the way that the run has gone exists in it: the past is taken as it was recorded.
            Fields that it adds begin with their defaults, what was written to fields that it lacks is left out.
        upto: take only this many records.

    Raises:
        TraceInvalid: the records do not fit each other.
        GraphChanged: the run has gone a way that the definition given does not have.
    """
    stepper = Stepper(graph if graph is not None else graph_of(trace))
    for record in trace.records[:upto]:
        try:
            events = feed(stepper, record, scripted=True)
        except TraceInvalid as error:
            if graph is None or graph.digest == trace.header.digest:
                raise
            raise _gone(trace, stepper.graph, record, str(error.__cause__ or error)) from error
        if events == record.events:
            continue
        was, now = _course(record.events), _course(events)
        if was != now:
            found = f"recorded {', '.join(was) or 'nothing more'}, now {', '.join(now) or 'nothing'}"
            raise _gone(trace, stepper.graph, record, found)
    return stepper


_COURSE: dict[type, str] = {
    VisitStarted: "visit {0.visit} ({0.node})",
    VisitCompleted: "{0.visit} completed",
    VisitFailed: "{0.visit} failed",
    VisitCancelled: "{0.visit} cancelled",
    RunCompleted: "the run completed",
    RunFailed: "the run failed",
    RunSuspended: "the run suspended",
}
"""What must have happened under any definition for a run to stand where its trace ends."""


def _course(events: Iterable[Event]) -> list[str]:
    return [_COURSE[type(x)].format(x) for x in events if type(x) in _COURSE]


def _gone(trace: Trace, graph: Graph, record: Record, found: str) -> GraphChanged:
    return GraphChanged(
        f"run {trace.header.run} has gone a way that flow {graph.name!r} no longer has (record {record.seq}: {found});"
        " resume it with the definition that it was recorded under",
        run=trace.header.run,
        seq=record.seq,
    )


def states(trace: Trace) -> Iterator[tuple[Record, Stepper]]:
    """Step through a trace: yield each record with the one stepper that has taken it. Needs no code of the flow."""
    stepper = Stepper(graph_of(trace))
    for record in trace.records:
        feed(stepper, record, scripted=True)
        yield record, stepper


def verify(trace: Trace, graph: Graph) -> Divergence | None:
    """Replay a trace under a definition; return the first difference, or None if everything follows as recorded.

    No model, tool or other work is called; guards are evaluated anew. What was recorded before the run went on under
    another definition is taken as it was (`changed_at`).
    """
    stepper = Stepper(graph)
    nodes: dict[str, Node] = {}
    changed = changed_at(trace)
    for record in trace.records:
        try:
            now = feed(stepper, record, scripted=record.seq < changed)
        except TraceInvalid as error:
            visit = getattr(record.input, "visit", None)
            node = nodes[visit].name if visit in nodes else None
            return Divergence(trace.header.run, record.seq, visit, node, (_show(record.input),), (error.message,))
        _learn(nodes, graph, now)
        if now != record.events and record.seq >= changed and _without_reads(now, record.events) != record.events:
            return _difference(trace, graph, record, now, nodes)
    return None


def changed_at(trace: Trace) -> int:
    """Return the number of the record with which a run went on under another definition, the last if it did again.

    -1 if it never did.
    """
    changes = (r.seq for r in trace.records if isinstance(r.input, Resumed) and r.input.graph is not None)
    return max(changes, default=-1)


def branch_off(trace: Trace, visit: str) -> int:
    """Return how many records of a trace stand before `visit` does its work: a fork from there begins with them.

    Raises:
        UseError: the trace has no such visit, or it is of a node that has no work to do again.
    """
    for record in trace.records:
        if any(isinstance(x, VisitStarted) and x.visit == visit for x in record.events):
            return record.seq + 1
    known = [x.visit for r in trace.records for x in r.events if isinstance(x, VisitStarted)]
    shown = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
    message = f"run {trace.header.run} has no visit {visit!r}; its visits: {shown}"
    raise UseError(message, run=trace.header.run, visit=visit)


def _without_reads(now: tuple[Event, ...], recorded: tuple[Event, ...]) -> tuple[Event, ...]:
    """Return events as an older graphrt recorded them, whose questions did not say what they are about."""
    if any(isinstance(x, VisitWaiting) and x.reads for x in recorded):
        return now
    return tuple(msgspec.structs.replace(x, reads={}) if isinstance(x, VisitWaiting) else x for x in now)


def _learn(nodes: dict[str, Node], graph: Graph, events: Iterable[Event]) -> None:
    """Remember which node each visit is of."""
    for event in events:
        if isinstance(event, VisitStarted):
            around, slash, _ = event.visit.rpartition("/")
            inside = nodes[around].graph if slash else graph
            assert inside is not None, "a visit below another stands in a node with a graph inside"
            nodes[event.visit] = inside.by_name[event.node]


def _difference(
    trace: Trace, graph: Graph, record: Record, now: tuple[Event, ...], nodes: dict[str, Node]
) -> Divergence:
    """Describe the first event that differs, on both sides."""
    recorded = record.events
    k = next((k for k, (a, b) in enumerate(zip(recorded, now, strict=False)) if a != b), min(len(recorded), len(now)))
    was, will = (recorded[k] if k < len(recorded) else None), (now[k] if k < len(now) else None)
    then: dict[str, Node] = {}
    old = graph_of(trace)
    for each in trace.records[: record.seq + 1]:
        _learn(then, old, each.events)
    visit = getattr(will, "visit", None) or getattr(was, "visit", None) or None
    known = nodes.get(visit or "") or then.get(visit or "")
    return Divergence(
        trace.header.run,
        record.seq,
        visit,
        known.name if known is not None else None,
        _lines(was, then, old),
        _lines(will, nodes, graph),
    )


def _lines(event: Event | None, nodes: dict[str, Node], graph: Graph) -> tuple[str, ...]:
    if event is None:
        return ()
    if not isinstance(event, Routed) or event.visit not in nodes:
        return (_show(event),)
    from graphrt.told import EdgeAccount, verdict_text  # noqa: PLC0415 - slow to load, and for what differs only

    node = nodes[event.visit]
    inside = _inside(event.visit, nodes, graph)
    lines: list[str] = []
    for v in event.verdicts:
        edge = node.edges[v.edge]
        target = inside.nodes[edge.target].name
        lines.append(
            f"{node.name} -> {target}: {verdict_text(EdgeAccount(edge, target, v.result, v.values or {}, v.count))}"
        )
    return tuple(lines)


def _inside(visit: str, nodes: dict[str, Node], graph: Graph) -> Graph:
    around, slash, _ = visit.rpartition("/")
    inner = nodes[around].graph if slash else graph
    return inner if inner is not None else graph


_TOLD: dict[type, str] = {
    VisitStarted: "{0.node} begins (visit {0.visit})",
    VisitCancelled: "visit {0.visit} is cancelled",
    RunSuspended: "the run waits for answers",
}


def _show(thing: Any) -> str:  # noqa: ANN401 - an event or an input
    """Say in words what happened, or what was told to the run."""
    from graphrt.told import value_text  # noqa: PLC0415 - as above

    if type(thing) in _TOLD:
        return _TOLD[type(thing)].format(thing)
    match thing:
        case VisitCompleted():
            answer = f" with {thing.outcome}" if thing.outcome is not None else ""
            wrote = ", ".join(f"{name} = {value_text(value)}" for name, value in thing.writes.items())
            return f"visit {thing.visit} completes{answer}" + (f" and writes {wrote}" if wrote else "")
        case VisitFailed():
            return f"visit {thing.visit} fails: {thing.error.type}: {thing.error.message}"
        case VisitWaiting():
            shown = ", ".join(f"{name} = {value_text(value)}" for name, value in thing.reads.items())
            answers = f" ({', '.join(thing.answers)})" if thing.answers else ""
            return f"{thing.node} asks {thing.question!r}{answers}" + (f" about {shown}" if shown else "")
        case RunCompleted():
            return "the run completes" + (f" at {thing.end}" if thing.end is not None else "")
        case RunFailed():
            where = f" at visit {thing.visit}" if thing.visit else ""
            return f"the run fails{where}: {thing.error.type}: {thing.error.message}"
        case _:
            facts = msgspec.to_builtins(thing)
            kind = str(facts.pop("type", type(thing).__name__)).replace("_", " ")
            return f"{kind}: " + ", ".join(f"{k} = {v!r}" for k, v in facts.items())
