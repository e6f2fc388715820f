"""An agent in a conversation: it hears messages as messages, and what it says is one."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel

from graphrt import Agent, DefinitionError, Flow, append, tool
from graphrt.agents import AssistantMessage, Message, ToolCall, assistant, user
from graphrt.runtime import run
from graphrt.testing.scripted import ScriptedModel, Turn

pytestmark = pytest.mark.anyio


class Talk(BaseModel):
    messages: Annotated[list[Message], append] = []
    notes: Annotated[list[Message], append] = []
    subject: str = ""
    text: str = ""


def one(agent: Agent, *reads: str, writes: str = "messages") -> Flow[Talk]:
    """Return a flow of one agent that hears the fields in `reads`."""
    flow = Flow("talk", Talk)
    s = flow.state
    flow.agent("speaker", agent, reads=tuple(getattr(s, r) for r in reads), writes=getattr(s, writes))
    return flow


async def heard(agent: Agent, state: Talk, *reads: str) -> list[tuple[str, str]]:
    """Return role and text of each message that the model was asked with."""
    model = ScriptedModel(["said"])
    await run(one(agent, *reads).freeze(), state, resources=[model])
    return [(m.role, m.text) for m in model.requests[0].messages]


async def test_what_is_said_is_a_message_of_the_node() -> None:
    """A written field of messages gets the answer as the assistant's message, with the node's name."""
    result = await run(
        one(Agent("I."), "messages").freeze(), Talk(messages=[user("Hi")]), resources=[ScriptedModel(["Ho "])]
    )
    assert list(result.state.messages) == [user("Hi"), assistant("Ho", name="speaker")]


async def test_a_conversation_is_heard_as_it_was_said() -> None:
    """Fields of messages follow each other; a prompt or other fields close them; an agent never reacts to nothing."""
    state = Talk(messages=[user("Hi"), assistant("Ho"), user("Why?")], notes=[assistant("Because.")], subject="rain")
    said = [("user", "Hi"), ("assistant", "Ho"), ("user", "Why?")]
    noted = ("assistant", "Because.")
    assert await heard(Agent("I."), state, "messages") == said
    assert await heard(Agent("I."), state, "messages", "notes") == [*said, noted, ("user", "Now it is your turn.")]
    assert await heard(Agent("I.", prompt="Sum up."), state, "messages") == [*said, ("user", "Sum up.")]
    assert await heard(Agent("I."), state, "messages", "subject") == [*said, ("user", "rain")]
    assert await heard(Agent("I."), Talk(), "messages") == [("user", "Now it is your turn.")]


async def test_fields_in_instructions_do_not_follow_a_conversation() -> None:
    """What instructions name in braces is told there alone, so the conversation ends with what was said last."""
    model = ScriptedModel(["said", "said"])
    state = Talk(messages=[user("Hi"), user("Why?")], subject="rain", text="wet")
    await run(one(Agent("Of {subject}."), "messages", "subject").freeze(), state, resources=[model])
    await run(one(Agent("Of {subject}."), "messages", "subject", "text").freeze(), state, resources=[model])
    assert [r.instructions for r in model.requests] == ["Of rain.", "Of rain."]
    assert [[m.text for m in r.messages] for r in model.requests] == [["Hi", "Why?"], ["Hi", "Why?", "wet"]]
    with pytest.raises(DefinitionError, match=r"instructions name \{messages\}, which is a conversation and no text"):
        one(Agent("Sum {messages} up."), "messages").freeze()


async def test_a_conversation_is_not_written_again_by_a_tool_loop() -> None:
    """With tools, each request has the whole conversation, and the visits record only what came since."""

    def look() -> str:
        return "seen"

    model = ScriptedModel([Turn.call("look"), "It is there."])
    result = await run(
        one(Agent("I.", tools=[look]), "messages").freeze(), Talk(messages=[user("Hi")]), resources=[model]
    )
    assert [m.role for m in model.requests[1].messages] == ["user", "assistant", "tool"]
    written = [str(getattr(record.input, "writes", "")) for record in result.trace.records]
    assert [text for text in written if "'user'" in text] == []
    assert any("'tool'" in text for text in written)
    assert result.state.messages[-1] == assistant("It is there.", name="speaker")


async def test_a_tool_that_ends_the_work_is_not_called() -> None:
    """The message that asks for such a tool alone is what the agent writes; the model is not asked again."""
    called: list[str] = []

    @tool(ends=True)
    def leave(reason: str) -> str:
        called.append(reason)
        return "left"

    def look() -> str:
        called.append("look")
        return "seen"

    calls = [ToolCall(id="1", name="look"), ToolCall(id="2", name="leave", arguments={"reason": "done"})]
    model = ScriptedModel([calls])
    agent = Agent("I.", tools=[look, leave])
    result = await run(one(agent, "messages").freeze(), Talk(messages=[user("Hi")]), resources=[model])
    last = result.state.messages[-1]
    assert isinstance(last, AssistantMessage)
    assert [c.name for c in last.tool_calls] == ["leave"]
    assert called == []
    with pytest.raises(DefinitionError, match="'leave' ends the agent's work"):
        one(agent, "messages", writes="text").freeze()
