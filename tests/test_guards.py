"""Trees of expressions: what they compute, what they print, their JSON form, what a verdict shows."""

from __future__ import annotations

import datetime as dt
import operator
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from graphrt.abbreviation import show
from graphrt.errors import UseError
from graphrt.guards import LONGEST_MATCHED, Change, Guard, change_from_json, guard_from_json
from graphrt.items import Items
from graphrt.tree_forms import text_of, tree_from_json, tree_to_json
from graphrt.trees import (
    ARITHMETIC,
    COMPARISONS,
    And,
    Arithmetic,
    Attribute,
    Compare,
    Constant,
    Contains,
    Holds,
    Index,
    IsNone,
    ListOf,
    Matches,
    Negative,
    Not,
    OneOf,
    Or,
    Predicate,
    Read,
    Size,
    Tree,
    branches,
    reads_of,
    walk,
)


class Colour(Enum):
    RED = "red"


class Order(BaseModel):
    total: float
    lines: list[dict[str, int]] = []


STATE: dict[str, Any] = {
    "score": 0.62,
    "rounds": 2,
    "topic": "bug",
    "nothing": None,
    "urgent": True,
    "facts": Items(["a", "b", "c"]),
    "order": Order(total=9.5, lines=[{"n": 4}]),
    "draft": "Dear customer",
    "colour": Colour.RED,
    "due": dt.date(2026, 1, 2),
}
JSON_STATE: dict[str, Any] = STATE | {
    "facts": Items(["a", "b", "c"]),
    "order": {"total": 9.5, "lines": [{"n": 4}]},
    "colour": "red",
    "due": "2026-01-02",
}

S, N = Read("score"), Read("rounds")
LOW, MANY = Compare("<", S, Constant(0.8)), Compare(">=", N, Constant(2))


def c(value: Any) -> Constant:
    """Write a constant shortly."""
    return Constant(value)


