"""`graphrt fork`: a new run from the middle of an old one, which stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from graphrt.codec import encode_trace
from graphrt.inputs import AttemptStarted, Forked
from tests.cli import scenes
from tests.cli.calling import Program


def fork(program: Program, *args: str) -> dict[str, Any]:
    """Fork the suspended run, and return what is told of the new one."""
    ran = program("fork", "desk", *args, "--run-id", "again", "--json", "-q")
    assert ran.code in {0, 3}, ran.err
    return dict(json.loads(ran.out))


@pytest.fixture
def desk(program: Program) -> Program:
    """A store with a run that waits, and its code."""
    program.flow("support.py")
    program.keep(scenes.suspended())
    return program


def test_a_fork_goes_on_from_its_visit(desk: Program) -> None:
    """The visits before are the old run's past; the visit itself and what follows is done anew."""
    told = fork(desk, "--at", "draft #2")
    trace = desk.trace("again")
    assert (told["run"], told["status"]) == ("again", "suspended")
    assert trace.header.parent == "desk"
    assert trace.header.target == "support.py:flow"
    at = next(k for k, r in enumerate(trace.records) if isinstance(r.input, Forked))
    begun = [r.input.visit for r in trace.records[at:] if isinstance(r.input, AttemptStarted)]
    assert begun == ["4", "5"]
    assert told["partial"]["draft"] == "draft 2: two charges in March"


def test_the_old_run_is_left_as_it_was(desk: Program) -> None:
    """Not a byte of the old run changes, and it still waits for its own answer."""
    before = encode_trace(desk.trace("desk"))
    fork(desk, "--at", "2", "--set", "message=other")
    assert encode_trace(desk.trace("desk")) == before
    assert desk("answer", "desk", "send", "-q").code == 0
    assert desk("runs", "--parent", "desk").out.count("fork of desk") == 1


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ("message=hello there", "message", "hello there"),
        ("message=42", "message", "42"),
        ("message=a=b", "message", "a=b"),
        ("message=", "message", ""),
        ("rounds=3", "rounds", 3),
        ('facts=["one", "two"]', "facts", ["one", "two"]),
        ("topic=bug", "topic", "bug"),
        ("topic=null", "topic", None),
    ],
)
def test_fields_are_set_by_text_or_json(desk: Program, given: str, field: str, value: object) -> None:
    """A value is read as the field wants it: text for a text, JSON for the rest; the visit sees it."""
    told = fork(desk, "--at", "draft #2", "--set", given)
    assert told["partial"][field] == value
    forked = next(r.input for r in desk.trace("again").records if isinstance(r.input, Forked))
    assert forked.set == {field: value}


def test_the_new_id_is_told(desk: Program) -> None:
    """Without a name the new run gets one, and the lines at the end say how to look at it."""
    ran = desk("fork", "desk", "--at", "draft #2", "-q")
    (new,) = [r["run"] for r in json.loads(desk("runs", "--json").out) if r["parent"] == "desk"]
    assert ran.code == 3
    assert f"graphrt show {new}" in ran.out


def test_changed_code_does_the_work_from_there(desk: Program) -> None:
    """With --target the part that is live is done by other code, which the new run remembers."""
    desk.flow("support.py", ("draft {rounds + 1}", "letter {rounds + 1}"), to="letters.py")
    told = fork(desk, "--at", "draft #2", "--target", "letters.py")
    assert told["partial"]["draft"].startswith("letter")
    assert desk.trace("again").header.target == "letters.py:flow"


def test_a_changed_flow_is_told_beside_the_new_run(desk: Program) -> None:
    """A fork may go on under another definition, which nobody has to find out by himself."""
    same = desk("fork", "desk", "--at", "draft #2")
    assert "has changed since" not in same.err
    desk.flow("support.py", ("s.score < 0.8", "s.score < 0.7"), to="later.py")
    changed = desk("fork", "desk", "--at", "draft #2", "--target", "later.py")
    assert changed.code == 3
    assert "flow 'support' has changed since run desk" in changed.err
    assert "(guard: score < 0.8 → score < 0.7); the new run goes on under the changed one" in changed.err


def test_a_visit_inside_a_node_can_be_forked_with_the_fields_of_its_own_flow(program: Program) -> None:
    """Inside a node the fields are those of the flow there; the branches beside it go on as well."""
    program.flow("research.py")
    program.keep(scenes.researched())
    ran = program("fork", "study", "--at", "search #1", "--set", "question=why?", "--run-id", "again", "--json", "-q")
    assert ran.code == 3, ran.err
    assert json.loads(ran.out)["partial"]["answers"] == ["WHY?", "who knows"]


REFUSED: list[tuple[tuple[str, ...], str]] = [
    ((), "say where the new run leaves the old one: --at VISIT"),
    (("--at", "99"), "run desk has no visit '99'"),
    (("--at", "draft #7"), "'draft' has no visit #7 in run desk; its last is #2"),
    (("--at", "draft #2", "--set", "rounds"), "--set 'rounds' gives no value; expected FIELD=VALUE"),
    (("--at", "draft #2", "--set", "round=1"), "flow 'support' has no field 'round'; did you mean 'rounds'?"),
    (("--at", "draft #2", "--set", "rounds=many"), "--set rounds: field 'rounds' takes int, got 'many'"),
    (("--at", "draft #2", "--set", "rounds=1", "--set", "rounds=2"), "--set rounds is given twice"),
    (("--at", "draft #2", "--run-id", "desk"), "already has a run 'desk'"),
    (("--at", "draft #2", "--run-id", "a b"), "'a b' cannot be the id of a run"),
    (("--at", "draft #2", "--target", "gone.py"), "there is no file gone.py"),
    (("--at", "draft #2", "--target", "other.py"), "run desk has gone a way that flow 'support' no longer has"),
]


@pytest.mark.parametrize(("args", "says"), REFUSED)
def test_what_cannot_be_forked_is_told_and_nothing_happens(desk: Program, args: tuple[str, ...], says: str) -> None:
    """A wrong visit, field, value, id or flow is one line; neither run is touched."""
    desk.flow("support.py", ("triage", "sort_it"), to="other.py")
    before = desk.contents()
    ran = desk("fork", "desk", *args, "-q")
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert desk.contents() == before


def test_an_end_or_a_join_does_no_work_again(program: Program) -> None:
    """A visit that only passes on is no place to fork from; the line names those before it."""
    program.flow("support.py")
    program.flow("research.py")
    program.keep(scenes.completed(), scenes.researched())
    assert "sent (visit 7) is an end and does no work that could be done again; fork before it, at 6 (approve)" in (
        program("fork", "sent", "--at", "sent").err
    )
    assert "gather (visit 1) is a join and does no work" in program("fork", "study", "--at", "gather").err
