"""Work that waits in its middle until a test lets it go on; what begins is noted in a file, as an effect would be.

The test makes two named pipes, `reached` and `go`: the work writes to the one and reads from the other, and is held by
both until the test does its part. Without the pipes nothing is held.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel

from graphrt.context import Context
from graphrt.flow import Flow
from graphrt.graph import OnCrash
from graphrt.reducers import append


class Job(BaseModel):
    log: Annotated[list[str], append] = []


def hold(what: str) -> str:
    """Note that something begins; wait in its middle."""
    with Path("effects.txt").open("a") as effects:
        effects.write(f"{what}\n")
    if Path("reached").exists():
        Path("reached").write_text(what)
        Path("go").read_text()
    return what


def note(what: str) -> str:
    """Note that something begins."""
    with Path("effects.txt").open("a") as effects:
        effects.write(f"{what}\n")
    return what


def made(name: str, work: Callable[..., Any], on_crash: OnCrash = "retry") -> Flow[Job]:
    """Return a flow of three tasks; `work` is the one in the middle."""
    flow = Flow(name, Job)
    log = flow.state.log
    before = flow.task(writes=log, name="before")(lambda: note("before"))
    middle = flow.task(writes=log, name="work", on_crash=on_crash)(work)
    after = flow.task(writes=log, name="after")(lambda: note("after"))
    flow.edge(before, middle)
    flow.edge(middle, after)
    return flow


def work() -> str:
    """Work in a thread."""
    return hold("work")


async def block() -> str:
    """Work in the event loop, which hears of nothing meanwhile."""
    return hold("work")


async def speak(context: Context) -> str:
    """Say a long text, then be held in a thread."""
    import asyncio

    for k in range(40):
        context.emit(f"word {k}, ")
    context.emit("\x1b[31mthe end\n")
    print("a node prints")
    return await asyncio.get_running_loop().run_in_executor(None, hold, "work")


plain = made("plain", work)
blocking = made("blocking", block)
speaking = made("speaking", speak)
asking = made("asking", work, on_crash="ask")
