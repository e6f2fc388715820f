"""A step of a run in words: a row for a list of steps, and the lines that tell all of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from graphrt import events as e
from graphrt import inputs as i
from graphrt.cli.screen import brief_json, line
from graphrt.cli.steps import MISSING, around
from graphrt.cli.telling import error_text, fact_text, moment, status_text, took, used, written
from graphrt.cli.verdicts import edge_rows
from graphrt_viz.wording import plural, shorten

if TYPE_CHECKING:
    from rich.text import Text

    from graphrt.cli.screen import Part
    from graphrt.cli.steps import Change, Level, Step, Walk
    from graphrt.inputs import ErrorInfo
    from graphrt.told import Account, VisitAccount

LABEL: Final = 12
"""Width of the words at the left of what is told."""
_FEW_BEGIN: Final = 2
"""Graphs inside nodes that begin in one step and whose state is shown."""
_FEW: Final = 6
"""Things of a kind that are listed one by one; of more, so many and a count."""
_LONG: Final = 200
_LONG_NAME: Final = 50
_ERROR: Final = 600


def what(step: Step) -> Text:
    """Return what happened, in a few words with its sign."""
    given, events = step.record.input, step.record.events
    match given:
        case i.Started():
            return status_text("running", "the run begins")
        case i.Forked(parent=parent, visit=visit):
            return status_text("running", f"a fork of {parent} begins at visit {visit}")
        case i.Resumed(by=by):
            return status_text("running", "the run is resumed" + _by(by))
        case i.Cancelled(by=by):
            return status_text("cancelled", "the run is cancelled" + _by(by))
        case i.Answered(by=by, answer=answer):
            return status_text("completed", f"answered {brief_json(answer, 30)}" + _by(by))
        case i.TimerFired(kind="deadline"):
            return status_text("failed", "nobody answered in time")
        case i.TimerFired():
            return status_text("paused", "the wait is over")
        case i.AttemptStarted(attempt=attempt):
            return status_text("running", f"attempt {attempt} under way")
        case i.AttemptSucceeded() | i.AttemptFailed():
            return _ended(given, events, refused=step.refused)


def _by(who: str | None) -> str:
    return f" by {who}" if who else ""


def _ended(given: i.AttemptSucceeded | i.AttemptFailed, events: tuple[e.Event, ...], *, refused: bool) -> Text:
    """Return how an attempt ended."""
    for event in events:
        if getattr(event, "visit", None) != given.visit:
            continue
        if isinstance(event, e.VisitCompleted):
            if refused:
                return status_text("failed", "told the model")
            return status_text("completed", event.outcome or "completed")
        if isinstance(event, e.AttemptRetried):
            return status_text("paused", f"attempt {given.attempt} failed")
        if isinstance(event, e.VisitFailed):
            caught = next((x.error for x in events if isinstance(x, e.Routed) and x.visit == given.visit), None)
            return status_text("failed", f"failed, caught {caught}" if caught else "failed")
    return status_text("failed" if isinstance(given, i.AttemptFailed) else "completed")


def error_of(step: Step) -> ErrorInfo | None:
    """Return the error that a step is about."""
    given = step.record.input
    if isinstance(given, i.AttemptFailed):
        return given.error
    wrong = (e.VisitFailed, e.AttemptRetried, e.RunFailed)
    return next((x.error for x in step.record.events if isinstance(x, wrong)), None)


def row(step: Step, walk: Walk) -> list[Part]:
    """Return the cells of a step in a list: step, time since the start, name, what happened, what came of it."""
    given = step.record.input
    error = error_of(step)
    more: Part = ""
    if error is not None:
        caught = step.visit is not None and step.visit.caught is not None
        more = (shorten(fact_text(error, caught=caught), _LONG), "red")
    elif isinstance(given, (i.Started, i.Forked)):
        changed = given.state if isinstance(given, i.Started) else given.set
        more = ", ".join(f"{k} = {brief_json(v, 40)}" for k, v in changed.items())
    elif isinstance(given, i.AttemptSucceeded):
        more = written(step.visit, given.writes) if step.visit is not None else ""
        if step.visit is not None and step.visit.refused is not None:
            more = (shorten(step.visit.refused.trouble, _LONG), "red")
    else:
        more = next((x.question for x in step.record.events if isinstance(x, e.VisitWaiting)), "")
    return [step.label, (since(step, walk), "dim"), step.called, what(step), more]


def since(step: Step, walk: Walk) -> str:
    """Return the time from the start of the run to a step."""
    return f"+{took(max(0.0, step.record.at - walk.told.started))}"


def detail(step: Step, walk: Walk, width: int | None = None) -> Iterator[Text]:
    """Yield all that a step tells: what was read and written, the state before and after, the edges, what followed.

    Lines may be wider than `width`, where they can be wrapped; tables are not.
    """
    told, visit, given = walk.told, step.visit, step.record.input
    which = f" (visit {visit.id})" if visit is not None else ""
    yield line((step.called, "bold"), which, "  ", what(step))
    yield line((" · ".join(_facts(step, walk)), "dim"))
    if visit is not None and (outer := around(visit.id)):
        yield _told("inside", " › ".join(reversed([v.name for v in _outwards(told, outer)])))
    if visit is not None and visit.item is not None:
        yield _told("item", brief_json(visit.item, _LONG))
    for name, value in step.saw.items():
        yield _told("read", f"{name} = {brief_json(value, _LONG)}")
    if isinstance(given, i.Answered) and visit is not None and visit.question:
        yield _told("asked", visit.question)
    levels = [(level, level.changes()) for level in step.levels]
    if isinstance(given, i.AttemptSucceeded):
        for name, value in given.writes.items():
            if not _shows(levels, step, name, value):
                yield _told("wrote", f"{name} = {brief_json(value, _LONG)}")
        if step.visit is not None and step.visit.refused is not None:
            yield _told("error", f"✗ told the model: {shorten(step.visit.refused.trouble, _ERROR)}", "red")
        for name, value in given.notes.items():
            yield _told("noted", f"{name} = {brief_json(value, _LONG)}")
    if isinstance(given, i.AttemptSucceeded | i.AttemptFailed):
        for mark in given.marks:
            facts = f" ({brief_json(mark.facts, _LONG)})" if mark.facts else ""
            yield _told("happened", f"{mark.text}{facts}", "cyan")
    error = error_of(step)
    if error is not None:
        yield _told("error", shorten(error_text(error), _ERROR), "red")
    if step.known:
        yield from _states(step, levels, told)
    else:
        yield _told("state", "not known: the records do not fit each other from here on", "yellow")
    yield from _events(step, told, width)
    if step.live:
        more = f" and {step.more_live} more" if step.more_live else ""
        yield _told("live", ", ".join(shorten(name, _LONG_NAME) for name in step.live) + more, "dim")


def _told(label: str, text: str, style: str = "") -> Text:
    return line((f"  {label:<{LABEL - 2}}  ", "dim"), (text, style))


def _facts(step: Step, walk: Walk) -> Iterator[str]:
    given = step.record.input
    yield moment(step.record.at)
    yield since(step, walk)
    yield f"record {step.record.seq}"
    if isinstance(given, (i.AttemptSucceeded, i.AttemptFailed)):
        if given.attempt > 1:
            yield f"attempt {given.attempt}"
        yield f"took {took(given.duration_s)}"
        yield from used(given.usage)


def _outwards(told: Account, visit: str) -> Iterator[VisitAccount]:
    while visit:
        yield told.visits[visit]
        visit = around(visit)


def _shows(levels: list[tuple[Level, list[Change]]], step: Step, name: str, value: Any) -> bool:  # noqa: ANN401 - JSON
    """Say if the changes of the state show what a visit wrote."""
    own = around(step.visit.id) if step.visit is not None else ""
    changes = next((changes for level, changes in levels if level.around == own), cast("list[Change]", []))
    for change in changes:
        if change.field == name:
            return bool(change.added in ([value], value) if change.added is not None else change.new == value)
    return False


def _states(step: Step, levels: list[tuple[Level, list[Change]]], told: Account) -> Iterator[Text]:
    """Yield what became of the state, graph by graph."""
    own = around(step.visit.id) if step.visit is not None else ""
    begin = sum(level.before is None and bool(level.around) for level, _ in levels)
    for level, changes in levels:
        if not changes or (level.before is None and level.around and begin > _FEW_BEGIN):
            continue
        label = "state"
        if level.around != own:
            label = f"in {shorten(told.visits[level.around].name, 40)}" if level.around else "in the run"
        if len(label) > LABEL - 2:
            yield line((f"  {label}", "dim"))
            label = ""
        for k, change in enumerate(changes):
            yield line((f"  {'' if k else label:<{LABEL - 2}}  ", "dim"), *_changed(change))


def _changed(change: Change) -> Iterator[Part]:
    yield change.field, "bold"
    if change.added is not None:
        shown = ", ".join(brief_json(v, 80) for v in change.added[:_FEW])
        more = f" and {len(change.added) - _FEW} more" if len(change.added) > _FEW else ""
        yield f"  + {shown}{more}"
    elif change.old is MISSING:
        yield f" = {brief_json(change.new, _LONG)}"
    else:
        yield f"  {brief_json(change.old, 80)} → {brief_json(change.new, 80)}"


def _events(step: Step, told: Account, width: int | None) -> Iterator[Text]:
    """Yield what followed, in the order in which it did; many of one kind are counted."""
    label = "then"
    for kind, events in _runs_of(step.record.events):
        counted = kind in {e.VisitStarted, e.VisitCancelled} and len(events) > _FEW
        for event in events[: _FEW - 1] if counted else events:
            if isinstance(event, e.Routed):
                yield from _edges(event, step, told, width)
                label = "then"
                continue
            for said in _event(event, step, told):
                yield line((f"  {label:<{LABEL - 2}}  ", "dim"), said)
                label = ""
        if counted:
            rest = plural(len(events) - _FEW + 1, "more visit")
            yield _told("", f"and {rest} {'begin' if kind is e.VisitStarted else 'are cancelled'}")


def _edges(event: e.Routed, step: Step, told: Account, width: int | None) -> Iterator[Text]:
    """Yield the verdicts with which a visit was left."""
    visit = told.visits[event.visit]
    whose = "edges" if visit is step.visit else f"edges of {shorten(visit.name, 40)}"
    yield line((f"  {whose}", "dim"), f", tried for {event.error}" if event.error else "")
    yield from edge_rows(step.edges(told, event), indent=4, width=width)


def _runs_of(events: Iterable[e.Event]) -> Iterator[tuple[type[Any], list[Any]]]:
    """Yield events that follow each other and are of one kind together."""
    kind: type[Any] | None = None
    found: list[Any] = []
    for event in events:
        if type(event) is not kind and kind is not None:
            yield kind, found
            found = []
        kind = type(event)
        found.append(event)
    if kind is not None:
        yield kind, found


def _event(event: e.Event, step: Step, told: Account) -> Iterator[Part]:
    """Yield what an event says, as far as the step does not say it anyway."""
    own = getattr(step.record.input, "visit", None)

    def called(visit: str) -> str:
        known = told.visits.get(visit)
        return f"{shorten(known.name, _LONG_NAME)} (visit {visit})" if known is not None else f"visit {visit}"

    match event:
        case e.VisitStarted():
            yield status_text("running", f"{called(event.visit)} begins" + _item(event.item))
        case e.VisitWaiting():
            choice = f" ({', '.join(event.answers)})" if event.answers else ""
            due = f", until {moment(event.due)}" if event.due is not None else ""
            yield status_text("waiting", f"{called(event.visit)} asks: {event.question}{choice}{due}")
        case e.AttemptRetried():
            wait = event.due - step.record.at
            again = f"after {took(wait)}" if wait > 0 else "at once"
            yield status_text("paused", f"{called(event.visit)} tries again {again}")
        case e.AttemptLost():
            yield status_text("lost", f"attempt {event.attempt} of {called(event.visit)} is in doubt: {event.then}")
        case e.VisitCompleted() if event.visit != own:
            said = f", answer {event.outcome}" if event.outcome is not None else ""
            yield status_text("completed", f"{called(event.visit)} completed{said}")
        case e.VisitFailed() if event.visit != own:
            yield status_text("failed", f"{called(event.visit)} failed")
        case e.VisitCancelled():
            yield status_text("cancelled", f"{called(event.visit)} cancelled because of the {event.why}")
        case e.Joined():
            left = f", {plural(len(event.dropped), 'line')} left behind" if event.dropped else ""
            yield status_text("completed", f"{called(event.visit)} gathers {plural(event.arrived, 'line')}{left}")
        case e.LimitPassed():
            passed = f"{event.used:g} {event.limit}, {event.allowed:g} allowed"
            yield status_text("failed", f"the run passed its limit: {passed}")
        case e.RunSuspended():
            yield status_text("suspended", "the run is suspended: it waits for an answer")
        case e.RunCompleted():
            yield status_text("completed", "the run is completed" + (f" at {event.end}" if event.end else ""))
        case e.RunFailed():
            at = f" at {called(event.visit)}" if event.visit else ""
            same = event.error == error_of(step)
            yield status_text(
                "failed", f"the run failed{at}" + ("" if same else f": {shorten(error_text(event.error), _ERROR)}")
            )
        case e.RunCancelled():
            yield status_text("cancelled", "the run is cancelled" + (f": {event.reason}" if event.reason else ""))
        case _:
            pass


def _item(item: Any) -> str:  # noqa: ANN401 - any JSON value
    return f" with {brief_json(item, 60)}" if item is not None else ""
