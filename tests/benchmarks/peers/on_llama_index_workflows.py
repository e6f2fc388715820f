"""LlamaIndex Workflows: steps that take and give events.

A guard is an `if` in a step, since a step chooses the event that it gives. The fan-out sends an event per item and
collects what comes back.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import Field
from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent

from tests.benchmarks import measuring as m
from tests.benchmarks import workloads as w


class Again(Event):
    n: int


class Never(Event):
    n: int


class Item(Event):
    item: int


class Doubled(Event):
    value: int


class Begin(StartEvent):
    n: int = 0
    numbers: list[int] = Field(default_factory=list)


class Loop(Workflow):
    """A node that leads back to itself."""

    @step
    async def begin(self, ev: Begin) -> Again:
        """Lead to it."""
        return Again(n=ev.n)

    @step
    async def go(self, ev: Again) -> Again | StopEvent:
        """Add 1."""
        n = ev.n + 1
        return Again(n=n) if n < w.LOOP_STEPS else StopEvent(result=n)


class Route(Workflow):
    """A node with many guards before the way on."""

    @step
    async def begin(self, ev: Begin) -> Again:
        """Lead to it."""
        return Again(n=ev.n)

    @step
    async def go(self, ev: Again) -> Again | Never | StopEvent:
        """Add 1, then ask one guard after the other."""
        n = ev.n + 1
        for guard in range(1, w.GUARDS):
            if n == -guard:
                return Never(n=n)
        return Again(n=n) if n < w.ROUTED_STEPS else StopEvent(result=n)

    @step
    async def never(self, ev: Never) -> StopEvent:
        """Be where the false guards lead."""
        return StopEvent(result=-1)


class Fan(Workflow):
    """A branch for each item, a join, and what adds the results up."""

    @step
    async def begin(self, ctx: Context, ev: Begin) -> Item | None:
        """Start the branches."""
        await ctx.store.set("branches", len(ev.numbers))
        for item in ev.numbers:
            ctx.send_event(Item(item=item))

    @step(num_workers=1_000)
    async def double(self, ev: Item) -> Doubled:
        """Work on one item."""
        return Doubled(value=ev.item * 2)

    @step
    async def add_up(self, ctx: Context, ev: Doubled) -> StopEvent | None:
        """Wait for all of them."""
        branches = await ctx.store.get("branches")
        found = ctx.collect_events(ev, [Doubled] * branches)
        return None if found is None else StopEvent(result=sum(each.value for each in found))


async def add_one(n: int) -> int:
    """Be the work of a chain's nodes."""
    return n + 1


def chain_of(nodes: int, last: Callable[[int], Any] = add_one) -> type[Workflow]:
    """Return nodes in a row: each takes the event of its own that the one before gives."""
    chain = type("Chain", (Workflow,), {})
    takes: type[Event] = Begin
    for i in range(nodes):
        gives = type(f"To{i + 1}", (Again,), {}) if i < nodes - 1 else StopEvent
        node = step_of(add_one if i < nodes - 1 else last, gives)
        node.__name__ = node.__qualname__ = f"step{i}"
        node.__annotations__ = {"ev": takes, "return": gives}
        step(workflow=chain)(node)
        takes = gives
    return chain


def step_of(work: Callable[[int], Any], gives: type[Event]) -> Any:
    """Return a step that does `work` and hands the number on."""

    async def inner(ev: Any) -> Any:
        return gives(n=await work(ev.n))

    async def at_the_end(ev: Any) -> Any:
        return gives(result=await work(ev.n))

    return at_the_end if gives is StopEvent else inner


async def ran(workflow: Workflow, **first: Any) -> int:
    """Run a workflow."""
    return int(await workflow.run(start_event=Begin(**first)))


async def chain() -> m.Readings:
    """W1."""
    workflow = chain_of(w.CHAIN_NODES)(timeout=None)
    return {"step": await m.timed(partial(ran, workflow), w.CHAIN_NODES, wanted=w.CHAIN_NODES)}


async def loop() -> m.Readings:
    """W2."""
    return {"step": await m.timed(partial(ran, Loop(timeout=None)), w.LOOP_STEPS, wanted=w.LOOP_STEPS)}


async def fan() -> m.Readings:
    """W3."""
    workflow = Fan(timeout=None)
    return {
        f"branch {n}": await m.timed(partial(ran, workflow, numbers=list(range(n))), n, wanted=n * (n - 1), samples=2)
        for n in w.FAN_BRANCHES
    }


async def route() -> m.Readings:
    """W4."""
    return {"step": await m.timed(partial(ran, Route(timeout=None)), w.ROUTED_STEPS, wanted=w.ROUTED_STEPS)}


async def runs() -> m.Readings:
    """W5."""
    workflow = chain_of(w.RUN_NODES)(timeout=None)

    async def once() -> int:
        return sum(await asyncio.gather(*[ran(workflow) for _ in range(w.RUNS)]))

    return {"run": await m.timed_once(once, w.RUNS, wanted=w.RUNS * w.RUN_NODES)}


async def memory() -> m.Readings:
    """W7."""
    gate = m.Gate()

    async def wait(n: int) -> int:
        await gate.wait()
        return n + 1

    return {"live": await gate.measure(partial(ran, chain_of(2, wait)(timeout=None)))}


async def start() -> m.Readings:
    """W8."""
    return m.start_up("from workflows import Workflow, step")


async def stream() -> m.Readings:
    """W9."""
    workflow = Loop(timeout=None)

    async def once() -> int:
        handler = workflow.run(start_event=Begin())
        events = 0
        async for _ in handler.stream_events(expose_internal=True):
            events += 1
        m.expect(await handler, w.LOOP_STEPS)
        return events

    return {"step": await m.timed(once, w.LOOP_STEPS, wanted=await once())}


async def diagram() -> m.Readings:
    """W10."""

    async def define(n: int) -> int:
        workflow = chain_of(n)(timeout=None)
        workflow.validate()
        return len(workflow._get_steps())

    # 10,000 nodes take a minute and a half: each is validated against all others.
    return {f"freeze {n}": await m.timed_once(partial(define, n), n, wanted=n) for n in w.DIAGRAM_NODES if n <= 1_000}


DOES = {
    "chain": chain,
    "loop": loop,
    "fan": fan,
    "route": route,
    "runs": runs,
    "memory": memory,
    "start": start,
    "stream": stream,
    "diagram": diagram,
}
CANNOT = {
    "diagram": "draws with a package of its own; 10,000 steps are not asked: making them ready takes 90 s",
    "durable": "keeps nothing on disk itself: its context can be written out by hand",
}

if __name__ == "__main__":
    m.main(("llama-index-workflows",), DOES, CANNOT)
