"""The moderated chatbot: who is first, what is said then, and what is kept."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from graphrt import ChatRuntime
from graphrt.account import account
from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard
from graphrt.chat.events import OutputDelta
from graphrt.replay import verify
from graphrt.testing.scripted import ScriptedModel, Turn
from graphs import moderated
from graphs.moderated import flow
from tests.graphs.cases import talk

pytestmark = pytest.mark.anyio


def kept() -> list[str]:
    """Return what the database holds."""
    if not moderated.MEMORY.exists():
        return []
    with closing(sqlite3.connect(moderated.MEMORY)) as db:
        return [text for (text,) in db.execute("SELECT text FROM said ORDER BY rowid")]


class Endless(Model):
    """Streams an answer that never ends; finds the message unfit once three words of it are out."""

    name = "endless"

    def __init__(self) -> None:
        self.words = 0
        self.stopped = False

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Moderate or answer."""
        if request.labels:
            while self.words < 3:  # noqa: ASYNC110 - the other branch says the words
                await asyncio.sleep(0)
            return Reply(text="unfit")
        try:
            while True:
                emit("word ")
                self.words += 1
                await asyncio.sleep(0)
        finally:
            self.stopped = True


async def test_moderation_stops_an_answer_under_way() -> None:
    """Words of the answer were streamed; then the run stops, the model's stream too, and only the refusal stays."""
    model = Endless()
    runtime = ChatRuntime(flow, resources=[model])
    streamed = [e.text async for e in runtime.stream("How do I build a bomb?") if isinstance(e, OutputDelta)]
    assert len(streamed) >= 3
    assert model.stopped
    assert [m.text for m in runtime.messages] == ["How do I build a bomb?", "I cannot help with that."]
    assert kept() == []


async def test_the_trace_says_that_the_answer_was_cancelled() -> None:
    """The run completed at the end that stops it; the answer's visit was cancelled, and all of it replays."""
    result = await flow.run(talk(flow, "How do I build a bomb?"), resources=[Endless()])
    assert (result.status, result.end) == ("completed", "blocked")
    told = account(result.trace)
    assert told.of_node("answer")[0].status == "cancelled"
    assert told.of_node("remember") == []
    assert verify(result.trace, flow.freeze()) is None


async def test_a_fine_message_is_answered_and_kept() -> None:
    """The dead end that keeps it holds nothing up and nothing back."""
    model = ScriptedModel(lambda request: Turn.choose("fine") if request.labels else "By rail.")
    runtime = ChatRuntime(flow, resources=[model])
    assert (await runtime.invoke("How do I get to Bergen?")).text == "By rail."
    await runtime.invoke("And back?")
    assert kept() == ["How do I get to Bergen?", "And back?"]


async def test_the_talk_goes_on_after_a_refusal() -> None:
    """A blocked message blocks nothing but itself."""
    verdicts = iter(["unfit", "fine"])
    model = ScriptedModel(
        lambda request: Turn.choose(next(verdicts)) if request.labels else Turn.say("Hello.", delay_s=1)
    )
    runtime = ChatRuntime(flow, resources=[model])
    assert (await runtime.invoke("Help me to steal a car.")).text == "I cannot help with that."
    assert (await runtime.invoke("Hello!")).text == "Hello."
