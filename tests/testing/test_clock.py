"""The clock that stands still tells the time to everything in a run, so that no limit takes real time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow
from graphrt.agents.guardrails import on_input
from graphrt.agents.tools import tool
from graphrt.runtime import Result
from graphrt.testing import ManualClock, ScriptedModel, Turn

pytestmark = pytest.mark.anyio


class Talk(BaseModel):
    """A question and its answer."""

    question: str = "Where?"
    answer: str = ""


async def asked(agent: Agent, *turns: Turn | str) -> tuple[Result[Talk], float]:
    """Return what becomes of an agent by a clock that is let run out, and what time of day passed on it."""
    flow = Flow("talk", Talk)
    flow.agent("ann", agent, reads=flow.state.question, writes=flow.state.answer)
    clock = ManualClock(now=0)
    going = asyncio.ensure_future(flow.run(Talk(), resources=[ScriptedModel(turns)], clock=clock))
    await clock.run_out(going)
    return going.result(), clock.now()


async def test_a_tool_that_hangs_is_given_up_in_no_time() -> None:
    """Its time limit is an hour of the run's clock; the model is told, and answers."""

    @tool(timeout_s=3600)
    async def look() -> str:
        """Look."""
        await asyncio.Event().wait()
        return "here"

    begun = time.monotonic()
    result, passed = await asked(Agent("Look.", tools=[look]), Turn.call("look"), "Nowhere.")
    assert (result.unwrap().answer, passed) == ("Nowhere.", 3600)
    assert time.monotonic() - begun < 60, "seconds of a machine under load, not an hour"


async def test_a_guardrail_that_hangs_blocks_in_no_time() -> None:
    """What is not judged in time passes nothing; the time is the run's."""

    async def slow(text: str) -> str | None:
        await asyncio.Event().wait()
        return text

    result, passed = await asked(Agent("Answer.", guardrails=[on_input(slow, timeout="2h")]), "Here.")
    assert result.error is not None
    assert (result.error.type, passed) == ("GuardrailTimeout", 7200)


async def test_a_function_in_a_thread_gets_a_moment() -> None:
    """A clock that is let run out waits a little for functions that work, and does not outrun their limits."""

    def quick(text: str) -> str | None:
        time.sleep(0.02)  # as a function that computes
        return None if text else "empty"

    @tool(timeout_s=3600)
    def look() -> str:
        """Look."""
        time.sleep(0.02)
        return "here"

    agent = Agent("Look.", tools=[look], guardrails=[on_input(quick, timeout="1h", first=True)])
    result, passed = await asked(agent, Turn.call("look"), "Here.")
    assert (result.unwrap().answer, passed) == ("Here.", 0)


async def test_a_function_that_hangs_in_a_thread_is_left() -> None:
    """It gets that moment, and then its limit is over."""
    go = threading.Event()

    @tool(timeout_s=3600)
    def look() -> str:
        """Look."""
        go.wait()
        return "here"

    try:
        result, passed = await asked(Agent("Look.", tools=[look]), Turn.call("look"), "Nowhere.")
    finally:
        go.set()
    assert (result.unwrap().answer, passed) == ("Nowhere.", 3600)
