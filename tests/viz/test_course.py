"""What pictures say of a run that was not driven all the time, or not under one definition."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from graphrt.graph import Edge, Graph, Node, OnCrash
from graphrt.inputs import Answered, AttemptStarted, AttemptSucceeded, Forked, Input, Resumed, Started
from graphrt.stepper import Stepper
from graphrt.trace import Header, Record, Trace
from graphrt_viz import chronicle_of, difference_of_runs, picture_of_run, render
from graphrt_viz.picture import NodeMark
from graphrt_viz.views.timeline import timeline_of
from tests.viz.runs import FIELDS, compared

HOUR = 3600.0


def _graph(limit: float = 0.8, on_crash: OnCrash = "retry") -> Graph:
    """Return a loop: write, grade, and write again below a limit."""
    return Graph(
        "essay",
        FIELDS,
        (
            Node(0, "write", "task", writes=("draft",), edges=(Edge(0, 1, 0),), on_crash=on_crash),
            Node(
                1,
                "grade",
                "task",
                writes=("score",),
                edges=(Edge(1, 0, 0, when=compared("score", "<", limit), at_most=3), Edge(1, 2, 1)),
            ),
            Node(2, "done", "end"),
        ),
    )


GRAPH = _graph()
START = Started("r", {f.name: f.default_json for f in FIELDS})


def _trace(graph: Graph, *given: tuple[float, Input]) -> Trace:
    """Return the trace of inputs at their times; after a change of the definition, the changed one steps on."""
    stepper = Stepper(graph)
    records: list[Record] = []
    for at, item in given:
        events, _ = stepper.feed(at, item)
        records.append(Record(len(records), at, item, events))
    return Trace(Header("r", graph.name, graph.digest, graph.json, given[0][0]), tuple(records))


WRITTEN: Sequence[tuple[float, Input]] = (
    (0.0, START),
    (0.0, AttemptStarted("0", 1)),
    (2.0, AttemptSucceeded("0", 1, {"draft": "a"}, 2.0)),
    (2.0, AttemptStarted("1", 1)),
)
"""Up to the middle of grading."""
CUT = _trace(GRAPH, *WRITTEN)
TAKEN_UP = _trace(
    GRAPH,
    *WRITTEN,
    (2.0 + HOUR, Resumed("ada")),
    (2.0 + HOUR, AttemptStarted("1", 2)),
    (3.0 + HOUR, AttemptSucceeded("1", 2, {"score": 0.9}, 1.0)),
)


def _mark(trace: Trace, node: str, live: bool | None = None) -> NodeMark:
    found = next(n.mark for n in picture_of_run(trace, live=live).nodes if n.name == node)
    assert found is not None
    return found


# ---- crashes


def test_an_attempt_that_was_cut_off_ends_where_it_is_last_known_to_have_lived() -> None:
    """It is no longer running when the run is taken up, and its bar does not fill the time in between."""
    lost = next(s for s in chronicle_of(TAKEN_UP).steps if s.status == "lost")
    assert (lost.label, lost.started, lost.ended) == ("2", 2.0, 2.0)
    assert lost.error is not None
    assert "in doubt" in lost.error
    line = timeline_of(chronicle_of(TAKEN_UP))
    assert [fold.seconds for fold in line.folds] == [HOUR]
    bars = {chronicle_of(TAKEN_UP).steps[b.step].label: b for b in line.bars}
    assert bars["2"].end < bars["2·2"].begin


def test_a_later_record_shows_for_how_long_the_attempt_lived() -> None:
    """Where a branch went on beside it, the driver was still there."""
    fork = Graph(
        "two",
        FIELDS,
        (
            Node(0, "begin", "task", fork=True, edges=(Edge(0, 1, 0), Edge(0, 2, 1))),
            Node(1, "left", "task"),
            Node(2, "right", "task"),
        ),
    )
    trace = _trace(
        fork,
        (0.0, START),
        (0.0, AttemptStarted("0", 1)),
        (1.0, AttemptSucceeded("0", 1, {}, 1.0)),
        (1.0, AttemptStarted("0.0.0", 1)),
        (1.0, AttemptStarted("0.1.0", 1)),
        (5.0, AttemptSucceeded("0.1.0", 1, {}, 4.0)),
        (5.0 + HOUR, Resumed()),
    )
    lost = next(s for s in chronicle_of(trace).steps if s.status == "lost")
    assert (lost.name, lost.ended) == ("left", 5.0)


def test_what_was_cut_off_is_said_in_words() -> None:
    """In the picture, its tooltips and the timeline: how many attempts, and that their effect is in doubt."""
    assert _mark(TAKEN_UP, "grade").lost == 1
    assert _mark(TAKEN_UP, "grade").status == "good"
    assert "1 attempt cut off, effect in doubt" in str(render(TAKEN_UP, "text"))
    assert "cut off, in doubt" in str(render(TAKEN_UP, "text", view="timeline"))
    assert "1 cut off" in "".join(str(render(TAKEN_UP, "svg")).split("<text")[1:])


def test_a_question_about_a_lost_attempt_is_a_step_of_its_own() -> None:
    """The attempt stays cut off, the question waits from when it was asked until it was answered."""
    graph = _graph(on_crash="ask")
    begun = ((0.0, START), (0.0, AttemptStarted("0", 1)), (10.0, Resumed()))
    steps = chronicle_of(_trace(graph, *begun)).steps
    assert [(s.label, s.what, s.status) for s in steps] == [("1", "attempt", "lost"), ("1?", "visit", "waiting")]
    answered = _trace(graph, *begun, (70.0, Answered("0", "retry", "ann")), (70.0, AttemptStarted("0", 2)))
    asked, again = chronicle_of(answered).steps[1:]
    assert (asked.status, asked.started, asked.ended, asked.by) == ("good", 10.0, 70.0, "ann")
    assert (again.label, again.status) == ("1·2", "unfinished")


@pytest.mark.parametrize(
    ("live", "run", "node"),
    [(True, "running", "running"), (False, "cut off", "lost"), (None, "unfinished", "unfinished")],
)
def test_a_run_that_nobody_drives_is_cut_off(live: bool | None, run: str, node: str) -> None:
    """A trace alone cannot tell, so a picture from it says only that it had not ended."""
    picture = picture_of_run(CUT, live=live)
    assert picture.status == run
    assert f" · {run} · " in picture.subtitle
    assert _mark(CUT, "grade", live).status == node
    assert chronicle_of(CUT, live=live).status == run
    assert chronicle_of(CUT, live=live).steps[-1].status == node
    if node == "unfinished":
        assert "TASK · UNFINISHED" in render(CUT, "svg")
        assert "RUNNING" not in render(CUT, "svg")


def test_a_run_as_it_was_is_running() -> None:
    """Looked at as it was in the middle, a run that has ended since is drawn as running."""
    assert picture_of_run(TAKEN_UP, until=3).status == "running"


# ---- time


def test_time_in_which_nobody_drove_the_run_is_told_apart() -> None:
    """The hour between a crash and its end is idle; only what was driven counts as active."""
    assert " · 3 s active · 1 h idle" in picture_of_run(TAKEN_UP).subtitle
    assert " · 2 s wall" in picture_of_run(CUT).subtitle


def test_a_fork_does_not_count_the_time_since_its_parent() -> None:
    """A run that goes off a day later says whose it is; its time is its parent's share and its own."""
    day = 24 * HOUR
    trace = _trace(
        GRAPH,
        *WRITTEN,
        (2.0 + day, Forked("child", "r", "1")),
        (2.0 + day, AttemptStarted("1", 2)),
        (4.0 + day, AttemptSucceeded("1", 2, {"score": 0.9}, 2.0)),
    )
    assert "fork of r at grade · 4 s wall" in picture_of_run(trace).subtitle
    left = next(s for s in chronicle_of(trace).steps if s.status == "lost")
    assert (left.ended, left.error) == (2.0, "went on in the parent, run r")


