"""Reducers that are called to see whether they are sound: what breaks a law is shown with the smallest values."""

from __future__ import annotations

import sys
from itertools import count
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from graphrt import Flow, append
from graphrt.checks import Settings, check
from graphrt.errors import UseError

ASKED = Settings(reducers=True)


def mean(old: float, new: float) -> float:
    """Weigh what came last as much as all before it."""
    return (old + new) / 2


def longest(old: str, new: str) -> str:
    """Keep the longer of two texts."""
    return max(old, new, key=len)


def keep_best(old: dict[str, float], new: dict[str, float]) -> dict[str, float]:
    """Keep the best score of each name."""
    return {name: max(old.get(name, new.get(name, 0.0)), new.get(name, old.get(name, 0.0))) for name in {**old, **new}}


def total(old: float, new: float) -> float:
    """Add up."""
    return old + new


def pushed(old: list[int], new: int) -> list[int]:
    """Put an item into the list that it is given."""
    old.append(new)
    return old


def as_text(old: int, new: int) -> int:
    """Give a text where a number belongs."""
    return f"{old}{new}"  # type: ignore[return-value]  # the mistake that is looked for


_ticks = count()


def stamped(old: int, new: int) -> int:
    """Depend on how often it was called."""
    return old + new + next(_ticks)


def only_up(old: int, new: int) -> int:
    """Refuse what is smaller."""
    if new < old:
        raise ValueError("smaller")
    return new


def difference(old: set[Literal["a", "b"]], new: set[Literal["a", "b"]]) -> set[Literal["a", "b"]]:
    """Take away."""
    return old - new


def found(annotation: Any, default: Any, settings: Settings = ASKED) -> list[str]:
    """Return what is found about the reducer of a field."""
    state = type(
        "State", (BaseModel,), {"__annotations__": {"value": annotation}, "value": default, "__module__": __name__}
    )
    flow: Flow[Any] = Flow("fold", state)
    flow.task(name="work", writes=flow.state.value)(lambda: default)
    return [f.message for f in check(flow, settings=settings) if f.code == "GR306"]


def test_a_mean_is_not_associative() -> None:
    """The message has the smallest values that show it, both results, and what to do."""
    (said,) = found(Annotated[float, mean], 0.0)
    assert said.startswith("reducer mean of field 'value' is not associative: mean(mean(0.0, 0.0), 0.25) is 0.125, but")
    assert "mean(0.0, mean(0.0, 0.25)) is 0.0625" in said
    assert "gather the values (append)" in said


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (Annotated[str, longest], ""),
        (Annotated[dict[str, float], keep_best], {}),
        (Annotated[float, total], 0.0),
        (Annotated[int, only_up], 0),
        (Annotated[list[int], append], []),
    ],
)
def test_sound_reducers_are_left_alone(annotation: Any, default: Any) -> None:
    """Also sums of fractions, which round, and reducers that refuse; those that come with graphrt are not called."""
    assert found(annotation, default) == []


BROKEN: list[tuple[Any, Any, str]] = [
    (Annotated[list[int], pushed], [], "changes what it is given: pushed([], 0); return a new value instead"),
    (Annotated[int, as_text], 0, "does not give int: as_text(0, 0) is '00'"),
    (Annotated[int, stamped], 0, "is not pure: stamped("),
    (Annotated[set[Literal["a", "b"]], difference], set(), "is not associative: difference(difference("),
]


@pytest.mark.parametrize(("annotation", "default", "says"), BROKEN)
def test_each_law_has_its_words(annotation: Any, default: Any, says: str) -> None:
    """A reducer that changes its values, gives another type, is not pure, or is not associative: one finding each."""
    (said,) = found(annotation, default)
    assert says in said


def test_nothing_is_called_unless_asked() -> None:
    """A plain check calls no code of the flow."""
    calls: list[int] = []

    def counting(old: int, new: int) -> int:
        calls.append(new)
        return old - new

    assert found(Annotated[int, counting], 0, Settings()) == []
    assert calls == []
    assert len(found(Annotated[int, counting], 0)) == 1
    assert calls


def test_without_hypothesis_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it and lacks the library reads its name; nobody else needs it."""
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(UseError, match="needs hypothesis: pip install hypothesis"):
        found(Annotated[float, mean], 0.0)
    assert found(Annotated[float, mean], 0.0, Settings()) == []


def test_the_same_values_are_found_each_time() -> None:
    """A finding is the same in each run of the check, so it can be looked at and mended."""
    assert found(Annotated[float, mean], 0.0) == found(Annotated[float, mean], 0.0)
