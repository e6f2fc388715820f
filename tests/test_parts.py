"""Nodes that read a part of a field, and what reducers are given on edges: as authors write them, run and recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, cast

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow, add, append, contains, extend, let, one_of, size
from graphrt.checks import check
from graphrt.errors import DefinitionError
from graphrt.graph import graph_from_json
from graphrt.items import Items
from graphrt.replay import verify
from graphrt.testing import ScriptedModel


class Step(BaseModel):
    what: str = ""
    tags: list[str] = []


class Plan(BaseModel):
    title: str = ""
    step: Step | None = None
    steps: list[Step] = []


class Work(BaseModel):
    plan: Plan = Plan()
    title: str = ""
    numbers: list[int] = [3, 1]
    orders: list[Step] = []
    notes: Annotated[list[str], append] = []
    queries: Annotated[list[str], extend] = []
    spent: Annotated[float, add] = 0.0
    out: str = ""
    n: int = 0
    ok: Literal["yes", "no"] | None = None


PLANNED = Work(plan=Plan(title="T", step=Step(what="dig", tags=["a"]), steps=[Step(what="first")]))


def refused(flow: Flow[Any]) -> list[tuple[str, str]]:
    """Return the mistakes of a flow: code and message."""
    return [(m.code, m.message) for m in flow.check()]


def test_a_task_reads_a_part_of_a_field() -> None:
    """`reads={"what": s.plan.step.what}` fills a parameter; the graph knows the field, the trace replays."""
    flow = Flow("parts", Work)
    s: Any = flow.state  # a checker would not let a part of what may be None pass

    def one(what: str, first: Step, n: int) -> str:
        first.what = "changed here alone"
        return f"{what} {n}"

    flow.task(writes=s.out, reads={"what": s.plan.step.what, "first": s.plan.steps[0]})(one)
    graph = flow.freeze()
    node = graph.nodes[0]
    assert node.reads == ("n", "plan")
    assert node.sees == ("n", "plan.step.what", "plan.steps[0]")
    result = flow.run_sync(PLANNED)
    assert result.state.out == "dig 0"
    assert result.state.plan == PLANNED.plan
    assert verify(result.trace, graph) is None
    assert graph_from_json(graph.json).json == graph.json
    assert graph_from_json(graph.json).nodes[0].sees == node.sees


def test_what_is_not_there_fails_the_visit_and_is_named() -> None:
    """A part of None is an error with the node, the parameter and what is None; an edge can catch it."""
    flow = Flow("parts", Work)
    s = flow.state
    part = cast("Any", s).plan.step.what  # a checker would not let a part of what may be None pass
    task = flow.task(writes=s.out, reads={"what": part}, name="one")(_echo)
    result = flow.run_sync(Work())
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.type == "GuardError"
    assert result.error.message.startswith(
        "task 'one' reads plan.step.what for its parameter 'what', but plan.step is None; "
    )
    flow.edge(task, flow.end("caught"), on=Exception)
    assert flow.run_sync(Work()).status == "completed"


def test_agents_and_questions_read_parts_under_their_last_name_or_one_of_their_own() -> None:
    """An agent's instructions name the part; a question shows it, also where it is not there."""
    flow = Flow("parts", Work)
    s: Any = flow.state  # a checker would not let a part of what may be None pass
    say = flow.agent("say", Agent("Speak of {title}."), reads=(s.plan.title, s.out), writes=s.out)
    named = flow.agent("named", Agent("{who} {out}"), reads={"who": s.plan.title, "out": s.title}, writes=s.out)
    ask = flow.ask("ask", "Good?", reads=(s.plan.step.what, s.notes), writes=s.ok)
    flow.edge(say, named)
    flow.edge(named, ask)
    assert not list(check(flow.freeze(), select=("GR406",)))
    model = ScriptedModel(["said", "again"])
    result = flow.run_sync(PLANNED.model_copy(update={"title": "mine"}), resources=[model])
    assert [r.instructions for r in model.requests] == ["Speak of T.", "T mine"]
    assert result.questions[0].reads == {"what": "dig", "notes": []}
    model = ScriptedModel(["said", "again"])
    assert flow.run_sync(Work(), resources=[model]).questions[0].reads == {"what": None, "notes": []}


