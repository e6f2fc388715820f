"""A run step by step: the steps are those of the picture, and the state at each is what replay says."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from graphrt.errors import TraceInvalid
from graphrt.events import VisitStarted
from graphrt.replay import states
from graphrt.trace import Trace
from graphrt_viz.chronicle import chronicle_of
from graphrt_viz.steps import Chronicle, Step
from graphrt_viz.values import shown_value
from tests.viz.runs import SUPPORT, trace_of
from tests.viz.test_overlay import BRANCHED, COMPLETED

FAILED = trace_of(SUPPORT, {"triage": {"topic": "bug"}, "draft": ValueError("no JSON")})
WAITING = trace_of(SUPPORT, {"triage": {"topic": "bug"}, "draft": {"draft": "a"}, "review": {"score": 1.0}})
CANCELLED = trace_of(SUPPORT, {"triage": {"topic": "bug"}}, cancel_after=1)
TRACES = {"completed": COMPLETED, "branched": BRANCHED, "failed": FAILED, "waiting": WAITING, "cancelled": CANCELLED}


@pytest.fixture(params=TRACES)
def trace(request: pytest.FixtureRequest) -> Trace:
    """Return a run of each kind."""
    found: Trace = TRACES[request.param]
    return found


def _step(chronicle: Chronicle, label: str) -> Step:
    return next(s for s in chronicle.steps if s.label == label)


def test_labels_are_the_numbers_on_the_edges(trace: Trace) -> None:
    """Step 4 was reached by an edge that has a 4 in the picture, and every number in the picture has its step."""
    chronicle = chronicle_of(trace)
    numbers = {
        number: place
        for place, e in enumerate(chronicle.picture.edges)
        if e.mark is not None
        for number in e.mark.steps
    }
    labels = [s.label for s in chronicle.steps]
    assert len(set(labels)) == len(labels)
    assert {label.split(".")[0] for label in labels if "/" not in label} == set(numbers)
    for step in chronicle.steps:
        if step.via and step.label.isdigit():
            assert numbers[step.label] in step.via


def test_branches_and_what_runs_inside_have_labels_of_their_own() -> None:
    """Visits for many items are 2.1, 2.2 …, an arrival has the number of its edge, inner steps stand below theirs."""
    labels = [(s.label, s.what, s.name) for s in chronicle_of(BRANCHED).steps]
    assert labels[1:4] == [
        ("2.1", "attempt", "search"),
        ("2.2", "attempt", "search #2"),
        ("2.3", "attempt", "search #3"),
    ]
    assert ("3", "arrival", "gather") in labels
    assert ("6", "visit", "gather") in labels
    assert ("7/2.1", "attempt", "lookup") in labels


def test_what_a_picture_has_open_changes_no_number() -> None:
    """Opened or closed, a visit has the same step; where an agent is open, the edges inside bear the inner steps."""
    closed = chronicle_of(BRANCHED, opened="none")
    opened = chronicle_of(BRANCHED, opened="all")
    ways = {s.label: s.visit for s in opened.steps}
    assert {s.label: s.visit for s in closed.steps if s.what != "arrival"}.items() <= ways.items()
    numbers = {step for e in opened.picture.edges if e.mark is not None for step in e.mark.steps}
    assert {"7/1", "7/2"} <= numbers
    assert {step for step in numbers if "/" not in step} == {
        step for e in chronicle_of(BRANCHED).picture.edges if e.mark is not None for step in e.mark.steps
    }


def test_a_failed_attempt_is_a_step_and_so_is_the_next() -> None:
    """The failed one has the error and says that another came; the next has the number of the loop."""
    chronicle = chronicle_of(COMPLETED)
    first, second = _step(chronicle, "3"), _step(chronicle, "4")
    assert (first.visit, first.status, first.retried, first.attempt, first.attempts) == ("2", "failed", True, 1, 3 - 1)
    assert first.error == "TimeoutError: the model took more than 30 s"
    assert (second.visit, second.status, second.attempt, second.causes) == ("2", "good", 2, (2,))
    assert (second.busy_s, second.tokens, second.cost_usd) == (1.25, 420, 0.0012)


def test_every_edge_that_was_considered_is_there_with_its_reason() -> None:
    """The exits of a step are the edges of its node: the one taken with what was read, the others with why not."""
    review = _step(chronicle_of(COMPLETED), "5")
    assert [(e.target, e.result, e.reason) for e in review.exits] == [
        ("draft", "taken", "score = 0.62"),
        ("approve", "not tried", "not tried: rule 1 matched"),
    ]
    approve = _step(chronicle_of(COMPLETED), "8")
    assert [(e.condition, e.result) for e in approve.exits] == [
        ("send", "taken"),
        ("again", "other answer"),
    ]


def test_the_end_of_a_run_is_the_end_of_its_steps() -> None:
    """A question that is open waits, one that was answered names who did; what was under way is stopped."""
    assert _step(chronicle_of(COMPLETED), "8").by == "ann"
    assert (chronicle_of(WAITING).steps[-1].status, chronicle_of(WAITING).status) == ("waiting", "suspended")
    assert chronicle_of(WAITING).steps[-1].question == "Send this answer?"
    assert chronicle_of(CANCELLED).steps[-1].status == "cancelled"
    failed = chronicle_of(FAILED)
    assert [s.status for s in failed.steps][-2:] == ["failed", "failed"]
    assert failed.error is not None


def _state_at(chronicle: Chronicle, place: int) -> dict[str, str]:
    """Return the state that a step began with, as the report puts it together: changes along the way there."""
    way = [place]
    while (base := chronicle.steps[way[-1]].base) is not None:
        way.append(base)
    state: dict[str, str] = {}
    for here, behind in pairwise([*reversed(way), None]):
        assert here is not None
        state |= chronicle.steps[here].entered
        if behind is not None:
            state |= chronicle.steps[here].wrote
    return state


def test_the_state_at_each_step_is_what_replay_folds(trace: Trace) -> None:
    """Changes put together along a line give the state that the stepper hands to each visit."""
    chronicle = chronicle_of(trace)
    place = {s.visit: i for i, s in reversed(list(enumerate(chronicle.steps))) if s.what != "arrival"}
    seen = 0
    for record, stepper in states(trace):
        for event in record.events:
            if isinstance(event, VisitStarted) and event.visit in stepper.visits:
                expected = {k: shown_value(v) for k, v in stepper.state_at(event.visit).items()}
                assert _state_at(chronicle, place[event.visit]) == expected
                seen += 1
    assert seen > 0


def test_a_run_that_completed_ends_with_its_final_state() -> None:
    """The last step shows the state that the run ended with."""
    for trace in (COMPLETED, BRANCHED):
        chronicle = chronicle_of(trace)
        final: dict[str, Any] = {}
        for _, stepper in states(trace):
            final = stepper.state or {}
        assert _state_at(chronicle, len(chronicle.steps) - 1) == {k: shown_value(v) for k, v in final.items()}


def test_a_trace_that_cannot_be_folded_still_has_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What replay refuses is told all the same; only the states are left out, and it says so."""

    def refuse(trace: Trace) -> Iterator[object]:
        yield from ()
        raise TraceInvalid(f"run {trace.header.run} is cut", run=trace.header.run)

    monkeypatch.setattr("graphrt_viz.chronicle.states", refuse)
    chronicle = chronicle_of(COMPLETED)
    assert len(chronicle.steps) == 9
    assert not chronicle.has_states
    assert all(not s.entered for s in chronicle.steps)


def test_any_beginning_of_a_run_has_its_steps() -> None:
    """A run that is looked at while it goes on: the steps so far, none of them different later but the last ones."""
    for until in range(len(BRANCHED.records)):
        part = chronicle_of(Trace(BRANCHED.header, tuple(BRANCHED.records[:until])))
        assert [s.visit for s in part.steps] == [s.visit for s in chronicle_of(BRANCHED).steps][: len(part.steps)]
