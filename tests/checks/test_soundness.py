"""What the checker calls impossible no run does, and what it shows a run does."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from graphrt import append, guards
from graphrt.checks import Settings, check
from graphrt.checks.subject import Subject
from graphrt.checks.worst import worst
from graphrt.events import Routed, RunFailed, VisitFailed
from graphrt.fields import fields_of
from graphrt.graph import Graph
from graphrt.guards import Guard
from graphrt.trees import (
    And,
    Arithmetic,
    Attribute,
    Compare,
    Constant,
    Contains,
    Holds,
    IsNone,
    Matches,
    Negative,
    Not,
    OneOf,
    Or,
    Read,
    Size,
    Tree,
)
from tests.driving import Driver, build, initial
from tests.strategies import ORDERS, PLAIN, RACING, WILD, World, graphs, run, worlds


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    city: str = "Oslo"
    floor: int | None = None


class Everything(BaseModel):
    """A field of every kind that guards can ask about."""

    count: int = 0
    level: Annotated[int, Field(ge=0, le=5)] = 0
    score: float = 0.0
    share: float | None = None
    other: float = 0.5
    flag: bool = False
    topic: Literal["billing", "bug"] | None = None
    colour: Colour = Colour.RED
    text: str = ""
    note: str | None = None
    facts: Annotated[list[str], append] = []
    place: Place | None = None


FIELDS, _ = fields_of(Everything)
NUMBERS = st.sampled_from((-1, 0, 1, 2, 3, 5, 6))
FRACTIONS = st.sampled_from((0.0, 0.2, 0.5, 0.8, 1.0))
TEXTS = st.sampled_from(("", "a", "billing", "please"))
OPS = st.sampled_from(("<", "<=", ">", ">=", "==", "!="))
EQUALITY = st.sampled_from(("==", "!="))


def _sum(leaf: Tree) -> st.SearchStrategy[Tree]:
    """Return a whole number of the state, or a sum, a product or a remainder of it."""
    return st.one_of(
        st.just(leaf),
        st.builds(Arithmetic, st.sampled_from(("+", "-", "*")), st.just(leaf), st.builds(Constant, NUMBERS)),
        st.builds(Arithmetic, st.just("%"), st.just(leaf), st.builds(Constant, st.sampled_from((2, 3)))),
        st.builds(Arithmetic, st.just("-"), st.builds(Constant, NUMBERS), st.just(leaf)),
        st.just(Negative(leaf)),
    )


def _one_of(options: tuple[Any, ...]) -> Tree:
    return OneOf(Read("topic"), tuple(Constant(o) for o in options))


def _contains(item: str) -> Tree:
    return Contains(Read("facts"), Constant(item))


def _and(one: Tree, other: Tree) -> Tree:
    return And((one, other))


def _or(one: Tree, other: Tree) -> Tree:
    return Or((one, other))


def _joined(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(st.builds(Not, inner), st.builds(_and, inner, inner), st.builds(_or, inner, inner))


def _against(leaf: Tree, values: st.SearchStrategy[Any], ops: st.SearchStrategy[str] = OPS) -> st.SearchStrategy[Tree]:
    return st.builds(Compare, ops, st.just(leaf), st.builds(Constant, values))


CITY, FLOOR = Attribute(Read("place"), "city"), Attribute(Read("place"), "floor")
ATOMS: st.SearchStrategy[Tree] = st.one_of(
    st.builds(Compare, OPS, _sum(Read("count")), st.builds(Constant, NUMBERS)),
    st.builds(Compare, OPS, _sum(Size(Read("facts"))), st.builds(Constant, NUMBERS)),
    st.builds(Compare, OPS, st.builds(Constant, NUMBERS), st.just(Read("level"))),
    _against(Read("score"), FRACTIONS),
    _against(Read("share"), FRACTIONS),
    _against(Read("topic"), st.sampled_from(("billing", "bug", None)), EQUALITY),
    _against(Read("colour"), st.sampled_from(Colour), EQUALITY),
    _against(Read("text"), TEXTS),
    _against(Read("note"), TEXTS, EQUALITY),
    _against(Size(Read("text")), NUMBERS),
    _against(CITY, st.sampled_from(("Oslo", "Rome")), EQUALITY),
    _against(FLOOR, NUMBERS),
    st.builds(Compare, OPS, st.just(Read("score")), st.just(Read("other"))),
    st.builds(Compare, OPS, st.just(Arithmetic("*", Read("score"), Constant(2))), st.builds(Constant, FRACTIONS)),
    st.builds(_one_of, st.sampled_from((("bug",), ("bug", None)))),
    st.builds(_contains, TEXTS),
    st.sampled_from((IsNone(Read("topic")), IsNone(Read("share")), IsNone(Read("place")), IsNone(FLOOR))),
    st.just(Holds(Read("flag"))),
    st.just(Matches(Read("text"), "a")),
)
CONDITIONS: st.SearchStrategy[Tree] = st.recursive(ATOMS, _joined, max_leaves=3)
STATES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "count": st.integers(-7, 8),
        "level": st.integers(0, 5),
        "score": FRACTIONS | st.floats(-1, 2),
        "share": st.none() | FRACTIONS,
        "other": FRACTIONS,
        "flag": st.booleans(),
        "topic": st.sampled_from(("billing", "bug", None)),
        "colour": st.sampled_from(("red", "blue")),
        "text": TEXTS | st.text(max_size=7),
        "note": st.none() | TEXTS,
        "facts": st.lists(TEXTS, max_size=6),
        "place": st.none()
        | st.fixed_dictionaries({"city": st.sampled_from(("Oslo", "Rome")), "floor": st.none() | NUMBERS}),
    }
)


@st.composite
def choices(draw: Any) -> Graph:
    """Return a graph of one choice: guarded edges, at times a last one without a guard, first match or fork."""
    trees: list[Tree | None] = list(draw(st.lists(CONDITIONS, min_size=1, max_size=4)))
    if draw(st.booleans()):
        trees[-1] = None
    edges = [("n", f"t{i}", {"when": None if t is None else Guard(t)}) for i, t in enumerate(trees)]
    return build(edges, forks="n" if draw(st.booleans()) else "", fields=FIELDS, nodes={"n": {"writes": ()}})


def _outcome(graph: Graph, state: dict[str, Any]) -> tuple[set[int], str | None]:
    """Run the choice on a state; return the edges that were taken, and the error."""
    driver = Driver(graph).start(**initial(graph, state))
    driver.ok("0")
    taken = {v.edge for e in driver.of(Routed) if e.visit == "0" for v in e.verdicts if v.result == "taken"}
    failed = [e.error.type for e in driver.of(RunFailed)]
    return taken, failed[0] if failed else None


@given(choices(), st.lists(STATES, min_size=3, max_size=10))
def test_a_choice_does_what_was_decided_about_it(graph: Graph, states: list[dict[str, Any]]) -> None:
    """On any state: an edge that is never taken is not, and where no gap was found and none left open there is none."""
    decision = Subject(graph, Settings(), "g").decisions[0]
    note(str([e.when for e in graph.nodes[0].edges]))
    note(str(decision))
    for state in states:
        taken, error = _outcome(graph, state)
        assert not taken & set(decision.never)
        if error == "NoRoute":
            assert decision.gap is not None or decision.is_open
        if error is None:
            assert not any(
                (i, k) not in decision.together for i in taken for k in taken if i < k and decision.is_complete
            )


@given(choices())
def test_what_a_finding_shows_happens(graph: Graph) -> None:
    """The witness of a gap fails a run with NoRoute, that of a raising guard with GuardError."""
    for finding in check(graph, select=["GR201", "GR205"]):
        note(str(finding))
        taken, error = _outcome(graph, dict(finding.witness))
        assert not taken
        assert error == ("NoRoute" if finding.code == "GR201" else "GuardError")


@given(CONDITIONS, st.lists(STATES, min_size=3, max_size=10))
def test_a_guard_called_needless_holds(tree: Tree, states: list[dict[str, Any]]) -> None:
    """A guard of which the checker says that it always holds, holds on any state."""
    graph = build([("n", "a", {"when": Guard(tree)}), ("n", "b")], fields=FIELDS)
    if not check(graph, select=["GR204"]):
        return
    for state in states:
        values = {f.name: f.decode_whole(state[f.name]) for f in FIELDS}
        assert guards.compiled(tree)(values, {}) is True


@pytest.mark.parametrize(
    ("conditions", "exact"),
    [
        (["s.count < 3", "s.count >= 3"], True),
        (["s.count % 2 == 0", "s.count % 2 == 1"], True),
        (["s.score < 0.5", "s.score >= 0.5"], True),
        (["s.score < s.other", "s.score >= s.other"], True),
        (["2 * s.score < 1", "2 * s.score >= 1"], True),
        (["size(s.facts) == 0", "size(s.facts) > 0"], True),
        (["contains(s.facts, 'a')", "not_(contains(s.facts, 'a'))"], True),
        (["is_none(s.topic)", "s.topic == 'bug'", "s.topic == 'billing'"], True),
        (["s.colour == Colour.RED", "s.colour == Colour.BLUE"], True),
        (["s.level < 0", "s.level <= 5"], True),
        (["s.flag", "not_(s.flag)"], True),
        (["s.text < 'm'", "s.text == 'm'", "s.text > 'm'"], True),
        (["is_none(s.place)", "s.place.city == 'Oslo'", "s.place.city != 'Oslo'"], True),
        (["matches(s.text, 'a')", "not_(matches(s.text, 'a'))"], True),
        (["s.count < 3", "s.count > 3"], False),
        (["s.count % 3 == 0", "s.count % 3 == 1"], False),
        (["s.topic == 'bug'", "s.topic == 'billing'"], False),
        (["s.score < s.other", "s.score > s.other"], False),
        (["s.level < 5"], False),
        (["size(s.facts) < 2", "size(s.facts) > 2"], False),
        (["s.text == 'a'", "size(s.text) > 1"], False),
    ],
)
def test_a_gap_is_found_if_and_only_if_there_is_one(conditions: list[str], exact: bool) -> None:
    """What comparisons with constants, of two fields, of lengths and remainders cover is decided exactly."""
    from graphrt import Flow, contains, is_none, matches, not_, size
    from graphrt.expressions import condition_of

    names = {"s": Flow("f", Everything).state, "Colour": Colour}
    names |= {f.__name__: f for f in (contains, is_none, matches, not_, size)}
    trees = [condition_of(eval(c, dict(names))) for c in conditions]
    graph = build(
        [("n", f"t{i}", {"when": Guard(t)}) for i, t in enumerate(trees)], fields=FIELDS, nodes={"n": {"writes": ()}}
    )
    decision = Subject(graph, Settings(), "g").decisions[0]
    assert (decision.gap is None) == exact
    assert not decision.is_open


@given(graphs(PLAIN) | graphs(RACING) | graphs(WILD), worlds(), ORDERS)
def test_no_run_contradicts_a_finding(graph: Graph, world: World, order: int) -> None:
    """An edge called dead is not taken, a node called unreachable not visited, a join called short never fires."""
    found = check(graph)
    driver = run(graph, world, order)
    taken = {
        (e.visit.rpartition("/")[0], v.edge, e.visit)
        for e in driver.of(Routed)
        for v in e.verdicts
        if v.result == "taken"
    }
    top = {visit: name for visit, name in driver.visits.items() if "/" not in visit}
    edges = {(top[visit], edge) for prefix, edge, visit in taken if not prefix}
    failed = {e.visit for e in driver.of(VisitFailed)}
    for f in found:
        if f.graph != graph.name:
            continue
        note(str(f))
        if f.code in {"GR202", "GR203", "GR208"}:
            assert (f.node, f.edge) not in edges
        elif f.code == "GR101":
            assert f.node not in top.values()
        elif f.code == "GR111":
            assert all(visit in failed for visit, name in top.items() if name == f.node)


@given(graphs(PLAIN) | graphs(RACING), worlds(failing=(0,)), ORDERS)
def test_a_write_conflict_is_reported_before_the_run(graph: Graph, world: World, order: int) -> None:
    """Whatever field two branches wrote in a run, the checker said so of that field."""
    driver = run(graph, world, order)
    conflicts = [e.error for e in driver.of(RunFailed) if e.error.type == "WriteConflict"]
    if conflicts:
        fields = {conflicts[0].detail["field"]}
        note(conflicts[0].message)
        told = [f.message for f in check(graph, select=["GR304"])]
        assert any(f"{name!r}" in message for name in fields for message in told)


@given(graphs(PLAIN) | graphs(RACING) | graphs(WILD), worlds(), ORDERS)
def test_no_run_visits_more_than_the_worst_case(graph: Graph, world: World, order: int) -> None:
    """However a run goes, it makes no more visits than the bound says, those inside of nodes included."""
    driver = run(graph, world, order)
    bound = worst(graph, "visits", items=3)
    note(str(bound))
    assert len(driver.visits) <= bound.most