UNREADABLE: list[tuple[Callable[[Any], Any], str, str]] = [
    (lambda s: s.plan.steps[0], "not-a-field", 'needs a name of its own: reads={"name": s.plan.steps[0]}'),
    (lambda s: (s.title, s.plan.title), "named-twice", 'give each a name: reads={"one": s.plan.title, …}'),
    (lambda s: s.n + 1, "not-a-field", "must be a field of flow.state, got n + 1"),
    (lambda _: Flow("other", Work).state.plan.title, "foreign-state", "is plan.title of another flow's state"),
]


@pytest.mark.parametrize(("reads", "code", "message"), UNREADABLE)
def test_parts_that_cannot_be_read_are_refused(reads: Any, code: str, message: str) -> None:
    """A part needs a name, one name only once, and everything else is no part."""
    flow = Flow("parts", Work)
    flow.agent("say", Agent("Say it."), reads=reads(flow.state), writes=flow.state.out)
    assert [(c, message in m) for c, m in refused(flow)] == [(code, True)]


def test_parts_are_held_against_the_parameter_and_cannot_be_written() -> None:
    """The type of a part is checked as that of a field; what writes takes the whole."""
    flow = Flow("parts", Work)
    s: Any = flow.state
    whole = "a part of a field cannot stand here, so name the whole field"
    flow.task(writes=s.plan.title, reads={"n": s.plan.title})(_count)
    assert refused(flow) == [
        ("not-a-field", f"writes of task '_count' must be a field of flow.state, got plan.title; {whole}"),
        ("reads-type", "parameter 'n' of task '_count' is int, but plan.title is str"),
    ]


def _echo(what: str) -> str:
    return what


def _count(n: int) -> str:
    return str(n)


# --- lists ---


def test_a_list_parameter_gets_a_list_and_a_sequence_a_view() -> None:
    """What is declared as a list is one, and the caller's own; a Sequence shares the items of the state."""
    flow = Flow("lists", Work)
    seen: dict[str, Any] = {}

    @flow.task(writes=flow.state.out)
    def one(numbers: list[int], orders: list[Step], notes: Sequence[str]) -> str:
        seen.update(numbers=type(numbers), orders=type(orders), notes=type(notes))
        numbers.sort()
        orders[0].what = "changed here alone"
        return json.dumps(numbers)

    @flow.task(writes=flow.state.n)
    def two(state: Work, queries: Any) -> int:
        seen.update(state=type(state.numbers), queries=queries.__class__)
        state.numbers.append(7)
        return len(json.dumps([state.numbers, queries]))

    def all_good(numbers: list[int]) -> bool:
        return json.dumps(numbers) == "[3, 1]"

    flow.edge(one, two, when=all_good)
    result = flow.run_sync(Work(orders=[Step(what="as it was")]))
    assert result.state.out == "[1, 3]"
    assert result.state.numbers == [3, 1]
    assert result.state.orders == [Step(what="as it was")]
    assert seen == {"numbers": list, "orders": list, "notes": Items, "state": list, "queries": list}


# --- what reducers take on edges ---


def taking(*changes: Any) -> Flow[Work]:
    """Return a flow whose only edge has these assignments."""
    flow = Flow("taking", Work)
    first = flow.task(name="first")(lambda: None)
    flow.edge(first, flow.end("done"), set=changes)
    return flow


