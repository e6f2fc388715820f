"""`refine` and `supervisor`: loops between agents, their bounds, and what remains in the conversation."""

from __future__ import annotations

import pytest

from graphrt import member, refine, supervisor
from graphrt.account import account
from tests.configurations.talking import ANN, BEN, CLEO, talk, texts

pytestmark = pytest.mark.anyio

YES = {"accepted": True}
NO = {"accepted": False, "advice": "Longer."}


async def test_a_draft_is_written_again_with_the_advice() -> None:
    """The writer is shown its draft and the critic's advice; only the accepted draft is in the conversation."""
    result, model = await talk(refine(ANN, BEN), ["one", NO, "two", YES])
    assert texts(result.state.messages) == [(None, "Hi"), ("ann", "two")]
    assert texts(model.requests[2].messages) == [(None, "Hi"), ("ann", "one"), ("ben", "Longer.")]
    assert result.state.verdict.accepted
    assert texts(result.state.drafts) == [("ann", "one"), ("ben", "Longer."), ("ann", "two")]


@pytest.mark.parametrize("rounds", [1, 2])
async def test_drafts_are_bounded(rounds: int) -> None:
    """After the last round the draft is delivered as it is, which the trace shows."""
    script = [turn for n in range(rounds) for turn in (f"draft {n + 1}", NO)]
    result, _ = await talk(refine(ANN, BEN, rounds=rounds), script)
    assert texts(result.state.messages)[-1] == ("ann", f"draft {rounds}")
    assert not result.state.verdict.accepted
    assert "deliver as it is" in [v.node.name for v in account(result.trace).visits.values()]


async def test_a_supervisor_gives_out_work_and_answers() -> None:
    """The boss sees each result before it orders the next; workers see the order; only the answer is said."""
    orders = [{"worker": "ben", "task": "Look."}, "seen", {"worker": "cleo", "task": "Count."}, "two"]
    result, model = await talk(supervisor(ANN, BEN, CLEO), [*orders, {"worker": "(done)"}, "Two were seen."])
    assert texts(result.state.messages) == [(None, "Hi"), ("ann", "Two were seen.")]
    assert texts(model.requests[1].messages) == [(None, "Hi"), ("ann", "Look.")]
    assert ("cleo", "two") in texts(model.requests[4].messages)
    assert "- ben: You are ben." in model.requests[0].messages[-1].text


async def test_a_supervisor_answers_when_its_orders_are_used_up() -> None:
    """After so many pieces of work the boss is asked for the answer, whatever it would order next."""
    order = {"worker": "ben", "task": "Again."}
    result, model = await talk(supervisor(ANN, BEN, rounds=2), [order, "b1", order, "b2", order, "Enough."])
    assert texts(result.state.messages)[-1] == ("ann", "Enough.")
    assert model.remaining == 0


async def test_a_critic_has_instructions_of_its_own() -> None:
    """What a critic should look at is said by its member's instructions."""
    _, model = await talk(refine(ANN, member(BEN, instructions="Is it true?")), ["one", YES])
    assert model.requests[1].messages[-1].text == "Is it true?"
