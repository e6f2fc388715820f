"""The floor: what the same work costs in plain asyncio, written by hand, with no engine at all.

    python -m tests.benchmarks.on_floor W2

A node is a coroutine function that takes and changes the state; a guard is an `if`; a branch is a task; durable is a
line of JSON in SQLite with a commit a step. Nobody could do less and do the work.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import Literal

from tests.benchmarks import measuring as m
from tests.benchmarks import workloads as w


class Count:
    """The state of all but the fan-out."""

    __slots__ = ("items", "n")

    def __init__(self) -> None:
        self.n = 0
        self.items: list[str] = []


async def step(state: Count) -> None:
    """Add 1."""
    state.n += 1


async def grow(state: Count) -> None:
    """Add an item."""
    state.items.append(w.list_item(len(state.items)))


async def double(item: int) -> int:
    """Work on one item."""
    return item * 2


async def chain_once(nodes: int) -> int:
    """Walk through a chain."""
    state = Count()
    for node in (step,) * nodes:
        await node(state)
    return state.n


async def loop_once(steps: int) -> int:
    """Go round."""
    state = Count()
    while True:
        await step(state)
        if state.n >= steps:
            return state.n


async def fan_once(items: list[int]) -> int:
    """Start a branch for each item and add up what comes back."""
    return sum(await asyncio.gather(*[double(item) for item in items]))


async def chain() -> m.Readings:
    """W1."""
    return {"step": await m.timed(lambda: chain_once(w.CHAIN_NODES), w.CHAIN_NODES, wanted=w.CHAIN_NODES)}


async def loop() -> m.Readings:
    """W2."""
    return {"step": await m.timed(lambda: loop_once(w.LOOP_STEPS), w.LOOP_STEPS, wanted=w.LOOP_STEPS)}


async def fan() -> m.Readings:
    """W3."""
    found: m.Readings = {}
    for n in w.FAN_BRANCHES:
        items = list(range(n))
        found[f"branch {n}"] = await m.timed(partial(fan_once, items), n, wanted=n * (n - 1))
    return found


async def route() -> m.Readings:
    """W4."""

    async def once() -> int:
        state = Count()
        while True:
            await step(state)
            if state.n == -1 or state.n == -2 or state.n == -3 or state.n == -4 or state.n == -5:  # noqa: PLR1714 - a guard each
                raise AssertionError
            if state.n == -6 or state.n == -7 or state.n == -8 or state.n == -9:  # noqa: PLR1714 - a guard each
                raise AssertionError
            if state.n < w.ROUTED_STEPS:
                continue
            return state.n

    return {"step": await m.timed(once, w.ROUTED_STEPS, wanted=w.ROUTED_STEPS)}


async def runs() -> m.Readings:
    """W5."""

    async def once() -> int:
        return sum(await asyncio.gather(*[chain_once(w.RUN_NODES) for _ in range(w.RUNS)]))

    return {"run": await m.timed(once, w.RUNS, wanted=w.RUNS * w.RUN_NODES)}


async def durable() -> m.Readings:
    """W6."""
    with m.scratch() as folder:
        names = iter(range(1_000_000))

        def table(synchronous: Literal["normal", "full"]) -> sqlite3.Connection:
            db = sqlite3.connect(Path(folder, f"{next(names)}.db"), isolation_level=None)
            db.execute("pragma journal_mode = wal")
            db.execute(f"pragma synchronous = {synchronous}")
            db.execute("create table steps (run integer, seq integer, line text, primary key (run, seq)) without rowid")
            return db

        def note(db: sqlite3.Connection, run: int, seq: int, value: object) -> None:
            db.execute("insert into steps values (?, ?, ?)", (run, seq, json.dumps({"wrote": value})))

        async def one(db: sqlite3.Connection, run: int, steps: int) -> int:
            state = Count()
            while True:
                await step(state)
                note(db, run, state.n, state.n)
                if state.n >= steps:
                    return state.n

        async def together(db: sqlite3.Connection) -> int:
            states = [Count() for _ in range(w.GROUP_RUNS)]
            for _ in range(w.GROUP_STEPS):
                db.execute("begin")
                for run, state in enumerate(states):
                    await step(state)
                    note(db, run, state.n, state.n)
                db.execute("commit")
            return sum(state.n for state in states)

        async def again(db: sqlite3.Connection) -> int:
            return await one(db, next(turn), w.DURABLE_STEPS)

        found: m.Readings = {}
        normal, full = table("normal"), table("full")
        turn = iter(range(1_000_000))
        for key, db in (("step normal", normal), ("step full", full)):
            found[key] = await m.timed(partial(again, db), w.DURABLE_STEPS, wanted=w.DURABLE_STEPS, warm=w.DURABLE_WARM)
        found["step group"] = await m.timed(
            lambda: together(table("full")), w.GROUP_RUNS * w.GROUP_STEPS, wanted=w.GROUP_RUNS * w.GROUP_STEPS
        )
        for db in (normal, full):
            db.close()
    for key, units in (("bytes", w.STORED_STEPS), ("list", 1e6)):
        with m.scratch() as folder:
            names = iter(range(1))
            db = table("normal")
            if key == "bytes":
                await one(db, 0, w.STORED_STEPS)
            else:
                state = Count()
                for seq in range(w.STORED_STEPS):
                    await grow(state)
                    note(db, 0, seq, state.items[-1])
            db.close()
            found[key] = m.number(m.size_of(folder) / units)
    return found


async def memory() -> m.Readings:
    """W7."""
    gate = m.Gate()

    async def run() -> int:
        state = Count()
        await step(state)
        await gate.wait()
        return state.n

    return {"live": await gate.measure(run)}


async def start() -> m.Readings:
    """W8."""
    return m.start_up("import asyncio")


async def stream() -> m.Readings:
    """W9."""
    said: list[int] = []

    async def once() -> int:
        said.clear()
        state = Count()
        while True:
            await step(state)
            said.append(state.n)
            if state.n >= w.LOOP_STEPS:
                return len(said)

    return {"step": await m.timed(once, w.LOOP_STEPS, wanted=w.LOOP_STEPS)}


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
}
CANNOT = {"diagram": "code has no diagram", "replay": "nothing is recorded", "growth": "see W2, W3 and W6"}

if __name__ == "__main__":
    m.main((), DOES, CANNOT)
