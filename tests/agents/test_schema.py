"""Schemas as strict endpoints want them, and the way back; probabilities of labels out of probabilities of tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from graphrt.agents.models.openai.labels import Position, label_scores, normalised
from graphrt.agents.models.openai.schema import asked, fits
from graphrt.agents.tools import untitled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue


class Line(BaseModel):
    title: str
    count: Annotated[int, Field(gt=0, description="how many")] = 1
    kind: Literal["a", "b"] | None = None


class Order(BaseModel):
    lines: list[Line]
    note: str = ""


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Bag(BaseModel):
    counts: dict[str, int]


TYPES: list[Any] = [Line, Order, Tree, Bag, int, str, list[Line], Line | None, Literal["a", "b"], dict[str, float]]


def schema_of(kind: Any) -> dict[str, JsonValue]:
    """Return the schema of a type as agents hand it to models."""
    return untitled(TypeAdapter(kind).json_schema())


def objects_in(part: JsonValue) -> Iterator[dict[str, JsonValue]]:
    """Yield every schema of an object with named properties, at any depth."""
    if isinstance(part, list):
        for each in part:
            yield from objects_in(each)
    elif isinstance(part, dict):
        if part.get("type") == "object" and "properties" in part:
            yield part
        for each in part.values():
            yield from objects_in(each)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_strict_schemas_are_what_strict_endpoints_accept(kind: Any) -> None:
    """An object at the root, every property required, none beside them, nothing next to a reference, no defaults."""
    form = asked(schema_of(kind))
    text = str(form.schema)
    found = list(objects_in(form.schema))
    assert form.schema.get("type") == "object"
    assert form.strict == ("additionalProperties': {" not in str(schema_of(kind)))
    if form.strict:
        for each in found:
            assert each["additionalProperties"] is False
            properties: Any = each["properties"]
            assert each["required"] == list(properties)
        assert "'default'" not in text
    definitions: Any = form.schema.get("$defs", {})
    named = {name for name in ("Line", "Order", "Tree") if f"#/$defs/{name}'" in text}
    assert named <= set(definitions)


def test_a_property_named_as_a_keyword_is_kept() -> None:
    """`title` and `default` are the author's names inside properties, and keywords elsewhere."""
    form = asked(schema_of(Line))
    properties: Any = form.schema["properties"]
    assert list(properties) == ["title", "count", "kind"]
    assert properties["count"] == {"type": "integer", "exclusiveMinimum": 0, "description": "how many"}
    assert "title" not in {key for key in form.schema if key != "properties"}


@pytest.mark.parametrize(
    ("kind", "value"), [(Line, {"title": "x"}), (int, 3), (list[Line], [{"title": "x"}]), (Line | None, None)], ids=str
)
def test_what_was_wrapped_is_unwrapped(kind: Any, value: JsonValue) -> None:
    """The value comes back as the type has it, whether or not the endpoint kept to the wrapping."""
    form = asked(schema_of(kind))
    sent: JsonValue = {"value": value} if form.wrapped else value
    assert form.unwrap(sent) == value
    assert form.unwrap(value) == value
    TypeAdapter(kind).validate_python(form.unwrap(sent))


@pytest.mark.parametrize(
    ("kind", "value", "is_fit"),
    [
        (Line, {"title": "x"}, True),
        (Line, {"name": "x"}, False),
        (Line, ["x"], False),
        (int, 3, True),
        (int, True, False),
        (int, "3", False),
        (str, "x", True),
        (str, None, False),
        (list[int], [1], True),
        (bool, 1, False),
        (Order, {"lines": []}, True),
        (Line | None, None, True),
    ],
)
def test_an_ignored_schema_is_noticed(kind: Any, value: JsonValue, is_fit: bool) -> None:
    """The outer shape is looked at, which is enough to see that an endpoint did not care."""
    assert fits(value, schema_of(kind)) is is_fit


# -- labels -----------------------------------------------------------------------------------------------------------


def position(written: str, **others: float) -> Position:
    """Return a position by probabilities; the written token's own is among `others`."""
    logs = {token.replace("_", " "): math.log(p) for token, p in others.items()}
    return Position(written, logs[written], tuple(logs.items()))


def test_the_mass_of_a_token_goes_to_the_labels_it_begins() -> None:
    """Also those that were not written; what begins no label is dropped and the rest sums to 1."""
    scores = label_scores([position("bug", bug=0.6, bill=0.3, well=0.1)], ["billing", "bug"])
    assert scores == pytest.approx({"billing": 1 / 3, "bug": 2 / 3})


def test_labels_that_begin_alike_are_told_apart_where_they_part() -> None:
    """The first token says "refund", the second says which; a road not taken shares what it got."""
    labels = ["refund full", "refund part", "other"]
    scores = label_scores([position("refund", refund=0.8, other=0.2), position(" full", _full=0.9, _part=0.1)], labels)
    assert scores == pytest.approx({"refund full": 0.72, "refund part": 0.08, "other": 0.2})
    unsure = label_scores([position("other", refund=0.5, other=0.5)], labels)
    assert unsure == pytest.approx({"refund full": 0.25, "refund part": 0.25, "other": 0.5})


def test_a_label_within_a_longer_one_and_quotes_do_not_confuse() -> None:
    """A bug is no bug report, and a quote before the label is no part of it."""
    scores = label_scores([position("bug", bug=1.0)], ["bug", "bug report"])
    assert scores == pytest.approx({"bug": 1.0, "bug report": 0.0})
    quoted = label_scores([Position('"', 0.0, (('"', 0.0),)), position("Bug", Bug=0.7, Bill=0.3)], ["billing", "bug"])
    assert quoted == pytest.approx({"billing": 0.3, "bug": 0.7})


def test_positions_that_say_nothing_give_no_scores() -> None:
    """No tokens, or tokens that begin no label, are not turned into a guess."""
    assert label_scores([], ["a", "b"]) is None
    assert label_scores([position("what", what=1.0)], ["billing", "bug"]) is None
    assert normalised({"a": 0.0}) is None


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=2), st.sampled_from(["billing", "bug"]))
def test_scores_are_probabilities(weights: list[float], written: str) -> None:
    """Whatever the tokens weigh, every label has a score from 0 to 1, and they sum to 1."""
    total = sum(weights) + 0.1
    tokens = dict(zip(["billing", "bug"], (w / total for w in weights), strict=True))
    scores = label_scores([position(written, **tokens)], ["billing", "bug"])
    assert scores is not None
    assert math.fsum(scores.values()) == pytest.approx(1)
    assert all(0 <= score <= 1 for score in scores.values())
