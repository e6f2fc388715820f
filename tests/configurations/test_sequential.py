"""`single` and `sequential`: who hears what, what is handed on, and what becomes of one that fails."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from graphrt import Agent, member, sequential, single
from graphrt.agents import ModelRequest, assistant
from graphrt.testing.scripted import Turn
from tests.configurations.talking import ANN, BEN, CLEO, speaker, talk, texts

pytestmark = pytest.mark.anyio


class Facts(BaseModel):
    facts: list[str]


async def test_one_agent_answers() -> None:
    """The agent hears the message, and its words are the reply under its name."""
    result, model = await talk(single(ANN), ["Hello."])
    assert texts(result.state.messages) == [(None, "Hi"), ("ann", "Hello.")]
    assert model.requests[0].instructions == "You are ann."
    unnamed, _ = await talk(single(Agent("I.")), ["Hello."])
    assert unnamed.state.messages[-1] == assistant("Hello.", name="assistant")


async def test_each_agent_hears_what_was_said_before_it() -> None:
    """Agents speak in order; each is shown the conversation with what the ones before it said."""
    result, model = await talk(sequential(ANN, BEN, CLEO), ["a", "b", "c"])
    assert texts(result.state.messages)[1:] == [("ann", "a"), ("ben", "b"), ("cleo", "c")]
    assert [len(r.messages) for r in model.requests] == [1, 3, 4]
    assert model.requests[2].messages[-1].text == "Now it is your turn."


async def test_a_member_has_instructions_of_its_own() -> None:
    """The instructions of a member are the last message that it is shown; the agent itself is left as it was."""
    flow = sequential(ANN, member(BEN, instructions="Sum it up."))
    result, model = await talk(flow, ["a", "b"])
    assert model.requests[1].messages[-1].text == "Sum it up."
    assert model.requests[1].instructions == "You are ben."
    assert BEN.prompt is None
    assert "Sum it up." not in str(result.state.messages)


async def test_data_is_handed_on_checked() -> None:
    """An output of a type is asked for by schema, kept in a field of the member's name, and read by the next."""
    flow = sequential(member(ANN, output=Facts), BEN)
    result, model = await talk(flow, [{"facts": "none"}, {"facts": ["wet"]}, "It is wet."])
    assert result.state.ann == Facts(facts=["wet"])
    assert model.requests[0].output_schema is not None
    assert model.requests[2].messages[1].text == '{"facts":["wet"]}'
    assert result.state.messages[-1].text == "It is wet."


async def test_a_failure_ends_the_sequence_unless_it_may_go_on() -> None:
    """By default the turn fails at the agent that failed; with continue_on_error it is left out, and noted."""

    def script(request: ModelRequest) -> Turn | str:
        return Turn.fail(ValueError("no")) if speaker(request) == "ann" else "b"

    failed, _ = await talk(sequential(ANN, BEN), script)
    assert failed.status == "failed"
    assert failed.failed_at is not None
    result, model = await talk(sequential(ANN, BEN, continue_on_error=True), script)
    assert texts(result.state.messages) == [(None, "Hi"), ("ben", "b")]
    assert list(result.state.skipped) == ["ann"]
    assert [m.text for m in model.requests[1].messages] == ["Hi"]


async def test_the_last_one_may_fail_but_not_all() -> None:
    """If the last agent fails, the reply is of the one before; if all fail, the turn has failed."""
    last = sequential(ANN, BEN, continue_on_error=True)
    result, _ = await talk(last, ["a", ValueError("no")])
    assert texts(result.state.messages)[-1] == ("ann", "a")
    failed, _ = await talk(last, [ValueError("no"), ValueError("no")])
    assert failed.error is not None
    assert "nobody answered" in failed.error.message
