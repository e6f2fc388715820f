"""Shared lists: they behave as lists, cannot be changed, and cost no more when they grow."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from graphrt.items import _CHUNK, Items


def depth(items: Items[int]) -> int:
    """Count the buffers that a view is made of."""
    count, buffer = 1, items._buffer
    while buffer.parent is not None:
        count, buffer = count + 1, buffer.parent
    return count


def test_reads_as_a_list() -> None:
    """Length, items, slices, search and printing are those of a list."""
    items = Items([3, 1, 2])
    assert len(items) == 3
    assert (items[0], items[-1]) == (3, 2)
    assert items[1:] == [1, 2]
    assert isinstance(items[1:], list)
    assert items[::-1] == [2, 1, 3]
    assert 1 in items
    assert 9 not in items
    assert items.index(1) == 1
    assert items.count(2) == 1
    assert sorted(items) == [1, 2, 3]
    assert list(reversed(items)) == [2, 1, 3]
    assert repr(items) == "[3, 1, 2]"
    assert items
    assert not Items()


def test_equals_lists_and_tuples() -> None:
    """Equality looks at the items, whatever holds them."""
    assert Items([1, 2]) == [1, 2]
    assert Items([1, 2]) == [1, 2]
    assert Items([1, 2]) == (1, 2)
    assert Items([1, 2]) == Items([1]).plus(2)
    assert Items([1, 2]) != [1, 3]
    assert Items([1, 2]) != [1]
    assert Items([1]) != "1"


def test_sums_are_lists() -> None:
    """`+` and `*` make ordinary lists, from both sides."""
    assert [*Items([1]), 2] == [1, 2]
    assert [0, *Items([1])] == [0, 1]
    assert Items([1]) * 2 == [1, 1]
    with pytest.raises(TypeError, match="unsupported operand"):
        # Refused by type checkers as well.
        Items([1]) + 2  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]


@pytest.mark.parametrize("method", ["append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"])
def test_refuses_to_be_changed(method: str) -> None:
    """Methods that would change it say what to do instead; items cannot be set or deleted."""
    items = Items([1])
    with pytest.raises(AttributeError, match=f"no '{method}'; return what is to be written"):
        getattr(items, method)
    with pytest.raises(TypeError, match="does not support item assignment"):
        # Refused by type checkers as well.
        items[0] = 2  # pyright: ignore[reportIndexIssue]


def test_index_errors_say_the_size() -> None:
    """An index out of range names the index and the length."""
    with pytest.raises(IndexError, match="index 5 of a list of 1 items"):
        Items([1])[5]
    with pytest.raises(IndexError, match="index -2"):
        Items([1])[-2]


def test_branches_share_what_they_have_in_common() -> None:
    """Two continuations of one list do not see each other's items, nor does the list see theirs."""
    base = Items(range(100))
    left, right = base.plus(-1).plus(-2), base.plus(-3)
    assert list(base) == list(range(100))
    assert list(left) == [*range(100), -1, -2]
    assert list(right) == [*range(100), -3]
    assert right[50] == 50
    assert right._buffer.parent is base._buffer


def test_iterating_ignores_later_items() -> None:
    """An iteration that has begun does not see what is appended to the shared buffer."""
    base = Items([1, 2])
    walk = iter(base)
    assert next(walk) == 1
    base.plus(3)
    assert list(walk) == [2]


def test_chains_of_buffers_stay_short() -> None:
    """However often lists diverge, n items stand in at most n / chunk + 1 buffers."""
    items = Items[int]()
    for i in range(20 * _CHUNK):
        items.plus(-1)  # somebody else goes on from the same list first
        items = items.plus(i)
    assert list(items) == list(range(20 * _CHUNK))
    assert depth(items) <= 20 + 1


def test_growing_costs_the_same_for_long_lists() -> None:
    """Appending to the longest view copies nothing: all views share one buffer."""
    items = Items(range(100_000))
    buffer = items._buffer
    for i in range(100):
        items = items.plus(i)
    assert items._buffer is buffer


def test_guarded_items_cannot_be_reached() -> None:
    """A guarded view hands out copies: changing one changes nothing in the list."""
    items: Items[dict[str, Any]] = Items([{"a": [1]}]).guarded()
    items[0]["a"].append(2)
    for item in items:
        item["b"] = 1
    items[:1][0]["c"] = 1
    assert items == [{"a": [1]}]
    assert items.plus({"d": 1}) == [{"a": [1]}, {"d": 1}]


@pytest.mark.parametrize("size", [3, 200])
def test_a_list_apart_grows_for_itself(size: int) -> None:
    """What is added to a list that was handed on reaches neither the other list nor its memory; both can grow."""
    own = Items(range(size))
    handed = own.apart()
    longer = handed.plus_all(range(1_000)).plus(1)
    assert list(longer) == [*range(size), *range(1_000), 1]
    assert own == handed == list(range(size))
    assert len(own._buffer.items) == size
    grown = own.plus(7)
    assert list(grown) == [*range(size), 7]
    assert grown._buffer is own._buffer


def test_a_guarded_list_apart_is_guarded() -> None:
    """Whoever may not reach the items of a list may not by one that was made of it."""
    items: Items[dict[str, int]] = Items([{"a": 1}]).guarded().apart()
    items[0]["a"] = 2
    assert items == [{"a": 1}]


def test_copies_and_pickles() -> None:
    """A copy is the same list, a deep copy shares nothing, a pickle is a plain list."""
    items = Items([[1]])
    assert copy.copy(items) is items
    deep = copy.deepcopy(items)
    deep[0].append(2)
    assert items == [[1]]
    assert pickle.loads(pickle.dumps(items)) == [[1]]
    assert type(pickle.loads(pickle.dumps(items))) is list


def test_is_unhashable_like_a_list() -> None:
    """It cannot be a key of a dict."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(Items([1]))


def test_pydantic_takes_it_for_a_list() -> None:
    """A list field accepts it, and a field of this type validates and writes a list."""

    class Model(BaseModel):
        ids: Items[int] = Items()

    assert TypeAdapter(list[int]).validate_python(Items([1, 2])) == [1, 2]
    model = Model.model_validate({"ids": ["1", 2]})
    assert model.ids == [1, 2]
    assert isinstance(model.ids, Items)
    assert json.loads(model.model_dump_json()) == {"ids": [1, 2]}
    assert Model(ids=model.ids).ids == [1, 2]
    assert Model.model_json_schema()["properties"]["ids"]["items"] == {"type": "integer"}


@given(st.lists(st.tuples(st.integers(0, 8), st.lists(st.integers(), max_size=90)), max_size=25))
def test_any_tree_of_views_equals_lists(steps: list[tuple[int, list[int]]]) -> None:
    """Whatever views are continued in whatever order, each equals the list built the slow way."""
    views: list[tuple[Items[int], list[int]]] = [(Items(), [])]
    for pick, more in steps:
        view, plain = views[pick % len(views)]
        if len(more) == 1:
            views.append((view.plus(more[0]), [*plain, more[0]]))
        else:
            views.append((view.plus_all(more), plain + more))
    for view, plain in views:
        assert list(view) == plain
        assert len(view) == len(plain)
        assert view[:5] == plain[:5]
        assert all(view[i] == plain[i] for i in range(0, len(plain), 7))
        assert list(view.apart()) == plain
        assert list(view.apart().plus(0)) == [*plain, 0]
        assert list(view) == plain
