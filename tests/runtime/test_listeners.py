"""Whoever watches a run sees all of it and cannot change, slow or break it."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from graphrt import Context, codec
from graphrt.events import Event, RunCompleted, RunResumed, RunSuspended
from graphrt.replay import verify
from graphrt.runtime import Delta, Item, Listener, answer, event_json, resume, run
from graphrt.runtime.listeners import QUEUE, Subscribers
from graphrt.stores.memory import MemoryStore
from graphrt.testing.clock import ManualClock
from tests.runtime.flows import Work, asking, chain, parallel, saying


class Rude(BaseException):
    """Not an Exception."""


class Calls:
    """A listener that is an object with a method to call."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, _item: Item) -> None:
        """Raise."""
        raise self.error


class AsyncCalls(Calls):
    """The same, to be awaited."""

    async def __call__(self, _item: Item) -> None:  # type: ignore[override]  # listeners are either
        """Raise."""
        raise self.error


async def the_run(*listeners: Listener) -> bytes:
    """Run a flow with branches under a clock that stands still; return its trace as it is stored."""
    graph = parallel(saying("a"), saying("b"), saying("c")).freeze()
    result = await run(graph, Work(), on_event=listeners, clock=ManualClock(), run_id="r", seed=1)
    assert result.status == "completed"
    return codec.encode_trace(result.trace)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for listeners that are behind for a moment only."""
    monkeypatch.setattr(Subscribers.close, "__defaults__", (0.2,))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for listeners that are behind as long as they need on a busy machine."""
    monkeypatch.setattr(Subscribers.close, "__defaults__", (60.0,))