# Tree, its text, its verdict on STATE, the values read.
TABLE: list[tuple[Tree, str, bool, dict[str, Any]]] = [
    (LOW, "score < 0.8", True, {"score": 0.62}),
    (Compare("<=", c(1), N), "1 <= rounds", True, {"rounds": 2}),
    (Compare(">", S, N), "score > rounds", False, {"score": 0.62, "rounds": 2}),
    (Compare("==", Read("topic"), c("bug")), 'topic == "bug"', True, {"topic": "bug"}),
    (Compare("!=", Read("topic"), c("bug")), 'topic != "bug"', False, {"topic": "bug"}),
    (Compare("==", Read("colour"), c(Colour.RED)), 'colour == "red"', True, {"colour": "red"}),
    (Compare("<", Read("due"), c(dt.date(2027, 1, 1))), 'due < "2027-01-01"', True, {"due": "2026-01-02"}),
    (OneOf(Read("topic"), (c("a"), c("bug"))), 'topic in ("a", "bug")', True, {"topic": "bug"}),
    (Not(OneOf(Read("topic"), (c("a"),))), 'topic not in ("a")', True, {"topic": "bug"}),
    (OneOf(N, (c(1), Size(Read("draft")))), "rounds in (1, size(draft))", False, {"rounds": 2, "size(draft)": 13}),
    (Contains(Read("facts"), c("b")), '"b" in facts', True, {"facts": ["a", "b", "c"]}),
    (Not(Contains(Read("facts"), c("z"))), '"z" not in facts', True, {"facts": ["a", "b", "c"]}),
    (
        Compare("!=", Read("facts"), ListOf((Read("topic"), Arithmetic("+", N, c(1)), c("b")))),
        'facts != [topic, rounds + 1, "b"]',
        True,
        {"facts": ["a", "b", "c"], "topic": "bug", "rounds": 2},
    ),
    (Contains(ListOf((Read("topic"), c("x"))), c("bug")), '"bug" in [topic, "x"]', True, {"topic": "bug"}),
    (Contains(Read("draft"), c("Dear")), '"Dear" in draft', True, {"draft": "Dear customer"}),
    (IsNone(Read("nothing")), "nothing is None", True, {"nothing": None}),
    (Not(IsNone(Read("nothing"))), "nothing is not None", False, {"nothing": None}),
    (Matches(Read("draft"), "^Dear"), 'matches(draft, "^Dear")', True, {"draft": "Dear customer"}),
    (Matches(Read("draft"), "cust"), 'matches(draft, "cust")', True, {"draft": "Dear customer"}),
    (Matches(Read("draft"), "^cust"), 'matches(draft, "^cust")', False, {"draft": "Dear customer"}),
    (Holds(Read("urgent")), "urgent", True, {"urgent": True}),
    (Not(Holds(Read("urgent"))), "not urgent", False, {"urgent": True}),
    (Not(LOW), "not score < 0.8", False, {"score": 0.62}),
    (Not(And((LOW, MANY))), "not (score < 0.8 and rounds >= 2)", False, {"score": 0.62, "rounds": 2}),
    (And((LOW, MANY)), "score < 0.8 and rounds >= 2", True, {"score": 0.62, "rounds": 2}),
    (And((Not(LOW), MANY)), "not score < 0.8 and rounds >= 2", False, {"score": 0.62}),
    (Or((LOW, MANY)), "score < 0.8 or rounds >= 2", True, {"score": 0.62}),
    (
        Or((And((LOW, MANY)), Holds(Read("urgent")))),
        "score < 0.8 and rounds >= 2 or urgent",
        True,
        {"score": 0.62, "rounds": 2},
    ),
    (
        And((Or((Not(LOW), MANY)), LOW)),
        "(not score < 0.8 or rounds >= 2) and score < 0.8",
        True,
        {"score": 0.62, "rounds": 2},
    ),
    (Compare(">", Size(Read("facts")), c(2)), "size(facts) > 2", True, {"size(facts)": 3}),
    (Compare(">", Attribute(Read("order"), "total"), c(9)), "order.total > 9", True, {"order.total": 9.5}),
    (
        Compare("==", Index(Index(Attribute(Read("order"), "lines"), 0), "n"), c(4)),
        'order.lines[0]["n"] == 4',
        True,
        {'order.lines[0]["n"]': 4},
    ),
    (Compare("==", Index(Read("facts"), -1), c("c")), 'facts[-1] == "c"', True, {"facts[-1]": "c"}),
    (
        Compare("<", Arithmetic("*", Arithmetic("+", N, c(1)), S), Negative(N)),
        "(rounds + 1) * score < -rounds",
        False,
        {"rounds": 2, "score": 0.62},
    ),
    (
        Compare("==", Arithmetic("-", N, Arithmetic("-", c(5), N)), c(-1)),
        "rounds - (5 - rounds) == -1",
        True,
        {"rounds": 2},
    ),
    (
        Compare("==", Arithmetic("//", c(5), N), Arithmetic("%", c(5), c(3))),
        "5 // rounds == 5 % 3",
        True,
        {"rounds": 2},
    ),
    (Compare("==", Negative(Arithmetic("+", N, c(1))), c(-3)), "-(rounds + 1) == -3", True, {"rounds": 2}),
    (
        Compare("==", Size(Arithmetic("+", Read("draft"), c("!"))), c(14)),
        'size(draft + "!") == 14',
        True,
        {"draft": "Dear customer"},
    ),
]
IDS = [text for _, text, _, _ in TABLE]


@pytest.mark.parametrize(("tree", "text", "verdict", "values"), TABLE, ids=IDS)
def test_evaluates_and_shows_what_it_read(tree: Tree, text: str, verdict: bool, values: dict[str, Any]) -> None:
    """The verdict is Python's, and comes with exactly the operands that were evaluated, in their order."""
    guard = Guard(tree)
    assert guard.text == text
    got, read = guard.evaluate(STATE)
    assert got is verdict
    assert read == values
    assert list(read or ()) == list(values)


@pytest.mark.parametrize(("tree", "text", "verdict", "values"), TABLE, ids=IDS)
def test_a_guard_from_json_evaluates_the_same(tree: Tree, text: str, verdict: bool, values: dict[str, Any]) -> None:
    """Read back from JSON, on a state of JSON values, a guard gives the same verdict, values and text."""
    form = Guard(tree).to_json()
    back = guard_from_json(form)
    assert back.to_json() == form
    assert back.text == text
    assert back.evaluate(JSON_STATE) == (verdict, values)


