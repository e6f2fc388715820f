"""Reading functions: parameters, return types, what cannot be called; and whether two types may fit."""

from __future__ import annotations

import datetime as dt
import functools
import textwrap
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import BaseModel

from graphrt.context import Context
from graphrt.hints import UNSAID
from graphrt.signatures import fits, is_context, is_state, returned, signature_of

if TYPE_CHECKING:
    from decimal import Decimal  # as many authors import what they need for annotations only


class Ticket(BaseModel):
    message: str


class Colour(Enum):
    RED = "red"


async def look(message: str, limit: int = 3, *, context: Context, state: Ticket) -> list[str]:
    """Take a field, a field with a default, the context and the whole state."""
    return []


class Service:
    """An object whose methods are used as functions, and which is one itself."""

    def work(self, message: str) -> str:
        """Be a bound method."""
        return message

    async def __call__(self, message: str) -> str:
        """Let the object be called."""
        return message

    @staticmethod
    def static(message: str) -> str:
        """Need no object."""
        return message


def positional(message: str, /) -> None:
    """Take what cannot be given by name."""


def optional(message: str = "", /, *rest: str, **more: str) -> None:
    """Take only what can be left out."""


def items(message: str) -> Iterator[str]:
    """Yield instead of returning."""
    yield message


async def stream(message: str) -> AsyncIterator[str]:
    """Yield in turns with others."""
    yield message


def wrapped(fn: Any) -> Any:
    """Decorate as most decorators do."""

    @functools.wraps(fn)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return inner


def test_reads_parameters_and_return() -> None:
    """Names, types, defaults, the return type and whether it is async are what the function says."""
    found = signature_of(look)
    assert [(p.name, p.annotation, p.required) for p in found.params] == [
        ("message", str, True),
        ("limit", int, False),
        ("context", Context, True),
        ("state", Ticket, True),
    ]
    assert found.returns == list[str]
    assert found.is_async
    assert (found.name, found.path, found.problem) == ("look", "look", None)
    assert signature_of(Service().work).path == "Service.work"
    assert signature_of(look) is found


def test_reads_functions_without_annotations() -> None:
    """Names alone are enough, as those of the standard library; types are then unsaid."""
    found = signature_of(textwrap.indent)
    assert [(p.name, p.annotation, p.required) for p in found.params] == [
        ("text", UNSAID, True),
        ("prefix", UNSAID, True),
        ("predicate", UNSAID, False),
    ]
    assert found.returns is UNSAID


def test_reads_methods_partials_and_callable_objects() -> None:
    """Bound methods, static methods, partials and objects with __call__ are functions too."""
    assert [p.name for p in signature_of(Service().work).params] == ["message"]
    assert [p.name for p in signature_of(Service.static).params] == ["message"]
    found = signature_of(Service())
    assert ([p.name for p in found.params], found.is_async, found.name) == (["message"], True, "Service")
    found = signature_of(functools.partial(look, limit=5))
    assert [(p.name, p.fixed) for p in found.params][:2] == [("message", False), ("limit", True)]
    assert (found.name, found.is_async) == ("look", True)
    assert [p.name for p in signature_of(functools.partial(look, "m")).params] == ["limit", "context", "state"]
    found = signature_of(wrapped(look))
    assert [p.annotation for p in found.params][:2] == [str, int]


def test_names_that_cannot_be_resolved_stay_text() -> None:
    """Where annotations are postponed, a local class is known by name, and a type that is not there may be any."""

    class Local(BaseModel):
        message: str

    def task(message: str, state: Local, price: Decimal) -> Local:
        raise NotImplementedError

    found = signature_of(task)
    message, state, price = found.params
    assert message.annotation is str
    assert state.annotation == "Local"
    assert is_state(state.annotation, Local)
    assert price.annotation == "Decimal"
    assert not is_state(price.annotation, Local)
    assert fits(price.annotation, int)


def test_recognises_context_and_state() -> None:
    """The context is known by its type or name, also where it is optional; the state by identity."""
    assert is_context(Context)
    assert is_context(Context | None)
    assert is_context("graphrt.Context")
    assert not is_context(str)
    assert is_state(Ticket, Ticket)
    assert not is_state(BaseModel, Ticket)


PROBLEMS: list[tuple[Any, str]] = [
    (Service.work, "is an unbound method; pass a bound one, Service"),
    (positional, "positional-only parameter 'message'"),
    (items, "is a generator"),
    (stream, "is a generator"),
    (Ticket, "is a class, not a function"),
    (dict.fromkeys, "positional-only"),
    (max, "does not tell its parameters"),
]


@pytest.mark.parametrize(("fn", "problem"), PROBLEMS)
def test_says_why_a_function_cannot_be_called(fn: Any, problem: str) -> None:
    """What could not be filled with fields by name is described, with the repair."""
    assert problem in str(signature_of(fn).problem)


def test_optional_extras_are_left_alone() -> None:
    """Parameters that cannot or need not be filled by name are no problem if they can be left out."""
    found = signature_of(optional)
    assert found.problem is None
    assert found.params == ()


def test_what_is_awaited_is_what_is_returned() -> None:
    """A function that returns a coroutine returns what that gives."""

    def made(message: str) -> Coroutine[Any, Any, str]:
        raise NotImplementedError

    def awaitable(message: str) -> Awaitable[int]:
        raise NotImplementedError

    assert returned(signature_of(made)) is str
    assert returned(signature_of(awaitable)) is int
    assert signature_of(awaitable).is_async
    assert returned(signature_of(look)) == list[str]


FIT: list[tuple[Any, Any]] = [
    (str, str),
    (str, Any),
    (Any, str),
    (UNSAID, str),
    (int, float),
    (str, str | None),
    (None, str | None),
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (str, Literal["a"]),
    (list[str], list[str]),
    (list, list[str]),
    (list[Any], list[str]),
    (list[str], Sequence[str]),
    (dict[str, int], Mapping[str, int]),
    (Ticket, BaseModel),
    (BaseModel, Ticket),
    (Colour, Colour),
    (dt.datetime, dt.date),
    (tuple[int, ...], tuple[int, ...]),
]
UNFIT: list[tuple[Any, Any]] = [
    (str, int),
    (int, str),
    (bool, int),
    (int, bool),
    (float, int),
    (None, str),
    (str | None, str),
    (dict[str, str], str),
    (dict[str, str], Ticket),
    (list[str], str),
    (list[int], list[str]),
    (str, list[str]),
    (Literal["c"], Literal["a", "b"]),
    (Literal[1], str),
    (int, Literal["a"]),
    (Ticket, Colour),
]


@pytest.mark.parametrize(("have", "want"), FIT)
def test_types_that_may_fit(have: Any, want: Any) -> None:
    """Nothing is refused that could be right."""
    assert fits(have, want)


@pytest.mark.parametrize(("have", "want"), UNFIT)
def test_types_that_cannot_fit(have: Any, want: Any) -> None:
    """What is certainly wrong is refused."""
    assert not fits(have, want)
