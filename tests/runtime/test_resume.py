"""Taking runs up again: after a failure that was mended, a crash, a changed flow; and going off from the middle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from graphrt import Context, Flow, Limits, Retry
from graphrt.errors import GraphChanged, InputRefused, RunLocked, RunNotFound, StoreFault, UseError, WrongInput
from graphrt.events import AttemptLost, RunFailed, RunResumed, VisitStarted
from graphrt.inputs import AttemptStarted, AttemptSucceeded, Resumed
from graphrt.ports import Lease, RunStatus
from graphrt.replay import verify
from graphrt.runtime import answer, fork, resume, run
from graphrt.stores.memory import MemoryStore
from graphrt.trace import Record
from tests.runtime.flows import Node, Work, chain, parallel, saying


class Crash(Exception):
    """Stands for the end of the process."""


class Crashing(MemoryStore):
    """A store in which the process dies at an append: before its records are there, or just after."""

    def __init__(self, at: int, *, kept: bool) -> None:
        super().__init__()
        self.left = at
        self.kept = kept

    def append(self, lease: Lease, records: Sequence[Record], status: RunStatus, due: float | None = None) -> None:
        """Add records, unless the process dies."""
        self.left -= 1
        if self.left != 0 or self.kept:
            super().append(lease, records, status, due)
        if self.left == 0:
            raise Crash


class Broken:
    """A node that fails until it is mended."""

    __name__ = "broken"

    def __init__(self) -> None:
        self.mended = False

    async def __call__(self) -> str:
        """Work, or fail."""
        if not self.mended:
            message = "not mended yet"
            raise ValueError(message)
        return "mended"


def counted(calls: Counter[str], name: str, *, text: str = "") -> Node:
    """Return a node that counts its calls by visit."""

    async def work(ctx: Context) -> str:
        calls[f"{name}@{ctx.visit}"] += 1
        return text or name

    return work


# After a failure


@pytest.mark.parametrize("beside", [False, True], ids=["in a row", "side by side"])
def test_a_failed_run_goes_on_after_a_fix(beside: bool) -> None:
    """What had completed is not done again; the failed visit gets a new round of attempts, and the run its end."""
    calls: Counter[str] = Counter()
    broken = Broken()
    make = parallel if beside else chain
    graph = make(counted(calls, "a"), broken, counted(calls, "b"), retry=Retry(2, wait_s=0)).freeze()

    async def main() -> None:
        store = MemoryStore()
        first = await run(graph, Work(), store=store, run_id="r")
        assert first.status == "failed"
        again = await resume(store, "r", graph)
        assert again.status == "failed"
        broken.mended = True
        result = await resume(store, "r", graph, by="ann")
        assert result.status == "completed"
        assert result.state.log == ["a", "mended", "b"]
        assert verify(result.trace, graph) is None
        resumed = [r.input for r in result.trace.records if isinstance(r.input, Resumed)]
        assert [r.by for r in resumed] == [None, "ann"]
        assert [type(e) for e in result.trace.events() if isinstance(e, (RunFailed, RunResumed))] == [
            RunFailed,
            RunResumed,
            RunFailed,
            RunResumed,
        ]
        attempts = [r.input.attempt for r in result.trace.records if isinstance(r.input, AttemptStarted)]
        assert max(attempts) == 5
        with pytest.raises(WrongInput, match="completed and cannot be resumed"):
            await resume(store, "r", graph)

    asyncio.run(main())
    finished = {visit for visit in calls if visit.startswith("a@")}
    assert all(calls[visit] == 1 for visit in finished)


def test_a_run_over_its_limits_goes_on_with_new_ones() -> None:
    """Limits that are given when a run is taken up replace the old ones; what was used still counts."""
    graph = chain(*[saying("x")] * 6).freeze()

    async def main() -> None:
        store = MemoryStore()
        first = await run(graph, Work(), store=store, run_id="r", limits=Limits(visits=3))
        assert first.error is not None
        assert first.error.type == "LimitReached"
        again = await resume(store, "r", graph, limits=Limits(visits=4))
        assert again.status == "failed"
        last = await resume(store, "r", graph, limits=Limits(visits=6))
        assert last.status == "completed"
        assert last.usage.visits == 6

    asyncio.run(main())


# After a crash


@pytest.mark.parametrize("kept", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("beside", [False, True], ids=["in a row", "side by side"])
def test_a_crash_at_any_append_changes_no_result(beside: bool, kept: bool) -> None:
    """Wherever the process dies, before or after its records are durable, the run ends as if nothing had been.

    A visit that has a result on record is never called again; one that had begun is shown as in doubt.
    """
    make = parallel if beside else chain
    at = 0
    while True:
        at += 1
        calls: Counter[str] = Counter()
        graph = make(*[counted(calls, f"n{i}") for i in range(4)]).freeze()
        store = Crashing(at, kept=kept)

        async def main(store: Crashing = store, graph=graph, calls: Counter[str] = calls) -> bool:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a graph
            try:
                await run(graph, Work(), store=store, run_id="r")
            except Crash:
                pass
            else:
                return False
            records = list(store.records("r"))
            if not records:
                with pytest.raises(WrongInput, match="start it anew"):
                    await resume(store, "r", graph)
                return True
            finished = {r.input.visit for r in records if isinstance(r.input, AttemptSucceeded)}
            started = {r.input.visit for r in records if isinstance(r.input, AttemptStarted)}
            called = Counter(calls)
            if store.info("r").status == "completed":
                return True
            result = await resume(store, "r", graph)
            assert result.status == "completed"
            assert result.state.log == ["n0", "n1", "n2", "n3"]
            lost = {e.visit for e in result.trace.events() if isinstance(e, AttemptLost)}
            assert lost == started - finished
            again = {key.partition("@")[2] for key in calls if calls[key] > called[key]}
            assert not again & finished
            assert verify(result.trace, graph) is None
            return True

        if not asyncio.run(main()):
            break
    assert at > 4


@pytest.mark.parametrize("on_crash", ["retry", "ask", "fail"])
def test_an_attempt_in_doubt_is_treated_as_its_node_says(on_crash: str) -> None:
    """Run again, asked about, or failed: a cut-off attempt of a node with effects is never repeated unasked."""
    calls: Counter[str] = Counter()
    store = Crashing(2, kept=False)  # the result of the only attempt is lost
    graph = chain(counted(calls, "n"), on_crash=on_crash).freeze()

    async def main() -> None:
        with pytest.raises(Crash):
            await run(graph, Work(), store=store, run_id="r")
        result = await resume(store, "r", graph)
        if on_crash == "retry":
            assert result.status == "completed"
            assert calls["n@0"] == 2
            return
        assert calls["n@0"] == 1
        if on_crash == "fail":
            assert result.error is not None
            assert result.error.type == "InDoubt"
            return
        assert result.status == "suspended"
        assert "Run it again?" in result.questions[0].question
        await answer(store, "r", "0", "retry")
        assert (await resume(store, "r", graph)).status == "completed"
        assert calls["n@0"] == 2

    asyncio.run(main())


def test_all_attempts_of_a_visit_have_one_key() -> None:
    """The key is the same for the attempt that was cut off and the one after it; other visits have other keys."""
    keys: list[tuple[str, str]] = []
    store = Crashing(3, kept=False)

    async def work(ctx: Context) -> str:
        keys.append((ctx.visit, ctx.idempotency_key))
        return "x"

    graph = chain(work, work).freeze()

    async def main() -> None:
        with pytest.raises(Crash):
            await run(graph, Work(), store=store, run_id="r")
        await resume(store, "r", graph)

    asyncio.run(main())
    assert [visit for visit, _ in keys] == ["0", "1", "1"]
    assert keys[1] == keys[2]
    assert keys[0][1] != keys[1][1]


# Who may take it up


def test_a_store_that_fails_leaves_a_run_that_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """A fault of the store is raised, stops all nodes, and leaves the run free to be taken up."""
    calls: Counter[str] = Counter()
    graph = parallel(*[counted(calls, f"n{i}") for i in range(3)]).freeze()

    class Failing(MemoryStore):
        broken = False

        # The signature is the store's.
        def append(self, lease, records, status, due=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            if self.broken:
                message = "the disk is full"
                raise StoreFault(message)
            self.broken = bool(lease.next_seq)
            return super().append(lease, records, status, due)

    async def main() -> None:
        store = Failing()
        with pytest.raises(StoreFault, match="disk is full"):
            await run(graph, Work(), store=store, run_id="r")
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not store.info("r").live
        store.broken = False
        with pytest.raises(StoreFault):
            await resume(store, "r", graph)
        Failing.append = MemoryStore.append  # type: ignore[method-assign]  # mended
        assert (await resume(store, "r", graph)).state.text == "n0+n1+n2"

    asyncio.run(main())
    assert not caplog.records


def test_runs_that_cannot_be_taken_up() -> None:
    """Unknown runs, runs that are driven, and graphs that are others: each is refused, and nothing is recorded."""
    broken = Broken()
    graph, other = chain(broken).freeze(), chain(broken, saying("more")).freeze()

    async def main() -> None:
        store = MemoryStore()
        await run(graph, Work(), store=store, run_id="r")
        before = list(store.records("r"))
        with pytest.raises(RunNotFound, match="'nope'"):
            await resume(store, "nope", graph)
        with pytest.raises(GraphChanged, match="resume it with the old code, or allow the change"):
            await resume(store, "r", other)
        lease = store.acquire("r")
        with pytest.raises(RunLocked):
            await resume(store, "r", graph)
        store.release(lease)
        assert list(store.records("r")) == before
        broken.mended = True
        result = await resume(store, "r", other, allow_changed=True)
        assert result.state.log == ["mended", "more"]
        changed = [r.input for r in result.trace.records if isinstance(r.input, Resumed)]
        assert changed[0].digest == other.digest
        assert verify(result.trace, other) is None

    asyncio.run(main())


# Forks


def numbered(seen: list[tuple[str, str]]) -> Flow[Work]:
    """Return a flow of a fork and a join, whose nodes note the run and the visit they are called in."""

    def node(name: str) -> Node:
        async def work(ctx: Context) -> str:
            seen.append((ctx.run, ctx.visit))
            return name

        return work

    return parallel(node("a"), node("b"), node("c"))


def test_a_run_can_be_forked_from_every_visit() -> None:
    """Each fork calls what comes from its visit on, nothing before, ends as its parent, and leaves that untouched."""
    seen: list[tuple[str, str]] = []
    graph = numbered(seen).freeze()

    async def main() -> None:
        store = MemoryStore()
        parent = await run(graph, Work(), store=store, run_id="parent")
        records = list(store.records("parent"))
        visits = [e.visit for e in parent.trace.events() if isinstance(e, VisitStarted) and e.node != "join"]
        assert len(visits) == 5
        for number, visit in enumerate(visits):
            seen.clear()
            child = await fork(store, "parent", visit, graph, new_id=f"child{number}")
            assert child.status == "completed"
            assert child.state == parent.state
            assert {name for name, _ in seen} <= {f"child{number}"}
            assert Counter(v for _, v in seen).most_common(1)[0][1] == 1 if seen else visit == "2"
            info = store.info(f"child{number}")
            assert info.parent == "parent"
            assert verify(child.trace, graph) is None
        assert list(store.records("parent")) == records
        grandchild = await fork(store, "child0", visits[1], graph, new_id="grandchild")
        assert grandchild.state == parent.state

    asyncio.run(main())


def test_a_fork_with_another_state_goes_another_way() -> None:
    """Fields can be replaced where a fork begins; values that do not fit are refused, and no run is made."""
    graph = chain(saying("a"), saying("b")).freeze()

    async def main() -> None:
        store = MemoryStore()
        await run(graph, Work(), store=store, run_id="parent")
        child = await fork(store, "parent", "1", graph, change={"log": ["edited"], "n": 7})
        assert child.state.log == ["edited", "b"]
        assert child.state.n == 7
        before = len(store.runs())
        refused: list[tuple[str, dict[str, object], type[UseError]]] = [
            ("1", {"n": "many"}, InputRefused),
            ("1", {"nosuch": 1}, InputRefused),
            ("9", {}, UseError),
        ]
        for visit, change, error in refused:
            with pytest.raises(error):
                await fork(store, "parent", visit, graph, change=change)
        with pytest.raises(RunNotFound):
            await fork(store, "nope", "0", graph)
        assert len(store.runs()) == before

    asyncio.run(main())


def test_a_fork_has_keys_of_its_own() -> None:
    """The same visit of a forked run is another effect."""
    keys: list[str] = []

    async def work(ctx: Context) -> str:
        keys.append(ctx.idempotency_key)
        return "x"

    graph = chain(work).freeze()

    async def main() -> None:
        store = MemoryStore()
        await run(graph, Work(), store=store, run_id="parent")
        await fork(store, "parent", "0", graph)

    asyncio.run(main())
    assert len(set(keys)) == 2