def test_the_text_agrees_with_python() -> None:
    """Parentheses stand where precedence needs them: Python computes the same from the text as the tree does."""
    numbers = {"a": 7, "b": 2, "d": 3}
    trees: list[Tree] = [Read("a"), Read("b"), Read("d"), Negative(Read("b"))]
    for op in ARITHMETIC:
        trees += [Arithmetic(op, Read("a"), Read("b")), Arithmetic(op, Read("d"), Negative(Read("b")))]
    for op in ("-", "*", "//", "%"):
        for left in trees[:10]:
            for right in trees[3:12]:
                tree = Arithmetic(op, left, right)
                value = Change("x", tree).value(numbers)
                assert compile(text_of(tree), "t", "eval").co_names
                assert value == eval(text_of(tree), {}, numbers)


def test_reads_lists_each_field_once() -> None:
    """A guard knows the fields it may read, in the order in which they are written."""
    guard = Guard(Or((And((LOW, MANY)), Compare(">", S, Size(Read("facts"))))))
    assert guard.reads == ("score", "rounds", "facts")
    assert reads_of(Predicate("m.f", (("a", "x"), ("b", "y")))) == ("x", "y")


def test_trees_can_be_walked() -> None:
    """Every node is reached, parents before children, left before right."""
    tree = And((LOW, Contains(Read("facts"), c("a"))))
    assert list(walk(tree)) == [tree, LOW, S, c(0.8), tree.parts[1], Read("facts"), c("a")]
    assert branches(OneOf(S, (c(1), c(2)))) == (S, c(1), c(2))


def test_errors_of_a_comparison_are_raised() -> None:
    """What Python cannot compare or compute raises, for the stepper to record."""
    cases: list[tuple[Tree, type[Exception]]] = [
        (Compare("<", Read("nothing"), c(1)), TypeError),
        (Compare(">", Arithmetic("/", c(1), Arithmetic("-", N, c(2))), c(1)), ZeroDivisionError),
        (Compare("==", Attribute(Read("nothing"), "total"), c(1)), AttributeError),
        (Compare("==", Index(Read("facts"), 9), c(1)), IndexError),
        (Matches(Read("score"), "a"), TypeError),
    ]
    for tree, error in cases:
        with pytest.raises(error):
            Guard(tree).evaluate(STATE)


def test_only_a_bool_can_stand_alone() -> None:
    """A value that stands as a condition must be a bool: truthiness is never guessed."""
    with pytest.raises(TypeError, match=r"score stands as a condition, so it must be a bool, but it is 0\.62"):
        Guard(Holds(S)).evaluate(STATE)


def test_matching_is_bounded() -> None:
    """A pattern is not let loose on texts of any length."""
    guard = Guard(Matches(Read("draft"), "x"))
    assert guard.evaluate({"draft": "y" * LONGEST_MATCHED})[0] is False
    with pytest.raises(ValueError, match="at most 10,000 characters, this one has 10,001"):
        guard.evaluate({"draft": "y" * (LONGEST_MATCHED + 1)})


def is_long(text: str, least: int) -> bool:
    """Judge two fields."""
    return len(text) >= least


def forgets(text: str) -> Any:
    """Forget to return, as a function without annotations may."""


def same(value: Any) -> Any:
    """Protect nothing."""
    return value


def test_predicates_show_the_fields_they_are_given() -> None:
    """A named function is called with fields, through what protects them, and prints by its short name."""
    handed: list[Any] = []

    def hand(value: Any) -> Any:
        handed.append(value)
        return value

    tree = Predicate("package.module.is_long", (("text", "draft"), ("least", "rounds")), is_long, (hand, same))
    guard = Guard(tree)
    assert guard.text == "is_long(draft, rounds)"
    assert guard.evaluate(STATE) == (True, {"draft": "Dear customer", "rounds": 2})
    assert handed == ["Dear customer"]
    assert guard.reads == ("draft", "rounds")


def test_predicates_must_return_a_bool() -> None:
    """A function that forgets to return is an error, not a False."""
    guard = Guard(Predicate("m.forgets", (("text", "draft"),), forgets, (same,)))
    with pytest.raises(TypeError, match=r"forgets\(draft\) must return True or False, but it returned None"):
        guard.evaluate(STATE)


def test_predicates_from_json_say_what_is_missing() -> None:
    """A function does not travel in JSON; evaluating it without the flow says so."""
    guard = guard_from_json(Guard(Predicate("m.is_long", (("text", "draft"),), is_long, (same,))).to_json())
    with pytest.raises(UseError, match=r"guard is_long\(draft\) is a Python function"):
        guard.evaluate(STATE)


