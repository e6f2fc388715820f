"""Answers and cancellations: from this process and from others, at any moment, acknowledged when they are on record."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest

from graphrt import Context, Flow
from graphrt.errors import AlreadyAnswered, AnswerRefused, RunLocked, RunNotFound, StoreFault, UseError, WrongInput
from graphrt.events import RunCancelled, VisitWaiting
from graphrt.graph import Graph
from graphrt.inputs import Answered, Cancelled
from graphrt.ports import Lease, RunInfo, Store
from graphrt.replay import fold
from graphrt.runtime import Result, answer, cancel, fork, resume, resume_due, run
from graphrt.stores import open_store
from graphrt.stores.memory import MemoryStore
from graphrt.testing.clock import ManualClock
from tests.runtime.flows import Gate, Work, asking, chain, parallel, saying

Verdict: TypeAlias = Literal["yes", "no"] | None
LONG = 60.0
"""Seconds that no test waits for: whoever waits so long for a question is woken before."""


@pytest.fixture(params=["memory", "jsonl", "sqlite"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    """Two stores of one place, as two processes have them; in memory, one and the same."""
    if request.param == "memory":
        store = MemoryStore()
        yield store, store
        return
    spec = f"{request.param}:{tmp_path}/{'runs.db' if request.param == 'sqlite' else 'traces'}"
    one, other = open_store(spec), open_store(spec)
    yield one, other
    one.close()
    other.close()


def questions() -> Flow[Work]:
    """Return a flow that asks twice and writes down both answers."""
    flow = Flow("questions", Work)
    first = flow.ask("first", "Shall we?", writes=flow.state.verdict)
    second = flow.ask("second", "Again?", writes=flow.state.again)

    def both(verdict: Verdict, again: Verdict) -> str:
        return f"{verdict}, {again}"

    flow.edge(first, second)
    flow.edge(second, flow.task(writes=flow.state.text)(both))
    return flow


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that is done by threads or by other tasks."""
    for _ in range(5000):
        if holds():
            return
        await asyncio.sleep(0.002)
    raise TimeoutError


async def waiting(store: Store, visit: str, run_id: str = "r") -> None:
    """Wait until a question of a run is on record."""

    def holds() -> bool:
        try:
            events = store.trace(run_id).events()
        except RunNotFound:
            return False
        return any(isinstance(e, VisitWaiting) and e.visit == visit for e in events)

    await until(holds)


def test_answers_reach_a_run_that_is_being_driven(two: tuple[Store, Store]) -> None:
    """Both answers are taken by the waiting run, the second like the first, whichever process gives them."""

    async def main() -> Result[Work]:
        store, other = two
        going = asyncio.ensure_future(run(questions().freeze(), Work(), store=store, run_id="r", stay_s=LONG))
        await waiting(store, "0")
        await answer(other, "r", "0", "yes", by="ann")
        await waiting(store, "1")
        await answer(other, "r", "1", "no", by="bob")
        return await going

    result = asyncio.run(main())
    assert result.state.text == "yes, no"
    given = [r.input for r in result.trace.records if isinstance(r.input, Answered)]
    assert [(g.answer, g.by) for g in given] == [("yes", "ann"), ("no", "bob")]


def test_answers_wait_for_whoever_resumes(two: tuple[Store, Store]) -> None:
    """A run that nobody drives takes the answers that were left for it, in order, and only once."""

    async def main() -> None:
        store, other = two
        flow = asking().freeze()
        assert (await run(flow, Work(), store=store, run_id="r")).status == "suspended"
        await answer(other, "r", "1", "yes")
        result = await resume(store, "r", flow)
        assert result.state.text == "went"
        acquired = store.acquire("r")
        assert store.requests(acquired if isinstance(acquired, Lease) else await acquired) == []

    asyncio.run(main())


def test_a_wrong_answer_is_refused_and_the_question_stays(two: tuple[Store, Store]) -> None:
    """Of a driven run as of a suspended one, the caller hears why, and nothing is on record."""

    async def main() -> None:
        store, other = two
        flow = asking().freeze()
        await run(flow, Work(), store=store, run_id="r")
        before = list(store.records("r"))
        for visit, value in (("1", "maybe"), ("0", "yes"), ("9", "yes")):
            with pytest.raises(AnswerRefused, match=r"is no answer|asks nothing"):
                await answer(other, "r", visit, value)
        assert list(store.records("r")) == before
        going = asyncio.ensure_future(resume(store, "r", flow, stay_s=LONG))
        await until(lambda: store.info("r").live)
        with pytest.raises(AnswerRefused, match="is no answer"):
            await answer(other, "r", "1", "maybe")
        await answer(other, "r", "1", "no")
        assert (await going).state.verdict == "no"

    asyncio.run(main())