@pytest.mark.parametrize("kind", [Calls, AsyncCalls])
@pytest.mark.parametrize(
    "error",
    [ValueError("v"), Rude("r"), asyncio.CancelledError(), GeneratorExit(), StopIteration(), StopAsyncIteration()],
    ids=repr,
)
def test_a_listener_that_raises_changes_nothing(
    kind: type[Calls], error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it raises, at every event: the trace is the same, byte for byte, and the log says so once."""

    async def main() -> tuple[bytes, bytes]:
        return await the_run(), await the_run(kind(error))

    alone, watched = asyncio.run(main())
    assert alone == watched
    reports = [r for r in caplog.records if "raised; the run goes on" in r.message]
    assert len(reports) == 1
    assert reports[0].levelno == logging.ERROR
    assert reports[0].exc_info is not None
    assert kind.__name__ in reports[0].getMessage()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_not_even_leaving_the_process_leaves_it_from_a_thread(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """What a synchronous listener raises ends in its thread."""

    async def main() -> tuple[bytes, bytes]:
        return await the_run(), await the_run(Calls(error))

    alone, watched = asyncio.run(main())
    assert alone == watched
    assert "raised; the run goes on" in caplog.text


def test_each_listener_is_reported_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Two bad listeners are two reports; a good one between them sees everything."""
    seen: list[Item] = []

    async def main() -> None:
        await the_run(Calls(ValueError("one")), seen.append, Calls(ValueError("two")))

    asyncio.run(main())
    assert isinstance(seen[-1], RunCompleted)
    assert sum("raised; the run goes on" in r.message for r in caplog.records) == 2


@pytest.mark.usefixtures("impatient")
def test_a_listener_that_blocks_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    """A run ends while a listener hangs in its first event; what it has missed is counted."""
    begun, release = threading.Event(), threading.Event()

    def block(_item: Item) -> None:
        begun.set()
        release.wait(10)

    async def forever(_item: Item) -> None:
        await asyncio.Event().wait()

    async def main() -> tuple[bytes, bytes]:
        seen: list[Item] = []
        alone, watched = await the_run(), await the_run(block, forever, seen.append)
        assert isinstance(seen[-1], RunCompleted)
        return alone, watched

    alone, watched = asyncio.run(main())
    assert begun.is_set()
    assert alone == watched
    assert "forever was too slow: " in caplog.text
    release.set()


@pytest.mark.usefixtures("impatient")
def test_a_listener_that_hangs_is_alone_with_it() -> None:
    """While the listener of one run hangs, the nodes and listeners of another are called."""
    release = threading.Event()
    seen: list[Item] = []

    async def main() -> None:
        await the_run(lambda _item: release.wait(10))
        await the_run(seen.append)

    asyncio.run(main())
    release.set()
    assert isinstance(seen[-1], RunCompleted)


@pytest.mark.usefixtures("patient")
def test_what_a_slow_listener_misses_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A listener sees the newest items, never more than its queue holds behind, and how many it has missed."""
    seen: list[str] = []
    gate = asyncio.Event()

    async def slow(item: Item) -> None:
        await gate.wait()
        if isinstance(item, Delta):
            seen.append(item.text)

    async def talk(ctx: Context) -> str:
        for n in range(QUEUE + 500):
            ctx.emit(str(n))
        gate.set()
        return "x"

    asyncio.run(run(chain(talk).freeze(), Work(), on_event=slow))
    assert len(seen) <= QUEUE
    assert int(seen[-1]) == QUEUE + 499
    assert seen == sorted(seen, key=int)
    assert "slow was too slow" in caplog.text


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_listener_sees_the_trace(asynchronous: bool) -> None:
    """All events of the trace come, once and in order, each after its record is stored; deltas in between."""
    store = MemoryStore()
    seen: list[Item] = []
    stored: list[bool] = []

    def note(item: Item) -> None:
        seen.append(item)
        if not isinstance(item, Delta):
            stored.append(item in [e for r in list(store.records("r")) for e in r.events])

    async def note_async(item: Item) -> None:
        note(item)

    async def stream(ctx: Context) -> str:
        ctx.emit("a")
        ctx.emit("b")
        return "ab"

    def stream_from_a_thread(ctx: Context) -> str:
        ctx.emit("c")
        return "c"

    async def main() -> list[Any]:
        graph = chain(stream, stream_from_a_thread, saying("d")).freeze()
        on_event: Callable[[Item], Any] = note_async if asynchronous else note
        return (await run(graph, Work(), store=store, run_id="r", on_event=on_event)).trace.events()

    events = asyncio.run(main())
    assert [item for item in seen if not isinstance(item, Delta)] == events
    deltas = [(item.visit, item.node, item.text) for item in seen if isinstance(item, Delta)]
    assert deltas == [("0", "t0", "a"), ("0", "t0", "b"), ("1", "t1", "c")]
    kinds = [item.text if isinstance(item, Delta) else type(item).__name__ for item in seen]
    assert kinds.index("VisitStarted") < kinds.index("a") < kinds.index("b") < kinds.index("VisitCompleted")
    assert all(stored)


def test_a_suspension_that_does_not_last_is_not_told() -> None:
    """Whoever resumes a run whose answer, or deadline, has come already does not hear that it waits; the trace says it.

    What is told besides is the same, and a run that goes on waiting is told to.
    """
    clock, store = ManualClock(1000.0), MemoryStore()
    graph = asking(deadline=10.0).freeze()

    async def resumed(run_id: str) -> list[Any]:
        seen: list[Any] = []
        start = len(list(store.records(run_id)))
        await resume(store, run_id, graph, on_event=seen.append, clock=clock)
        recorded = [e for r in store.records(run_id, start) for e in r.events]
        assert recorded[:2] == [RunResumed("suspended"), RunSuspended(("1",))]
        assert [e for e in recorded if e not in seen] == [e for e in recorded[1:2] if e != recorded[-1]]
        return [type(e).__name__ for e in seen]

    async def main() -> None:
        for name in ("answered", "late", "waits"):
            await run(graph, Work(), store=store, run_id=name, clock=clock)
        await answer(store, "answered", "1", "yes")
        assert (await resumed("answered"))[:2] == ["RunResumed", "VisitCompleted"]
        assert await resumed("waits") == ["RunResumed", "RunSuspended"]
        await clock.advance(20)
        assert (await resumed("late"))[:2] == ["RunResumed", "VisitFailed"]
        for name in ("answered", "late", "waits"):
            assert verify(store.trace(name), graph) is None

    asyncio.run(main())


def test_a_suspension_is_told_while_the_run_stays() -> None:
    """A run that waits in its process (`stay_s`) is told to be suspended before its answer comes."""
    seen: list[str] = []

    async def main() -> None:
        store = MemoryStore()

        async def note(item: Item) -> None:
            seen.append(type(item).__name__)
            if isinstance(item, RunSuspended):
                await answer(store, "r", "1", "yes")

        await run(asking().freeze(), Work(), store=store, run_id="r", on_event=note, stay_s=60.0)

    asyncio.run(main())
    assert seen.count("RunSuspended") == 1
    assert seen[-1] == "RunCompleted"


def test_no_task_is_left_behind() -> None:
    """When a run has ended, none of its listeners' tasks is there any more."""

    async def listen(_item: Item) -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        await the_run(listen, lambda _item: None, AsyncCalls(ValueError("v")))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_what_a_listener_hears_has_a_json_form() -> None:
    """Each event and delta is one line of JSON that tells its type; events read back are those of the trace."""
    told: list[bytes] = []

    async def talk(ctx: Context) -> str:
        ctx.emit("two\nlines")
        ctx.emit("half \ud83d")
        return "half \ud83d"

    async def main() -> list[Event]:
        result = await run(
            chain(talk).freeze(), Work(), run_id="r", on_event=lambda item: told.append(event_json(item))
        )
        return result.trace.events()

    events = asyncio.run(main())
    assert not any(b"\n" in line for line in told)
    found = [json.loads(line) for line in told]
    deltas = [each for each in found if each["type"] == "delta"]
    assert deltas == [{"type": "delta", "visit": "0", "node": "t0", "text": t} for t in ("two\nlines", "half \ud83d")]
    assert [msgspec.convert(each, Event) for each in found if each["type"] != "delta"] == events
    assert json.loads(event_json(Delta("0", "t0", "", anew=True)))["anew"] is True


def test_nobody_listening_costs_no_text() -> None:
    """Without a listener, `emit` does nothing at all."""

    async def stream(ctx: Context) -> str:
        ctx.emit("a")
        return "a"

    result = asyncio.run(run(chain(stream).freeze(), Work()))
    assert result.status == "completed"
