"""graphrt itself: each workload as a user would write it, with events, verdicts and trace on, as always.

.venv/bin/python -m tests.benchmarks.on_graphrt W2
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from graphrt import Flow, Node, append
from graphrt.graph import Graph
from graphrt.replay import fold, verify
from graphrt.runtime import Delta, Result, run, stream
from graphrt.stores.memory import MemoryStore
from graphrt.stores.sqlite import SqliteStore
from graphrt.trace import Trace
from tests.benchmarks import measuring as m
from tests.benchmarks import workloads as w


class Count(BaseModel):
    """The state of most workloads."""

    n: int = 0


class Fan(BaseModel):
    items: list[int]
    item: int = 0
    doubled: Annotated[list[int], append] = []
    total: int = 0


class Grown(BaseModel):
    n: int = 0
    items: Annotated[list[str], append] = []


class Asked(BaseModel):
    n: int = 0
    answer: Literal["yes", "no"] | None = None


async def step(n: int) -> int:
    """Add 1."""
    return n + 1


async def nothing() -> None:
    """Do nothing."""


def chain_of(nodes: int) -> Flow[Count]:
    """Return nodes in a row."""
    flow = Flow("chain", Count)
    made = [flow.task(writes=flow.state.n, name=f"step{i}")(step) for i in range(nodes)]
    for one, two in itertools.pairwise(made):
        flow.edge(one, two)
    return flow


def forks_of(nodes: int) -> Flow[Count]:
    """Return forks into two branches in a row, each with its join: four nodes for each of them."""
    flow = Flow("forks", Count)
    last: Node | None = None
    for i in range(nodes // 4):
        fork, one, two = (flow.task(name=f"{name}{i}")(nothing) for name in ("fork", "one", "two"))
        if last is not None:
            flow.edge(last, fork)
        last = flow.join(f"join{i}")
        flow.fork(fork, [one, two])
        flow.edge([one, two], last)
    return flow


def loop_of(steps: int) -> Graph:
    """Return a node that leads back to itself."""
    flow = Flow("loop", Count)
    node = flow.task(writes=flow.state.n)(step)
    flow.start(node)
    flow.edge(node, node, when=flow.state.n < steps)
    flow.edge(node, flow.end("done"))
    return flow.freeze()


def fan_of() -> Graph:
    """Return a branch for each item, a join, and what adds the results up."""
    flow = Flow("fan", Fan)
    s = flow.state

    @flow.task()
    async def begin() -> None: ...

    @flow.task(writes=s.doubled)
    async def double(item: int) -> int:
        return item * 2

    @flow.task(writes=s.total)
    async def add_up(doubled: list[int]) -> int:
        return sum(doubled)

    join = flow.join("join")
    flow.each(begin, double, item=s.item, of=s.items)
    flow.edge(double, join)
    flow.edge(join, add_up)
    return flow.freeze()


def routed() -> Graph:
    """Return a node with many guards before the way on."""
    flow = Flow("route", Count)
    s = flow.state
    node = flow.task(writes=s.n)(step)
    flow.start(node)
    never = flow.end("never", failure=True)
    for guard in range(1, w.GUARDS):
        flow.edge(node, never, when=s.n == -guard)
    flow.edge(node, node, when=s.n < w.ROUTED_STEPS)
    flow.edge(node, flow.end("done"))
    return flow.freeze()


def growing(steps: int) -> Graph:
    """Return a loop that adds an item each time."""
    flow = Flow("list", Grown)
    s = flow.state

    @flow.task(writes=(s.n, s.items))
    async def grow(n: int) -> tuple[int, str]:
        return n + 1, w.list_item(n)

    flow.start(grow)
    flow.edge(grow, grow, when=s.n < steps)
    flow.edge(grow, flow.end("done"))
    return flow.freeze()


async def counted(graph: Graph, **options: Any) -> int:
    """Run a graph over `Count`."""
    return (await run(graph, Count(), **options)).state.n


async def fanned(graph: Graph, items: list[int]) -> int:
    """Run the fan-out."""
    return (await run(graph, Fan(items=items))).state.total


async def chain() -> m.Readings:
    """W1."""
    graph = chain_of(w.CHAIN_NODES).freeze()
    return {"step": await m.timed(partial(counted, graph), w.CHAIN_NODES, wanted=w.CHAIN_NODES)}


async def loop() -> m.Readings:
    """W2."""
    graph = loop_of(w.LOOP_STEPS)
    return {"step": await m.timed(partial(counted, graph), w.LOOP_STEPS, wanted=w.LOOP_STEPS)}


async def fan() -> m.Readings:
    """W3."""
    graph = fan_of()
    found: m.Readings = {}
    for n in w.FAN_BRANCHES:
        items = list(range(n))
        found[f"branch {n}"] = await m.timed(partial(fanned, graph, items), n, wanted=n * (n - 1))
    return found


async def route() -> m.Readings:
    """W4."""
    graph = routed()
    return {"step": await m.timed(partial(counted, graph), w.ROUTED_STEPS, wanted=w.ROUTED_STEPS)}


async def together(graph: Graph, runs: int, **options: Any) -> int:
    """Run a graph many times at a time."""
    return sum(await asyncio.gather(*[counted(graph, **options) for _ in range(runs)]))


async def runs() -> m.Readings:
    """W5."""
    graph = chain_of(w.RUN_NODES).freeze()
    return {"run": await m.timed(lambda: together(graph, w.RUNS), w.RUNS, wanted=w.RUNS * w.RUN_NODES)}


async def stored(graph: Graph, first: BaseModel) -> int:
    """Return the bytes that a run leaves on the disk."""
    with m.scratch() as folder:
        store = SqliteStore(Path(folder, "runs.db"), synchronous="normal")
        result = await run(graph, first, store=store)
        m.expect(result.status, "completed")
        store.close()
        return m.size_of(folder)


async def durable() -> m.Readings:
    """W6."""
    graph, short = loop_of(w.DURABLE_STEPS), loop_of(w.GROUP_STEPS)
    found: m.Readings = {}
    with m.scratch() as folder:
        for mode in ("normal", "full"):
            store = SqliteStore(Path(folder, f"{mode}.db"), synchronous=mode)
            found[f"step {mode}"] = await m.timed(
                partial(counted, graph, store=store), w.DURABLE_STEPS, wanted=w.DURABLE_STEPS, warm=w.DURABLE_WARM
            )
            if mode == "full":
                steps = w.GROUP_RUNS * w.GROUP_STEPS
                found["step group"] = await m.timed(
                    partial(together, short, w.GROUP_RUNS, store=store), steps, wanted=steps
                )
            store.close()
    found["bytes"] = m.number(await stored(loop_of(w.STORED_STEPS), Count()) / w.STORED_STEPS)
    found["list"] = m.number(await stored(growing(w.STORED_STEPS), Grown()) / 1e6)
    return found


async def memory() -> m.Readings:
    """W7."""
    gate = m.Gate()
    flow = Flow("waiting", Count)

    @flow.task(writes=flow.state.n)
    async def wait(n: int) -> int:
        await gate.wait()
        return n + 1

    first = flow.task(writes=flow.state.n)(step)
    flow.edge(first, wait)
    graph = flow.freeze()

    asking = Flow("asking", Asked)
    before = asking.task(writes=asking.state.n)(step)
    asking.edge(before, asking.ask("approve", "Go on?", writes=asking.state.answer))
    asked, store = asking.freeze(), MemoryStore()

    async def suspended() -> Result[Asked]:
        result = await run(asked, Asked(), store=store)
        m.expect(result.status, "suspended")
        return result

    return {"live": await gate.measure(partial(counted, graph)), "suspended": await m.kept(suspended)}


async def start() -> m.Readings:
    """W8."""
    return {**m.start_up("import graphrt, graphrt.runtime; graphrt.Flow"), "help": m.child("-m", "graphrt", "--help")}


async def stream_events() -> m.Readings:
    """W9."""
    graph = loop_of(w.LOOP_STEPS)

    async def once() -> int:
        steps = 0
        async for event in stream(graph, Count()):
            if not isinstance(event, Delta) and type(event).__name__ == "VisitCompleted":
                steps += 1
        return steps

    return {"step": await m.timed(once, w.LOOP_STEPS, wanted=w.LOOP_STEPS + 1)}  # and the end


async def diagram() -> m.Readings:
    """W10."""
    from graphrt_viz import render

    found: m.Readings = {}
    for n in w.DIAGRAM_NODES:

        async def define(n: int = n) -> int:
            return len(chain_of(n).freeze().nodes)

        graph = chain_of(n).freeze()

        async def draw(to: str, graph: Graph = graph, n: int = n) -> bool:
            text = render(graph, to)
            return isinstance(text, str) and (f"step{n - 1}" in text or "collapsed: " in text)

        found[f"freeze {n}"] = await m.timed(define, n, wanted=n)
        found[f"text {n}"] = await m.timed(partial(draw, "plantuml"), n, wanted=True)
        found[f"mermaid {n}"] = await m.timed(partial(draw, "mermaid"), n, wanted=True)
        found[f"dot {n}"] = await m.timed(partial(draw, "dot"), n, wanted=True)
    return found


async def trace_of(steps: int) -> tuple[Graph, Trace]:
    """Return the trace of a loop."""
    graph = loop_of(steps)
    return graph, (await run(graph, Count())).trace


async def replay() -> m.Readings:
    """W11."""
    graph, trace = await trace_of(w.REPLAY_STEPS)

    async def folded() -> object:
        return (fold(trace, graph).state or {}).get("n")

    async def verified() -> object:
        return verify(trace, graph)

    return {
        "fold": await m.timed(folded, w.REPLAY_STEPS, wanted=w.REPLAY_STEPS),
        "verify": await m.timed(verified, w.REPLAY_STEPS, wanted=None),
    }


async def growth() -> m.Readings:
    """W12."""
    found: m.Readings = {}
    for steps in (100, 1_000, 10_000, 100_000, 1_000_000):
        graph = loop_of(steps)
        once = m.timed_once if steps > 10_000 else m.timed
        found[f"step {steps}"] = await once(partial(counted, graph), steps, wanted=steps)
    for steps in (100, 1_000, 10_000, 100_000):
        graph = loop_of(steps)
        with m.Traced() as traced:
            result = await run(graph, Count())
            found[f"kept {steps}"] = m.number(traced.grown() / steps)
        m.expect(result.state.n, steps)
        del result
    graph = fan_of()
    for n in (10, 100, 1_000, 10_000):
        items = list(range(n))
        found[f"branch {n}"] = await m.timed(partial(fanned, graph, items), n, wanted=n * (n - 1))
    for steps in (100, 1_000, 10_000):
        found[f"stored {steps}"] = m.number(await stored(loop_of(steps), Count()) / steps)
    graph, trace = await trace_of(100_000)

    async def folded() -> object:
        return (fold(trace, graph).state or {}).get("n")

    async def define(flow_of: Callable[[int], Flow[Count]]) -> int:
        return len(flow_of(10_000).freeze().nodes)

    found["fold 100000"] = await m.timed_once(folded, 1, wanted=100_000, scale=1e3)
    found["freeze 10000"] = await m.timed_once(partial(define, chain_of), 1, wanted=10_000, scale=1e3)
    found["freeze forks"] = await m.timed_once(partial(define, forks_of), 1, wanted=10_000, scale=1e3)
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
    "stream": stream_events,
    "diagram": diagram,
    "replay": replay,
    "growth": growth,
}

if __name__ == "__main__":
    m.main(("graphrt", "pydantic", "msgspec"), DOES, {})
