"""Whoever awaits a run may stop at any moment, as a web server does whose client has gone: no run stays locked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from graphrt import Flow
from graphrt.errors import RunLocked, RunNotFound, UseError
from graphrt.graph import Graph
from graphrt.ports import Store
from graphrt.replay import fold
from graphrt.runtime import resume, run
from graphrt.stores import open_store
from tests.runtime.flows import Work, chain, saying

STORES = ("memory:", "jsonl:{}/traces", "sqlite:{}/runs.db", "sqlite:{}/runs.db?synchronous=normal")


async def given_up(work: Coroutine[Any, Any, Any], turns: int) -> bool:
    """Cancel work after some turns of the event loop; say whether that came before its end."""
    task = asyncio.create_task(work)
    for _ in range(turns):
        await asyncio.sleep(0.0005 if turns > 6 else 0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


async def patiently(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Do something to a run as soon as nobody owns it; what was handed to the store is done and given back soon."""
    for _ in range(500):
        with suppress(RunLocked, UseError):
            return await work()
        await asyncio.sleep(0.01)
    pytest.fail("it stays locked")


async def brought_to_its_end(store: Store, ident: str, graph: Graph) -> None:
    """Begin a run that is not there, take up one that has not completed."""
    try:
        if store.info(ident).status != "completed":  # it may have been cancelled while its end was written
            await resume(store, ident, graph)
    except RunNotFound:
        await run(graph, Work(), store=store, run_id=ident)


async def brought_on(store: Store, ident: str, graph: Graph) -> None:
    """Take up a run that is there, has records and has not completed."""
    found = [i for i in store.runs() if i.run == ident]
    if found and found[0].records and found[0].status != "completed":
        await resume(store, ident, graph)


@pytest.mark.parametrize("spec", STORES)
def test_a_run_that_is_given_up_leaves_no_lock(spec: str, tmp_path: Path) -> None:
    """Cancelled at whatever moment, it is not there, or is on record as it stood and can be taken up."""
    graph = chain(saying("a"), saying("b")).freeze()

    async def main() -> None:
        store = open_store(spec.format(tmp_path))
        for turns in range(14):
            ident = f"r{turns}"
            early = await given_up(run(graph, Work(), store=store, run_id=ident), turns)
            if early:
                await patiently(partial(brought_to_its_end, store, ident, graph))
            assert fold(store.trace(ident), graph).state["log"] == ["a", "b"]  # type: ignore[index]  # completed
        store.close()

    asyncio.run(main())


@pytest.mark.parametrize("spec", STORES)
def test_taking_up_that_is_given_up_leaves_no_lock(spec: str, tmp_path: Path) -> None:
    """The same of `resume`: the run can be taken up by whoever comes next."""
    mended = False

    async def fails() -> str:
        if not mended:
            raise ValueError("not yet")
        return "b"

    graph = chain(saying("a"), fails).freeze()

    async def main() -> None:
        nonlocal mended
        store = open_store(spec.format(tmp_path))
        for turns in range(14):
            ident = f"r{turns}"
            mended = False
            assert (await run(graph, Work(), store=store, run_id=ident)).status == "failed"
            mended = True
            early = await given_up(resume(store, ident, graph), turns)
            if early:
                await patiently(partial(brought_to_its_end, store, ident, graph))
            assert fold(store.trace(ident), graph).partial["log"] == ["a", "b"]
        store.close()

    asyncio.run(main())


@pytest.mark.parametrize("spec", STORES[1:])
def test_a_store_of_a_run_that_is_given_up_is_closed_without_a_lock_or_a_word(
    spec: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The store is a text, opened for the run alone: cancelled at whatever moment, whoever comes next takes it up."""
    graph = chain(saying("a"), saying("b")).freeze()
    where = spec.format(tmp_path)

    async def main() -> None:
        for turns in range(14):
            ident = f"r{turns}"
            await given_up(run(graph, Work(), store=where, run_id=ident), turns)
            store = open_store(where)
            for info in store.runs():
                assert not info.live, info
            await brought_on(store, ident, graph)
            store.close()

    asyncio.run(main())
    assert not [r for r in caplog.records if r.name == "asyncio"]


def test_two_that_drive_a_run_one_after_the_other_do_not_forget_each_other(tmp_path: Path) -> None:
    """A run has completed and a node of it still cleans up: nobody can take it up or delete it before that is over."""
    flow = Flow("stops", Work)
    s = flow.state
    cleaned: list[bool] = []
    ended = asyncio.Event()

    @flow.task
    async def begin() -> None: ...

    @flow.task(writes=s.text)
    async def quick() -> str:
        await asyncio.sleep(0.05)
        return "quick"

    @flow.task(writes=s.log)
    async def slow() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
            await asyncio.sleep(0.3)
            cleaned.append(True)
        return "slow"

    flow.fork(begin, [quick, slow])
    flow.edge(quick, flow.end("done", stop=True))

    async def main() -> None:
        store = open_store(f"sqlite:{tmp_path}/runs.db")
        running = asyncio.create_task(flow.run(Work(), store=store, run_id="r"))
        await ended.wait()
        await asyncio.sleep(0.1)
        assert (store.info("r").status, cleaned) == ("completed", [])
        with pytest.raises(RunLocked):
            await flow.resume("r", store=store)
        with pytest.raises(RunLocked):
            await cast("Awaitable[None]", store.delete(["r"]))
        assert (await running).state.text == "quick"
        assert cleaned == [True]
        store.close()

    asyncio.run(main())
