"""What annotations say: text, values of Literals, whether values can change or hold secrets."""

# ruff: noqa: PYI030, PYI051, PYI061 - each spelling is one that has to be read

from __future__ import annotations

import dataclasses
import datetime as dt
from enum import Enum
from typing import Annotated, Any, Literal, Optional, Union

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr
from typing_extensions import TypeAliasType, TypedDict  # pydantic wants the latter before Python 3.12

from graphrt import hints

MaybeInt = TypeAliasType("MaybeInt", int | None)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Order(BaseModel):
    total: float
    parts: list[str] = []


class Point(BaseModel):
    model_config = ConfigDict(frozen=True)
    x: int


class Bag(BaseModel):
    model_config = ConfigDict(frozen=True)
    things: list[int]


@dataclasses.dataclass(frozen=True)
class Pair:
    left: int


class Login(TypedDict):
    password: SecretStr


class Account(BaseModel):
    login: dict[str, list[Login]] = {}


class Chain(BaseModel):
    next: Chain | None = None


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (str, "str"),
        (None, "None"),
        (type(None), "None"),
        (Any, "Any"),
        (list[str], "list[str]"),
        (list, "list"),
        (dict[str, list[int]], "dict[str, list[int]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (str | None, "str | None"),
        (Optional[int], "int | None"),  # noqa: UP045 - both spellings are read
        (Union[int, str], "int | str"),  # noqa: UP007 - as above
        (Literal["a", 'b"', 3, None], 'Literal["a", "b\\"", 3, None]'),
        (Literal[Colour.RED], "Literal[Colour.RED]"),
        (Annotated[int, "odd"], "int"),
        (Order, "Order"),
    ],
)
def test_prints_as_it_was_written(annotation: Any, text: str) -> None:
    """Types print in the notation of their author, without modules."""
    assert hints.text_of(annotation) == text


@pytest.mark.parametrize(
    ("annotation", "values"),
    [
        (Literal["a", "b"], ("a", "b")),
        (Literal["a"] | Literal["b"] | None, ("a", "b")),
        (Literal["a", None], ("a",)),
        (Colour, (Colour.RED, Colour.BLUE)),
        (Annotated[Literal[1, 2] | None, "x"], (1, 2)),
        (Literal["a"] | str, None),
        (str, None),
        (None, None),
        (bool, None),
    ],
)
def test_finds_the_values_that_a_type_admits(annotation: Any, values: tuple[Any, ...] | None) -> None:
    """Literals and Enums list their values, None left out; other types have none to list."""
    assert hints.literal_values(annotation) == values


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        int | None,
        Literal["a"],
        Colour,
        dt.datetime,
        tuple[int, ...],
        frozenset[str],
        Point,
        Pair,
        tuple[str, int] | None,
    ],
)
def test_immutable_types(annotation: Any) -> None:
    """Scalars, enums, dates, and frozen containers of these cannot change."""
    assert hints.is_immutable(annotation)


@pytest.mark.parametrize(
    "annotation", [list[int], dict[str, int], set[int], Order, Bag, Any, object, tuple[list[int]], Chain]
)
def test_mutable_types(annotation: Any) -> None:
    """Lists, dicts, ordinary models, and whatever may hold one, can change; so can what is unknown."""
    assert not hints.is_immutable(annotation)


@pytest.mark.parametrize(
    "annotation", [SecretStr, SecretStr | None, list[SecretStr], Account, Annotated[SecretStr, "x"]]
)
def test_finds_secrets_however_deep(annotation: Any) -> None:
    """A secret is found inside containers, models and typed dicts."""
    assert hints.is_secret(annotation)


def test_no_secret_in_recursive_models() -> None:
    """A model that contains itself is looked at once."""
    assert not hints.is_secret(Chain)
    assert Chain in set(hints.parts(Chain))


def test_names_the_fields_inside() -> None:
    """Models, dataclasses and typed dicts have fields; other types have none."""
    assert list(hints.inner(Order)) == ["total", "parts"]
    assert hints.inner(Pair) == {"left": int}
    assert hints.inner(Login) == {"password": SecretStr}
    assert hints.inner(list[int]) == {}


def test_an_annotation_apart_from_none_keeps_what_else_it_says() -> None:
    """None goes from a union, within aliases and `Annotated` too; constraints stay, and so does all else."""
    assert hints.apart_from_none(int | None) is int
    assert hints.apart_from_none(int | str | None) == int | str
    assert hints.apart_from_none(MaybeInt) is int
    assert hints.apart_from_none(Annotated[int | None, "positive"]) == Annotated[int, "positive"]
    outside = Optional[Annotated[int, "positive"]]  # noqa: UP045 - spelled with | it is refused by one of the checkers
    assert hints.apart_from_none(outside) == Annotated[int, "positive"]
    for kept in (int, list[int | None], None, Annotated[str, "short"]):
        assert hints.apart_from_none(kept) == kept
