"""The machine: what it computes, and what it says of texts that are no numbers."""

from __future__ import annotations

import pytest

from graphrt.account import account
from graphs.machine import Tape, flow, plus_four, read

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("text", "said"), [("3", "13"), ("-4", "-1"), (" 10 ", "27")])
async def test_both_branches_add_up(text: str, said: str) -> None:
    """A number n becomes (n + 3) + (n + 4): the join sums what its branches wrote, by the reducer of the field."""
    result = await flow.run(Tape(text=text))
    assert result.state.text == said


async def test_no_number_is_an_ending_of_its_own() -> None:
    """What cannot be read leads to the end for it, and nothing is added."""
    result = await flow.run(Tape(text="three"))
    assert result.status == "completed"
    assert [v.node.name for v in account(result.trace).visits.values()] == ["read", "no number"]
    assert result.state == Tape(text="three")


def test_a_task_is_still_its_function() -> None:
    """Each step can be called by itself."""
    assert (read("3"), plus_four(3)) == (3, 7)
