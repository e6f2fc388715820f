"""Limits: how many at once and a minute, how many tokens, what it costs; who waits does so in order, or gives up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrt import Flow, Limits, Retry
from graphrt.agents import Model, ModelRequest, Reply, Usage
from graphrt.agents.agent import Agent
from graphrt.agents.errors import ModelBehavior, ModelUnavailable, UsageLimit, after
from graphrt.agents.model import Emit, discard
from graphrt.errors import UseError
from graphrt.policies import cache, fallback, limit
from graphrt.policies.limiting import Limit
from graphrt.testing import ScriptedModel, Turn
from graphrt.testing.clock import ManualClock, settle
from tests.policies.asking import Talk, ask, hearing, talking

pytestmark = pytest.mark.anyio


class Busy(Model):
    """Takes a while of a clock, and notes when which request began."""

    name = "busy"

    def __init__(self, clock: ManualClock, takes_s: float = 1.0, usage: Usage | None = None) -> None:
        self.clock = clock
        self.takes_s = takes_s
        self.usage = usage or Usage()
        self.began: list[tuple[float, str]] = []
        self.running = 0
        self.most = 0

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Be busy."""
        self.began.append((self.clock.monotonic(), request.messages[-1].text))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.clock.sleep(self.takes_s)
        finally:
            self.running -= 1
        return Reply(text="done", usage=self.usage)


async def test_so_many_at_once_in_the_order_of_arrival() -> None:
    """Two of ten are under way at a time; the others wait their turn, and what they waited is on record."""
    clock = ManualClock()
    model = Busy(clock)
    limited = limit(at_once=2, clock=clock).wrap(model)
    with hearing() as heard:
        asking = [asyncio.ensure_future(ask(limited, str(n))) for n in range(10)]
        await clock.run_out(asyncio.gather(*asking))
    assert model.most == 2
    assert [text for _, text in model.began] == [str(n) for n in range(10)]
    assert heard.marks == [f"waited {n} s for the limit" for n in (1, 1, 2, 2, 3, 3, 4, 4)]


