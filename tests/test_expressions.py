"""Expressions over `flow.state`: operators build trees; what would need a value now is refused with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, cast

import pytest
from pydantic import BaseModel

from graphrt.expressions import (
    Expression,
    Space,
    as_function,
    condition_of,
    contains,
    did_you_mean,
    field_name,
    is_none,
    let,
    matches,
    not_,
    one_of,
    size,
    spaces_of,
    tree_of,
)
from graphrt.fields import fields_of
from graphrt.guards import Guard
from graphrt.trees import Compare, Constant, Read


class Colour(Enum):
    RED = "red"


class Line(BaseModel):
    name: str = ""
    price: float = 0.0


class Order(BaseModel):
    total: float = 0.0
    text: str = ""
    lines: list[Line] = []


class Ticket(BaseModel):
    score: float = 0.0
    rounds: int = 0
    topic: Literal["billing", "bug"] | None = None
    urgent: bool = False
    order: Order = Order()
    maybe: Order | None = None
    facts: list[str] = []
    data: dict[str, Any] = {}
    colour: Colour = Colour.RED
    text: str = ""
    reads: str = ""
    tree: str = ""
    unknown: Any = None


def space() -> Space:
    """Return the fields of a ticket, as a flow hands them out."""
    return Space("support", "Ticket", {f.name: f for f in fields_of(Ticket)[0]})


# Typed as a flow types it: as the model.
s: Any = space()

NAN = float("nan")


BUILT: list[tuple[Callable[[], Any], str]] = [
    (lambda: s.score < 0.8, "score < 0.8"),
    (lambda: 0.8 > s.score, "score < 0.8"),  # noqa: SIM300 - Python swaps the sides
    (lambda: s.score <= s.rounds, "score <= rounds"),
    (lambda: s.topic == "bug", 'topic == "bug"'),
    (lambda: s.topic != None, "topic != None"),  # noqa: E711 - works, though is_none reads better
    (lambda: s.colour == Colour.RED, 'colour == "red"'),
    (lambda: s.rounds + 1 - s.score * 2 / 3 // 4 % 5, "rounds + 1 - score * 2 / 3 // 4 % 5"),
    (lambda: 1 + s.rounds, "1 + rounds"),
    (lambda: 1 - (2 * s.rounds), "1 - 2 * rounds"),
    (lambda: 1 / s.rounds, "1 / rounds"),
    (lambda: 7 // s.rounds, "7 // rounds"),
    (lambda: 7 % s.rounds, "7 % rounds"),
    (lambda: -s.rounds, "-rounds"),
    (lambda: (s.score < 1) & (s.rounds > 2) & s.urgent, "score < 1 and rounds > 2 and urgent"),
    (lambda: (s.score < 1) | (s.rounds > 2) & s.urgent, "score < 1 or rounds > 2 and urgent"),
    (lambda: ((s.score < 1) | s.urgent) & s.urgent, "(score < 1 or urgent) and urgent"),
    (lambda: not_(s.urgent), "not urgent"),
    (lambda: not_(not_((s.score < 1) & s.urgent)), "not not (score < 1 and urgent)"),
    (lambda: is_none(s.topic), "topic is None"),
    (lambda: not_(is_none(s.topic)), "topic is not None"),
    (lambda: one_of(s.topic, "billing", "bug"), 'topic in ("billing", "bug")'),
    (lambda: size(s.facts) > 2, "size(facts) > 2"),
    (lambda: size(s.text) + size(s.facts) > 2, "size(text) + size(facts) > 2"),
    (lambda: contains(s.facts, "a"), '"a" in facts'),
    (lambda: contains(s.facts, s.text), "text in facts"),
    (lambda: matches(s.text, r"^\d+$"), 'matches(text, "^\\\\d+$")'),
    (lambda: s.order.total > 3, "order.total > 3"),
    (lambda: s.maybe.text == "x", 'maybe.text == "x"'),
    (lambda: s.order.lines[0].price > 1, "order.lines[0].price > 1"),
    (lambda: s.data["a"]["b"] == 1, 'data["a"]["b"] == 1'),
    (lambda: (s.unknown > 1) & s.unknown, "unknown > 1 and unknown"),
    (lambda: s.text == "", 'text == ""'),
    (lambda: s.reads, "reads"),
    (lambda: s.tree, "tree"),
    (lambda: s.order.text, "order.text"),
]


@pytest.mark.parametrize(("build", "text"), BUILT, ids=[t for _, t in BUILT])
def test_operators_build_what_they_say(build: Callable[[], Any], text: str) -> None:
    """An expression prints as it was written; fields named like methods are fields all the same."""
    built = build()
    assert isinstance(built, Expression)
    assert repr(built) == text


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: s.score < 1 and s.urgent,
        TypeError,
        "`score < 1` is an expression that is evaluated during a run, so it is",
    ),
    (lambda: s.score < 1 and s.urgent, TypeError, "write (a) & (b) for `and`"),
    (lambda: not s.urgent, TypeError, "not_(a) for `not`"),
    (lambda: 0 < s.score < 1, TypeError, "(a < b) & (b < c) for a chain"),
    (lambda: "x" if s.urgent else "y", TypeError, "neither true nor false"),
    (lambda: s.topic in ("a", "b"), TypeError, "one_of(x, …)"),
    (lambda: "a" in s.facts, TypeError, "write contains(facts, 'a')"),
    (lambda: len(s.facts), TypeError, "write size(facts)"),
    (lambda: list(s.facts), TypeError, "flow.each(…)"),
    (lambda: ~s.urgent, TypeError, "write not_(urgent)"),
    (lambda: f"Send {s.text}?", TypeError, "no text can be made of it here"),
    (
        lambda: s.score < 1 & s.rounds,
        TypeError,
        "& binds more tightly than comparisons, so write (a < 1) & (b > 2)",
    ),
    (lambda: (s.score < 1) | s.rounds, TypeError, "`rounds` is not a condition but a value (int)"),
    (lambda: (s.score < 1) & True, TypeError, "True is a plain bool"),
    (lambda: s.scor, AttributeError, "state type Ticket of flow 'support' has no field 'scor'. Did you mean 'score'?"),
    (lambda: s.model_dump, AttributeError, "has no field 'model_dump'"),
    (lambda: s.order.totl, AttributeError, "order (Order) has no field 'totl'. Did you mean 'total'?"),
    (
        lambda: s.text.startswith("a"),
        AttributeError,
        "text.startswith cannot be used here; put it into a named function",
    ),
    (lambda: s.facts[s.rounds], TypeError, "takes a fixed int or text"),
    (lambda: s.facts[1:], TypeError, "takes a fixed int or text"),
    (lambda: setattr(s, "score", 1), TypeError, "set=let(s.score).be"),
    (lambda: setattr(s.order, "total", 1), TypeError, "fields change during a run only"),
    (lambda: s.score < NAN, TypeError, "nan cannot stand in an expression, because it has no JSON form"),
    (lambda: s.score < float("inf"), TypeError, "has no JSON form"),
    (lambda: s.score == object(), TypeError, "has no JSON form"),
    (
        lambda: let(s.order).be({"total": s.score}),
        TypeError,
        "{'total': score} holds what is known during a run only; that can stand in a list, but no dict can be made",
    ),
    (lambda: let(s.facts).be([{s.text}]), TypeError, "but no set can be made of it here, so compute it in a task"),
    (lambda: s.text > 3, TypeError, "text (str) and 3 (int) have no order; write size(text) > 3 for its length"),
    (lambda: s.rounds < "a", TypeError, "rounds (int) and 'a' (str) have no order"),
    (lambda: s.topic >= 1, TypeError, "have no order; write size(topic) >= 1 for its length"),
    (lambda: s.facts > 2, TypeError, "facts (list[str]) and 2 (int) have no order; write size(facts) > 2"),
    (lambda: s.order.lines < s.order.total, TypeError, "order.lines (list[Line]) and order.total (float) have no"),
    (lambda: s.score < None, TypeError, "None (NoneType) have no order"),
    (lambda: size(s.score), TypeError, "score (float) has no length"),
    (lambda: matches(s.score, "a"), TypeError, "score (float) is no text"),
    (lambda: s.score == len, TypeError, "is not a value; call it"),
    (lambda: s.topic == Ticket, TypeError, "is not a value"),
    (lambda: s.score == s, TypeError, "is the whole state"),
    (lambda: size([1]), TypeError, "size() takes an expression over the fields of flow.state, got [1] (list)"),
    (lambda: is_none(None), TypeError, "is_none() takes an expression"),
    (lambda: one_of(s.topic), TypeError, "at least one option"),
    (lambda: matches(s.text, "("), TypeError, "not a regular expression: missing"),
    (lambda: matches(s.text, s.text), TypeError, "not a regular expression"),
    (lambda: not_(s.score), TypeError, "`score` is not a condition but a value (float)"),
    (lambda: let(s.order.total), TypeError, "let() takes a field of flow.state, got order.total"),
    (lambda: let(3), TypeError, "got 3"),
    (lambda: let(s.score).be(float("nan")), TypeError, "no JSON form"),
    (lambda: let(s.text).be(str.upper), TypeError, "compute it in a task"),
    (lambda: range(s.rounds), TypeError, "cannot be interpreted as an integer"),
    (lambda: condition_of(s.topic is None), TypeError, "False is a plain bool, not a condition"),
    (lambda: condition_of(s.topic is None), TypeError, "write is_none(x) for `x is None`"),
    (lambda: condition_of(s.score), TypeError, "not a condition"),
    (lambda: condition_of("a"), TypeError, "'a' is not a condition"),
]


@pytest.mark.parametrize(("build", "error", "message"), REFUSED, ids=[m for _, _, m in REFUSED])
def test_what_needs_a_value_now_is_refused(build: Callable[[], Any], error: type[Exception], message: str) -> None:
    """Nothing is silently true, false or text at definition time: each trap names the spelling that works."""
    with pytest.raises(error) as caught:
        build()
    assert message in str(caught.value)


class Loose(BaseModel):
    either: int | str = 0
    maybe: float | None = None
    anything: Any = None
    price: Decimal = Decimal(0)
    day: date = date(2026, 1, 1)
    letter: Literal["a", "b"] = "a"
    flag: bool = False


def test_an_order_that_may_be_is_built() -> None:
    """Only what can have an order with no value is refused: unions, None, unknown types and bools may have one."""
    x: Any = Space("loose", "Loose", {f.name: f for f in fields_of(Loose)[0]})
    orders = (x.either > 3, x.either > "a", x.maybe < 1, x.anything < 1, x.anything < "a", x.price > 1, x.day > "2026")
    more = (x.letter < "b", x.flag > 0, x.flag < x.maybe, x.maybe + 1 < "a", size(x.either) > 1, matches(x.either, "a"))
    assert all(isinstance(built, Expression) for built in (*orders, *more))


def test_a_field_is_one_object() -> None:
    """Reading a field twice gives the same expression, so it can be a key; equality still builds an expression."""
    assert s.score is s.score
    assert {s.score: "a", s.rounds: "b"}[s.score] == "a"
    assert isinstance(s.score == s.score, Expression)


def test_expressions_know_their_state() -> None:
    """Whatever is built from fields remembers whose fields they are."""
    other: Any = space()
    assert spaces_of(s.score < other.score, s.score) == (s, other)
    assert spaces_of(3) == ()


def test_constants_are_kept_as_copies() -> None:
    """A list that is changed later does not change the guard."""
    words = ["a"]
    built = s.facts == words
    words.append("b")
    assert Guard(condition_of(built)).evaluate({"facts": ["a"]})[0] is True


def test_a_list_may_hold_expressions() -> None:
    """A list or tuple with expressions in it is computed when its time comes, and knows whose fields it reads."""
    other: Any = space()
    change = let(s.facts).be([s.text, "and", other.text])
    assert change.text == 'facts = [text, "and", text]'
    assert change.spaces == ((s,), (s, other))
    assert change.value({"text": "one"}) == ["one", "and", "one"]
    assert let(s.facts).be((s.text, [s.text])).text == "facts = [text, [text]]"
    guard = Guard(condition_of(s.facts == [s.text]))
    assert guard.evaluate({"facts": ["a"], "text": "a"}) == (True, {"facts": ["a"], "text": "a"})


def test_assignments_remember_both_sides() -> None:
    """A change names its field, computes its value and knows the states it was written with."""
    change = let(s.rounds).be(s.rounds + 1)
    assert change.text == "rounds = rounds + 1"
    assert change.spaces == ((s,), (s,))
    assert change.value({"rounds": 2}) == 3
    assert let(s.topic).be(None).text == "topic = None"
    assert repr(let(s.topic)) == "let(topic)"
    assert let(cast("list[str]", s.facts)).take("one").text == '(facts, "one")'  # freezing refuses it


def test_fields_are_listed_for_editors() -> None:
    """`dir` and repr show the fields."""
    assert dir(s) == sorted(Ticket.model_fields)
    assert "score, rounds, topic" in repr(s)


def test_helpers_tell_things_apart() -> None:
    """Plain fields, functions and near misses are recognised."""
    assert field_name(s.score) == "score"
    assert field_name(s.score + 1) is None
    assert field_name("score") is None
    assert as_function(len) is len
    assert as_function(s.score) is None
    assert as_function(Ticket) is None
    assert tree_of(s.score < 1) == Compare("<", Read("score"), Constant(1))
    assert did_you_mean("messge", ["message", "other"]) == " Did you mean 'message'?"
    assert did_you_mean("zzz", ["message"]) == ""
