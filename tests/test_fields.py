"""Fields: what a state type says of its values, and what becomes of them on the way into a trace and back."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, RootModel, SecretStr, field_validator
from pydantic import Field as Say

from graphrt.fields import MISSING, Field, check_state_type, encode_state, fields_of, make_state
from graphrt.items import Items
from graphrt.reducers import add, append, extend, merge, union
from graphrt.values import ValueRefused


class Colour(Enum):
    RED = "red"


class Order(BaseModel):
    total: float = 0.0
    tags: list[str] = []


class Stamp(BaseModel):
    model_config = ConfigDict(frozen=True)
    at: int


def longest(old: str, new: str) -> str:
    """Keep the longer text."""
    return max(old, new, key=len)


def count(old: int, word: str) -> int:
    """Add up lengths."""
    return old + len(word)


def spoil(old: list[int], new: int) -> list[int]:
    """Change what it was given."""
    old.append(new)
    return old


def broken(old: int, new: int) -> str:
    """Return what does not fit."""
    return "no int"


class Ticket(BaseModel):
    message: str
    topic: Literal["billing", "bug"] | None = None
    facts: Annotated[list[str], append] = []
    notes: Annotated[list[str], extend] = []
    score: float = 0.0
    total: Annotated[int, add] = 0
    table: Annotated[dict[str, int], merge] = {}
    seen: Annotated[set[str], union] = set()
    best: Annotated[float, max] = 0.0
    word: Annotated[str, longest] = ""
    letters: Annotated[int, count] = 0
    order: Order | None = None
    orders: Annotated[list[Order], append] = []
    stamp: Stamp = Stamp(at=1)
    colour: Colour = Colour.RED
    rank: int = Say(default=1, gt=0, alias="Rank")
    made: list[int] = Say(default_factory=list[int])
    random: float = Say(default_factory=lambda: 0.5)
    model: str = ""
    copy_: str = ""


FIELDS, MISTAKES = fields_of(Ticket)
FIELD = {f.name: f for f in FIELDS}
LOOSE = {f.name: Field.from_json(json.loads(json.dumps(f.to_json()))) for f in FIELDS}


def test_a_model_becomes_fields_in_its_order() -> None:
    """Every field of the model is there, under its own name (not its alias), without complaint."""
    assert [f.name for f in FIELDS] == list(Ticket.model_fields)
    assert MISTAKES == ()
    assert fields_of(Ticket)[0] is FIELDS


def test_json_form_round_trips() -> None:
    """Name, type, schema, reducer and default survive JSON; the form is the same again."""
    for name, loose in LOOSE.items():
        assert loose.to_json() == FIELD[name].to_json()
    assert FIELD["topic"].to_json() == {
        "name": "topic",
        "type": 'Literal["billing", "bug"] | None',
        "schema": {"anyOf": [{"enum": ["billing", "bug"], "type": "string"}, {"type": "null"}]},
        "default": None,
    }
    assert FIELD["message"].to_json() == {"name": "message", "type": "str", "schema": {"type": "string"}}
    assert FIELD["word"].to_json()["own_reducer"] is True
    assert FIELD["random"].to_json()["made"] is True


class Untyped(BaseModel):
    made: Any = Say(default_factory=list)


def test_defaults_are_known_where_they_are_always_the_same() -> None:
    """Plain defaults and empty containers are; what a function makes, or nobody gives, is not."""
    assert FIELD["facts"].default_json == []
    assert FIELD["made"].default_json == []
    (untyped,), _ = fields_of(Untyped)
    assert untyped.default_json == []
    assert FIELD["stamp"].default_json == {"at": 1}
    assert FIELD["colour"].default_json == "red"
    assert FIELD["random"].default_json is MISSING
    assert not FIELD["random"].required
    assert FIELD["message"].default_json is MISSING
    assert FIELD["message"].required


def test_a_write_is_checked_against_what_the_reducer_takes() -> None:
    """An append takes one item; a replacing write takes the whole list; an own reducer what its function says."""
    facts = FIELD["facts"]
    assert facts.encode("a") == "a"
    with pytest.raises(ValueRefused, match="field 'facts' takes str, got"):
        facts.encode(["a"])
    assert facts.encode_whole(["a"]) == ["a"]
    with pytest.raises(ValueRefused, match="takes list"):
        facts.encode_whole("a")
    assert FIELD["letters"].encode("abc") == "abc"
    with pytest.raises(ValueRefused, match="takes str"):
        FIELD["letters"].encode(3)
    assert FIELD["letters"].encode_whole(3) == 3
    assert FIELD["notes"].encode(["a"]) == ["a"]
    assert facts.takes_text == "str"
    assert FIELD["score"].takes_text == "float"


def test_constraints_of_the_model_hold_for_every_write() -> None:
    """Bounds and field validators of the state type are checked during a run too."""

    class Checked(BaseModel):
        name: Annotated[str, Say(min_length=2)] = "ab"
        even: int = 0

        @field_validator("even")
        @classmethod
        def _even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("must be even")
            return value

    name, even = fields_of(Checked)[0]
    with pytest.raises(ValueRefused, match="at least 2 characters"):
        name.encode("a")
    with pytest.raises(ValueRefused, match="must be even"):
        even.encode(3)
    with pytest.raises(ValueRefused, match="greater than 0"):
        FIELD["rank"].encode(0)


FOLDS: list[tuple[str, Any, Any, Any]] = [
    ("message", "old", "new", "new"),
    ("facts", ["a"], "b", ["a", "b"]),
    ("notes", ["a"], ["b", "c"], ["a", "b", "c"]),
    ("total", 1, 2, 3),
    ("table", {"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    ("seen", {"b"}, {"a", "b"}, {"a", "b"}),
    ("best", 2.0, 1.0, 2.0),
    ("word", "abc", "ab", "abc"),
    ("letters", 2, "abc", 5),
]


@pytest.mark.parametrize(("name", "old", "write", "new"), FOLDS)
def test_reducers_fold_writes_in(name: str, old: Any, write: Any, new: Any) -> None:
    """A decoded write folded into a decoded value gives the new value; a field without reducer takes the write."""
    field = FIELD[name]
    start = field.decode_whole(field.encode_whole(old))
    got = field.reduce(start, field.decode(field.encode(write)))
    assert got == new
    assert field.encode_state_value(got) == field.encode_whole(new)
    assert start == old, "the old value is left alone"


@pytest.mark.parametrize(("name", "old", "write", "new"), [f for f in FOLDS if f[0] not in {"word", "letters"}])
def test_fields_read_from_json_fold_the_same(name: str, old: Any, write: Any, new: Any) -> None:
    """Without Python types, JSON values fold to the JSON form of the same result."""
    typed, loose = FIELD[name], LOOSE[name]
    start = loose.decode_whole(typed.encode_whole(old))
    got = loose.reduce(start, loose.decode(typed.encode(write)))
    assert loose.encode_state_value(got) == typed.encode_whole(new)
    assert loose.encode(typed.encode(write)) == typed.encode(write)


def test_operator_add_on_a_list_extends_it() -> None:
    """The familiar `operator.add` means extend for lists, and shares structure too."""

    class Log(BaseModel):
        lines: Annotated[list[str], operator.add] = []

    (lines,) = fields_of(Log)[0]
    assert lines.reducer is not None
    assert lines.reducer.name == "extend"
    assert isinstance(lines.reduce(Items(["a"]), Items(["b"])), Items)


def test_own_reducers_cannot_harm_the_state() -> None:
    """What they change is a copy, and what they return must fit the field."""

    class Own(BaseModel):
        spoilt: Annotated[list[int], spoil] = []
        wrong: Annotated[int, broken] = 0

    spoilt, wrong = fields_of(Own)[0]
    old = Items([1])
    with pytest.raises(AttributeError, match="cannot be changed in place"):
        spoilt.reduce(old, 2)
    assert old == [1]
    with pytest.raises(ValueRefused, match="field 'wrong' takes int, got 'no int'"):
        wrong.reduce(1, 2)


def test_nodes_are_handed_what_cannot_change_the_state() -> None:
    """Scalars and frozen values as they are, lists as immutable sequences, everything else as a copy."""
    text, stamp = "abc", Stamp(at=1)
    assert FIELD["message"].hand(text) is text
    assert FIELD["stamp"].hand(stamp) is stamp
    facts = Items(["a"])
    assert FIELD["facts"].hand(facts) is facts
    order = Order(tags=["x"])
    handed = FIELD["order"].hand(order)
    handed.tags.append("y")
    assert order.tags == ["x"]
    orders = Items([order])
    for each in FIELD["orders"].hand(orders):
        each.tags.append("z")
    FIELD["orders"].hand(orders)[0].tags.append("z")
    assert order.tags == ["x"]
    table = {"a": 1}
    FIELD["table"].hand(table)["b"] = 2
    assert table == {"a": 1}
    assert FIELD["order"].hand(None) is None


def test_whole_states_go_in_and_out() -> None:
    """An instance becomes JSON field by field, and decoded values become an instance that shares nothing."""
    form = encode_state(FIELDS, Ticket(message="m", facts=["a"], order=Order(total=2)))
    assert form["order"] == {"total": 2.0, "tags": []}
    assert json.loads(json.dumps(form)) == form
    values = {name: FIELD[name].decode_whole(value) for name, value in form.items()}
    ticket = make_state(Ticket, values)
    assert ticket == Ticket(message="m", facts=["a"], order=Order(total=2))
    assert type(ticket.facts) is list
    ticket.facts.append("b")
    assert ticket.order is not None
    ticket.order.tags.append("t")
    assert values["facts"] == ["a"]
    assert values["order"].tags == []
    with pytest.raises(ValueRefused, match="field 'score'"):
        encode_state(FIELDS, Ticket.model_construct(message="m", score=math.nan))


NAMELESS: list[Callable[[int, int], int]] = [lambda a, b: a + b]


class Bad(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    secret: SecretStr = SecretStr("")
    deep: dict[str, list[SecretStr]] = {}
    number: Annotated[int, append] = 0
    keys: Annotated[list[str], merge] = []
    nameless: Annotated[int, NAMELESS[0]] = 0
    twice: Annotated[int, add, max] = 0
    # A default that does not fit is what the test is about.
    short: str = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    one: Annotated[int, abs] = 0


def test_all_mistakes_of_a_state_type_are_found() -> None:
    """Secrets, types without JSON form, unfit reducers and defaults are reported together, each with its field."""
    _, mistakes = fields_of(Bad)
    found = {(m.code, m.message.split("'")[1]) for m in mistakes}
    assert found == {
        ("secret-in-state", "secret"),
        ("secret-in-state", "deep"),
        ("reducer-type", "number"),
        ("reducer-type", "keys"),
        ("unnamed-reducer", "nameless"),
        ("two-reducers", "twice"),
        ("bad-default", "short"),
        ("reducer-parameters", "one"),
    }
    assert "hand in a client as a resource" in mistakes[0].message


def test_state_types_have_named_fields() -> None:
    """Only pydantic models with fields will do; anything else is named."""
    assert check_state_type(Ticket) is None
    assert "pydantic model" in str(check_state_type(dict))
    assert "got 3" in str(check_state_type(3))
    assert "RootModel" in str(check_state_type(RootModel[int]))


def test_scalar_writes_need_no_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts, numbers, Literals and lists of texts are converted without building a pydantic adapter."""
    from graphrt import values

    def refuse(*_: object) -> None:
        raise AssertionError("pydantic was asked")

    class Fast(BaseModel):
        text: str = ""
        score: float = 0.0
        topic: Literal["a"] | None = None
        words: list[str] = []

    fields = fields_of(Fast)[0]
    monkeypatch.setattr(values, "TypeAdapter", refuse)
    for field, value in zip(fields, ("x", 1.0, "a", ["w"]), strict=True):
        assert field.encode_state_value(field.decode(field.encode(value))) == value
