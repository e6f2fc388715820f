"""Requests at an awkward moment: while the store writes, when nobody waits for them any more, when the disk is full."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from graphrt import Flow
from graphrt.errors import GraphrtError, InputRefused, RunNotFound, StoreFault, UseError, WrongInput
from graphrt.events import RunCancelled
from graphrt.inputs import Answered
from graphrt.ports import Lease, RunStatus
from graphrt.replay import verify
from graphrt.runtime import Result, answer, cancel, resume, run, stream
from graphrt.stores import open_store
from graphrt.stores.memory import MemoryStore
from graphrt.testing.clock import settle
from graphrt.trace import Header, Record
from tests.runtime.flows import Gate, Work, asking, chain, parallel, saying


class Slow(MemoryStore):
    """A store whose append number `at` waits until it is let through."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.appends = 0
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    def append(  # type: ignore[override]  # as the protocol has it: this store takes its time
        self, lease: Lease, records: Sequence[Record], status: RunStatus, due: float | None = None
    ) -> Awaitable[None] | None:
        """Add records, late."""
        self.appends += 1
        if self.appends != self.at:
            MemoryStore.append(self, lease, records, status, due)
            return None
        return self._later(lease, records, status, due)

    async def _later(
        self, lease: Lease, records: Sequence[Record], status: RunStatus, due: float | None = None
    ) -> None:
        self.reached.set()
        await self.opened.wait()
        MemoryStore.append(self, lease, records, status, due)


def beside(gate: Gate) -> Flow[Work]:
    """Return a flow whose gate stands in one of two branches."""
    return parallel(gate, saying("x"))


@pytest.mark.parametrize(("flow", "at"), [(chain, 1), (chain, 2), (beside, 1), (beside, 2), (beside, 3)])
def test_a_cancellation_is_seen_that_comes_while_the_store_writes(flow: Callable[[Gate], Flow[Work]], at: int) -> None:
    """A run is cancelled without waiting for the end of a node that began after it was asked to stop."""

    async def main() -> None:
        store, gate = Slow(at), Gate()
        going = asyncio.ensure_future(run(flow(gate).freeze(), Work(), store=store, run_id="r"))
        reaching = asyncio.ensure_future(store.reached.wait())
        await settle()
        if not store.reached.is_set():  # the gate stands before so many appends
            gate.opened.set()
        await asyncio.wait_for(reaching, 10)
        asked = asyncio.ensure_future(cancel(store, "r"))
        await settle()
        store.opened.set()
        result = await asyncio.wait_for(going, 10)
        if result.status == "completed":  # all had been done when it was asked
            assert at > 1
            with pytest.raises(GraphrtError):
                await asked
        else:
            assert (result.status, await asked) == ("cancelled", "cancelled")

    asyncio.run(main())


