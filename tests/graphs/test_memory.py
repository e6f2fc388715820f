"""The chatbot that remembers: across conversations, each thing once, and nothing that is worth nothing."""

from __future__ import annotations

import pytest

from graphrt import ChatRuntime
from graphrt.account import account
from graphrt.agents import ModelRequest
from graphrt.testing.scripted import ScriptedModel
from graphs.memory import NOTHING, flow, recall
from tests.graphs.cases import talk

pytestmark = pytest.mark.anyio


def listening(**learned: str) -> ScriptedModel:
    """Return a model that learns from messages by their first word, and repeats what it is told that it knows."""

    def answer(request: ModelRequest) -> str:
        messages = request.messages
        if request.instructions.startswith("What does"):
            return learned.get(messages[-1].text.split()[0], NOTHING)
        return messages[-1].text

    return ScriptedModel(answer)


async def test_what_was_learned_is_known_in_another_conversation() -> None:
    """Two runtimes share nothing but the file; the second is told what the first heard, the newest first."""
    model = listening(I="lives in Oslo", My="has a dog")
    first = ChatRuntime(flow, resources=[model])
    await first.invoke("I live in Oslo.")
    await first.invoke("My dog barks.")
    other = ChatRuntime(flow, resources=[model])
    assert (await other.invoke("Who am I?")).text == "What you know about me: - has a dog\n- lives in Oslo"


async def test_a_thing_is_kept_once() -> None:
    """Said twice, it is known once."""
    runtime = ChatRuntime(flow, resources=[listening(I="lives in Oslo")])
    for _ in range(2):
        await runtime.invoke("I live in Oslo.")
    assert recall() == ("lives in Oslo",)


async def test_small_talk_is_not_kept() -> None:
    """What says nothing about the person ends at `nothing new`."""
    result = await flow.run(talk(flow, "How far is the moon?"), resources=[listening()])
    told = account(result.trace)
    assert (told.of_node("keep"), len(told.of_node("nothing new"))) == ([], 1)
    assert recall() == ()