async def test_so_many_a_minute_in_any_minute() -> None:
    """Of seven requests three begin at once, three a minute later, one after that; nobody starts a moment too early."""
    clock = ManualClock()
    model = Busy(clock)
    limited = limit(per_minute=3, clock=clock).wrap(model)
    await clock.run_out(asyncio.gather(*(ask(limited, str(n)) for n in range(7))))
    assert [round(at) for at, _ in model.began] == [0, 0, 0, 60, 60, 60, 120]
    assert all(at >= 60 * (n // 3) for n, (at, _) in enumerate(model.began))


@settings(max_examples=25)
@given(
    arrivals=st.lists(st.floats(0, 150), min_size=1, max_size=25),
    at_once=st.integers(1, 4),
    per_minute=st.integers(1, 6),
    tokens_per_minute=st.integers(20, 200),
    takes=st.floats(0, 40),
)
def test_no_minute_holds_more_than_allowed(
    arrivals: Sequence[float], at_once: int, per_minute: int, tokens_per_minute: int, takes: float
) -> None:
    """Whenever requests come: never more at once, never more in sixty seconds, first come first served, all served."""

    async def main() -> None:
        clock = ManualClock()
        model = Busy(clock, takes, Usage(input_tokens=30, output_tokens=10))
        policy = limit(at_once=at_once, per_minute=per_minute, tokens_per_minute=tokens_per_minute, clock=clock)
        limited = policy.wrap(model)

        async def one(number: int, at: float) -> None:
            await clock.sleep(at)
            await ask(limited, str(number))

        order = sorted(range(len(arrivals)), key=lambda n: (arrivals[n], n))
        await clock.run_out(asyncio.gather(*(one(n, arrivals[n]) for n in order)))
        began = [at for at, _ in model.began]
        assert [text for _, text in model.began] == [str(n) for n in order]
        assert model.most <= at_once
        for n, at in enumerate(began):
            within = [other for other in began[: n + 1] if at - other < 60]
            assert len(within) <= per_minute
            # A request that alone is over the limit is let through when no other counts.
            ended = [other for other in within[:-1] if other + takes < at]
            assert not ended or 40 * len(ended) <= tokens_per_minute
        assert (policy.running, policy.waiting) == (0, 0)

    asyncio.run(main())


async def test_who_gives_up_waiting_does_not_stand_in_the_way() -> None:
    """A cancelled wait ends at once, the next one moves up, and no slot is lost."""
    clock = ManualClock()
    model = Busy(clock, 10)
    policy = limit(at_once=1, clock=clock)
    limited = policy.wrap(model)
    asking = [asyncio.ensure_future(ask(limited, str(n))) for n in range(4)]
    await settle()
    asking[1].cancel()
    await settle()
    assert (asking[1].cancelled(), policy.waiting) == (True, 2)
    asking[0].cancel()  # it is under way
    await settle()
    assert [text for _, text in model.began] == ["0", "2"]
    await clock.run_out(asyncio.gather(*asking[2:]))
    assert (policy.running, policy.waiting) == (0, 0)


async def test_a_failed_request_gives_its_place_back() -> None:
    """Whatever ends a request, the next one may begin."""
    policy = limit(at_once=1)
    limited = policy.wrap(ScriptedModel([ValueError("no"), "fine"]))
    with pytest.raises(ValueError, match="no"):
        await ask(limited)
    assert (await ask(limited)).text == "fine"
    assert policy.running == 0


async def test_a_budget_of_tokens_is_a_typed_error() -> None:
    """Once the tokens are used up, requests are refused before they are made; the message says what can be done."""
    model = ScriptedModel(["one", "two", "three"])
    policy = limit(tokens=25)
    limited = policy.wrap(model)
    await ask(limited)
    await ask(limited)
    with hearing() as heard, pytest.raises(UsageLimit, match=r"tokens=25 is used up \(30\); raise it, fall back"):
        await ask(limited)
    assert heard.marks == ["limit tokens used up"]
    assert (len(model.requests), policy.used_tokens) == (2, 30)


async def test_a_budget_is_not_overrun_by_many_at_once() -> None:
    """Near its end requests wait for what is under way, instead of all beginning on what is left."""
    clock = ManualClock()
    model = Busy(clock, usage=Usage(input_tokens=50, output_tokens=50))
    limited = limit(tokens=250, clock=clock).wrap(model)
    asking = [asyncio.ensure_future(ask(limited, "x" * 300)) for _ in range(20)]
    everything = asyncio.gather(*asking, return_exceptions=True)
    await clock.run_out(everything)
    refused = [error for error in everything.result() if isinstance(error, UsageLimit)]
    assert (len(model.began), len(refused)) == (4, 16)


async def test_a_budget_of_money() -> None:
    """It counts what is known to have been paid; what came from a cache was free."""
    model = ScriptedModel(lambda _: Turn(chunks=("Fine.",), usage=Usage(input_tokens=400_000, output_tokens=0)))
    model.name = "gpt-5-mini"
    policy = limit(cost_usd=0.15)
    limited = policy.wrap(cache().wrap(model))
    for _ in range(5):
        await ask(limited)
    assert policy.used_usd == pytest.approx(0.1)
    await ask(limited, "Else")
    with pytest.raises(UsageLimit, match=r"cost_usd=0.15"):
        await ask(limited, "More")


async def test_threads_share_a_limit() -> None:
    """Runs in event loops of several threads count together, and none is left waiting."""
    policy: Limit = limit(at_once=2)
    lock, running, most = threading.Lock(), 0, 0

    class Slow(Model):
        name = "slow"

        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            await asyncio.sleep(0.002)
            with lock:
                running -= 1
            return Reply(text="done")

    limited = policy.wrap(Slow())

    async def several() -> None:
        await asyncio.gather(*(ask(limited) for _ in range(20)))

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, several()) for _ in range(4)))
    assert (most, policy.running, policy.waiting) == (2, 0, 0)


async def test_an_edge_catches_a_used_up_budget() -> None:
    """`on=UsageLimit` leads to what is done without the model; a fallback inside of the agent does the same."""
    flow = Flow("talk", Talk, limits=Limits(visits=20))
    s = flow.state
    agent = flow.agent("agent", Agent("Say.", policies=[limit(tokens=1)]), reads=s.message, writes=s.reply)

    @flow.task(writes=s.reply)
    def sorry() -> str:
        return "Come back tomorrow."

    flow.edge(agent, flow.end("said"))
    flow.edge(agent, sorry, on=UsageLimit)
    replies = [(await flow.run(Talk(), resources=[ScriptedModel(["Hello."])])).state.reply for _ in range(2)]
    assert replies == ["Hello.", "Come back tomorrow."]

    free = ScriptedModel(["From here."], name="free")
    agent_with = Agent("Say.", policies=[fallback(free), limit(tokens=1)], retry=Retry(1))
    flow = talking(agent_with)
    said = [(await flow.run(Talk(), resources=[ScriptedModel(["Hello."])])).state.reply for _ in range(2)]
    assert said == ["Hello.", "From here."]


def test_what_is_no_limit_is_refused() -> None:
    """Nothing to limit, or a limit of nothing, is said where it is written."""
    with pytest.raises(UseError, match=r"limit\(\) limits nothing"):
        limit()
    with pytest.raises(UseError, match=r"limit\(per_minute=0\)"):
        limit(per_minute=0)


