"""Agents, and one turn of a configuration without a runtime: what a model script and a state make of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from graphrt import Agent
from graphrt.agents import Message, user
from graphrt.runtime import run
from graphrt.testing.scripted import ScriptedModel

if TYPE_CHECKING:
    from graphrt import Flow
    from graphrt.agents.model import ModelRequest
    from graphrt.runtime import Result
    from graphrt.testing.scripted import Scripted

Script: TypeAlias = "Sequence[Any] | Callable[[ModelRequest], Scripted]"

ANN, BEN, CLEO = (Agent(f"You are {name}.", name=name) for name in ("ann", "ben", "cleo"))


def speaker(request: ModelRequest) -> str:
    """Return the name of the agent that a request is of."""
    return str(request.instructions.removeprefix("You are ").removesuffix("."))


async def talk(flow: Flow[Any], script: Script, said: str = "Hi", **state: Any) -> tuple[Result[Any], ScriptedModel]:
    """Run one turn; return its result and the model with its requests."""
    model = ScriptedModel(script)
    begin = flow.state_type(messages=[user(said)], **state)
    return await run(flow.freeze(), begin, resources=[model]), model


def texts(messages: Any) -> list[tuple[str | None, str]]:
    """Return who said what, without what the runtime itself put in between."""
    found: list[Message] = list(messages)
    return [(getattr(m, "name", None), m.text) for m in found]
