"""A run as moments to walk through: each input, what followed from it, and what it changed in the state.

Read from the trace alone; no code of the flow, and nothing is decided anew. That an attempt starts is no moment of its
own, unless the trace knows no end of it. Moments are finer than the steps that pictures number (`graphrt.numbering`):
each belongs to one of them, or is about the whole run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from graphrt import events as e
from graphrt import inputs as i
from graphrt.cli.which import account_of
from graphrt.errors import UseError
from graphrt.graph import graph_from_json
from graphrt.items import Items
from graphrt.replay import states
from graphrt.told import edges_tried

if TYPE_CHECKING:
    from graphrt.cli.past import Past
    from graphrt.fields import Field
    from graphrt.graph import Graph
    from graphrt.inputs import Json
    from graphrt.ports import RunInfo
    from graphrt.stepper import Stepper
    from graphrt.told import Account, EdgeAccount, VisitAccount
    from graphrt.trace import Record, Trace
    from graphrt_viz.overlay import RunPictures

MISSING: Final = object()
"""Stands for the value of a field before there was one."""
_SHOWN_LIVE: Final = 6


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a field."""

    field: str
    old: Json
    """`MISSING` where there was none."""
    new: Json
    added: list[Json] | None = None
    """Of a list that grew at its end: the new items."""


