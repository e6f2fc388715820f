"""`handoff`: by tool call or by a router, sticky, bounded, with its reason on record."""

from __future__ import annotations

from typing import Any

import pytest

from graphrt import Agent, handoff, sequential
from graphrt.agents import ToolCall
from graphrt.configurations import Handover
from graphrt.testing.scripted import Turn
from tests.configurations.talking import ANN, BEN, CLEO, speaker, talk, texts

pytestmark = pytest.mark.anyio


def to(name: str, reason: str = "because") -> Turn:
    """Hand over."""
    return Turn.call(f"hand_over_to_{name}", reason=reason)


async def test_the_first_one_answers_if_nobody_hands_over() -> None:
    """The first agent speaks first; the others are offered to it as tools."""
    result, model = await talk(handoff(ANN, BEN, CLEO), ["a"])
    assert texts(result.state.messages)[-1] == ("ann", "a")
    assert [t.name for t in model.requests[0].tools] == ["hand_over_to_ben", "hand_over_to_cleo"]


async def test_a_tool_call_hands_over_with_its_reason() -> None:
    """The call is part of the conversation with an answer to it; the other one speaks next, and the reason is kept."""
    result, model = await talk(handoff(ANN, BEN), [to("ben", "Ben speaks Spanish."), "b"])
    assert [m.role for m in result.state.messages] == ["user", "assistant", "tool", "assistant"]
    assert texts(result.state.messages)[-1] == ("ben", "b")
    assert list(result.state.handovers) == [Handover(source="ann", target="ben", reason="Ben speaks Spanish.")]
    assert [m.role for m in model.requests[1].messages] == ["user", "assistant", "tool"]
    assert result.state.speaker == "ben"


@pytest.mark.parametrize(
    ("names", "tools"),
    [
        (["日本", "中国", "韓国"], ["agent_2", "agent_3"]),
        (["c", "a b", "a_b"], ["a_b_2", "a_b"]),
        (["a", "x" * 60 + "b", "x" * 60 + "c"], ["x" * 51, "x" * 49 + "_3"]),
    ],
)
async def test_members_may_have_any_names(names: list[str], tools: list[str]) -> None:
    """Each has a tool of its own, readable where that is possible and told by the description; it leads to that one."""
    members = [Agent("Speak.", name=name) for name in names]
    for member, tool in zip(names[1:], tools, strict=True):
        result, model = await talk(handoff(*members), [to(tool), "b"])
        assert [t.name for t in model.requests[0].tools] == [f"hand_over_to_{each}" for each in tools]
        assert all(
            len(t.name) <= 64 and n in t.description for t, n in zip(model.requests[0].tools, names[1:], strict=True)
        )
        assert texts(result.state.messages)[-1] == (member, "b")


async def test_the_choice_is_sticky() -> None:
    """Whoever spoke last is asked first, and may hand back."""
    result, model = await talk(handoff(ANN, BEN), ["b"], speaker="ben")
    assert speaker(model.requests[0]) == "ben"
    result, _ = await talk(handoff(ANN, BEN), [to("ann"), "a"], speaker="ben")
    assert (result.state.speaker, texts(result.state.messages)[-1]) == ("ann", ("ann", "a"))
    assert "speaker" in handoff(ANN, BEN).state_type.remembered


@pytest.mark.parametrize("at_most", [1, 3])
async def test_hand_overs_are_bounded(at_most: int) -> None:
    """Agents that send the conversation round in circles end in a failure that says so."""
    flow = handoff(ANN, BEN, at_most=at_most)
    result, model = await talk(flow, lambda r: to("ben" if speaker(r) == "ann" else "ann"))
    assert result.error is not None
    assert "handed over too often" in result.error.message
    assert len(model.requests) == at_most + 1


async def test_who_may_hand_over_to_whom() -> None:
    """`to` says whom each may hand over to; an agent that may hand over to nobody has no such tool."""
    flow = handoff(ANN, BEN, CLEO, to={"ann": ["cleo"]})
    result, model = await talk(flow, [to("cleo"), "c"])
    assert [[t.name for t in r.tools] for r in model.requests] == [["hand_over_to_cleo"], []]
    assert texts(result.state.messages)[-1] == ("cleo", "c")


async def test_own_tools_work_beside_handing_over() -> None:
    """An agent uses its own tools first and hands over later; a call beside the hand-over is not made."""
    looked: list[str] = []

    def look(what: str) -> str:
        looked.append(what)
        return "nothing"

    ann = Agent("You are ann.", name="ann", tools=[look])
    both: list[Any] = [
        ToolCall(id="1", name="look", arguments={"what": "again"}),
        ToolCall(id="2", name="hand_over_to_ben", arguments={"reason": "r"}),
    ]
    result, _ = await talk(handoff(ann, BEN), [Turn.call("look", what="here"), both, "b"])
    assert looked == ["here"]
    assert texts(result.state.messages)[-1] == ("ben", "b")


async def test_a_router_decides() -> None:
    """With a router each turn begins with its choice; a change of the speaker is kept as a hand-over."""
    flow = handoff(ANN, BEN, router=lambda messages: "ben" if "hola" in messages[-1].text else "ann")
    result, model = await talk(flow, ["b"], "hola", speaker="ann")
    assert texts(result.state.messages)[-1] == ("ben", "b")
    assert [h.target for h in result.state.handovers] == ["ben"]
    assert model.requests[0].tools == ()
    result, _ = await talk(flow, ["a"], "hello", speaker="ann")
    assert list(result.state.handovers) == []
    by_agent, model = await talk(handoff(ANN, BEN, router=Agent("Choose.")), [Turn.choose("ben", 0.9), "b"])
    assert (by_agent.state.speaker, model.requests[0].labels) == ("ben", ("ann", "ben"))


async def test_a_flow_can_be_handed_over_to() -> None:
    """Another configuration takes the conversation like an agent."""
    result, _ = await talk(handoff(ANN, sequential(BEN, CLEO, name="team")), [to("team"), "b", "c"])
    assert texts(result.state.messages)[-1] == ("cleo", "c")
    assert result.state.speaker == "team"
