"""Leaving a run: driving stops in order, no end is recorded, and whoever takes the run up goes on as after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from graphrt import Flow
from graphrt.events import AttemptLost, RunCancelled, VisitCancelled
from graphrt.inputs import AttemptSucceeded
from graphrt.runtime import leave, resume, run
from graphrt.stores.memory import MemoryStore
from tests.runtime.flows import Work, chain, parallel

Node = Callable[[], Awaitable[str]]


async def hang() -> None:
    """Wait for ever."""
    await asyncio.Event().wait()


async def beside() -> str:
    """Work that ends at once."""
    return "beside"


async def leave_at(
    make: Callable[[Node], Any], hung: Callable[[], Awaitable[None]] = hang
) -> tuple[MemoryStore, list[str], Any]:
    """Run a flow until its node is called for the first time, leave the run, and give what can be seen of it."""
    store, called, begun = MemoryStore(), list[str](), asyncio.Event()

    async def node() -> str:
        called.append("node")
        if len(called) == 1:
            begun.set()
            await hung()
        return "done"

    graph = make(node).freeze()
    going = asyncio.ensure_future(run(graph, Work(), store=store, run_id="left"))
    await begun.wait()
    assert leave(store, "left")
    with pytest.raises(asyncio.CancelledError):
        await going
    return store, called, graph


SHAPES: dict[str, Callable[[Node], Flow[Work]]] = {
    "inline": lambda node: chain(beside, node, beside),
    "side by side": lambda node: parallel(beside, node),
}


@pytest.mark.anyio
@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
async def test_a_left_run_goes_on_where_it_was(make: Callable[[Node], Any]) -> None:
    """No end is on record; the attempt under way is in doubt when the run is resumed, and what had ended is kept."""
    store, called, graph = await leave_at(make)
    assert store.info("left").status == "running"
    assert not store.info("left").live
    before = store.trace("left")
    assert not any(isinstance(e, (RunCancelled, VisitCancelled)) for e in before.events())
    ended = [r.input.visit for r in before.records if isinstance(r.input, AttemptSucceeded)]

    result = await resume(store, "left", graph)
    assert result.status == "completed"
    assert len(called) == 2
    assert sum(isinstance(e, AttemptLost) for e in result.trace.events()) == 1
    again = [r.input.visit for r in result.trace.records if isinstance(r.input, AttemptSucceeded)]
    assert again[: len(ended)] == ended
    assert len(set(again)) == len(again), "a visit that had a result got another"


@pytest.mark.anyio
async def test_a_node_that_keeps_its_cancellation_cannot_hold_the_run() -> None:
    """A node that returns all the same has its result recorded, and nothing begins after it."""

    async def stubborn() -> None:
        with suppress(asyncio.CancelledError):
            await hang()

    after = list[str]()

    async def follow() -> str:
        after.append("x")
        return "after"

    store, called, graph = await leave_at(lambda node: chain(node, follow), stubborn)
    assert after == []
    assert store.info("left").status == "running"
    result = await resume(store, "left", graph)
    assert result.status == "completed"
    assert called == ["node"]
    assert after == ["x"]


def test_a_run_that_is_not_driven_here_cannot_be_left() -> None:
    """Whoever asks is told that there was nothing to leave."""
    assert not leave(MemoryStore(), "nowhere")