def test_an_edge_gives_values_to_reducers() -> None:
    """`take` appends, extends and adds where `be` replaces; several of one field go one after the other."""
    flow = Flow("taking", Work)
    s = flow.state
    first = flow.task(name="first")(lambda: None)
    changes = [
        let(s.notes).take("late"),
        let(s.notes).take(s.plan.title),
        let(s.queries).take(["a", "b"]),
        let(s.spent).take(0.5),
    ]
    flow.edge(first, flow.end("done"), set=changes)
    graph = flow.freeze()
    assert [c.text for c in graph.nodes[0].edges[0].set] == [
        'append(notes, "late")',
        "append(notes, plan.title)",
        "extend(queries, ['a', 'b'])",
        "add(spent, 0.5)",
    ]
    result = flow.run_sync(PLANNED.model_copy(update={"notes": ["old"], "spent": 1.0}))
    assert (result.state.notes, result.state.queries, result.state.spent) == (["old", "late", "T"], ["a", "b"], 1.5)
    assert verify(result.trace, graph) is None
    assert graph_from_json(graph.json).json == graph.json


def test_branches_may_take_beside_each_other() -> None:
    """Writes through a reducer never conflict, and meet in the order of the branches; the checker agrees."""
    flow = Flow("taking", Work)
    s = flow.state
    first = flow.task(name="first")(lambda: None)
    one, two = (flow.task(name=name)(lambda: None) for name in ("one", "two"))
    both = flow.join("both")
    flow.fork(first, one, set=let(s.notes).take("left"))
    flow.fork(first, two, set=let(s.notes).take("right"))
    flow.edge([one, two], both)
    assert not list(check(flow.freeze(), select=("GR304",)))
    assert flow.run_sync(Work(notes=["old"])).state.notes == ["old", "left", "right"]


def test_a_reducer_that_raises_on_an_edge_fails_the_visit() -> None:
    """The run fails at the visit that was left, with the reducer's error; nothing of the edge was written."""

    def picky(old: list[str], new: str) -> list[str]:
        if new == "bad":
            raise ValueError("not this one")
        return [*old, new]

    class Picky(BaseModel):
        n: int = 0
        notes: Annotated[list[str], picky] = []

    flow = Flow("picky", Picky)
    s = flow.state
    first = flow.task(name="first")(lambda: None)
    flow.edge(first, flow.end("done"), set=[let(s.n).be(1), let(s.notes).take("good"), let(s.notes).take("bad")])
    result = flow.run_sync(Picky())
    assert result.status == "failed"
    assert result.error is not None
    assert "the action 'picky(notes, \"bad\")' of edge 'first' -> 'done'" in result.error.message
    assert "raised ValueError: not this one" in result.error.message
    assert (result.partial["n"], list(result.partial["notes"])) == (0, [])


UNTAKEABLE: list[tuple[Callable[[Any], Any], str, str]] = [
    (lambda s: let(s.out).take("x"), "no-reducer", "but 'out' (str) has none; write let(out).be(…)"),
    (lambda s: let(s.notes).take(3), "set-value", "append(notes, 3), but field 'notes' takes str, got 3 (int)"),
    (lambda s: let(s.notes).take(["x"]), "set-value", "field 'notes' takes str, got ['x'] (list)"),
]


@pytest.mark.parametrize(("change", "code", "message"), UNTAKEABLE)
def test_what_a_reducer_cannot_take_is_refused(change: Any, code: str, message: str) -> None:
    """A field without a reducer takes nothing, and a reducer only what it is made for."""
    flow = Flow("taking", Work)
    first = flow.task(name="first")(lambda: None)
    flow.edge(first, flow.end("done"), set=change(flow.state))
    assert [(c, message in m) for c, m in refused(flow)] == [(code, True)]


