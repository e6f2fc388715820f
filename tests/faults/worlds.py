"""Random graphs with code in their nodes, for the driver: what each node does to the world is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from graphrt import Context
from graphrt.commands import StartAttempt
from graphrt.graph import Graph, Node, Work
from graphrt.inputs import AttemptStarted, AttemptSucceeded, Json
from graphrt.ports import Lease, RunStatus
from graphrt.stores.memory import MemoryStore
from graphrt.trace import Record
from tests.strategies import World

RUN = "r"
READ = ("log", "item", "note", "seen")


class Crash(Exception):
    """Stands for the end of the process."""


class Crashing(MemoryStore):
    """A store in which the process dies at chosen appends: before their records are there, or just after."""

    def __init__(self, deaths: Sequence[tuple[int, bool]] = ()) -> None:
        super().__init__()
        self.deaths = list(deaths)
        """How many appends from now or from the death before, and whether the records of the last are kept."""

    def append(self, lease: Lease, records: Sequence[Record], status: RunStatus, due: float | None = None) -> None:
        """Add records, unless the process dies."""
        if not self.deaths:
            super().append(lease, records, status, due)
            return
        left, kept = self.deaths[0]
        if left or kept:
            super().append(lease, records, status, due)
        if left:
            self.deaths[0] = (left - 1, kept)
        else:
            del self.deaths[0]
            raise Crash


class Effects:
    """What nodes did to the world, and whether they were right to do it."""

    def __init__(self, world: World, store: MemoryStore) -> None:
        self.world = world
        self.store = store
        self.calls: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    async def work(self, node: Node, context: Context, **seen: object) -> dict[str, Json]:
        """Do a node's work: check that it may be done now, then return or raise what the world says."""
        self.check(context)
        self.calls[context.visit] += 1
        for _ in range(self.world._of("turns", context.visit) % 4):
            await asyncio.sleep(0)
        if self.failed[context.visit] < self.world.failures(context.visit, node):
            self.failed[context.visit] += 1
            error = self.world.error(context.visit)
            raise {"ValueError": ValueError, "KeyError": KeyError}.get(error.type, RuntimeError)(error.message)
        return self.world.writes(StartAttempt(context.visit, context.attempt, node, seen))

    def check(self, context: Context) -> None:
        """See that the attempt's start is on record, and no result of its visit."""
        inputs = [r.input for r in self.store.records(RUN)]
        assert AttemptStarted(context.visit, context.attempt) in inputs, "an effect before its attempt is on record"
        assert not any(isinstance(i, AttemptSucceeded) and i.visit == context.visit for i in inputs), "done twice"


def alive(graph: Graph, effects: Effects) -> Graph:
    """Return a graph with code in its nodes, and in those of the graphs inside."""

    def fn(node: Node) -> Callable[..., object]:
        async def work(context: Context, **seen: object) -> dict[str, Json]:
            return await effects.work(node, context, **seen)

        return work

    def mend(node: Node) -> Node:
        if node.graph is not None:
            return msgspec.structs.replace(node, graph=alive(node.graph, effects))
        if node.kind != "task":
            return node
        return msgspec.structs.replace(
            node, work=Work(fn(node), tuple((name, name) for name in READ), "context", is_async=True)
        )

    return replace(graph, nodes=tuple(map(mend, graph.nodes)))