@dataclass(frozen=True, slots=True)
class Level:
    """The state that one graph's line had before and after a step. Values are decoded; lists share structure."""

    around: str
    """The visit that the graph is inside of; empty for the outermost."""
    fields: Mapping[str, Field]
    before: Mapping[str, Any] | None
    """None where the graph begins."""
    after: Mapping[str, Any]
    items: frozenset[str] = frozenset()
    """Fields that differ from branch to branch, since each has its own item."""
    replaced: frozenset[str] | None = frozenset()
    """Fields that were replaced while an edge was crossed; None if any may be, where branches met."""

    def changes(self) -> list[Change]:
        """Return what changed, field by field, as JSON."""
        return [c for name in self.after if name not in self.items and (c := self._change(name)) is not None]

    def _change(self, name: str) -> Change | None:
        kind, new = self.fields[name], self.after[name]
        if self.before is None:
            value = kind.encode_state_value(new)
            return None if self.around and value == kind.default_json else Change(name, MISSING, value)
        old = self.before.get(name, MISSING)
        if old is new:
            return None
        if self._only_grew(name, old, new):
            return Change(name, None, None, kind.encode_state_value(new[len(old) :]))
        was = MISSING if old is MISSING else kind.encode_state_value(old)
        now = kind.encode_state_value(new)
        if was == now:
            return None
        if isinstance(was, list) and isinstance(now, list):
            had, has = cast("list[Json]", was), cast("list[Json]", now)
            if len(has) > len(had) and has[: len(had)] == had:
                return Change(name, was, now, has[len(had) :])
        return Change(name, was, now)

    def _only_grew(self, name: str, old: object, new: object) -> bool:
        """Say if a list can only have grown: then its beginning need not be looked at, however long it is."""
        reducer = self.fields[name].reducer
        return (
            reducer is not None
            and reducer.name in {"append", "extend"}
            and not reducer.own
            and self.replaced is not None
            and name not in self.replaced
            and isinstance(old, Items)
            and isinstance(new, Items)
            and len(cast("Items[Any]", new)) > len(cast("Items[Any]", old))
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A moment: one thing that the world told the run, and all that followed from it."""

    number: int
    """Counts the moments from 1."""
    record: Record
    visit: VisitAccount | None
    """The visit that the input is about, as the whole trace knows it."""
    levels: tuple[Level, ...]
    """The states that it changed, the innermost first."""
    saw: Mapping[str, Json] = field(default_factory=dict[str, Any])
    """What the visit read."""
    live: tuple[str, ...] = ()
    """Some of the visits that are live after it, without those that have a graph inside …"""
    more_live: int = 0
    """… and how many others are."""
    known: bool = True
    """Whether the state is known: the records up to here fit each other."""
    then: Graph | None = None
    """The definition in force, if it is not the one the run has now."""

    @property
    def label(self) -> str:
        """The step of the run that it is a moment of, as pictures number it; empty for what is about the whole run."""
        visit, given = self.visit, self.record.input
        if visit is None:
            return ""
        if isinstance(given, (i.AttemptStarted, i.AttemptSucceeded, i.AttemptFailed)):
            tried = (a.step for a in reversed(visit.attempts) if a.number == given.attempt)
            return next(tried, visit.step)
        if isinstance(given, i.TimerFired) and given.kind == "retry":
            return next((a.step for a in visit.attempts if a.started >= self.record.at), visit.again)
        return visit.asked or visit.step

    @property
    def place(self) -> str:
        """Where it stands in the run: its step, if it is in one, and which moment it is."""
        return f"step {self.label} · moment {self.number}" if self.label else f"moment {self.number}"

    @property
    def name(self) -> str:
        """What it is about, as people call it."""
        return self.visit.name if self.visit is not None else "the run"

    @property
    def called(self) -> str:
        """What it is about where it stands alone: what is inside an agent behind the name of that."""
        agent = self.visit.agent if self.visit is not None else None
        return self.name if agent is None else f"{agent} · {self.name}"

    @property
    def refused(self) -> bool:
        """Whether it is the call of a tool that went wrong, which the model was told."""
        return (
            isinstance(self.record.input, i.AttemptSucceeded)
            and self.visit is not None
            and self.visit.refused is not None
        )

    @property
    def failed(self) -> bool:
        """Whether something went wrong in it."""
        if self.refused:
            return True
        wrong = (e.VisitFailed, e.RunFailed, e.AttemptRetried, e.AttemptLost, e.LimitPassed)
        return isinstance(self.record.input, i.AttemptFailed) or any(isinstance(x, wrong) for x in self.record.events)

    def state(self) -> dict[str, Json]:
        """Return the state of the line that it is about, after it, as JSON; empty if it is not known."""
        if not self.levels:
            return {}
        level = self.levels[0]
        return {name: level.fields[name].encode_state_value(value) for name, value in level.after.items()}

    def edges(self, told: Account, event: e.Routed) -> list[EdgeAccount]:
        """Return the verdicts with which a visit was left in this step."""
        return edges_tried(told, told.visits[event.visit], event, self.then or told.graph)


@dataclass(frozen=True)
class Walk:
    """A run with its steps."""

    trace: Trace
    told: Account
    """What the whole trace tells."""
    steps: tuple[Step, ...]

    @cached_property
    def pictures(self) -> RunPictures:
        """The run as it was, drawn."""
        from graphrt_viz.overlay import RunPictures

        return RunPictures(self.trace)

    @cached_property
    def past(self) -> Past:
        """The run as it was, told."""
        from graphrt.cli.past import Past

        return Past(self.trace)

    def step_of(self, visit: VisitAccount) -> Step:
        """Return the step in which a visit ended last, or the last one about it, or the one in which it began.

        Raises:
            UseError: the trace tells no step about it.
        """
        ends = (e.VisitCompleted, e.VisitFailed, e.VisitCancelled)
        about = [s for s in self.steps if s.visit is not None and s.visit.id == visit.id]
        ended = [s for s in self.steps if any(isinstance(x, ends) and x.visit == visit.id for x in s.record.events)]
        began = [
            s for s in self.steps if any(isinstance(x, e.VisitStarted) and x.visit == visit.id for x in s.record.events)
        ]
        for found in (about, ended, began):
            if found:
                return found[-1]
        raise UseError(f"run {self.told.run} has no step about visit {visit.id}", visit=visit.id)

    def at_step(self, label: str) -> Step | None:
        """Return the moment in which a step of the run ended, or the last one that is known of it; None if none is."""
        of = [s for s in self.steps if s.label == label]
        if of:
            return of[-1]
        for visit in self.told.visits.values():
            # what is inside a visit, or where it arrives, has moments of its own; so has its end
            if label in visit.steps or any(edge.step == label for edge in visit.routed):
                return self.step_of(visit)
        return None


def walk(trace: Trace, info: RunInfo | None = None) -> Walk:
    """Read a trace into steps; `info` says if somebody drives the run."""
    told = account_of(trace, info)
    return Walk(trace, told, tuple(_Reader(trace, told).steps()))


def around(visit: str) -> str:
    """Return the visit that a visit is inside of; empty for the outermost."""
    return visit.rpartition("/")[0]


class _Reader:
    """Reads records one after the other, with a stepper that has taken them."""

    def __init__(self, trace: Trace, told: Account) -> None:
        self.trace = trace
        self.told = told
        self.then = told.graph
        if trace.header.digest != told.graph.digest:
            self.then = graph_from_json(trace.header.graph)
        self.live: dict[str, None] = {}

    def steps(self) -> Iterator[Step]:
        trace = self.trace
        played = states(trace)
        stepper: Stepper | None = None
        known = True
        unended = _unended(trace.records)
        number = 0
        for record in trace.records:
            before = self._before(stepper, record) if stepper is not None and known else {}
            if known:
                try:
                    _, stepper = next(played)
                except UseError:
                    known = False
            self._follow_live(record)
            given = record.input
            if isinstance(given, i.Resumed) and given.graph is not None:
                self.then = self.told.graph if given.digest == self.told.graph.digest else graph_from_json(given.graph)
            if isinstance(record.input, i.AttemptStarted) and not record.events and record.seq not in unended:
                continue
            number += 1
            levels = tuple(self._levels(stepper, record, before)) if stepper is not None and known else ()
            yield self._step(number, record, levels, before, known=known)

    def _step(
        self,
        number: int,
        record: Record,
        levels: tuple[Level, ...],
        before: dict[str, Mapping[str, Any]],
        *,
        known: bool,
    ) -> Step:
        visit = self.told.visits.get(getattr(record.input, "visit", None) or "")
        saw: dict[str, Json] = {}
        if visit is not None and (state := before.get(around(visit.id))) is not None:
            fields = self.told.graph_around(visit).field
            saw = {n: fields[n].encode_state_value(state[n]) for n in visit.node.reads if n in state}
        live = list(_first(self.live, _SHOWN_LIVE))
        names = tuple(self.told.visits[v].name for v in live)
        then = None if self.then is self.told.graph else self.then
        return Step(number, record, visit, levels, saw, names, len(self.live) - len(live), known, then)

    def _before(self, stepper: Stepper, record: Record) -> dict[str, Mapping[str, Any]]:
        """Return the states that the input's visit and the visits around it see, by the visit around each."""
        found: dict[str, Mapping[str, Any]] = {}
        visit = getattr(record.input, "visit", None)
        while visit:
            if (state := _state_at(stepper, visit)) is not None:
                found[around(visit)] = state
            visit = around(visit)
        return found

    def _levels(self, stepper: Stepper, record: Record, before: dict[str, Mapping[str, Any]]) -> Iterator[Level]:
        after: dict[str, Mapping[str, Any]] = {}
        met: set[str] = set()
        written: dict[str, Mapping[str, Any]] = {}
        for event in record.events:
            if isinstance(event, e.VisitStarted):
                state = _state_at(stepper, event.visit)
                if state is not None:
                    after.setdefault(around(event.visit), state)
            elif isinstance(event, e.Joined):
                met.add(around(event.visit))
            elif isinstance(event, e.VisitCompleted) and event.writes and around(event.visit) in before:
                written[around(event.visit)] = self._written(event, before[around(event.visit)])
            elif isinstance(event, e.RunCompleted) and stepper.state is not None:
                after[""] = stepper.state
                met.add("")  # its branches, if it had some that no join gathered
        after = written | after
        for level in sorted(set(after) | set(before), key=lambda v: (-v.count("/") - bool(v), v)):
            inside = self.told.visits[level].node.graph if level else self.told.graph
            assert inside is not None, "a visit below another stands in a node with a graph inside"
            items, replaced = self._crossed(record, level)
            yield Level(
                level,
                inside.field,
                before.get(level),
                after.get(level, before.get(level, {})),
                items,
                None if level in met else replaced,
            )

    def _written(self, event: e.VisitCompleted, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a state with what a visit wrote: where its line has ended or waits, no other visit shows it."""
        fields = self.told.graph_around(self.told.visits[event.visit]).field
        new = dict(state)
        for name, value in event.writes.items():
            new[name] = fields[name].reduce(state[name], fields[name].decode(value))
        return new

    def _crossed(self, record: Record, level: str) -> tuple[frozenset[str], frozenset[str]]:
        """Return the item fields of the branches that a record starts, and the fields that its edges replace."""
        items: set[str] = set()
        replaced: set[str] = set()
        for event in record.events:
            if not isinstance(event, e.Routed) or around(event.visit) != level:
                continue
            for tried in edges_tried(self.told, self.told.visits[event.visit], event, self.then):
                if tried.taken:
                    replaced.update(c.field for c in tried.edge.set if c.reducer is None)
                    if tried.edge.each is not None:
                        items.add(tried.edge.each.item)
        return frozenset(items), frozenset(replaced)

    def _follow_live(self, record: Record) -> None:
        """Keep which visits are live."""
        if isinstance(record.input, i.AttemptStarted):
            self.live.setdefault(record.input.visit)
        for event in record.events:
            if isinstance(event, e.VisitStarted):
                self.live.pop(around(event.visit), None)
                self.live[event.visit] = None
            elif isinstance(event, (e.VisitCompleted, e.VisitFailed, e.VisitCancelled)):
                self.live.pop(event.visit, None)
            elif isinstance(event, (e.RunCompleted, e.RunFailed, e.RunCancelled)):
                self.live.clear()


def _state_at(stepper: Stepper, visit: str) -> Mapping[str, Any] | None:
    try:
        return stepper.state_at(visit)
    except UseError:
        return None


def _first(things: Mapping[str, None], most: int) -> Iterator[str]:
    for k, thing in enumerate(things):
        if k == most:
            return
        yield thing


def _unended(records: list[Record] | tuple[Record, ...]) -> frozenset[int]:
    """Return the numbers of the records by which attempts start that the trace knows no end of."""
    open_: dict[str, int] = {}
    for record in records:
        given = record.input
        if isinstance(given, i.AttemptStarted):
            open_[given.visit] = record.seq
        elif isinstance(given, (i.AttemptSucceeded, i.AttemptFailed)):
            open_.pop(given.visit, None)
        for event in record.events:
            if isinstance(event, (e.VisitCancelled, e.AttemptLost)):
                open_.pop(event.visit, None)
            elif isinstance(event, (e.RunForked, e.RunCompleted)):
                open_.clear()
    return frozenset(open_.values())
