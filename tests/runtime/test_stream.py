"""A run to iterate over: all of it comes, leaving early stops nothing, and it can be waited for and cancelled."""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from graphrt import Context
from graphrt.errors import RunLocked, RunNotFound, StoreFault, UseError
from graphrt.events import RunCompleted, RunStarted
from graphrt.runtime import Delta, Item, answer, run, stream, stream_fork, stream_resume
from graphrt.stores.memory import MemoryStore
from graphrt.testing.clock import settle
from tests.runtime.flows import Gate, Work, asking, chain, saying


async def talk(ctx: Context) -> str:
    """Stream the text that is returned."""
    for piece in ("a", "b"):
        ctx.emit(piece)
        await asyncio.sleep(0)
    return "ab"


def test_events_and_deltas_come_in_order() -> None:
    """Iterating gives every event of the trace and every delta, each in its place; then there is a result."""

    async def main() -> None:
        run = stream(chain(talk, saying("c")).freeze(), Work())
        seen: list[Item] = [item async for item in run]
        assert [i for i in seen if not isinstance(i, Delta)] == run.result.trace.events()
        texts = [i.text if isinstance(i, Delta) else type(i).__name__ for i in seen]
        assert texts.index("VisitStarted") < texts.index("a") < texts.index("b") < texts.index("VisitCompleted")
        assert run.result.state.log == ["ab", "c"]
        assert run.dropped == 0

    asyncio.run(main())


def test_nothing_begins_before_it_is_asked_for() -> None:
    """A stream that nobody iterates over or waits for runs nothing."""

    async def main() -> None:
        store = MemoryStore()
        run = stream(chain(talk).freeze(), Work(), store=store)
        await asyncio.sleep(0)
        assert store.runs() == []
        with pytest.raises(UseError, match="has not ended yet"):
            _ = run.result
        assert (await run.wait()).status == "completed"

    asyncio.run(main())


def test_a_stream_that_is_told_to_begins_before_anybody_iterates() -> None:
    """What happens meanwhile is kept for who iterates later, in another task say; beginning twice changes nothing."""

    async def main() -> None:
        store = MemoryStore()
        going = stream(chain(talk, saying("c")).freeze(), Work(), store=store, run_id="r").begin()
        await settle()
        assert store.info("r").status == "completed"
        assert going.begin() is going
        events = going.result.trace.events()

        async def look() -> list[Item]:
            return [item async for item in going if not isinstance(item, Delta)]

        assert await asyncio.create_task(look()) == events

    asyncio.run(main())


def test_a_stream_begins_in_an_event_loop_only() -> None:
    """Elsewhere it says what to do; it can be made there, and begin later."""
    going = stream(chain(talk).freeze(), Work())
    with pytest.raises(UseError, match=r"flow 'chain' cannot begin here, where no event loop is running"):
        going.begin()

    async def main() -> None:
        assert (await going.begin().wait()).status == "completed"

    asyncio.run(main())


def test_a_stream_that_is_dropped_before_it_began_is_told() -> None:
    """As of a coroutine that nobody awaits: a warning says that nothing has run, and what to do."""
    unread = [stream(chain(talk).freeze(), Work())]
    with pytest.warns(RuntimeWarning, match=r"flow 'chain' was dropped before it began.*call begin\(\)"):
        unread.clear()


def test_what_keeps_a_dropped_run_from_being_driven_is_not_lost() -> None:
    """An error of a begun stream that nobody holds reaches the exception handler of the event loop, and its log."""
    told: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context["exception"]))
        stream_resume(MemoryStore(), "r", chain(talk).freeze()).begin()
        await settle()
        gc.collect()

    asyncio.run(main())
    assert [type(error) for error in told] == [RunNotFound]


def test_leaving_the_loop_early_does_not_stop_the_run() -> None:
    """Who breaks out of the loop can wait for the run, or iterate on where it was left."""

    async def main() -> None:
        run = stream(chain(talk, saying("c")).freeze(), Work())
        async for item in run:
            assert isinstance(item, RunStarted)
            break
        result = await run.wait()
        assert result.status == "completed"
        rest = [item async for item in run]
        assert isinstance(rest[-1], RunCompleted)
        assert RunStarted not in map(type, rest)
        assert [item async for item in run] == []

    asyncio.run(main())


def test_a_forgotten_stream_goes_on() -> None:
    """A run whose stream nobody holds any more ends all the same."""

    async def main() -> None:
        store, gate = MemoryStore(), Gate()

        async def look() -> None:
            async for _ in stream(chain(gate, saying("x")).freeze(), Work(), store=store, run_id="r"):
                await gate.begun.wait()
                return

        await look()
        gate.opened.set()
        await settle()
        assert store.info("r").status == "completed"

    asyncio.run(main())


def test_a_block_cancels_what_still_runs() -> None:
    """At the end of `async with`, also by an error, the run is recorded as cancelled and its nodes have ended."""

    async def main() -> None:
        store, gate = MemoryStore(), Gate()
        run = stream(chain(gate).freeze(), Work(), store=store, run_id="r")

        async def look() -> None:
            async with run:
                await gate.begun.wait()
                raise LookupError

        with pytest.raises(LookupError):
            await look()
        assert gate.cancelled
        assert store.info("r").status == "cancelled"
        assert not store.info("r").live
        with pytest.raises(UseError, match="was cancelled"):
            _ = run.result
        assert [type(i).__name__ async for i in run][-1] == "RunCancelled"

    asyncio.run(main())


