"""Branches run at the same time, end in any order and give one result; what is no longer wanted is cancelled."""

from __future__ import annotations

import asyncio
import random
from contextvars import ContextVar

import pytest

from graphrt.events import VisitCancelled
from graphrt.inputs import AttemptStarted
from graphrt.replay import verify
from graphrt.runtime import attempts as attempts_module
from graphrt.runtime import run
from graphrt.stores.memory import MemoryStore
from tests.runtime.flows import Gate, Node, Work, parallel, saying


def test_branches_run_at_the_same_time() -> None:
    """All branches have begun before the first has ended."""

    async def main() -> None:
        gates = [Gate(f"g{i}") for i in range(5)]
        task = asyncio.ensure_future(run(parallel(*gates).freeze(), Work()))
        for gate in gates:
            await gate.begun.wait()
        for gate in reversed(gates):
            gate.opened.set()
            await asyncio.sleep(0)
        assert (await task).state.text == "g0+g1+g2+g3+g4"

    asyncio.run(main())


def test_the_order_of_endings_does_not_matter() -> None:
    """Whatever order branches end in, the state and the visits are the same."""

    async def once(seed: int) -> tuple[str, list[str]]:
        rng = random.Random(seed)

        def late(i: int) -> Node:
            async def node() -> str:
                for _ in range(rng.randrange(6)):
                    await asyncio.sleep(0)
                return f"b{i}"

            return node

        result = await run(parallel(*map(late, range(6))).freeze(), Work())
        assert verify(result.trace, parallel(*map(late, range(6))).freeze()) is None
        return result.state.text, sorted(getattr(e, "visit", "") for e in result.trace.events())

    async def main() -> None:
        outcomes = [await once(seed) for seed in range(20)]
        assert all(outcome == outcomes[0] for outcome in outcomes)

    asyncio.run(main())