async def test_money_alone_is_limited_and_tokens_are_counted_all_the_same() -> None:
    """`used_tokens` is what endpoints counted, also where only money is bounded; where they did not, an estimate."""
    clock = ManualClock()
    policy = limit(cost_usd=5, clock=clock)
    busy = Busy(clock, usage=Usage(input_tokens=30, output_tokens=10))
    await clock.run_out(asyncio.ensure_future(ask(policy.wrap(busy))))
    assert policy.used_tokens == 40
    await clock.run_out(asyncio.ensure_future(ask(policy.wrap(Busy(clock)))))
    assert policy.used_tokens > 40


async def test_a_request_that_no_model_worked_on_uses_nothing_up() -> None:
    """An outage does not spend the tokens of the day; what had begun to be answered does."""
    down = ModelUnavailable("no connection", endpoint="e", model="m")
    broken = ModelUnavailable("it broke off", endpoint="e", model="m", partial="Hel")
    policy = limit(tokens=200)
    limited = policy.wrap(ScriptedModel([*[down] * 50, broken]))
    for _ in range(50):
        with pytest.raises(ModelUnavailable):
            await ask(limited, "A question that is long enough to have some tokens.")
    assert policy.used_tokens == 0
    with pytest.raises(ModelUnavailable):
        await ask(limited)
    assert policy.used_tokens > 0


async def test_a_broken_answer_is_paid_too() -> None:
    """What an error says was spent counts against the budget: tokens and money."""
    spent = Usage(input_tokens=6, output_tokens=4, cost_usd=2.0)
    policy = limit(cost_usd=3)
    limited = policy.wrap(ScriptedModel(lambda _: after(spent, ModelBehavior("it babbled"))))
    for _ in range(2):
        with pytest.raises(ModelBehavior):
            await ask(limited)
    assert (policy.used_tokens, policy.used_usd) == (20, 4.0)
    with pytest.raises(UsageLimit, match="cost_usd=3 is used up"):
        await ask(limited)


async def test_a_hundred_wait_and_those_in_the_middle_give_up() -> None:
    """Who stays is served in the order of arrival, in the minute that is theirs: who left takes nobody's place."""
    clock = ManualClock()
    model = Busy(clock, 1)
    policy = limit(at_once=2, per_minute=10, clock=clock)
    limited = policy.wrap(model)
    asking = [asyncio.ensure_future(ask(limited, str(n))) for n in range(100)]
    await settle()
    assert policy.waiting == 98
    for task in asking[20:80]:
        task.cancel()
    await settle()
    assert policy.waiting == 38
    await clock.run_out(asyncio.gather(*asking, return_exceptions=True))
    assert [text for _, text in model.began] == [str(n) for n in (*range(20), *range(80, 100))]
    assert [int(at // 60) for at, _ in model.began] == [n // 10 for n in range(40)]
    assert (policy.running, policy.waiting) == (0, 0)


async def test_who_leads_the_line_and_gives_up_wakes_the_next() -> None:
    """Cancelling again and again whoever is first starves nobody behind."""
    clock = ManualClock()
    model = Busy(clock, 1000)
    policy = limit(at_once=1, clock=clock)
    limited = policy.wrap(model)
    busy = asyncio.ensure_future(ask(limited, "busy"))
    await settle()
    asking = [asyncio.ensure_future(ask(limited, str(n))) for n in range(5)]
    await settle()
    for task in asking[:4]:
        task.cancel()
        await settle()
    busy.cancel()
    await settle()
    assert [text for _, text in model.began] == ["busy", "4"]
    asking[4].cancel()
    await asyncio.gather(busy, *asking, return_exceptions=True)


def test_a_loop_that_was_closed_keeps_nobody_waiting() -> None:
    """Whoever waited in an event loop that is gone has lost their place; those of other loops move up."""
    clock = ManualClock()
    policy = limit(at_once=1, clock=clock)
    model = Busy(clock, 10)
    limited = policy.wrap(model)

    async def first() -> None:
        running = asyncio.ensure_future(ask(limited, "running"))
        await settle()
        gone = asyncio.new_event_loop()
        waiting = gone.create_task(ask(limited, "gone"))
        await asyncio.to_thread(gone.run_until_complete, a_moment())
        assert policy.waiting == 1
        waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # that it is lost is what happens here
        gone.close()
        behind = asyncio.ensure_future(ask(limited, "behind"))
        await clock.run_out(asyncio.gather(running, behind))

    async def a_moment() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(first())
    assert [text for _, text in model.began] == ["running", "behind"]
    assert policy.waiting == 0