def test_a_block_leaves_an_ended_run_alone() -> None:
    """A run that has ended or waits within the block stays as it is."""

    async def main() -> None:
        async with stream(asking().freeze(), Work()) as run:
            await run.wait()
        assert run.result.status == "suspended"

    asyncio.run(main())


def test_who_is_cancelled_while_waiting_does_not_cancel_the_run() -> None:
    """`wait` may be given up, with a timeout say, and taken up again."""

    async def main() -> None:
        gate = Gate()
        run = stream(chain(gate).freeze(), Work())
        waiting = asyncio.ensure_future(run.wait())
        await gate.begun.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.opened.set()
        assert (await run.wait()).status == "completed"

    asyncio.run(main())


def test_what_keeps_a_run_from_being_driven_is_raised() -> None:
    """When the store fails, iterating raises that, after the events before it."""

    class Failing(MemoryStore):
        # The signature is the store's.
        def append(self, lease, records, status, due=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            if lease.next_seq:
                message = "the disk is full"
                raise StoreFault(message)
            return super().append(lease, records, status, due)

    async def main() -> None:
        run = stream(chain(saying("a")).freeze(), Work(), store=Failing())
        seen: list[Item] = []

        async def read() -> None:
            async for item in run:
                seen.append(item)  # noqa: PERF401 - what came before the error is what is looked at

        with pytest.raises(StoreFault, match="disk is full"):
            await read()
        assert isinstance(seen[0], RunStarted)
        with pytest.raises(StoreFault):
            await run.wait()

    asyncio.run(main())


def test_a_resumed_run_is_iterated_over(tmp_path: Path) -> None:
    """Iterating gives what happens from the resume on, the result is that of the run; also by the flow and a path."""

    async def main() -> None:
        flow, store = asking(), MemoryStore()
        await run(flow.freeze(), Work(), store=store, run_id="r")
        before = len(store.trace("r").events())
        going = stream_resume(store, "r", flow.freeze(), by="ann")
        assert [type(i).__name__ async for i in going] == ["RunResumed", "RunSuspended"]
        assert going.result.status == "suspended"
        await answer(store, "r", "1", "yes")
        again = flow.stream_resume("r", store=store)
        seen = [type(i).__name__ async for i in again]
        assert seen[:2] == ["RunResumed", "VisitCompleted"]
        assert seen[-1] == "RunCompleted"
        assert again.result.state.text == "went"
        assert len(again.result.trace.events()) == before + 2 + len(seen) + 1  # one suspension did not last

        spec = tmp_path / "runs.db"
        await flow.run(Work(), store=spec, run_id="r")
        async with flow.stream_resume("r", store=spec) as kept:
            assert [type(i).__name__ async for i in kept] == ["RunResumed", "RunSuspended"]
        assert kept.result.trace.header.run == "r"

    asyncio.run(main())


def test_a_forked_run_is_iterated_over() -> None:
    """Iterating gives what happens in the new run; the old one stays as it is."""

    async def main() -> None:
        graph, store = asking().freeze(), MemoryStore()
        await run(graph, Work(n=1), store=store, run_id="r")
        going = stream_fork(store, "r", "0", graph, change={"n": 5}, new_id="child")
        seen = [type(i).__name__ async for i in going]
        assert seen[0] == "RunForked"
        assert seen[-1] == "RunSuspended"
        assert going.result.run == "child"
        assert going.result.partial["n"] == 6
        assert store.info("r").status == "suspended"

    asyncio.run(main())


def test_what_keeps_a_run_from_being_taken_up_is_raised_to_who_iterates() -> None:
    """A run that is not there, or is driven, is refused as `resume` refuses it; options are looked at before."""

    async def main() -> None:
        gate, store = Gate(), MemoryStore()
        graph = chain(gate).freeze()
        with pytest.raises(RunNotFound):
            await stream_resume(store, "r", graph).wait()
        with pytest.raises(RunNotFound):
            await stream_fork(store, "r", "0", graph).wait()
        async with stream(graph, Work(), store=store, run_id="r"):
            await gate.begun.wait()
            with pytest.raises(RunLocked):
                _ = [item async for item in stream_resume(store, "r", graph)]
        misspelt: dict[str, Any] = {"byy": "ann"}
        with pytest.raises(UseError, match=r"stream_resume\(…\) has no option 'byy'"):
            stream_resume(store, "r", graph, **misspelt)
        with pytest.raises(UseError, match=r"stream_fork\(…\) has no option 'byy'"):
            stream_fork(store, "r", "0", graph, **misspelt)

    asyncio.run(main())


def test_what_is_not_read_in_time_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is read too slowly keeps its newest items, and says how many it has lost."""
    monkeypatch.setattr(import_module("graphrt.runtime.stream"), "QUEUE", 3)

    async def main() -> None:
        run = stream(chain(*[saying("a")] * 20).freeze(), Work())
        total = len((await run.wait()).trace.events())
        kept = [item async for item in run]
        assert len(kept) == 3
        assert isinstance(kept[-1], RunCompleted)
        assert run.dropped == total - 3

    asyncio.run(main())
