"""pydantic-graph: steps and decisions made with its graph builder, run by `run`.

A guard is a branch of a decision. It keeps nothing on disk since its persistence was removed.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic_graph import EndMarker, GraphBuilder, StepContext, reduce_list_append

from tests.benchmarks import measuring as m
from tests.benchmarks import workloads as w


@dataclass
class Count:
    n: int = 0


async def step(ctx: StepContext[Count, None, Any]) -> int:
    """Add 1."""
    ctx.state.n += 1
    return ctx.state.n


def builder_of(**types: Any) -> Any:
    """Return a builder over the state."""
    return GraphBuilder(name="bench", state_type=Count, input_type=type(None), output_type=int, **types)


def chain_of(nodes: int, last: Any = step) -> Any:
    """Return nodes in a row."""
    g = builder_of()
    made = [g.step(last if i == nodes - 1 else step, node_id=f"step{i}") for i in range(nodes)]
    ends = [g.start_node, *made, g.end_node]
    g.add(*(g.edge_from(one).to(two) for one, two in itertools.pairwise(ends)))
    return g.build()


def loop_of(steps: int) -> Any:
    """Return a node that leads back to itself."""
    g = builder_of()
    node = g.step(step, node_id="step")
    way_on = g.decision()
    way_on = way_on.branch(g.match(int, matches=lambda n: n < steps).to(node))
    way_on = way_on.branch(g.match(int).to(g.end_node))
    g.add(g.edge_from(g.start_node).to(node), g.edge_from(node).to(way_on))
    return g.build()


def routed() -> Any:
    """Return a node with many guards before the way on."""
    g = builder_of()
    node, never = g.step(step, node_id="step"), g.step(step, node_id="never")
    way_on = g.decision()
    for guard in range(1, w.GUARDS):
        way_on = way_on.branch(g.match(int, matches=lambda n, guard=guard: n == -guard).to(never))
    way_on = way_on.branch(g.match(int, matches=lambda n: n < w.ROUTED_STEPS).to(node))
    way_on = way_on.branch(g.match(int).to(g.end_node))
    g.add(
        g.edge_from(g.start_node).to(node),
        g.edge_from(node).to(way_on),
        g.edge_from(never).to(g.end_node),
    )
    return g.build()


def fan_of() -> Any:
    """Return a branch for each item, a join, and what adds the results up."""

    async def begin(ctx: StepContext[None, None, list[int]]) -> list[int]:
        return ctx.inputs

    async def double(ctx: StepContext[None, None, int]) -> int:
        return ctx.inputs * 2

    async def add_up(ctx: StepContext[None, None, list[int]]) -> int:
        return sum(ctx.inputs)

    g = GraphBuilder(name="fan", input_type=list[int], output_type=int)
    nodes = [g.step(fn, node_id=name) for fn, name in ((begin, "begin"), (double, "double"), (add_up, "add_up"))]
    join = g.join(reduce_list_append, initial_factory=list[int])
    g.add(
        g.edge_from(g.start_node).to(nodes[0]),
        g.edge_from(nodes[0]).map().to(nodes[1]),
        g.edge_from(nodes[1]).to(join),
        g.edge_from(join).to(nodes[2]),
        g.edge_from(nodes[2]).to(g.end_node),
    )
    return g.build()


async def counted(graph: Any) -> int:
    """Run a graph over `Count`."""
    return int(await graph.run(state=Count()))


async def chain() -> m.Readings:
    """W1."""
    return {"step": await m.timed(partial(counted, chain_of(w.CHAIN_NODES)), w.CHAIN_NODES, wanted=w.CHAIN_NODES)}


async def loop() -> m.Readings:
    """W2."""
    return {"step": await m.timed(partial(counted, loop_of(w.LOOP_STEPS)), w.LOOP_STEPS, wanted=w.LOOP_STEPS)}


async def fan() -> m.Readings:
    """W3."""
    graph = fan_of()

    async def once(items: list[int]) -> int:
        return int(await graph.run(inputs=items))

    return {
        f"branch {n}": await m.timed(partial(once, list(range(n))), n, wanted=n * (n - 1), samples=3)
        for n in w.FAN_BRANCHES
    }


async def route() -> m.Readings:
    """W4."""
    return {"step": await m.timed(partial(counted, routed()), w.ROUTED_STEPS, wanted=w.ROUTED_STEPS)}


async def runs() -> m.Readings:
    """W5."""
    graph = chain_of(w.RUN_NODES)

    async def once() -> int:
        return sum(await asyncio.gather(*[counted(graph) for _ in range(w.RUNS)]))

    return {"run": await m.timed(once, w.RUNS, wanted=w.RUNS * w.RUN_NODES, samples=2)}


async def memory() -> m.Readings:
    """W7."""
    gate = m.Gate()

    async def wait(ctx: StepContext[Count, None, Any]) -> int:
        await gate.wait()
        return await step(ctx)

    return {"live": await gate.measure(partial(counted, chain_of(2, wait)))}


async def start() -> m.Readings:
    """W8."""
    return m.start_up("from pydantic_graph import GraphBuilder")


async def stream() -> m.Readings:
    """W9."""
    graph = loop_of(w.LOOP_STEPS)

    async def once() -> int:
        events = 0
        async with graph.iter(state=Count()) as run:
            async for event in run:
                events += 1
                if isinstance(event, EndMarker):
                    m.expect(event.value, w.LOOP_STEPS)
        return events

    return {"step": await m.timed(once, w.LOOP_STEPS, wanted=await once())}


async def diagram() -> m.Readings:
    """W10."""
    found: m.Readings = {}
    for n in w.DIAGRAM_NODES:
        graph = chain_of(n)

        async def define(n: int = n) -> int:
            return len(chain_of(n).nodes) - 2

        async def draw(graph: Any = graph, n: int = n) -> bool:
            return f"step{n - 1}" in graph.render()

        found[f"freeze {n}"] = await m.timed(define, n, wanted=n, samples=2)
        found[f"text {n}"] = await m.timed(draw, n, wanted=True, samples=2)
    return found


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
CANNOT = {"durable": "keeps nothing on disk: persistence was removed in version 2"}

if __name__ == "__main__":
    m.main(("pydantic-graph",), DOES, CANNOT)
