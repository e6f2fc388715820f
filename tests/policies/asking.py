"""How these tests ask models: with a context whose marks can be looked at, and flows of one agent."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from graphrt import Agent, Flow
from graphrt.agents import Model, ModelRequest, Reply
from graphrt.agents.model import Emit, discard
from graphrt.context import CURRENT, Context


class Talk(BaseModel):
    """What an agent of these tests hears and says."""

    message: str = "Hi"
    reply: str = ""


def talking(agent: Agent | None = None, **options: Any) -> Flow[Talk]:
    """Return a flow of one agent; `options` are its node's."""
    flow = Flow("talk", Talk)
    flow.agent("agent", agent or Agent("Say.", retry=1), reads=flow.state.message, writes=flow.state.reply, **options)
    return flow


class Heard:
    """What was emitted and marked while something ran."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.context = Context(
            "run",
            "0",
            "node",
            1,
            key=lambda: "key",
            emit=self.pieces.append,
            cancelled=lambda: False,
            resources={},
            retract=self.pieces.clear,
        )

    @property
    def marks(self) -> list[str]:
        """The texts of the marks."""
        return [mark.text for mark in self.context.marks]

    def facts(self, what: str) -> dict[str, Any]:
        """Return the facts of the first mark of this kind."""
        return next(mark.facts for mark in self.context.marks if mark.what == what)


@contextmanager
def hearing() -> Generator[Heard]:
    """Let what runs inside work for an attempt."""
    heard = Heard()
    before = CURRENT.set(heard.context)
    try:
        yield heard
    finally:
        CURRENT.reset(before)


async def ask(model: Model, text: str = "Hi", /, emit: Emit = discard, **fields: Any) -> Reply:
    """Ask for text."""
    return await model.respond(ModelRequest.prompt(text, **fields), emit)
