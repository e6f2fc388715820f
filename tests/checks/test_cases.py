"""Cases and domains: finitely many values that stand for all, and states that show them."""

from __future__ import annotations

import math
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, PlainValidator

from graphrt.checks.cases import MOST_CASES, Cases, Lost, TooMany
from graphrt.checks.domains import Asked, Kind, Unknown, between, real_numbers, values_for, whole_numbers
from graphrt.fields import fields_of
from graphrt.trees import And, Attribute, Compare, Constant, IsNone, Not, OneOf, Predicate, Read
from tests.driving import build


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def even(value: int) -> int:
    """Refuse odd numbers."""
    if value % 2:
        raise ValueError("odd")
    return value


def anything(value: object) -> object:
    """Take anything."""
    return value


class Inner(BaseModel):
    city: str = "Oslo"
    code: int = 0


class Model(BaseModel):
    """A field of each kind."""

    flag: bool = False
    topic: Literal["a", "b"] | None = None
    colour: Colour = Colour.RED
    low: Annotated[int, Field(ge=1, lt=4)] = 1
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    steps: Annotated[int, Field(multiple_of=5)] = 0
    odd: Annotated[int, AfterValidator(even)] = 0
    plain: Annotated[int, PlainValidator(anything)] = 0
    name: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    code: Annotated[str, Field(pattern="^x")] = "x"
    place: Inner | None = None
    tags: Annotated[list[Literal["u", "v"]], Field(max_length=2)] = []
    any: Any = None
    bag: dict[str, int] = {}


FIELDS, _ = fields_of(Model)
KINDS = {f.name: Kind.of_field(f) for f in FIELDS}
GRAPH = build([("a", "b")], fields=FIELDS)


@pytest.mark.parametrize(
    ("name", "asked", "expected"),
    [
        ("flag", Asked(), [False, True]),
        ("topic", Asked(), [None, "a", "b"]),
        ("colour", Asked(), [Colour.RED, Colour.BLUE]),
        ("low", Asked(numbers={2}), [1, 2, 3]),
        ("share", Asked(numbers={0.5}), [1.0, 0.5]),
        ("name", Asked(texts={"ab", "abcd"}), ["ab"]),
        ("tags", Asked(items=["u"], inner=True), [[], ["v"], ["u"], ["v", "v"], ["u", "v"]]),
    ],
)
def test_values_are_those_that_the_type_admits(name: str, asked: Asked, expected: list[object]) -> None:
    """Bounds, lengths and members of the type are kept; every value that is compared with and admitted is there."""
    found = values_for(KINDS[name], asked)
    assert all(any(type(v) is type(e) and v == e for v in found) for e in expected)
    for value in found:
        GRAPH.field[name].encode_whole(value)


@pytest.mark.parametrize("name", ["steps", "plain", "code", "any"])
def test_what_cannot_be_known_is_not_guessed(name: str) -> None:
    """Where code, a pattern or a step decides what a value can be, no complete set is claimed."""
    with pytest.raises(Unknown):
        values_for(KINDS[name], Asked(numbers={3}, texts={"x"}))


def test_a_validator_may_refuse_a_value_that_stands_for_others() -> None:
    """Values come from the type; that a validator refuses one is noticed when a state is made of it."""
    cases = Cases(GRAPH, [Compare("==", Read("odd"), Constant(3))])
    states = [cases.state(case) for case in cases.all()]
    assert None in states
    assert any(s is not None for s in states)


@given(
    st.sets(st.integers(-50, 50) | st.floats(-50, 50), max_size=4),
    st.integers(1, 6),
    st.integers(-60, 60),
)
def test_every_whole_number_has_one_that_stands_for_it(points: set[float], modulus: int, number: int) -> None:
    """Some representative compares with each point as the number does, and leaves the same remainder."""
    found = whole_numbers(-math.inf, math.inf, points, modulus)

    def seen(value: int) -> tuple[object, ...]:
        return (*((value < p, value == p) for p in sorted(points)), value % modulus)

    assert any(seen(f) == seen(number) for f in found)


@given(st.sets(st.floats(-50, 50), max_size=4), st.floats(-60, 60))
def test_every_number_has_one_that_stands_for_it(points: set[float], number: float) -> None:
    """Some representative compares with each point as the number does, unless no number fits between two points."""
    found = real_numbers(-math.inf, math.inf, points)
    assert any(all((f < p, f == p) == (number < p, number == p) for p in points) for f in found)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_between_lies_between(low: float, width: float) -> None:
    """A number between two others is strictly between."""
    assert low < between(low, low + width) < low + width


def test_a_value_inside_one_that_may_be_none() -> None:
    """What lies in None cannot be read: such a case raises, and none is left out."""
    city = Compare("==", Attribute(Read("place"), "city"), Constant("Oslo"))
    cases = Cases(GRAPH, [city, IsNone(Read("place"))])
    holds, none = cases.compiled(city), cases.compiled(IsNone(Read("place")))
    seen: set[object] = set()
    for case in cases.all():
        if none(case):
            with pytest.raises(Lost):
                holds(case)
            seen.add("raises")
        else:
            seen.add(holds(case))
    assert seen == {True, False, "raises"}
    states = [cases.state(case) for case in cases.all()]
    assert {None if s["place"] is None else s["place"]["city"] for s in states if s is not None} == {
        None,
        "Oslo",
        "other",
    }


def test_what_cannot_be_looked_into_may_hold_or_not() -> None:
    """A Python function is never called; a condition and its negation stay opposite."""

    def refuse(**_values: object) -> bool:
        raise AssertionError("called")

    unknown = Predicate("is_fine", (("low", "low"),), refuse)
    cases = Cases(GRAPH, [unknown, Not(unknown)])
    assert not cases.is_exact
    verdicts = {(cases.compiled(unknown)(c), cases.compiled(Not(unknown))(c)) for c in cases.all()}
    assert verdicts == {(True, False), (False, True)}


def test_too_many_cases_are_given_up() -> None:
    """The number of cases is known before the first is made, and bounded."""
    conditions = [
        And(tuple(Compare("==", Read(name), Constant(k)) for k in range(1, 20))) for name in ("odd", "low", "share")
    ]
    conditions += [And(tuple(OneOf(Read("topic"), (Constant("a"),)) for _ in range(2)))]
    cases = Cases(GRAPH, [*conditions, *(Compare("==", Read("name"), Constant(f"x{k}")) for k in range(9))])
    for k in range(12):
        cases.add(f"more {k}", (False, True))
    assert cases.count > MOST_CASES
    with pytest.raises(TooMany):
        cases.all()