def test_the_first_of_two_answers_counts(two: tuple[Store, Store]) -> None:
    """The second is refused with the first one, before that is taken and after; the same again changes nothing."""

    async def main() -> None:
        store, other = two
        flow = asking().freeze()
        await run(flow, Work(), store=store, run_id="r")
        first = await answer(other, "r", "1", "no", by="ann")
        assert first.at is not None
        for again in range(2):
            with pytest.raises(AlreadyAnswered, match="'no' by ann at") as refused:
                await answer(store, "r", "1", "yes")
            assert refused.value.facts["earlier"] == first
            assert await answer(store, "r", "1", "no", by="bob") == first
            if not again:
                assert (await resume(store, "r", flow)).state.verdict == "no"
        given = [r.input for r in store.records("r") if isinstance(r.input, Answered)]
        assert given == [first]

    asyncio.run(main())


ANSWERING = """
import asyncio, sys
from graphrt.errors import AlreadyAnswered
from graphrt.runtime import answer, resume
from graphrt.stores import open_store
from tests.runtime.flows import asking

spec, value, count = sys.argv[1], sys.argv[2], int(sys.argv[3])


async def main():
    store, flow = open_store(spec), asking().freeze()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        try:
            await answer(store, f"r{number}", "1", value, by=value)
            print("won", flush=True)
            await resume(store, f"r{number}", flow)
        except AlreadyAnswered as refused:
            print("lost", refused.facts["earlier"].by, flush=True)
    store.close()


asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["sqlite:{}/runs.db", "jsonl:{}/runs"])
def test_of_two_processes_that_answer_at_once_one_wins(kind: str, tmp_path: Path) -> None:
    """The other is told by whom the question was answered, also where the winner has gone on with the run already."""
    spec, count = kind.format(tmp_path), 25
    store = open_store(spec)

    async def begin() -> None:
        for number in range(count):
            await run(asking().freeze(), Work(), store=store, run_id=f"r{number}")

    asyncio.run(begin())
    processes = {
        value: subprocess.Popen(
            [sys.executable, "-c", ANSWERING, spec, value, str(count)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for value in ("yes", "no")
    }
    for process in processes.values():
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told: dict[str, list[str]] = {}
    for process in processes.values():
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for value, process in processes.items():
        told[value] = process.communicate(timeout=120)[0].splitlines()
        assert process.returncode == 0
    for number, (yes, no) in enumerate(zip(told["yes"], told["no"], strict=True)):
        assert sorted((yes, no)) in (["lost no", "won"], ["lost yes", "won"])
        winner = "yes" if yes == "won" else "no"
        assert "lost " + winner in {yes, no}
        given = [r.input for r in store.records(f"r{number}") if isinstance(r.input, Answered)]
        assert [g.answer for g in given] == [winner]
        assert store.info(f"r{number}").status == "completed"
    store.close()


def beside(gate: Gate) -> Flow[Work]:
    """Return a flow whose gate stands in one of two branches."""
    return parallel(gate, saying("x"))


@pytest.mark.parametrize("flow", [chain, beside], ids=["inline", "in a task"])
def test_a_driven_run_is_cancelled(two: tuple[Store, Store], flow: Callable[[Gate], Flow[Work]]) -> None:
    """A cancellation reaches the node that is running, is recorded with who asked, and ends the run."""

    async def main() -> None:
        store, other = two
        gate = Gate()
        going = asyncio.ensure_future(run(flow(gate).freeze(), Work(), store=store, run_id="r"))
        await gate.begun.wait()
        status = await cancel(other, "r", by="ann", reason="too slow")
        assert status == ("cancelled" if store is other else "running")
        result = await going
        assert result.status == "cancelled"
        assert gate.cancelled
        assert result.trace.events()[-1] == RunCancelled("ann", "too slow")

    asyncio.run(main())


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "side by side"])
def test_a_cancellation_reaches_synchronous_nodes(beside: bool) -> None:
    """The run ends without waiting for the thread; the function sees in its Context that nobody wants the result."""
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()
    seen: list[bool] = []

    def work(ctx: Context) -> str:
        seen.append(ctx.cancelled)
        begun.set()
        release.wait(10)
        seen.append(ctx.cancelled)
        ended.set()
        return "too late"

    async def main() -> Result[Work]:
        store = MemoryStore()
        graph = (parallel(work, saying("x")) if beside else chain(work)).freeze()
        going = asyncio.ensure_future(run(graph, Work(), store=store, run_id="r"))
        assert await asyncio.to_thread(begun.wait, 10)
        assert await cancel(store, "r") == "cancelled"
        return await going

    result = asyncio.run(main())
    assert result.status == "cancelled"
    assert not ended.is_set()
    release.set()
    assert ended.wait(10)
    assert seen == [False, True]
    assert "too late" not in result.partial["log"]


def test_a_suspended_run_is_cancelled(two: tuple[Store, Store]) -> None:
    """A run that nobody drives is recorded as cancelled at once, and can be resumed."""

    async def main() -> None:
        store, other = two
        flow = asking().freeze()
        await run(flow, Work(), store=store, run_id="r")
        assert await cancel(other, "r", by="ann") == "cancelled"
        assert store.info("r").status == "cancelled"
        with pytest.raises(WrongInput, match="cannot be cancelled"):
            await cancel(other, "r")
        with pytest.raises(WrongInput, match="takes no answers"):
            await answer(other, "r", "1", "yes")
        assert (await resume(store, "r", flow)).status == "suspended"
        await answer(other, "r", "1", "yes")
        assert (await resume(store, "r", flow)).state.text == "went"

    asyncio.run(main())


def test_requests_to_runs_that_are_not_there(two: tuple[Store, Store]) -> None:
    """The run is named."""

    async def main() -> None:
        for ask in (answer(two[0], "nope", "0", "yes"), cancel(two[0], "nope")):
            with pytest.raises(RunNotFound, match="'nope'"):
                await ask

    asyncio.run(main())


def test_two_cannot_drive_one_run(two: tuple[Store, Store]) -> None:
    """While a run is driven it is locked for everybody else, and free once it is suspended."""

    async def main() -> None:
        store, other = two
        gate = Gate()
        flow = chain(gate).freeze()
        going = asyncio.ensure_future(run(flow, Work(), store=store, run_id="r"))
        await gate.begun.wait()
        with pytest.raises(RunLocked, match="'r'"):
            await resume(other, "r", flow)
        gate.opened.set()
        assert (await going).status == "completed"
        with pytest.raises(WrongInput, match="cannot be resumed"):
            await resume(other, "r", flow)

    asyncio.run(main())


def test_a_cancellation_left_for_a_run_stops_it_when_it_is_taken_up() -> None:
    """What was posted while nobody drove the run is obeyed before any node is called."""
    calls: list[str] = []

    def work() -> str:
        calls.append("work")
        return "x"

    async def main() -> None:
        store = MemoryStore()
        flow = Flow("f", Work)
        flow.edge(flow.ask("ask", "?", writes=flow.state.verdict), flow.task(writes=flow.state.text)(work))
        graph = flow.freeze()
        await run(graph, Work(), store=store, run_id="r")
        store.post("r", Cancelled("ann"))
        store.post("r", Answered("0", "yes"))
        assert (await resume(store, "r", graph)).status == "cancelled"

    asyncio.run(main())
    assert calls == []


# Stores that a text names


def test_every_verb_takes_the_text_that_a_store_is_opened_by(tmp_path: Path) -> None:
    """What `run` and `resume` take as store, `answer`, `cancel`, `fork` and `resume_due` take too: a text or a path."""
    spec, clock = str(tmp_path / "runs.db"), ManualClock(1000.0)
    graph = asking(deadline=10.0).freeze()

    async def main() -> None:
        for name in ("a", "b", "c"):
            assert (await run(graph, Work(), store=spec, run_id=name, clock=clock)).status == "suspended"
        assert (await answer(spec, "a", "1", "yes")).answer == "yes"
        assert (await resume(spec, "a", graph, clock=clock)).state.text == "went"
        assert await cancel(Path(spec), "b", by="ann") == "cancelled"
        child = await fork(spec, "a", "1", graph, new_id="child", clock=clock)
        assert child.status == "suspended"
        assert child.trace.header.parent == "a"
        await clock.advance(20)
        due = await resume_due(spec, lambda _: graph, clock=clock)
        assert {r.run: r.trace.header.run for r in due} == {"c": "c", "child": "child"}
        assert {r.state.text for r in due} == {"nobody answered"}

    asyncio.run(main())


def test_a_text_that_names_no_store_yet_makes_none(tmp_path: Path) -> None:
    """Who answers or stops a run in a store that is not there hears so, and nothing is created."""
    spec = tmp_path / "runs.db"

    async def main() -> None:
        for going in (answer(spec, "a", "1", "yes"), cancel(spec, "a"), fork(spec, "a", "1", asking().freeze())):
            with pytest.raises(StoreFault):
                await going

    asyncio.run(main())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [None, 3])
def test_what_is_no_store_is_refused_with_what_is_one(wrong: Any) -> None:
    """The message says what was found and what to give instead."""

    async def main() -> None:
        graph = asking().freeze()
        for going in (
            answer(wrong, "a", "1", "yes"),
            cancel(wrong, "a"),
            fork(wrong, "a", "1", graph),
            resume(wrong, "a", graph),
            resume_due(wrong, lambda _: graph),
        ):
            with pytest.raises(UseError, match="is no store; give what open_store"):
                await going

    asyncio.run(main())


# Deadlines of runs that nobody drives


def test_due_runs_are_resumed() -> None:
    """Of many suspended runs those are taken up whose deadline has passed, each with its own graph; others stay."""
    clock = ManualClock(1000.0)
    store = MemoryStore()
    graphs: dict[str, Graph] = {f"r{n}": asking(deadline=100.0 * (n + 1)).freeze() for n in range(5)}
    graphs["none"] = asking().freeze()
    loaded: list[str] = []

    def load(info: RunInfo) -> Graph:
        loaded.append(info.run)
        return graphs[info.run]

    async def main() -> None:
        for name, graph in graphs.items():
            assert (await run(graph, Work(), store=store, run_id=name, clock=clock)).status == "suspended"
        assert await resume_due(store, load, clock=clock) == []
        await clock.advance(250)
        results = await resume_due(store, load, clock=clock)
        assert sorted(r.run for r in results) == sorted(loaded) == ["r0", "r1"]
        assert {r.state.text for r in results} == {"nobody answered"}
        assert await resume_due(store, load, clock=clock) == []
        assert sorted(i.run for i in store.runs(status="suspended")) == ["none", "r2", "r3", "r4"]

    asyncio.run(main())


def test_due_runs_that_others_drive_are_left_to_them() -> None:
    """A run that somebody else has taken up meanwhile is no error."""
    clock = ManualClock(1000.0)
    store = MemoryStore()
    graph = asking(deadline=10.0).freeze()

    async def main() -> None:
        for name in ("r1", "r2"):
            await run(graph, Work(), store=store, run_id=name, clock=clock)
        await clock.advance(20)
        store.acquire("r1")
        assert [r.run for r in await resume_due(store, lambda _: graph, clock=clock)] == ["r2"]

    asyncio.run(main())


def test_an_answer_beats_a_deadline_that_passed_unnoticed() -> None:
    """An answer that was left in time is taken by whoever resumes the run after the deadline."""
    clock = ManualClock(1000.0)
    store = MemoryStore()
    graph = asking(deadline=10.0).freeze()

    async def main() -> Result[Work]:
        await run(graph, Work(), store=store, run_id="r", clock=clock)
        await answer(store, "r", "1", "yes")
        await clock.advance(20)
        return await resume(store, "r", graph, clock=clock)

    assert asyncio.run(main()).state.text == "went"


def test_many_answers_at_once() -> None:
    """Many runs that wait in one process are answered at the same time, each its own."""

    async def main() -> None:
        store = MemoryStore()
        flow = asking().freeze()
        names = [f"r{n}" for n in range(200)]
        going = [asyncio.ensure_future(run(flow, Work(), store=store, run_id=n, stay_s=LONG)) for n in names]
        for name in names:
            await waiting(store, "1", name)
        await asyncio.gather(*(answer(store, n, "1", "yes" if k % 2 else "no") for k, n in enumerate(names)))
        results = await asyncio.gather(*going)
        assert [r.state.verdict for r in results] == ["no", "yes"] * 100

    asyncio.run(main())


def test_a_run_whose_nodes_never_wait_lets_others_have_their_turn() -> None:
    """Nobody awaits anything in a long loop, and yet it can be cancelled, and what else is to be done is done."""
    flow = Flow("busy", Work)
    s = flow.state

    @flow.task(writes=s.n)
    async def count(n: int) -> int:
        return n + 1

    flow.edge(count, count, when=s.n < 1_000_000)
    flow.edge(count, flow.end("done"))

    async def main() -> int:
        store, beside = MemoryStore(), 0
        running = asyncio.create_task(flow.run(Work(), store=store, run_id="r"))
        for _ in range(20):
            await asyncio.sleep(0)
            beside += 1
        assert await cancel(store, "r") == "cancelled"
        assert (await running).status == "cancelled"
        assert beside == 20
        return fold(store.trace("r")).totals.visits

    assert asyncio.run(main()) < 5_000
