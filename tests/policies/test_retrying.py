"""Retries inside of a stack, and what a number of attempts means for an agent and for its node."""

from __future__ import annotations

import asyncio

import pytest

from graphrt import Agent, Flow, Retry
from graphrt.account import account
from graphrt.agents.agent import passing_faults
from graphrt.agents.errors import AuthenticationFailed, ModelUnavailable, RateLimited
from graphrt.errors import UseError
from graphrt.inputs import ErrorInfo
from graphrt.policies import fallback, retry
from graphrt.retrying import wait_s
from graphrt.runtime import Delta
from graphrt.testing import ScriptedModel, Turn
from graphrt.testing.clock import ManualClock, settle
from tests.policies.asking import Talk, ask, hearing, talking

pytestmark = pytest.mark.anyio

DOWN = ModelUnavailable("found no connection", endpoint="here", model="m")
BUSY = RateLimited("the endpoint answered 429", endpoint="here", model="m", retry_after_s=30)
LOCKED = AuthenticationFailed("the endpoint answered 401", endpoint="here", model="m")


async def test_it_asks_again_after_longer_and_longer() -> None:
    """Every failed attempt is marked, the last too; the waits grow, and what the endpoint asks for is waited for."""
    clock = ManualClock()
    policy = Retry(4, wait_s=1, factor=2, jitter=0, on=passing_faults(1).on)
    with hearing() as heard:
        asking = asyncio.ensure_future(
            ask(retry(policy, clock=clock).wrap(ScriptedModel([DOWN, BUSY, DOWN, DOWN, "late"])))
        )
        await clock.run_out(asyncio.ensure_future(asyncio.wait({asking})))
    assert asking.exception() is DOWN
    assert clock.monotonic() == 1 + 30 + 4
    assert heard.marks == [
        "attempt 1: ModelUnavailable, again in 1 s",
        "attempt 2: RateLimited, again in 30 s",
        "attempt 3: ModelUnavailable, again in 4 s",
        "attempt 4: ModelUnavailable",
    ]


async def test_what_does_not_pass_is_not_repeated() -> None:
    """A wrong key stays wrong."""
    model = ScriptedModel([LOCKED])
    with hearing() as heard, pytest.raises(AuthenticationFailed):
        await ask(retry(5).wrap(model))
    assert heard.marks == ["attempt 1: AuthenticationFailed"]
    with pytest.raises(UseError, match=r"retry\(0\)"):
        retry(0)


async def test_cancelling_ends_the_wait() -> None:
    """It is never retried, and nothing waits any more."""
    clock = ManualClock()
    model = ScriptedModel([DOWN, "late"])
    asking = asyncio.ensure_future(ask(retry(3, clock=clock).wrap(model)))
    await settle()
    assert clock.next_in_s is not None
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert (asking.cancelled(), len(model.requests)) == (True, 1)
    assert [clock.next_in_s] == [None]


async def test_a_model_gets_its_chances_before_another_is_asked() -> None:
    """Inside of a fallback the attempts are those at the first model; text of broken ones is retracted."""
    first = ScriptedModel([Turn.fail(DOWN, after=["Ha"])] * 3, name="first")
    stack = [fallback(ScriptedModel(["Other."])), retry(Retry(3, wait_s=0))]
    heard: list[str | None] = []

    def listen(item: object) -> None:
        if isinstance(item, Delta):
            heard.append(None if item.anew else item.text)

    result = await talking(Agent("Say.", policies=stack, retry=1)).run(Talk(), resources=[first], on_event=listen)
    assert len(first.requests) == 3
    assert heard == ["Ha", None, "Ha", None, "Ha", None, "Other."]
    (attempt,) = account(result.trace).visits["0/0"].attempts
    assert [m.by for m in attempt.marks] == ["retry", "retry", "retry", "fallback"]


# -- retries of nodes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["agent", "node"])
async def test_a_number_means_the_same_on_an_agent_and_on_its_node(where: str) -> None:
    """Both repeat what may pass, and only that; `Retry(…)` says itself which errors are worth it."""

    def flow(attempts: int | Retry) -> Flow[Talk]:
        on_agent, on_node = (attempts, {}) if where == "agent" else (3, {"retry": attempts})
        return talking(Agent("Say.", retry=on_agent), **on_node)

    for error, asked in ((DOWN, 5), (LOCKED, 1), (ValueError("a bug"), 1)):
        model, clock = ScriptedModel([error] * 9), ManualClock()
        going = asyncio.ensure_future(flow(5).run(Talk(), resources=[model], clock=clock))
        await clock.run_out(going)
        assert (going.result().status, len(model.requests)) == ("failed", asked)
    all_errors = ScriptedModel([ValueError("odd"), "Fine."])
    assert (await flow(Retry(2, wait_s=0)).run(Talk(), resources=[all_errors])).state.reply == "Fine."
    assert flow(5).freeze().nodes[0].graph is not None
    inner = flow(5).freeze().nodes[0].graph
    assert inner is not None
    assert inner.nodes[0].retry == passing_faults(5)


async def test_the_number_of_a_node_does_not_repeat_what_ends_its_agent() -> None:
    """An agent over its limit of turns has failed; asking once more for nothing would only wait."""

    def look() -> str:
        """Look."""
        return "seen"

    model, clock = ScriptedModel([Turn.call("look")] * 3), ManualClock()
    flow = talking(Agent("Look.", tools=[look], max_turns=2), retry=4)
    going = asyncio.ensure_future(flow.run(Talk(), resources=[model], clock=clock))
    await clock.run_out(going)
    result = going.result()
    assert result.error is not None
    assert (result.error.type, clock.monotonic()) == ("TurnLimit", 0)
    assert len(model.requests) == 2


def test_the_wish_to_wait_is_honoured_up_to_a_bound() -> None:
    """An endpoint that asks for a day is not waited for a day."""
    asks = ErrorInfo("RateLimited", "slow down", retry_after_s=86_400)
    now = {"seed": 1, "visit": "0", "attempt": 1, "tries": 1}
    assert wait_s(Retry(jitter=0), asks, **now) == 600  # type: ignore[arg-type]  # numbers and a text by their names
    assert wait_s(Retry(jitter=0, most_asked_s=5), asks, **now) == 5  # type: ignore[arg-type]  # as above
    modest = ErrorInfo("RateLimited", "slow down", retry_after_s=30)
    assert wait_s(Retry(jitter=0, most_s=2), modest, **now) == 30  # type: ignore[arg-type]  # as above