def test_changes_compute_and_print() -> None:
    """An assignment gives the new value, prints as Python and survives JSON."""
    change = Change("rounds", Arithmetic("+", N, c(1)))
    assert change.value(STATE) == 3
    assert change.text == "rounds = rounds + 1"
    assert change.reads == ("rounds",)
    assert change_from_json(change.to_json()) == change
    assert Change("facts", c([])).value(STATE) == []
    nested = Change("facts", ListOf((Read("topic"), ListOf((S,)))))
    assert (nested.text, nested.reads) == ("facts = [topic, [score]]", ("topic", "score"))
    assert nested.value(STATE) == ["bug", [0.62]]
    assert change_from_json(nested.to_json()) == nested
    assert Change("score", Read("score")).value(STATE) == 0.62


def test_what_is_not_a_tree_is_refused() -> None:
    """A damaged JSON form raises instead of evaluating to something."""
    damaged: list[dict[str, Any]] = [
        {},
        {"op": "<", "args": []},
        {"op": "import", "args": []},
        {"op": "matches", "args": [{"field": "a"}]},
    ]
    for form in damaged:
        with pytest.raises((KeyError, TypeError, ValueError)):
            tree_from_json(form)


LONG = "x" * 121

SHOWN: list[tuple[Any, Any]] = [
    ("x" * 120, "x" * 120),
    (LONG, "x" * 100 + "… (121 characters)"),
    ("x" * 12_345, "x" * 100 + "… (12,345 characters)"),
    (Items(range(8)), list(range(8))),
    (Items(range(9)), [*range(8), "… (9 items)"]),
    ((1, LONG), [1, "x" * 100 + "… (121 characters)"]),
    ({"b", "a"}, ["a", "b"]),
    ({str(i): i for i in range(10)}, {str(i): i for i in range(8)} | {"…": "(10 items)"}),
    ({1: {2: {3: {4: 5}}}}, {"1": {"2": {"3": "… (1 items)"}}}),
    ([[[[1]]]], [[["… (1 items)"]]]),
    (Colour.RED, "red"),
    (dt.date(2026, 1, 2), "2026-01-02"),
    (Order(total=1), {"total": 1.0, "lines": []}),
    (True, True),
    (None, None),
]


@pytest.mark.parametrize(("value", "shown"), SHOWN)
def test_verdicts_abbreviate_long_values(value: Any, shown: Any) -> None:
    """What a verdict shows is JSON, short, and says how much there was."""
    assert show(value) == shown


def test_showing_never_fails() -> None:
    """A value without JSON form is shown by its text."""
    assert "object object" in show(object())


def test_constants_are_printed_shortly() -> None:
    """A long constant does not make a long label."""
    assert len(text_of(Compare("==", Read("draft"), c("y" * 500)))) < 80


NUMBERS = st.integers(-5, 5)
OPERANDS = st.recursive(
    st.one_of(st.sampled_from(["a", "b"]).map(Read), NUMBERS.map(Constant)),
    lambda inner: st.builds(Arithmetic, st.sampled_from(["+", "-", "*"]), inner, inner) | st.builds(Negative, inner),
    max_leaves=5,
)
CONDITIONS = st.recursive(
    st.builds(Compare, st.sampled_from(sorted(COMPARISONS)), OPERANDS, OPERANDS),
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(lambda p: And(tuple(p)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda p: Or(tuple(p)))
        | inner.map(Not)
    ),
    max_leaves=6,
)


@given(CONDITIONS, NUMBERS, NUMBERS)
def test_any_condition_computes_what_its_text_says(tree: Tree, a: int, b: int) -> None:
    """The text, read as Python, gives the tree's verdict; JSON gives the same tree; shown are values of the state."""
    state = {"a": a, "b": b}
    verdict, read = Guard(tree).evaluate(state)
    assert verdict is eval(text_of(tree), {}, dict(state))
    assert tree_from_json(tree_to_json(tree)) == tree
    assert read is not None
    assert read.items() <= state.items()


def test_operators_are_those_of_python() -> None:
    """The tables of operators hold each operator once, under its own sign."""
    assert COMPARISONS["<="] is operator.le
    assert {op: fn(7, 2) for op, fn in ARITHMETIC.items()} == {"+": 9, "-": 5, "*": 14, "/": 3.5, "//": 3, "%": 1}