# ---- definitions

CHANGED = _graph(0.5)
"""Demands less."""


def _changed() -> Trace:
    """Return a run that wrote again since 0.6 was not enough, was taken up under other limits, and was done."""
    first = _trace(
        GRAPH,
        *WRITTEN,
        (3.0, AttemptSucceeded("1", 1, {"score": 0.6}, 1.0)),
        (3.0, AttemptStarted("2", 1)),
    )
    stepper = Stepper(CHANGED)
    records = list(first.records)
    from graphrt.replay import feed

    for record in records:
        feed(stepper, record, scripted=True)
    rest: Sequence[tuple[float, Input]] = (
        (9.0, Resumed("ada", CHANGED.digest, graph=CHANGED.json)),
        (9.0, AttemptStarted("2", 2)),
        (10.0, AttemptSucceeded("2", 2, {"draft": "b"}, 1.0)),
        (10.0, AttemptStarted("3", 1)),
        (11.0, AttemptSucceeded("3", 1, {"score": 0.7}, 1.0)),
    )
    for at, given in rest:
        records.append(Record(len(records), at, given, stepper.feed(at, given)[0]))
    return Trace(first.header, tuple(records))


def test_what_decided_under_a_former_definition_is_named() -> None:
    """0.6 was not below 0.5: the picture of the changed flow says which guard had sent the run back, and whose."""
    picture = picture_of_run(_changed())
    back = next(e for e in picture.edges if e.source == "grade" and e.target == "write")
    assert back.guard == "score < 0.5"
    assert back.mark is not None
    assert back.mark.values == f"score = 0.6 · then score < 0.8 ≤ 3 (sha {GRAPH.digest[:7]})"
    assert f"definition {GRAPH.digest[:7]} → {CHANGED.digest[:7]} after step 3" in picture.subtitle


