"""Agent Framework: executors that send messages along edges, in supersteps; durable by its file checkpoints.

A guard is a case of a switch; the branches of the fan-out are executors of their own, since its fan-out is drawn
before the run. A workflow holds one run at a time, so runs side by side are workflows side by side.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from agent_framework import (
    Case,
    Default,
    Executor,
    FileCheckpointStorage,
    WorkflowBuilder,
    WorkflowContext,
    WorkflowViz,
    handler,
)

from tests.benchmarks import measuring as m
from tests.benchmarks import workloads as w

ENDLESS = 10_000_000


class Step(Executor):
    """Adds 1."""

    @handler
    async def work(self, n: int, ctx: WorkflowContext[int]) -> None:
        """Hand it on."""
        await ctx.send_message(n + 1)


class Done(Executor):
    """Where a run ends."""

    @handler
    async def work(self, n: int, ctx: WorkflowContext[int, int]) -> None:
        """Give the result."""
        await ctx.yield_output(n)


class Last(Executor):
    """Adds 1 and is the last of a chain."""

    @handler
    async def work(self, n: int, ctx: WorkflowContext[int, int]) -> None:
        """Give the result."""
        await ctx.yield_output(n + 1)


class Begin(Executor):
    """Hands its items to all branches."""

    @handler
    async def work(self, items: list, ctx: WorkflowContext[list]) -> None:
        """Hand them on."""
        await ctx.send_message(items)


class Double(Executor):
    """Works on one item."""

    def __init__(self, place: int) -> None:
        super().__init__(id=f"double{place}")
        self.place = place

    @handler
    async def work(self, items: list, ctx: WorkflowContext[int]) -> None:
        """Hand it on."""
        await ctx.send_message(items[self.place] * 2)


class AddUp(Executor):
    """Adds up what the branches sent."""

    @handler
    async def work(self, doubled: list[int], ctx: WorkflowContext[int, int]) -> None:
        """Give the result."""
        await ctx.yield_output(sum(doubled))


class Grow(Executor):
    """Adds an item to the list."""

    @handler
    async def work(self, items: list, ctx: WorkflowContext[list]) -> None:
        """Hand it on."""
        await ctx.send_message([*items, w.list_item(len(items))])


class Count(Executor):
    """Gives the length of the list."""

    @handler
    async def work(self, items: list, ctx: WorkflowContext[list, int]) -> None:
        """Give the result."""
        await ctx.yield_output(len(items))


def chain_of(nodes: int, last: Executor | None = None) -> Any:
    """Return nodes in a row."""
    made: list[Executor] = [Step(id=f"step{i}") for i in range(nodes - 1)]
    made.append(last or Last(id=f"step{nodes - 1}"))
    builder = WorkflowBuilder(max_iterations=ENDLESS, name="chain", start_executor=made[0])
    return (builder.add_chain(made) if nodes > 1 else builder).build()


def loop_of(goes_on: Any, node: Executor | None = None, done: Executor | None = None, **options: Any) -> Any:
    """Return a node that leads back to itself."""
    node, done = node or Step(id="step"), done or Done(id="done")
    builder = WorkflowBuilder(max_iterations=ENDLESS, name="loop", start_executor=node, **options)
    cases = [Case(condition=goes_on, target=node), Default(target=done)]
    return builder.add_switch_case_edge_group(node, cases).build()


def below(steps: int) -> Any:
    """Return the guard that leads back."""
    return lambda n: n < steps


def routed() -> Any:
    """Return a node with many guards before the way on."""
    node, never, done = Step(id="step"), Done(id="never"), Done(id="done")
    cases = [Case(condition=lambda n, guard=guard: n == -guard, target=never) for guard in range(1, w.GUARDS)]
    cases += [Case(condition=below(w.ROUTED_STEPS), target=node), Default(target=done)]
    builder = WorkflowBuilder(max_iterations=ENDLESS, name="route", start_executor=node)
    return builder.add_switch_case_edge_group(node, cases).build()


def fan_of(branches: int) -> Any:
    """Return branches, a join, and what adds the results up."""
    begin, add_up = Begin(id="begin"), AddUp(id="add_up")
    doubles = [Double(i) for i in range(branches)]
    builder = WorkflowBuilder(name="fan", start_executor=begin)
    return builder.add_fan_out_edges(begin, doubles).add_fan_in_edges(doubles, add_up).build()


async def ran(workflow: Any, first: Any = 0) -> int:
    """Run a workflow."""
    (result,) = (await workflow.run(first)).get_outputs()
    return int(result)


async def chain() -> m.Readings:
    """W1."""
    return {"step": await m.timed(partial(ran, chain_of(w.CHAIN_NODES)), w.CHAIN_NODES, wanted=w.CHAIN_NODES)}


async def loop() -> m.Readings:
    """W2."""
    workflow = loop_of(below(w.LOOP_STEPS))
    return {"step": await m.timed(partial(ran, workflow), w.LOOP_STEPS, wanted=w.LOOP_STEPS)}


async def fan() -> m.Readings:
    """W3."""
    return {
        f"branch {n}": await m.timed(partial(ran, fan_of(n), list(range(n))), n, wanted=n * (n - 1), samples=3)
        for n in w.FAN_BRANCHES
    }


async def route() -> m.Readings:
    """W4."""
    return {"step": await m.timed(partial(ran, routed()), w.ROUTED_STEPS, wanted=w.ROUTED_STEPS)}


async def runs() -> m.Readings:
    """W5."""

    async def once() -> int:
        return sum(await asyncio.gather(*[ran(chain_of(w.RUN_NODES)) for _ in range(w.RUNS)]))

    return {"run": await m.timed_once(once, w.RUNS, wanted=w.RUNS * w.RUN_NODES)}


async def durable() -> m.Readings:
    """W6."""
    found: m.Readings = {}
    steps = w.GROUP_RUNS * w.GROUP_STEPS
    with m.scratch() as folder:
        storage = FileCheckpointStorage(folder)
        workflow = loop_of(below(w.DURABLE_STEPS), checkpoint_storage=storage)
        found["step normal"] = await m.timed(partial(ran, workflow), w.DURABLE_STEPS, wanted=w.DURABLE_STEPS, samples=3)

        async def together() -> int:
            loops = [loop_of(below(w.GROUP_STEPS), checkpoint_storage=storage) for _ in range(w.GROUP_RUNS)]
            return sum(await asyncio.gather(*[ran(each) for each in loops]))

        found["step group"] = await m.timed_once(together, steps, wanted=steps)
    with m.scratch() as folder:
        storage = FileCheckpointStorage(folder)
        workflow = loop_of(below(w.STORED_STEPS), checkpoint_storage=storage)
        m.expect(await ran(workflow), w.STORED_STEPS)
        found["bytes"] = m.number(m.size_of(folder) / w.STORED_STEPS)
    with m.scratch() as folder:
        storage = FileCheckpointStorage(folder)
        workflow = loop_of(
            lambda items: len(items) < w.STORED_STEPS, Grow(id="grow"), Count(id="count"), checkpoint_storage=storage
        )
        m.expect(await ran(workflow, []), w.STORED_STEPS)
        found["list"] = m.number(m.size_of(folder) / 1e6)
    return found


async def memory() -> m.Readings:
    """W7."""
    gate = m.Gate()

    class Wait(Executor):
        @handler
        async def work(self, n: int, ctx: WorkflowContext[int, int]) -> None:
            await gate.wait()
            await ctx.yield_output(n + 1)

    return {"live": await gate.measure(lambda: ran(chain_of(2, Wait(id="wait"))))}


async def start() -> m.Readings:
    """W8."""
    return m.start_up("from agent_framework import Executor, WorkflowBuilder")


async def stream() -> m.Readings:
    """W9."""
    workflow = loop_of(below(w.LOOP_STEPS))

    async def once() -> int:
        steps = 0
        async for event in workflow.run(0, stream=True):
            steps += event.type == "executor_completed"
        return steps

    return {"step": await m.timed(once, w.LOOP_STEPS, wanted=w.LOOP_STEPS + 1)}  # and the end


async def diagram() -> m.Readings:
    """W10."""
    found: m.Readings = {}
    for n in w.DIAGRAM_NODES:
        workflow = chain_of(n)

        async def define(n: int = n) -> int:
            return len(chain_of(n).executors)

        async def draw(workflow: Any = workflow, n: int = n) -> bool:
            return f"step{n - 1}" in WorkflowViz(workflow).to_mermaid()

        found[f"freeze {n}"] = await m.timed_once(define, n, wanted=n)
        found[f"text {n}"] = await m.timed(draw, n, wanted=True, samples=2)
    return found


DOES = {
    "chain": chain,
    "loop": loop,
    "fan": fan,
    "route": route,
    "runs": runs,
    "durable": durable,
    "memory": memory,
    "start": start,
    "stream": stream,
    "diagram": diagram,
}

CANNOT = {
    "fan": "branches are drawn before the run, so each is a node of its own",
    "runs": "a workflow holds one run at a time: each run builds its own",
    "durable": "a file a step, never with an fsync",
}

if __name__ == "__main__":
    m.main(("agent-framework-core",), DOES, CANNOT)
