"""Conversion between values and JSON: strict, round-tripping, and without pydantic where the type is simple."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from graphrt.items import Items
from graphrt.values import ValueRefused, codec_of


class Colour(StrEnum):
    RED = "red"


class Size(Enum):
    S = 1


class Order(BaseModel):
    total: float
    at: dt.datetime | None = None
    more: dict[str, Any] = {}


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, populate_by_name=False)
    day: dt.date
    named: str = Field(default="", alias="Named")


def construct(kind: type[BaseModel], **fields: object) -> BaseModel:
    """Make a model without validating it."""
    return kind.model_construct(None, **fields)


def even(value: int) -> int:
    """Refuse odd numbers."""
    if value % 2:
        raise ValueError("must be even")
    return value


EvenIfAny: TypeAlias = Annotated[int, AfterValidator(even)] | None
NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)

ROUND_TRIPS: list[tuple[Any, Any, Any]] = [
    (str, "a\ud800\0", "a\ud800\0"),
    (int, 2**70, 2**70),
    (float, 1.5, 1.5),
    (float, 3, 3.0),
    (bool, True, True),
    (str | None, None, None),
    (Literal["a", "b"] | None, "b", "b"),
    (Literal["a", 1], 1, 1),
    (list[str], ["a"], ["a"]),
    (list[str], ("a", "b"), ["a", "b"]),
    (list[str], Items(["a"]), ["a"]),
    (list[float], [1, 2.5], [1.0, 2.5]),
    (list[list[int]], [[1], []], [[1], []]),
    (tuple[int, str], (1, "a"), [1, "a"]),
    (set[str], {"b", "a"}, ["a", "b"]),
    (dict[int, str], {1: "a"}, {"1": "a"}),
    (Colour, Colour.RED, "red"),
    (Colour, "red", "red"),
    (str, Colour.RED, "red"),
    (Size, Size.S, 1),
    (dt.datetime, NOON, "2026-01-02T12:00:00Z"),
    (dt.datetime, "2026-01-02T12:00:00Z", "2026-01-02T12:00:00Z"),
    (dt.timedelta, dt.timedelta(seconds=90), "PT1M30S"),
    (Decimal, Decimal("1.10"), "1.10"),
    (UUID, UUID(int=0), "00000000-0000-0000-0000-000000000000"),
    (bytes, b"a", "a"),
    (Order, Order(total=1), {"total": 1.0, "at": None, "more": {}}),
    (Order, {"total": 2}, {"total": 2.0, "at": None, "more": {}}),
    (list[Order], [Order(total=1)], [{"total": 1.0, "at": None, "more": {}}]),
    (Strict, Strict(day=dt.date(2026, 1, 2), Named="x"), {"day": "2026-01-02", "named": "x"}),
    (Any, {"a": [1, None]}, {"a": [1, None]}),
    (Any, {"a": Items([1])}, {"a": [1]}),
    (Annotated[int, Field(gt=0)], 3, 3),
    (EvenIfAny, 4, 4),
]


@pytest.mark.parametrize(("annotation", "value", "form"), ROUND_TRIPS)
def test_values_have_a_json_form_that_reads_back(annotation: Any, value: Any, form: Any) -> None:
    """What is encoded is JSON of the expected form, decodes, and dumps to the same form again."""
    codec = codec_of(annotation, "f")
    encoded = codec.encode(value)
    assert encoded == form
    assert type(encoded) is type(form)
    assert json.loads(json.dumps(encoded)) == encoded
    back = codec.decode(encoded)
    assert codec.dump(back) == form
    assert codec.encode(back) == form


def test_decoding_gives_values_of_the_type() -> None:
    """Dates are dates again, enums members, models models, lists immutable."""
    assert codec_of(dt.datetime, "f").decode("2026-01-02T12:00:00Z") == NOON
    assert codec_of(Colour, "f").decode("red") is Colour.RED
    assert codec_of(set[str], "f").decode(["a"]) == {"a"}
    assert codec_of(dict[int, str], "f").decode({"1": "a"}) == {1: "a"}
    assert codec_of(Order, "f").decode({"total": 1}) == Order(total=1)
    assert isinstance(codec_of(list[str], "f").decode(["a"]), Items)
    assert isinstance(codec_of(list[Order] | None, "f").decode([]), Items)


REFUSED: list[tuple[Any, Any, str]] = [
    (str, 3, r"takes str, got 3 \(int\)"),
    (int, "3", "takes int"),
    (int, True, "takes int"),
    (int, 2.0, "takes int"),
    (float, "1.5", "takes float"),
    (float, math.nan, "inf and nan have no JSON form"),
    (float | None, math.inf, "inf and nan"),
    (float, 10**400, "takes float"),
    (bool, 1, "takes bool"),
    (str, None, "takes str"),
    (Literal["a", "b"], "c", "'a' or 'b'"),
    (Literal["a"], ["a"], "Literal"),
    (list[str], "abc", "takes list"),
    (list[str], ["a", 1], "1: Input should be a valid string"),
    (list[str], [["a"]], "0: Input should be a valid string"),
    (list[float], [1.0, math.nan], "inf and nan"),
    (list[int], ["1"], "0: Input should be a valid integer"),
    (Colour, "blue", "takes Colour"),
    (Order, {"total": "1"}, "total: Input should be a valid number"),
    (Order, {"total": math.inf}, "inf and nan"),
    (Order, Order(total=1, more={"x": [math.nan]}), "inf and nan"),
    (Order, construct(Order, total="x"), "total"),
    (Any, {"a": math.nan}, "inf and nan"),
    (Any, {math.inf: None}, "inf and nan"),
    (dict[float, int | None], {math.nan: None}, "inf and nan"),
    (Any, {"a": None, "b": {"c": (1.0, -math.inf)}}, "inf and nan"),
    (Any, {"noon": NOON, "a": None, "b": [math.nan]}, "inf and nan"),
    (Any, object(), "no JSON form"),
    (bytes, b"\xff", "no JSON form"),
    (Annotated[int, Field(gt=0)], 0, "greater than 0"),
    (EvenIfAny, 3, "must be even"),
]


@pytest.mark.parametrize(("annotation", "value", "message"), REFUSED)
def test_other_values_are_refused(annotation: Any, value: Any, message: str) -> None:
    """A value that does not fit exactly is refused, with field, expected type and value."""
    with pytest.raises(ValueRefused, match=message) as caught:
        codec_of(annotation, "score").encode(value)
    assert str(caught.value).startswith("field 'score' takes ")
    assert set(caught.value.facts) == {"field", "expected", "found"}


def test_decoding_checks_against_todays_types() -> None:
    """A trace that was written under other types is refused, not believed."""
    for annotation, form in [(str, 1), (int, "x"), (list[str], [1]), (Literal["a"], "b"), (Order, {"total": "x"})]:
        with pytest.raises(ValueRefused):
            codec_of(annotation, "f").decode(form)


def test_long_values_are_abbreviated_in_messages() -> None:
    """A message shows the beginning of a long value, and survives values that cannot be printed."""

    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(ValueRefused) as caught:
        codec_of(int, "f").encode("x" * 10_000)
    assert len(str(caught.value)) < 300
    with pytest.raises(ValueRefused, match="<Mute>"):
        codec_of(int, "f").encode(Mute())


def test_only_the_first_errors_of_many_are_listed() -> None:
    """Three errors say enough; the others are counted."""
    with pytest.raises(ValueRefused, match="and 7 more"):
        codec_of(list[int], "f").encode(["x"] * 10)


def test_sets_are_written_in_the_same_order_everywhere() -> None:
    """The order of a set differs between processes; its JSON form does not."""
    words = [f"w{i}" for i in range(50)]
    assert codec_of(set[str], "f").encode(set(words)) == sorted(words)
    assert codec_of(frozenset[str], "f").dump(frozenset(words)) == sorted(words)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
TREES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))


@given(TREES)
def test_any_json_value_survives(value: Any) -> None:
    """Whatever JSON can say, a field of type Any takes and gives back."""
    codec = codec_of(Any, "f")
    assert codec.dump(codec.decode(codec.encode(value))) == value


@given(SCALARS, st.sampled_from([str, int, float, bool, str | None, float | None, Literal["", "a"], list[int]]))
def test_encoding_is_total(value: Any, annotation: Any) -> None:
    """A value is either refused or has a JSON form that decodes; nothing else happens."""
    codec = codec_of(annotation, "f")
    try:
        form = codec.encode(value)
    except ValueRefused:
        return
    assert codec.encode(codec.decode(form)) == form