def test_each_step_knows_its_definition() -> None:
    """Of a run that had two; and its exits have the conditions that were tried."""
    steps = chronicle_of(_changed()).steps
    assert [(s.label, s.definition[:4]) for s in steps] == [
        ("1", GRAPH.digest[:4]),
        ("2", GRAPH.digest[:4]),
        ("3", GRAPH.digest[:4]),
        ("3·2", CHANGED.digest[:4]),
        ("4", CHANGED.digest[:4]),
        ("5", CHANGED.digest[:4]),
    ]
    assert steps[1].exits[0].condition == "score < 0.8 ≤ 3"
    assert steps[4].exits[0].condition == "score < 0.5 ≤ 3"
    assert {s.definition for s in chronicle_of(CUT).steps} == {""}


def test_a_comparison_of_runs_says_that_their_definitions_differ() -> None:
    """By their digests and by what differs; two runs of one definition do not speak of it."""
    done = ((2.0, AttemptSucceeded("1", 1, {"score": 0.9}, 1.0)),)
    one, other = _trace(GRAPH, *WRITTEN, *done), _trace(CHANGED, *WRITTEN, *done)
    compared_ = difference_of_runs(one, replace_run(other))
    assert compared_.lines[:2] == (
        f"the definitions differ, sha {GRAPH.digest[:7]} and {CHANGED.digest[:7]}:",
        "  changed grade → write [score < 0.5 ≤ 3] (guard: score < 0.8 → score < 0.5)",
    )
    assert f"the definitions differ, sha {GRAPH.digest[:7]} and {CHANGED.digest[:7]}" in compared_.picture.subtitle
    assert "same way, same results" in compared_.picture.subtitle
    assert difference_of_runs(one, one).definitions == ()


def replace_run(trace: Trace) -> Trace:
    """Return a trace under another id."""
    header = trace.header
    return Trace(Header("q", header.flow, header.digest, header.graph, header.created), trace.records)
