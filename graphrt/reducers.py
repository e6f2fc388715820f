"""Reducers: how a write is folded into a field. Pure, named functions of (old value, write).

`Annotated[list[str], append]` in a state type names one; any named function of two values will do, also the built-in
`max` and `min`. Those listed here are known by name, so that a graph read from JSON can fold as well.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import msgspec

from graphrt.items import Items

E = TypeVar("E")
N = TypeVar("N")
K = TypeVar("K")
V = TypeVar("V")

Fold = Callable[[Any, Any], Any]


def append(items: list[E], item: E, /) -> list[E]:
    """Reducer of a list field: a write is one item, put at the end."""
    have: object = items
    return cast("list[E]", have.plus(item)) if isinstance(have, Items) else [*items, item]


def extend(items: list[E], more: list[E], /) -> list[E]:
    """Reducer of a list field: a write is a list, its items are put at the end."""
    have: object = items
    return cast("list[E]", have.plus_all(more)) if isinstance(have, Items) else [*items, *more]


def add(total: N, more: N, /) -> N:
    """Reducer of a number or text: a write is added to what is there."""
    return cast("N", cast("Any", total) + more)


def merge(old: dict[K, V], new: dict[K, V], /) -> dict[K, V]:
    """Reducer of a dict field: the keys of a write replace those that are there."""
    return {**old, **new}


def union(old: N, new: N, /) -> N:
    """Reducer of a set field, or of a list that holds each item once, in the order they came."""
    have, more = cast("Any", old), cast("Any", new)
    if isinstance(have, (set, frozenset)):
        return cast("N", have | more)
    fresh: list[Any] = []
    for item in more:
        if item not in have and item not in fresh:
            fresh.append(item)
    return cast("N", have.plus_all(fresh) if isinstance(have, Items) else [*have, *fresh])


class Reducer(msgspec.Struct, frozen=True):
    """A reducer of a field."""

    name: str
    fn: Fold
    own: bool = False
    """Written by the author of the flow, so a graph read from JSON does not have it."""
    takes: Any = None
    """The type of a write."""


BUILT_IN: Final[dict[Any, tuple[str, Fold]]] = {
    append: ("append", append),
    extend: ("extend", extend),
    add: ("add", add),
    operator.add: ("add", add),
    merge: ("merge", merge),
    union: ("union", union),
    max: ("max", max),
    min: ("min", min),
}
"""Name and function of each reducer that needs no code of the author's."""

NEEDS: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "append": ((list,), "a list"),
    "extend": ((list,), "a list"),
    "merge": ((dict,), "a dict"),
    "union": ((set, frozenset, list), "a set or a list"),
}
"""What kinds of field a built-in reducer is for."""

_BY_NAME: Final[dict[str, Fold]] = dict(BUILT_IN.values())


def reducer_named(name: str, field: str, *, own: bool) -> Reducer:
    """Return the reducer that a graph's JSON form names; code of the flow folds into a note that says so."""
    if not own and name in _BY_NAME:
        return Reducer(name, _BY_NAME[name])

    def unknown(_old: object, _new: object) -> object:
        return f"(unknown: reducer {name} of field {field} is code of the flow)"

    return Reducer(name, unknown, own=True)
