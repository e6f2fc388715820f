"""Records that authors vary: what type checkers accept works."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from graphrt import Limits, Retry


def test_policies_and_limits_are_varied_as_dataclasses_are() -> None:
    """`dataclasses.replace` gives another one, with the same care for what it is given; `asdict` works as well."""
    assert dataclasses.replace(Retry(3, on=TimeoutError), attempts=5) == Retry(5, on=("TimeoutError",))
    types: Any = [ValueError]  # as when one is made
    assert dataclasses.replace(Retry(), never=types).never == ("ValueError",)
    assert dataclasses.replace(Limits(visits=3), cost_usd=0.5) == Limits(visits=3, cost_usd=0.5)
    assert dataclasses.asdict(Limits(visits=3)) == {"visits": 3, "active_s": None, "tokens": None, "cost_usd": None}
    assert [f.name for f in dataclasses.fields(Retry)][:2] == ["attempts", "wait_s"]
    with pytest.raises(TypeError, match="attempt"):
        dataclasses.replace(Retry(), attempt=5)  # type: ignore[call-arg]  # the mistake that is meant


def test_they_stay_structs_where_they_are_recorded() -> None:
    """Their JSON leaves defaults out, as in traces that were made before."""
    assert msgspec.json.encode(dataclasses.replace(Retry(), attempts=2)) == b'{"attempts":2}'
    assert msgspec.json.decode(b'{"visits":3}', type=Limits) == Limits(visits=3)
