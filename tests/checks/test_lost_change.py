"""What a node does to what it was given: a change that nobody sees is found, one that is used is not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from graphrt import Flow
from graphrt.checks import check


class Inner(BaseModel):
    count: int = 0


class Basket(BaseModel):
    order: str = ""
    items: list[str] = []
    prices: dict[str, float] = {}
    inner: Inner = Inner()


def appends(order: str, items: list[str]) -> None:
    """Append to a list."""
    items.append(order)


async def sets_a_key(order: str, prices: dict[str, float]) -> None:
    """Set a key."""
    prices[order] = 1.0


def sets_an_attribute(inner: Inner) -> None:
    """Set an attribute."""
    inner.count += 1


def changes_the_state(state: Basket) -> None:
    """Set a field."""
    state.order = "other"


def deletes(prices: dict[str, float]) -> None:
    """Delete a key."""
    del prices["a"]


def returns_it(order: str, prices: dict[str, float]) -> dict[str, float]:
    """Give the changed copy back."""
    prices[order] = 1.0
    return prices


def hands_it_on(order: str, prices: dict[str, float]) -> str:
    """Use the changed copy."""
    prices[order] = 1.0
    return str(prices)


def has_a_list_of_its_own(items: list[str]) -> list[str]:
    """Change another value under the same name."""
    items = list(items)
    items.append("x")
    return items


def only_reads(order: str, items: list[str]) -> int:
    """Read."""
    return items.count(order)


def uses_the_answer(prices: dict[str, float]) -> float:
    """Take something out of its copy, for itself."""
    return prices.pop("a", 0.0)


def built() -> Any:
    """Return a function that was made from a text, so that no source is at hand."""
    names: dict[str, Any] = {}
    exec("def built(items: list[str]) -> str:\n    items.append('x')\n    return ''", names)
    return names["built"]


def found(function: Any, writes: str | None = None) -> list[str]:
    """Return what is found about a task of a function."""
    flow = Flow("basket", Basket)
    flow.task(name="work", writes=getattr(flow.state, writes) if writes else ())(function)
    return [f"{f.place}: {f.message}" for f in check(flow, select=("GR307",))]


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (appends, "changes field 'items' in place (items.append(order)), which is given as a sequence that cannot be"),
        (sets_a_key, "changes field 'prices' in place (prices[order] = 1.0), which is a copy of its own"),
        (sets_an_attribute, "changes field 'inner' in place (inner.count += 1)"),
        (changes_the_state, "changes the state in place (state.order = 'other')"),
        (deletes, "changes field 'prices' in place (del prices['a'])"),
    ],
)
def test_a_change_that_nobody_sees_is_found(function: Any, says: str) -> None:
    """With the line of the change and the change itself, whatever is changed and however."""
    (said,) = found(function)
    assert says in said
    assert said.split(":")[0].endswith("test_lost_change.py")


@pytest.mark.parametrize(
    ("function", "writes"),
    [
        (returns_it, "prices"),
        (hands_it_on, "order"),
        (has_a_list_of_its_own, "items"),
        (only_reads, None),
        (uses_the_answer, None),
        (built(), "order"),
    ],
)
def test_what_is_used_is_left_alone(function: Any, writes: str | None) -> None:
    """A changed copy that is returned or handed on, another value of the same name, functions without a source."""
    assert found(function, writes) == []