def test_many_branches_cost_one_append_of_their_starts() -> None:
    """All attempts that begin together are made durable together, before any of them is called."""

    class Counting(MemoryStore):
        appends: list[int]

        # The signature is the store's.
        def append(self, lease, records, status, due=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            self.appends.append(sum(isinstance(r.input, AttemptStarted) for r in records))
            return super().append(lease, records, status, due)

    async def main() -> None:
        store = Counting()
        store.appends = []
        result = await run(parallel(*[saying("x")] * 200).freeze(), Work(), store=store)
        assert result.state.text == "+".join("x" * 200)
        assert max(store.appends) == 200
        assert len(store.appends) < 20

    asyncio.run(main())


def test_a_failure_cancels_what_runs_beside_it() -> None:
    """Siblings of a failed branch are cancelled, say so in the trace, and have ended when the run has."""

    async def fail() -> str:
        await gate.begun.wait()
        message = "bad"
        raise ValueError(message)

    async def main() -> None:
        result = await run(parallel(gate, fail).freeze(), Work())
        assert result.status == "failed"
        assert result.failed_at == ("0.1.0", "b1")
        assert gate.cancelled
        assert VisitCancelled("0.0.0", "b0", "failure") in result.trace.events()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    gate = Gate()
    asyncio.run(main())


def test_any_cancels_the_losers() -> None:
    """A join that waits for one branch cancels the others and goes on."""

    async def main() -> None:
        gate = Gate()
        result = await run(parallel(gate, saying("won"), wait="any").freeze(), Work())
        assert result.state.text == "won"
        assert gate.cancelled
        assert VisitCancelled("0.0.0", "b0", "join") in result.trace.events()

    asyncio.run(main())


def test_what_a_cancelled_branch_returns_is_not_wanted() -> None:
    """A branch that ignores its cancellation and returns changes nothing."""

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "I insist"
        raise AssertionError

    async def main() -> None:
        result = await run(parallel(stubborn, saying("won"), wait="any").freeze(), Work())
        assert result.state.log == ["won"]

    asyncio.run(main())


def test_a_branch_that_will_not_end_does_not_hold_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A node that swallows its cancellation is left behind after a while, and the log says so."""
    monkeypatch.setattr(attempts_module, "GRACE_S", 0.05)

    async def main() -> None:
        release = asyncio.Event()

        async def deaf() -> str:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            return "at last"

        result = await run(parallel(deaf, saying("won"), wait="any").freeze(), Work())
        assert result.state.text == "won"
        assert "did not end within" in caplog.text
        release.set()
        await asyncio.sleep(0.01)

    asyncio.run(main())


def test_mapped_branches_are_bounded() -> None:
    """No more branches of an `each` edge are under way than `at_once` says, and each item is worked on once."""
    from graphrt import Flow

    most = now = 0

    async def work(item: str) -> str:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return item.upper()

    flow = Flow("mapped", Work)
    begin = flow.task(name="begin")(lambda: None)
    each = flow.task(writes=flow.state.log)(work)
    flow.each(begin, each, item=flow.state.item, of=flow.state.items, at_once=3)
    flow.edge(each, flow.join("join"))
    result = asyncio.run(run(flow.freeze(), Work(items=list("abcdefghij"))))
    assert result.state.log == list("ABCDEFGHIJ")
    assert most == 3


def test_attempts_that_never_wait_share_a_task() -> None:
    """A task costs more than an attempt that never waits, so a wide fan-out of those needs few tasks."""

    async def main() -> None:
        tasks: set[object] = set()

        async def note() -> str:
            tasks.add(asyncio.current_task())
            return "x"

        result = await run(parallel(*[note] * 500).freeze(), Work())
        assert len(result.state.log) == 500
        assert len(tasks) < 50

    asyncio.run(main())


def test_attempts_that_wait_are_all_under_way() -> None:
    """However many branches there are, each waits in a task of its own; none holds up another."""

    async def main() -> None:
        gates = [Gate(str(i)) for i in range(1_000)]
        running = asyncio.ensure_future(run(parallel(*gates).freeze(), Work()))
        for gate in gates:
            await gate.begun.wait()
        assert len(asyncio.all_tasks()) >= 1_000
        for gate in gates:
            gate.opened.set()
        assert (await running).state.log == [str(i) for i in range(1_000)]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_wide_fan_out_leaves_turns_to_others() -> None:
    """Attempts that never wait do not keep the event loop to themselves: others have their turn among them."""

    async def main() -> None:
        most = called = turns = 0

        async def busy() -> str:
            nonlocal called, most
            called += 1
            most = max(most, called)
            return "x"

        async def beside() -> None:
            nonlocal called, turns
            while True:
                called, turns = 0, turns + 1
                await asyncio.sleep(0)

        other = asyncio.ensure_future(beside())
        await run(parallel(*[busy] * 2_000).freeze(), Work())
        other.cancel()
        assert most <= attempts_module.TURN + 50
        assert turns >= 2_000 / (attempts_module.TURN + 50)

    asyncio.run(main())


def test_what_a_branch_leaves_in_its_context_reaches_no_other() -> None:
    """A context variable that a node sets is not seen by the branches beside it, in whatever order they are called."""
    told: ContextVar[str] = ContextVar("told", default="nothing")
    seen: list[str] = []

    async def tell() -> str:
        seen.append(told.get())
        told.set("a secret")
        return "x"

    asyncio.run(run(parallel(*[tell] * 40).freeze(), Work()))
    assert seen == ["nothing"] * 40


def test_a_branch_that_cancels_its_own_task_harms_no_other() -> None:
    """A cancellation that a node asks for and does not wait for ends with its attempt."""

    async def rash() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return "rash"

    async def patient() -> str:
        await asyncio.sleep(0)
        return "patient"

    async def main() -> None:
        result = await run(parallel(*[rash, patient] * 10).freeze(), Work())
        assert result.status == "completed"
        assert result.state.log == ["rash", "patient"] * 10

    asyncio.run(main())
