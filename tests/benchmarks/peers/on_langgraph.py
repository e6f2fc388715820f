"""LangGraph: a state graph over a typed dict, run by `ainvoke`; durable by its SQLite checkpointer.

A guard is a line of a conditional edge's function, as its documentation does it; a branch of the fan-out is a `Send`.
"""

from __future__ import annotations

import asyncio
import operator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import aiosqlite
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt

from tests.benchmarks import measuring as m
from tests.benchmarks import workloads as w


class Count(TypedDict):
    n: int


class Fan(TypedDict):
    items: list[int]
    doubled: Annotated[list[int], operator.add]
    total: int


class Item(TypedDict):
    item: int


class Grown(TypedDict):
    n: int
    items: Annotated[list[str], operator.add]


async def step(state: Count) -> Count:
    """Add 1."""
    return {"n": state["n"] + 1}


def chain_of(nodes: int, **options: Any) -> Any:
    """Return nodes in a row."""
    graph = StateGraph(Count)
    before = START
    for i in range(nodes):
        graph.add_node(f"step{i}", step)
        graph.add_edge(before, f"step{i}")
        before = f"step{i}"
    graph.add_edge(before, END)
    return graph.compile(**options)


def loop_of(steps: int, **options: Any) -> Any:
    """Return a node that leads back to itself."""

    def way_on(state: Count) -> str:
        return "step" if state["n"] < steps else END

    graph = StateGraph(Count)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", way_on, ["step", END])
    return graph.compile(**options)


def fan_of() -> Any:
    """Return a branch for each item, a join, and what adds the results up."""

    async def begin(state: Fan) -> dict[str, Any]:
        return {}

    async def double(state: Item) -> dict[str, Any]:
        return {"doubled": [state["item"] * 2]}

    async def add_up(state: Fan) -> dict[str, Any]:
        return {"total": sum(state["doubled"])}

    def each(state: Fan) -> list[Send]:
        return [Send("double", {"item": item}) for item in state["items"]]

    graph = StateGraph(Fan)
    graph.add_node("begin", begin)
    graph.add_node("double", double)
    graph.add_node("add_up", add_up)
    graph.add_edge(START, "begin")
    graph.add_conditional_edges("begin", each, ["double"])
    graph.add_edge("double", "add_up")
    graph.add_edge("add_up", END)
    return graph.compile()


