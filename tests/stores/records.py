"""Records for stores to keep; the stores look into none of them."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any

from graphrt.events import RunStarted, VisitStarted
from graphrt.inputs import AttemptSucceeded, Started
from graphrt.ports import Lease, RunStatus, Store
from graphrt.trace import Header, Record

GRAPH = {"name": "demo", "nodes": [{"name": "a", "about": {"doc": "é\u2028 \x00"}}]}


async def ready(value: Any) -> Any:
    """Await what a store returned, if it has to be awaited."""
    return await value if isawaitable(value) else value


def header(run: str = "r1", **more: Any) -> Header:
    """Return a header."""
    return Header(run, "demo", "d" * 16, GRAPH, more.pop("created", 100.0), **more)


def steps(start: int, count: int, run: str = "r1") -> list[Record]:
    """Return records of a chain, from number `start` on; the first of a run begins it."""
    records: list[Record] = []
    for seq in range(start, start + count):
        if seq == 0:
            records.append(Record(0, 100.0, Started(run, {"x": "\ud800 \x00"}), (RunStarted("demo", run),)))
        else:
            done = AttemptSucceeded(str(seq), 1, {"n": seq, "t": "é"})
            records.append(Record(seq, 100.0 + seq, done, (VisitStarted(str(seq + 1), "a", (str(seq),)),)))
    return records


async def filled(store: Store, run: str = "r1", count: int = 3, status: RunStatus = "running", **more: Any) -> Lease:
    """Create a run with some records and return its lease."""
    lease: Lease = await ready(store.create(header(run, **more)))
    await ready(store.append(lease, steps(0, count, run), status))
    return lease
