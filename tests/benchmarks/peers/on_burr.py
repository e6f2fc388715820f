"""Burr: actions and transitions over an immutable state, run by `arun`; durable by its SQLite persister.

A guard is a condition on a transition; the fan-out is its `MapStates`. An application holds one run, so each run
builds one from the graph, as its documentation does it.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from burr.core import ApplicationBuilder, State, action, default, expr
from burr.core.graph import GraphBuilder
from burr.core.parallelism import MapStates
from burr.core.persistence import SQLitePersister
from burr.lifecycle import PostRunStepHookAsync

from tests.benchmarks import measuring as m
from tests.benchmarks import workloads as w


@action(reads=["n"], writes=["n"])
async def step(state: State) -> State:
    """Add 1."""
    return state.update(n=state["n"] + 1)


@action(reads=[], writes=[])
async def done(state: State) -> State:
    """Be where a run ends."""
    return state


@action(reads=["n"], writes=["n", "items"])
async def grow(state: State) -> State:
    """Add an item."""
    return state.update(n=state["n"] + 1).append(items=w.list_item(state["n"]))


@action(reads=["item"], writes=["doubled"])
async def double(state: State) -> State:
    """Work on one item."""
    return state.update(doubled=state["item"] * 2)


@action(reads=["doubled"], writes=["total"])
async def add_up(state: State) -> State:
    """Add up what the branches wrote."""
    return state.update(total=sum(state["doubled"]))


class Doubles(MapStates):
    """A branch for each item."""

    def action(self, state: State, inputs: dict[str, Any]) -> Any:
        """Say what each branch does."""
        return double

    def is_async(self) -> bool:
        """Run the branches in the event loop."""
        return True

    async def states(self, state: State, context: Any, inputs: dict[str, Any]) -> AsyncGenerator[State, None]:
        """Say what each branch begins with."""
        for item in state["items"]:
            yield state.update(item=item)

    async def reduce(self, state: State, states: AsyncGenerator[State, None]) -> State:
        """Gather what they wrote."""
        return state.update(doubled=[each["doubled"] async for each in states])

    @property
    def reads(self) -> list[str]:
        """Name the fields."""
        return ["items"]

    @property
    def writes(self) -> list[str]:
        """Name the fields."""
        return ["doubled"]


def loop_of(steps: int, node: Any = step) -> Any:
    """Return a node that leads back to itself."""
    return (
        GraphBuilder()
        .with_actions(step=node, done=done)
        .with_transitions(("step", "step", expr(f"n < {steps}")), ("step", "done", default))
        .build()
    )


def chain_of(nodes: int) -> Any:
    """Return nodes in a row."""
    names = [f"step{i}" for i in range(nodes)]
    return (
        GraphBuilder().with_actions(**dict.fromkeys(names, step)).with_transitions(*itertools.pairwise(names)).build()
    )


def routed() -> Any:
    """Return a node with many guards before the way on."""
    never = [("step", "never", expr(f"n == {-guard}")) for guard in range(1, w.GUARDS)]
    back = ("step", "step", expr(f"n < {w.ROUTED_STEPS}"))
    return (
        GraphBuilder()
        .with_actions(step=step, never=done, done=done)
        .with_transitions(*never, back, ("step", "done", default))
        .build()
    )


def application(
    graph: Any, first: str, state: dict[str, Any], *, hooks: tuple[Any, ...] = (), saver: Any = None
) -> Any:
    """Return a run that has not begun."""
    builder = ApplicationBuilder().with_graph(graph).with_state(**state).with_entrypoint(first)
    builder = builder.with_identifiers(app_id=uuid4().hex)
    if hooks:
        builder = builder.with_hooks(*hooks)
    if saver is not None:
        builder = builder.with_state_persister(saver)
    return builder.build()


async def looped(graph: Any, **options: Any) -> int:
    """Run a loop."""
    _, _, state = await application(graph, "step", {"n": 0}, **options).arun(halt_after=["done"])
    return int(state["n"])


async def chained(graph: Any, nodes: int) -> int:
    """Run a chain."""
    _, _, state = await application(graph, "step0", {"n": 0}).arun(halt_after=[f"step{nodes - 1}"])
    return int(state["n"])


async def chain() -> m.Readings:
    """W1."""
    n = w.CHAIN_NODES
    return {"step": await m.timed(partial(chained, chain_of(n), n), n, wanted=n)}


async def loop() -> m.Readings:
    """W2."""
    return {"step": await m.timed(partial(looped, loop_of(w.LOOP_STEPS)), w.LOOP_STEPS, wanted=w.LOOP_STEPS)}


async def fan() -> m.Readings:
    """W3."""
    graph = (
        GraphBuilder().with_actions(doubles=Doubles(), add_up=add_up).with_transitions(("doubles", "add_up")).build()
    )

    async def once(items: list[int]) -> int:
        _, _, state = await application(graph, "doubles", {"items": items}).arun(halt_after=["add_up"])
        return int(state["total"])

    return {f"branch {n}": await m.timed(partial(once, list(range(n))), n, wanted=n * (n - 1)) for n in w.FAN_BRANCHES}


async def route() -> m.Readings:
    """W4."""
    return {"step": await m.timed(partial(looped, routed()), w.ROUTED_STEPS, wanted=w.ROUTED_STEPS)}


async def together(one: Any, runs: int) -> int:
    """Run many at a time."""
    return sum(await asyncio.gather(*[one() for _ in range(runs)]))


async def runs() -> m.Readings:
    """W5."""
    one = partial(chained, chain_of(w.RUN_NODES), w.RUN_NODES)
    return {"run": await m.timed(lambda: together(one, w.RUNS), w.RUNS, wanted=w.RUNS * w.RUN_NODES, samples=2)}


def saver_at(path: Path, mode: str) -> SQLitePersister:
    """Return what keeps each step on disk."""
    db = sqlite3.connect(path)
    db.execute("pragma journal_mode = wal")
    db.execute(f"pragma synchronous = {mode}")
    saver = SQLitePersister(str(path), connection=db)
    saver.initialize()
    return saver


async def durable() -> m.Readings:
    """W6."""
    found: m.Readings = {}
    graph, short = loop_of(w.DURABLE_STEPS), loop_of(w.GROUP_STEPS)
    steps = w.GROUP_RUNS * w.GROUP_STEPS
    with m.scratch() as folder:
        for mode in ("normal", "full"):
            saver = saver_at(Path(folder, f"{mode}.db"), mode)
            found[f"step {mode}"] = await m.timed(
                partial(looped, graph, saver=saver), w.DURABLE_STEPS, wanted=w.DURABLE_STEPS, warm=w.DURABLE_WARM
            )
            if mode == "full":
                one = partial(looped, short, saver=saver)
                found["step group"] = await m.timed(
                    partial(together, one, w.GROUP_RUNS), steps, wanted=steps, samples=2
                )
    for key, node, first, units in (
        ("bytes", step, {"n": 0}, w.STORED_STEPS),
        ("list", grow, {"n": 0, "items": []}, 1e6),
    ):
        with m.scratch() as folder:
            saver = saver_at(Path(folder, "runs.db"), "normal")
            app = application(loop_of(w.STORED_STEPS, node), "step", first, saver=saver)
            _, _, state = await app.arun(halt_after=["done"])
            m.expect(state["n"], w.STORED_STEPS)
            saver.cleanup()
            found[key] = m.number(m.size_of(folder) / units)
    return found


async def memory() -> m.Readings:
    """W7."""
    gate = m.Gate()

    @action(reads=["n"], writes=["n"])
    async def wait(state: State) -> State:
        await gate.wait()
        return state.update(n=state["n"] + 1)

    waiting = GraphBuilder().with_actions(step=step, wait=wait).with_transitions(("step", "wait")).build()

    async def live() -> object:
        return await application(waiting, "step", {"n": 0}).arun(halt_after=["wait"])

    async def halted() -> object:
        app = application(waiting, "step", {"n": 0})
        _, _, state = await app.arun(halt_before=["wait"])
        m.expect(state["n"], 1)
        return app

    return {"live": await gate.measure(live), "suspended": await m.kept(halted)}


async def start() -> m.Readings:
    """W8."""
    return m.start_up("from burr.core import ApplicationBuilder, action")


class Listener(PostRunStepHookAsync):
    """Hears of every step."""

    def __init__(self) -> None:
        """Begin with none."""
        self.steps = 0

    async def post_run_step(self, **_facts: Any) -> None:
        """Count it."""
        self.steps += 1


async def stream() -> m.Readings:
    """W9."""
    graph = loop_of(w.LOOP_STEPS)

    async def once() -> int:
        listener = Listener()
        await looped(graph, hooks=(listener,))
        return listener.steps

    return {"step": await m.timed(once, w.LOOP_STEPS, wanted=w.LOOP_STEPS + 1)}  # and the end


async def define(nodes: int) -> int:
    """Make a chain ready."""
    return len(chain_of(nodes).actions)


async def diagram() -> m.Readings:
    """W10."""
    return {f"freeze {n}": await m.timed(partial(define, n), n, wanted=n, samples=2) for n in w.DIAGRAM_NODES}


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
    "runs": "an application holds one run: each run builds its own from the graph",
    "stream": "by a hook that is called after each step",
    "memory": "suspended: an application that has halted before its node",
    "diagram": "has no text of a diagram without the graphviz package",
}

if __name__ == "__main__":
    m.main(("burr",), DOES, CANNOT)
