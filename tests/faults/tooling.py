"""A process that lets an agent work with tools, and dies by SIGKILL in the middle of one; started by `test_tools.py`.

    python tooling.py STORE EFFECTS [DIE]     DIE names the tool in whose call the process ends

What a tool does to the world is a line in a file, written at once. The model answers by what it is told alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from pydantic import BaseModel

from graphrt import Agent, Context, Flow, tool
from graphrt.agents import ToolCall
from graphrt.runtime import resume, run
from graphrt.stores import open_store
from graphrt.testing import ScriptedModel

if TYPE_CHECKING:
    from graphrt.agents.model import ModelRequest

RUN = "r"


class Desk(BaseModel):
    """What the run is about."""

    message: str = ""
    reply: str = ""


def flow(effects: str, die: str | None = None) -> Flow[Desk]:
    """Return a flow of one agent with a tool that reads, one that writes, and one that a person must agree to."""

    def mark(name: str, context: Context) -> str:
        with open(effects, "a", encoding="utf-8") as file:  # noqa: PTH123 - the plainest way to append at once
            file.write(f"{name} {context.visit} {context.idempotency_key}\n")
        if name == die:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"{name} done"

    def find(context: Context) -> str:
        return mark("find", context)

    @tool(writes=True)
    def pay(context: Context) -> str:
        return mark("pay", context)

    @tool(writes=True, approval="always")
    def close(reason: str, context: Context) -> str:
        return mark(f"close:{reason}", context)

    made = Flow("desk", Desk)
    s = made.state
    made.agent("clerk", Agent("Help.", tools=[find, pay, close]), reads=s.message, writes=s.reply)
    return made


def says(request: ModelRequest) -> list[ToolCall] | str:
    """Find, pay, close, and say what came of it; the model remembers nothing but its request."""
    results = [m for m in request.messages if m.role == "tool"]
    names = ("find", "pay", "close")
    if len(results) < len(names):
        arguments = {"reason": "settled"} if names[len(results)] == "close" else {}
        return [ToolCall(id=f"c{len(results)}", name=names[len(results)], arguments=dict(arguments))]
    return "; ".join(m.text for m in results)


async def drive(place: str, effects: str, die: str | None) -> str:
    """Begin the run, or take it up where it is; return how it stands and what it says."""
    store, made, resources = open_store(place), flow(effects, die).freeze(), [ScriptedModel(says)]
    begun = any(info.run == RUN for info in store.runs())
    going = (
        resume(store, RUN, made, resources=resources)
        if begun
        else run(made, Desk(message="m"), store=store, run_id=RUN, resources=resources)
    )
    result = await going
    store.close()
    return f"{result.status} {result.state.reply if result.status == 'completed' else ''}".strip()


if __name__ == "__main__":
    print(asyncio.run(drive(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)), flush=True)
