"""Flows that several tests of the runtime use."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from graphrt import DeadlinePassed, Flow, append


class Work(BaseModel):
    """What the flows here work on."""

    n: int = 0
    text: str = ""
    items: list[str] = []
    item: str = ""
    log: Annotated[list[str], append] = []
    verdict: Literal["yes", "no"] | None = None
    again: Literal["yes", "no"] | None = None


Node = Callable[..., Any]


def chain(*nodes: Node, name: str = "chain", **options: Any) -> Flow[Work]:
    """Return a flow of tasks in a row, each of which adds a line to `log`."""
    flow = Flow(name, Work)
    made = [flow.task(writes=flow.state.log, name=f"t{i}", **options)(fn) for i, fn in enumerate(nodes)]
    for one, two in itertools.pairwise(made):
        flow.edge(one, two)
    return flow


def together(log: list[str]) -> str:
    """Put the log into one text."""
    return "+".join(log)


def parallel(*branches: Node, wait: Any = "all", **options: Any) -> Flow[Work]:
    """Return a flow that forks into branches of one task each, joins them, and ends with a task of its own."""
    flow = Flow("parallel", Work)
    begin = flow.task(name="begin")(lambda: None)
    made = [flow.task(writes=flow.state.log, name=f"b{i}", **options)(fn) for i, fn in enumerate(branches)]
    flow.fork(begin, made)
    join = flow.join("join", wait=wait)
    for task in made:
        flow.edge(task, join)
    flow.edge(join, flow.task(writes=flow.state.text, name="last")(together))
    return flow


def asking(deadline: float | None = None) -> Flow[Work]:
    """Return a flow that asks for a verdict and writes down what it was, or that nobody answered."""
    flow = Flow("asking", Work)
    s = flow.state

    @flow.task(writes=s.n)
    async def prepare(n: int) -> int:
        return n + 1

    ask = flow.ask("approve", "Shall we?", writes=s.verdict, deadline=deadline)

    @flow.task(writes=s.text)
    async def go() -> str:
        return "went"

    @flow.task(writes=s.text)
    async def stop() -> str:
        return "stopped"

    @flow.task(writes=s.text)
    async def give_up() -> str:
        return "nobody answered"

    flow.edge(prepare, ask)
    flow.edge(ask, go, on="yes")
    flow.edge(ask, stop, on="no")
    if deadline is not None:
        flow.edge(ask, give_up, on=DeadlinePassed)
    else:
        flow.edge(stop, give_up)
    return flow


class Gate:
    """A node that says when it has begun and waits until it is let through."""

    __name__ = "gate"

    def __init__(self, says: str = "gate") -> None:
        self.begun = asyncio.Event()
        self.opened = asyncio.Event()
        self.cancelled = False
        self.says = says

    async def __call__(self) -> str:
        """Wait."""
        self.begun.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return self.says


def saying(text: str) -> Node:
    """Return a node that says `text`."""

    async def say() -> str:
        return text

    return say
