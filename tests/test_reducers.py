"""Reducers: pure functions of an old value and a write."""

from __future__ import annotations

import pytest

from graphrt.items import Items
from graphrt.reducers import BUILT_IN, add, append, extend, merge, reducer_named, union


def test_append_and_extend_leave_the_old_list() -> None:
    """They return a longer list, on plain lists and on shared ones."""
    plain, shared = [1], Items([1])
    assert append(plain, 2) == [1, 2]
    assert extend(plain, [2, 3]) == [1, 2, 3]
    assert plain == [1]
    # State hands out Items where the annotation says list.
    assert append(shared, 2) == [1, 2]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    # State hands out Items where the annotation says list.
    assert extend(shared, [2, 3]) == [1, 2, 3]  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert shared == [1]


def test_add_merge() -> None:
    """Numbers and texts add up; keys of the write win."""
    assert add(1, 2) == 3
    assert add("a", "b") == "ab"
    assert merge({"a": 1, "b": 1}, {"b": 2}) == {"a": 1, "b": 2}


def test_union_keeps_each_item_once() -> None:
    """Sets unite; lists keep the order in which items came."""
    assert union({1}, {2}) == {1, 2}
    assert union([3, 1], [1, 2, 2]) == [3, 1, 2]
    assert union(Items([3, 1]), Items([1, 2])) == [3, 1, 2]


def test_built_in_ones_are_found_by_name() -> None:
    """Each built-in reducer can be named in JSON and works as before."""
    for name, fn in BUILT_IN.values():
        assert reducer_named(name, "f", own=False).fn is fn
    assert reducer_named("max", "f", own=False).fn(1, 2) == 2


@pytest.mark.parametrize(("name", "own"), [("sum_up", True), ("append", True), ("unheard_of", False)])
def test_own_ones_are_known_by_name_only(name: str, own: bool) -> None:
    """A reducer of the author's, read from JSON, never passes for the built-in one of that name."""
    reducer = reducer_named(name, "f", own=own)
    assert reducer.own
    assert reducer.name == name
    assert name in str(reducer.fn([1], [2]))