def test_what_is_taken_has_a_type() -> None:
    """The checker holds an expression against what the reducer takes, not against the field."""
    flow = Flow("taking", Work)
    s: Any = flow.state
    first = flow.task(name="first")(lambda: None)
    second = flow.task(name="second")(lambda: None)
    flow.edge(first, second, set=[let(s.notes).take(s.out), let(s.queries).take(s.notes)])
    flow.edge(second, flow.end("done"), set=[let(s.notes).take(s.n), let(s.queries).be(s.queries + [s.n])])  # noqa: RUF005 - an expression has no items yet
    found = [f.message for f in check(flow.freeze(), select=("GR305",))]
    edge = "edge 1 ('second' -> 'done') sets"
    assert [m.split(";")[0] for m in found] == [
        f"{edge} append(notes, n), which is int, but 'notes' takes str",
        f"{edge} queries = queries + [n], which is list[str | int], but 'queries' is list[str]",
    ]


# --- what can never be ---


UNCOMPUTABLE: list[tuple[Callable[[Any], Any], str]] = [
    (lambda s: s.out + 1, "`out + 1` cannot be: + is not for out (str) and 1 (int)"),
    (lambda s: 1 - s.out, "`1 - out` cannot be: - is not for 1 (int) and out (str)"),
    (lambda s: s.notes + "x", "`notes + 'x'` cannot be"),
    (lambda s: -s.out, "`-out` cannot be: out (str) is no number"),
    (lambda s: s.n + 1 > "x", "have no order"),
    (lambda s: (s.out + "!") > 3, 'write size(out + "!") > 3 for its length'),
]


@pytest.mark.parametrize(("write", "message"), UNCOMPUTABLE)
def test_arithmetic_that_cannot_be_is_refused_where_it_is_written(write: Any, message: str) -> None:
    """What is computed has a type as well, so that what follows from it is checked too."""
    with pytest.raises(TypeError, match=re.escape(message)):
        write(Flow("kinds", Work).state)


POSSIBLE: list[Callable[[Any], Any]] = [
    lambda s: (s.n + 0.5) * 2 > s.spent,
    lambda s: s.out + s.title == "ab",
    lambda s: s.out * 2 == "xx",
    lambda s: size(s.notes + s.queries) % 2 == 0,
    lambda s: s.numbers + [s.n] == [1],  # noqa: RUF005 - as above
    lambda s: one_of(s.n, 1.0, True),
    lambda s: contains(s.notes, s.out) & contains(s.out, "x") & contains(s.plan.steps, {"what": "dig"}),
    lambda s: s.plan.step.what == s.out,
]


@pytest.mark.parametrize("write", POSSIBLE)
def test_what_may_be_is_accepted(write: Any) -> None:
    """Numbers mix, texts and lists add up, and what is not known is left to the run."""
    flow = Flow("kinds", Work)
    flow.edge(flow.task(name="first")(lambda: None), flow.end("done"), when=write(flow.state))
    assert refused(flow) == []


NEVER: list[tuple[Callable[[Any], Any], str]] = [
    (lambda s: s.out == 3, "compares out, which is str, with 3, which is int: they are never equal"),
    (lambda s: s.n != "3", 'compares n, which is int, with "3", which is str'),
    (lambda s: one_of(s.n, 1, "two"), 'compares n, which is int, with "two", which is str'),
    (lambda s: s.n + 1 == s.out, "compares n + 1, which is int, with out, which is str"),
    (lambda s: s.plan.title == 3, "compares plan.title, which is str, with 3"),
    (lambda s: contains(s.notes, 3), "looks for 3, which is int, in notes, which is list[str]: it is never there"),
    (lambda s: contains(s.out, 3), "looks for 3, which is int, in out, which is str"),
]


@pytest.mark.parametrize(("write", "message"), NEVER)
def test_comparisons_of_what_is_never_equal_are_mistakes(write: Any, message: str) -> None:
    """A guard that can never change its verdict is refused when the flow is frozen, with both types."""
    flow = Flow("kinds", Work)
    flow.edge(flow.task(name="first")(lambda: None), flow.end("done"), when=write(flow.state))
    with pytest.raises(DefinitionError) as wrong:
        flow.freeze()
    assert [(m.code, message in m.message) for m in wrong.value.mistakes] == [("never-equal", True)]
