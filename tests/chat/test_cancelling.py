"""Stopping a turn, whatever it is doing: it stops at once, the record says so, and the next turn works."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from graphrt import Agent, ChatRuntime, Retry, RunFailed
from graphrt.agents.models.openai import OpenAIModel
from graphrt.agents.tools import tool
from graphrt.chat import TurnStopped, events
from graphrt.events import VisitCancelled
from graphrt.stores.memory import MemoryStore
from graphrt.testing.endpoint import Answer, Endpoint, Received, chunk, failure, sse, stream
from graphrt.testing.scripted import ScriptedModel, Turn

pytestmark = pytest.mark.anyio

LONG_S = 600.0
"""What no test waits for."""


async def stopped(runtime: ChatRuntime, begun: Callable[[], bool]) -> list[events.ChatEvent]:
    """Say something, stop it once it is where it should be, and return what was told; the conversation is as before."""
    told: list[events.ChatEvent] = []
    runtime.on_event(told.append)
    turn = asyncio.create_task(runtime.invoke("stop"))
    async with asyncio.timeout(60):
        while not begun():  # noqa: ASYNC110 - servers and threads change what it waits for
            await asyncio.sleep(0)
        assert runtime.cancel()
        with pytest.raises(TurnStopped):
            await turn
    run = runtime.runs[-1]
    assert runtime.store.info(run).status == "cancelled"
    assert not runtime.store.info(run).live
    assert list(runtime.messages) == []
    assert not runtime.cancel()
    assert isinstance(told[-1], events.TurnCancelled)
    cancelled = [e for r in runtime.store.records(run) for e in r.events if isinstance(e, VisitCancelled)]
    assert {e.why for e in cancelled} == {"run"}
    assert (await runtime.invoke("go on")).text == "Well."
    assert [m.text for m in runtime.messages] == ["go on", "Well."]
    return told


def names(told: list[events.ChatEvent]) -> list[str]:
    """Return the kinds of the events of the first turn."""
    kinds = [type(event).__name__ for event in told]
    return kinds[: kinds.index("TurnCancelled") + 1]


def only_if_asked_to_stop(first: Answer) -> Callable[[Received], Answer]:
    """Return an endpoint's answers: `first` to what is to be stopped, and a reply to all else."""
    return lambda asked: first if "go on" not in str(asked.json["messages"]) else stream("Well.")


@pytest.mark.parametrize(
    ("first", "shown"),
    [
        pytest.param(Answer(ending="hang"), [], id="before the first byte"),
        pytest.param(sse(chunk({"content": "It "}), ending="hang", done=False), ["OutputDelta"], id="in mid-stream"),
    ],
)
async def test_while_a_model_answers(first: Answer, shown: list[str]) -> None:
    """The connection is closed, which the endpoint notices, whether it has answered anything or not."""
    async with Endpoint(only_if_asked_to_stop(first)) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url)
        runtime = ChatRuntime(Agent("Talk.", name="ann"), resources=[model])
        seen: list[object] = []
        runtime.on_event(seen.append)

        def begun() -> bool:
            return bool(endpoint.requests) and len(seen) >= 2 + len(shown)

        told = await stopped(runtime, begun)
        async with asyncio.timeout(30):
            await endpoint.hung_up.wait()
        await model.aclose()
    assert names(told) == ["TurnStarted", "AgentStarted", *shown, "AgentCancelled", "TurnCancelled"]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_while_a_tool_works(kind: str) -> None:
    """A coroutine is cancelled, a function in its thread is left behind; the call is told as cancelled."""
    at_work, let_go = threading.Event(), threading.Event()
    ended: list[str] = []

    async def waits() -> str:
        at_work.set()
        try:
            await asyncio.sleep(LONG_S)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "never"

    def blocks() -> str:
        at_work.set()
        let_go.wait()
        return "too late"

    work = tool(name="work")(waits if kind == "async" else blocks)
    model = ScriptedModel([Turn.call("work"), "Well."])
    runtime = ChatRuntime(Agent("Talk.", name="ann", tools=[work]), resources=[model])
    try:
        told = await stopped(runtime, at_work.is_set)
    finally:
        let_go.set()
    assert ended == (["cancelled"] if kind == "async" else [])
    assert names(told)[2:] == ["ToolRequested", "ToolCancelled", "AgentCancelled", "TurnCancelled"]


async def test_while_it_waits_before_another_attempt() -> None:
    """Nobody waits for the time of the next attempt, which is never made."""
    async with Endpoint(only_if_asked_to_stop(failure(503))) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url)
        ann = Agent("Talk.", name="ann", retry=Retry(5, wait_s=LONG_S))
        runtime = ChatRuntime(ann, resources=[model])
        seen: list[object] = []
        runtime.on_event(seen.append)
        told = await stopped(runtime, lambda: any(isinstance(e, events.AttemptFailed) for e in seen))
        assert len(endpoint.requests) == 2
        await model.aclose()
    assert names(told)[2:] == ["AttemptFailed", "AgentCancelled", "TurnCancelled"]


async def test_a_turn_that_waits_for_a_person_is_not_under_way() -> None:
    """There is nothing to stop: the question stays open until it is answered, or the turn is given up."""

    @tool(approval="always")
    def pay(cents: int) -> str:
        return f"paid {cents}"

    model = ScriptedModel([Turn.call("pay", cents=3), "Well."])
    runtime = ChatRuntime(Agent("Pay.", tools=[pay]), resources=[model])
    with pytest.raises(RunFailed, match="suspended"):
        await runtime.invoke("Pay!")
    assert not runtime.cancel()
    assert len(runtime.questions) == 1
    await runtime.discard()
    assert runtime.store.info(runtime.runs[-1]).status == "cancelled"
    assert (await runtime.invoke("go on")).text == "Well."


class Slow(MemoryStore):
    """A store that begins no run before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    def create(self, header: Any) -> Any:
        """Wait, then begin."""
        create = super().create

        async def later() -> Any:
            self.asked.set()
            await self.go.wait()
            return create(header)

        return later()


async def test_before_anything_is_on_record() -> None:
    """A turn whose run the store has not begun yet leaves nothing behind."""
    store = Slow()
    runtime = ChatRuntime(Agent("Talk."), store=store, resources=[ScriptedModel(["Well."])])
    turn = asyncio.create_task(runtime.invoke("stop"))
    await store.asked.wait()
    assert runtime.cancel()
    with pytest.raises(TurnStopped):
        await turn
    assert runtime.runs == ()
    store.go.set()
    assert (await runtime.invoke("go on")).text == "Well."
