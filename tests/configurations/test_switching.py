"""`switching`: who is chosen by an agent, by a function, by scores, and who answers if nobody is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from graphrt import Agent, switching
from graphrt.account import account
from graphrt.agents import Message
from graphrt.testing.scripted import Turn
from tests.configurations.talking import ANN, BEN, talk

pytestmark = pytest.mark.anyio


async def answered(flow: Any, script: Any) -> str | None:
    """Return who answered."""
    result, _ = await talk(flow, script)
    name: str | None = result.state.messages[-1].name if result.status == "completed" else None
    return name


@pytest.mark.parametrize("named", ["ben", " Ben\n", "BEN.", "It is for ben."])
async def test_names_are_matched_tolerantly(named: str) -> None:
    """White space, case and punctuation around the name do not count, whether an agent or a function says it."""
    router = Agent("Choose.")
    assert await answered(switching([ANN, BEN], router=router), [named, "b"]) == "ben"
    assert await answered(switching([ANN, BEN], router=lambda _: named), ["b"]) == "ben"


async def test_a_router_agent_chooses_among_the_names() -> None:
    """It is asked for one of the names, with the conversation; its scores are in the record."""
    result, model = await talk(switching({"a": ANN, "b": BEN}), [Turn.choose("b", 0.75), "said"])
    assert model.requests[0].labels == ("a", "b")
    assert "- a: You are ann." in model.requests[0].instructions
    assert model.requests[0].messages[0].text == "Hi"
    assert account(result.trace).visits["0/0"].notes == {"scores": {"a": 0.25, "b": 0.75}}
    assert result.state.messages[-1].name == "b"


async def test_the_highest_score_wins() -> None:
    """A function may return scores: the highest counts if it is high enough, and all are in the record."""

    def score(messages: Sequence[Message]) -> dict[str, float]:
        return {"ann": 0.2, "ben": 0.6}

    async def later(messages: Sequence[Message]) -> dict[str, float]:
        return {"ann": 0.9, "ben": 0.1}

    result, _ = await talk(switching([ANN, BEN], router=score, at_least=0.5), ["b"])
    assert result.state.messages[-1].name == "ben"
    assert account(result.trace).visits["0"].notes == {"scores": {"ann": 0.2, "ben": 0.6}}
    assert await answered(switching([ANN, BEN], router=later), ["a"]) == "ann"
    assert await answered(switching([ANN, BEN], router=score, at_least=0.7, fallback="ann"), ["a"]) == "ann"


async def test_what_a_function_returns_is_awaited() -> None:
    """Also where the function itself is none that Python calls a coroutine function, such as one around it."""

    async def later(_messages: Sequence[Message]) -> str:
        return "ben"

    def soon(messages: Sequence[Message]) -> object:
        return later(messages)

    assert await answered(switching([ANN, BEN], router=soon, fallback="ann"), ["b"]) == "ben"


@pytest.mark.parametrize("named", ["nobody", "ann or ben", "not ben", None, {}])
async def test_falling_back_is_seen(named: object) -> None:
    """A function that names nobody, or two, leads to the fallback by a node of its own; without one it is an error."""

    def router(messages: Sequence[Message]) -> object:
        return named

    result, _ = await talk(switching([ANN, BEN], router=router, fallback="ben"), ["b"])
    assert result.state.messages[-1].name == "ben"
    assert [v.node.name for v in account(result.trace).visits.values()][:2] == ["choose", "fall back"]
    failed, model = await talk(switching([ANN, BEN], router=router), ["b"])
    assert failed.error is not None
    assert failed.error.type == "NoRoute"
    assert "none of ann, ben" in failed.error.message
    assert model.requests == []


async def test_an_agent_that_names_nobody_falls_back_too() -> None:
    """What a router's model answers is tried again, then the fallback takes over; without one the turn fails."""
    script = ["hm", "well", "no idea", "b"]
    result, _ = await talk(switching([ANN, BEN], fallback="ben"), script)
    assert result.state.messages[-1].name == "ben"
    assert "fall back" in [v.node.name for v in account(result.trace).visits.values()]
    failed, _ = await talk(switching([ANN, BEN]), script)
    assert failed.error is not None
    assert failed.error.type == "ModelBehavior"