class SlowToCreate(MemoryStore):
    """A store that begins a run only when it is let through, or fails to."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def create(self, header: Header) -> Lease:  # type: ignore[override]  # as the protocol has it
        """Begin a trace, late."""
        self.reached.set()
        await self.opened.wait()
        if self.fails:
            message = "the disk is full"
            raise StoreFault(message)
        return MemoryStore.create(self, header)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "jsonl"])
@pytest.mark.parametrize("way", ["run", "stream", "a task in a task"])
def test_a_run_is_stopped_that_a_task_is_about_to_begin(way: str, kind: str, tmp_path: Path) -> None:
    """Cancelled in the moment in which its task was made, it is recorded as cancelled, and no node has started."""
    called: list[str] = []

    async def node() -> str:
        called.append("node")
        return "x"

    async def within(going: Awaitable[Result[Work]]) -> Result[Work]:
        return await asyncio.ensure_future(going)

    async def main() -> None:
        store = open_store(f"{kind}:{tmp_path / 'runs'}" if kind != "memory" else "memory:")
        graph = chain(node).freeze()
        if way == "stream":
            streamed = stream(graph, Work(), store=store, run_id="e").begin()
            going = asyncio.ensure_future(streamed.wait())
        else:
            coming = run(graph, Work(), store=store, run_id="e")
            going = asyncio.create_task(coming if way == "run" else within(coming))
        assert await cancel(store, "e", by="ann", reason="a mistake") == "cancelled"
        assert store.info("e").status == "cancelled"
        assert (await going).status == "cancelled"
        assert [type(r.input).__name__ for r in store.records("e")] == ["Started", "Cancelled"]
        assert store.trace("e").events()[-1] == RunCancelled("ann", "a mistake")
        assert verify(store.trace("e"), graph) is None
        with pytest.raises(WrongInput):
            await cancel(store, "e")
        assert (await resume(store, "e", graph)).status == "completed"
        store.close()

    asyncio.run(main())
    assert called == ["node"]


def test_a_run_is_stopped_while_its_store_makes_it() -> None:
    """Whoever stops it hears that only once it is on record, also if another who asked the same has given up."""

    async def main() -> None:
        store, gate = SlowToCreate(), Gate()
        going = asyncio.ensure_future(run(chain(gate).freeze(), Work(), store=store, run_id="e"))
        await store.reached.wait()
        asked = asyncio.ensure_future(cancel(store, "e"))
        given_up = asyncio.ensure_future(cancel(store, "e"))
        await settle()
        assert not asked.done()
        given_up.cancel()
        await settle()
        store.opened.set()
        assert (await asked, (await going).status) == ("cancelled", "cancelled")
        assert not gate.begun.is_set()
        assert (await run(chain(saying("x")).freeze(), Work(), store=store, run_id="f")).status == "completed"

    asyncio.run(main())


def test_a_run_that_could_not_begin_is_not_found() -> None:
    """Who stops a run that its store then cannot make, or whose state is refused, hears that there is none."""

    async def main() -> None:
        graph, failing = chain(saying("x")).freeze(), SlowToCreate(fails=True)
        going = asyncio.ensure_future(run(graph, Work(), store=failing, run_id="e"))
        await failing.reached.wait()
        asked = asyncio.ensure_future(cancel(failing, "e"))
        await settle()
        failing.opened.set()
        with pytest.raises(StoreFault):
            await going
        with pytest.raises(RunNotFound):
            await asked

        store = MemoryStore()
        wrong: Any = "no state"
        refused = asyncio.ensure_future(run(graph, wrong, store=store, run_id="e"))
        with pytest.raises(RunNotFound):
            await cancel(store, "e")
        with pytest.raises(InputRefused):
            await refused
        assert store.runs() == []
        assert (await run(graph, Work(), store=store, run_id="e")).status == "completed"

    asyncio.run(main())


def test_an_id_that_is_in_use_changes_nothing_about_who_stops_the_run() -> None:
    """Of two that begin the same run at once, the one that the store takes is stopped; the other is refused."""

    async def main() -> None:
        store, gate = SlowToCreate(), Gate()
        both = [asyncio.ensure_future(run(chain(gate).freeze(), Work(), store=store, run_id="e")) for _ in range(2)]
        await store.reached.wait()
        asked = asyncio.ensure_future(cancel(store, "e"))
        await settle()
        store.opened.set()
        assert await asked == "cancelled"
        one, other = await asyncio.gather(*both, return_exceptions=True)
        assert isinstance(one, Result)
        assert one.status == "cancelled"
        assert isinstance(other, UseError)

    asyncio.run(main())


def test_who_gives_up_waiting_for_an_answer_to_be_taken_harms_nobody() -> None:
    """An answer whose caller is cancelled is taken all the same, and the run goes on."""

    async def main() -> Result[Work]:
        store = MemoryStore()
        going = asyncio.ensure_future(run(asking().freeze(), Work(), store=store, run_id="r", stay_s=60))
        await settle()
        asked = asyncio.ensure_future(answer(store, "r", "1", "yes"))
        await asyncio.sleep(0)
        asked.cancel()
        return await asyncio.wait_for(going, 10)

    assert asyncio.run(main()).state.verdict == "yes"


def test_who_gives_up_waiting_for_a_wrong_answer_harms_nobody() -> None:
    """The refusal of an answer that nobody waits for any more is heard by nobody, and the question stays open."""

    async def main() -> Result[Work]:
        store = MemoryStore()
        going = asyncio.ensure_future(run(asking().freeze(), Work(), store=store, run_id="r", stay_s=60))
        await settle()
        asked = asyncio.ensure_future(answer(store, "r", "1", "maybe"))
        await asyncio.sleep(0)
        asked.cancel()
        await settle()
        await answer(store, "r", "1", "no")
        return await asyncio.wait_for(going, 10)

    assert asyncio.run(main()).state.verdict == "no"


def test_an_answer_is_acknowledged_only_when_it_is_on_record() -> None:
    """When the disk is full, who answers hears that; the run stops, and the question is open when it is resumed."""

    class Failing(MemoryStore):
        full = False

        # The signature is the store's.
        def append(self, lease, records, status, due=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            if self.full:
                message = "the disk is full"
                raise StoreFault(message)
            return super().append(lease, records, status, due)

    async def main() -> None:
        store = Failing()
        flow = asking().freeze()
        going = asyncio.ensure_future(run(flow, Work(), store=store, run_id="r", stay_s=60))
        await settle()
        store.full = True
        with pytest.raises(GraphrtError):
            await answer(store, "r", "1", "yes")
        with pytest.raises(StoreFault):
            await going
        store.full = False
        assert not any(isinstance(r.input, Answered) for r in store.records("r"))
        assert (await resume(store, "r", flow)).status == "suspended"

    asyncio.run(main())
