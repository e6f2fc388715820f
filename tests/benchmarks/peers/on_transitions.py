"""transitions: an asynchronous state machine; a node is a state, its work is done on entry, and an event leads on.

A guard is a condition of a transition. It has no branches, keeps nothing on disk, and knows no runs: a model is one.
"""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import Any

from transitions.extensions import GraphMachine
from transitions.extensions.asyncio import AsyncMachine

from tests.benchmarks import measuring as m
from tests.benchmarks import workloads as w


class Count:
    """A run over a number."""

    def __init__(self, steps: int = 0) -> None:
        """Begin at 0; go on up to `steps`."""
        self.n = 0
        self.steps = steps
        self.heard = 0

    async def step(self) -> None:
        """Add 1."""
        self.n += 1

    async def goes_on(self) -> bool:
        """Lead back."""
        return self.n < self.steps


def equals(guard: int) -> Any:
    """Return the name of a guard that is never true; the machine looks it up in the model."""

    async def is_it(self: Count) -> bool:
        return self.n == -guard

    setattr(Count, f"is_{guard}", is_it)
    return f"is_{guard}"


def machine_of(
    nodes: list[str], ways: list[dict[str, Any]], *, first: str | None = None, kind: Any = AsyncMachine
) -> Any:
    """Return a machine whose states do the work when they are entered."""
    states: list[Any] = [{"name": name, "on_enter": "step"} for name in nodes]
    machine = kind(model=None, states=["begin", *states, "done"], initial="begin", auto_transitions=False)
    machine.add_transition("go", "begin", first or nodes[0])
    for way in ways:
        machine.add_transition("go", **way)
    return machine


def chain_of(nodes: int, **options: Any) -> Any:
    """Return nodes in a row."""
    names = [f"step{i}" for i in range(nodes)]
    ends = [*names, "done"]
    ways = [{"source": one, "dest": two} for one, two in itertools.pairwise(ends)]
    return machine_of(names, ways, **options)


def loop_of() -> Any:
    """Return a node that leads back to itself."""
    back = {"source": "step", "dest": "step", "conditions": "goes_on"}
    return machine_of(["step"], [back, {"source": "step", "dest": "done"}])


def routed() -> Any:
    """Return a node with many guards before the way on."""
    never = [{"source": "step", "dest": "never", "conditions": equals(guard)} for guard in range(1, w.GUARDS)]
    back = {"source": "step", "dest": "step", "conditions": "goes_on"}
    return machine_of(["step", "never"], [*never, back, {"source": "step", "dest": "done"}])


async def ran(machine: Any, model: Count) -> int:
    """Take a model through a machine to its end."""
    machine.add_model(model)
    while model.state != "done":  # the machine has put `state` and `go` into the model
        await model.go()
    machine.remove_model(model)
    return model.n


async def chain() -> m.Readings:
    """W1."""
    machine = chain_of(w.CHAIN_NODES)
    return {"step": await m.timed(lambda: ran(machine, Count()), w.CHAIN_NODES, wanted=w.CHAIN_NODES)}


async def loop() -> m.Readings:
    """W2."""
    machine = loop_of()
    return {"step": await m.timed(lambda: ran(machine, Count(w.LOOP_STEPS)), w.LOOP_STEPS, wanted=w.LOOP_STEPS)}


async def route() -> m.Readings:
    """W4."""
    machine = routed()
    return {"step": await m.timed(lambda: ran(machine, Count(w.ROUTED_STEPS)), w.ROUTED_STEPS, wanted=w.ROUTED_STEPS)}


async def runs() -> m.Readings:
    """W5."""
    machine = chain_of(w.RUN_NODES)

    async def once() -> int:
        return sum(await asyncio.gather(*[ran(machine, Count()) for _ in range(w.RUNS)]))

    return {"run": await m.timed(once, w.RUNS, wanted=w.RUNS * w.RUN_NODES, samples=3)}


async def memory() -> m.Readings:
    """W7."""
    gate = m.Gate()

    class Waiting(Count):
        async def step(self) -> None:
            await super().step()
            if self.n == 2:
                await gate.wait()

    machine = chain_of(2)
    return {"live": await gate.measure(lambda: ran(machine, Waiting()))}


async def start() -> m.Readings:
    """W8."""
    return m.start_up("from transitions.extensions.asyncio import AsyncMachine")


async def stream() -> m.Readings:
    """W9."""

    async def hear(self: Count) -> None:
        self.heard += 1

    Count.hear = hear
    machine = loop_of()
    machine.after_state_change = ["hear"]

    async def once() -> int:
        model = Count(w.LOOP_STEPS)
        await ran(machine, model)
        return model.heard

    return {"step": await m.timed(once, w.LOOP_STEPS, wanted=w.LOOP_STEPS + 1)}  # and the end


async def diagram() -> m.Readings:
    """W10."""
    found: m.Readings = {}
    for n in w.DIAGRAM_NODES:

        async def define(n: int = n) -> int:
            return len(chain_of(n).states) - 2

        found[f"freeze {n}"] = await m.timed(define, n, wanted=n, samples=2)
        drawn = chain_of(n, kind=partial(GraphMachine, graph_engine="mermaid", show_conditions=True))
        model = Count()
        drawn.add_model(model)

        async def draw(model: Any = model, n: int = n) -> bool:
            return f"step{n - 1}" in model.get_graph(force_new=True).source

        found[f"text {n}"] = await m.timed(draw, n, wanted=True, samples=2)
    return found


DOES = {
    "chain": chain,
    "loop": loop,
    "route": route,
    "runs": runs,
    "memory": memory,
    "start": start,
    "stream": stream,
    "diagram": diagram,
}
CANNOT = {
    "stream": "by a callback after each change of state",
    "fan": "a machine is in one state at a time: no branches",
    "durable": "keeps nothing on disk",
}

if __name__ == "__main__":
    m.main(("transitions",), DOES, CANNOT)