def routed() -> Any:
    """Return a node with many guards before the way on."""

    def way_on(state: Count) -> str:  # a guard a line
        for guard in range(1, w.GUARDS):
            if state["n"] == -guard:
                return "never"
        return "step" if state["n"] < w.ROUTED_STEPS else END

    graph = StateGraph(Count)
    graph.add_node("step", step)
    graph.add_node("never", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", way_on, ["step", "never", END])
    graph.add_edge("never", END)
    return graph.compile()


def growing(steps: int, **options: Any) -> Any:
    """Return a loop that adds an item each time."""

    async def grow(state: Grown) -> Grown:
        return {"n": state["n"] + 1, "items": [w.list_item(state["n"])]}

    def way_on(state: Grown) -> str:
        return "grow" if state["n"] < steps else END

    graph = StateGraph(Grown)
    graph.add_node("grow", grow)
    graph.add_edge(START, "grow")
    graph.add_conditional_edges("grow", way_on, ["grow", END])
    return graph.compile(**options)


def config() -> dict[str, Any]:
    """Return what names a run of its own and lets it go as far as it wants."""
    return {"recursion_limit": 1_000_000, "configurable": {"thread_id": uuid4().hex}}


async def counted(graph: Any, **options: Any) -> int:
    """Run a graph over `Count`."""
    return int((await graph.ainvoke({"n": 0}, config(), **options))["n"])


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
        state = await graph.ainvoke({"items": items, "doubled": [], "total": 0}, config())
        return int(state["total"])

    return {f"branch {n}": await m.timed(partial(once, list(range(n))), n, wanted=n * (n - 1)) for n in w.FAN_BRANCHES}


async def route() -> m.Readings:
    """W4."""
    return {"step": await m.timed(partial(counted, routed()), w.ROUTED_STEPS, wanted=w.ROUTED_STEPS)}


async def together(graph: Any, runs: int, **options: Any) -> int:
    """Run a graph many times at a time."""
    return sum(await asyncio.gather(*[counted(graph, **options) for _ in range(runs)]))


async def runs() -> m.Readings:
    """W5."""
    graph = chain_of(w.RUN_NODES)
    return {"run": await m.timed(lambda: together(graph, w.RUNS), w.RUNS, wanted=w.RUNS * w.RUN_NODES, samples=2)}


async def durable() -> m.Readings:
    """W6: `durability="sync"` has each step on disk before the next."""
    found: m.Readings = {}
    steps = w.GROUP_RUNS * w.GROUP_STEPS
    with m.scratch() as folder:
        for mode in ("normal", "full"):
            async with aiosqlite.connect(Path(folder, f"{mode}.db")) as db:
                saver = await _saver(db, mode)
                graph = loop_of(w.DURABLE_STEPS, checkpointer=saver)
                found[f"step {mode}"] = await m.timed(
                    lambda graph=graph: counted(graph, durability="sync"),
                    w.DURABLE_STEPS,
                    wanted=w.DURABLE_STEPS,
                    warm=w.DURABLE_WARM,
                )
                if mode == "full":
                    short = loop_of(w.GROUP_STEPS, checkpointer=saver)
                    found["step group"] = await m.timed(
                        lambda short=short: together(short, w.GROUP_RUNS, durability="sync"),
                        steps,
                        wanted=steps,
                        samples=2,
                    )
    for key, make, first, units in (
        ("bytes", loop_of, {"n": 0}, w.STORED_STEPS),
        ("list", growing, {"n": 0, "items": []}, 1e6),
    ):
        with m.scratch() as folder:
            async with aiosqlite.connect(Path(folder, "runs.db")) as db:
                graph = make(w.STORED_STEPS, checkpointer=await _saver(db, "normal"))
                state = await graph.ainvoke(first, config(), durability="sync")
                m.expect(state["n"], w.STORED_STEPS)
            found[key] = m.number(m.size_of(folder) / units)
    return found


async def _saver(db: Any, mode: str) -> AsyncSqliteSaver:
    saver = AsyncSqliteSaver(db)
    await saver.setup()  # sets the write-ahead log
    await db.execute(f"pragma synchronous = {mode}")
    return saver


async def memory() -> m.Readings:
    """W7."""
    gate = m.Gate()

    async def wait(state: Count) -> Count:
        await gate.wait()
        return {"n": state["n"] + 1}

    async def ask(state: Count) -> Count:
        interrupt("Go on?")
        return state

    def two(node: Any, **options: Any) -> Any:
        graph = StateGraph(Count)
        graph.add_node("step", step)
        graph.add_node("node", node)
        graph.add_edge(START, "step")
        graph.add_edge("step", "node")
        graph.add_edge("node", END)
        return graph.compile(**options)

    live = await gate.measure(partial(counted, two(wait)))
    asking = two(ask, checkpointer=InMemorySaver())

    async def suspended() -> object:
        state = await asking.ainvoke({"n": 0}, config())
        m.expect("__interrupt__" in state, wanted=True)
        return state

    return {"live": live, "suspended": await m.kept(suspended)}


async def start() -> m.Readings:
    """W8."""
    return m.start_up("from langgraph.graph import StateGraph")


async def stream() -> m.Readings:
    """W9."""
    graph = loop_of(w.LOOP_STEPS)

    async def once() -> int:
        steps = 0
        async for _ in graph.astream({"n": 0}, config(), stream_mode="updates"):
            steps += 1
        return steps

    return {"step": await m.timed(once, w.LOOP_STEPS, wanted=w.LOOP_STEPS)}


async def diagram() -> m.Readings:
    """W10."""
    found: m.Readings = {}
    for n in w.DIAGRAM_NODES:
        graph = chain_of(n)

        async def define(n: int = n) -> int:
            return len(chain_of(n).nodes) - 1

        async def draw(graph: Any = graph, n: int = n) -> bool:
            return f"step{n - 1}" in graph.get_graph().draw_mermaid()

        found[f"freeze {n}"] = await m.timed(define, n, wanted=n, samples=2)
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

if __name__ == "__main__":
    m.main(("langgraph", "langgraph-checkpoint-sqlite"), DOES, {})
