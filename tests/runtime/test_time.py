"""Waits, timeouts and deadlines; no test here waits for real."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from graphrt import Retry
from graphrt.events import AttemptRetried, VisitFailed
from graphrt.inputs import AttemptFailed, AttemptSucceeded, TimerFired
from graphrt.runtime import Result, run
from graphrt.testing.clock import ManualClock, settle
from tests.runtime.flows import Gate, Node, Work, asking, chain, parallel, saying


async def in_time(clock: ManualClock, coroutine: Coroutine[Any, Any, Result[Work]]) -> Result[Work]:
    """Drive a run by moving the clock."""
    task = asyncio.ensure_future(coroutine)
    await clock.run_out(task)
    return task.result()


def failing(times: int, says: str = "ok") -> Node:
    """Return a node that fails so many times first."""
    left = times

    async def node() -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            message = f"{left} more"
            raise ConnectionError(message)
        return says

    return node


def test_retries_wait_as_their_policy_says() -> None:
    """Attempts come after 1, 2 and 4 seconds; each failure is recorded with the time of the next attempt."""

    async def main() -> None:
        clock = ManualClock(1000.0)
        flow = chain(failing(3), retry=Retry(4, wait_s=1, factor=2, jitter=0))
        result = await in_time(clock, run(flow.freeze(), Work(), clock=clock))
        assert result.state.log == ["ok"]
        assert clock.monotonic() == 7
        retried = [e for e in result.trace.events() if isinstance(e, AttemptRetried)]
        assert [(e.attempt, e.due) for e in retried] == [(1, 1001.0), (2, 1003.0), (3, 1007.0)]
        fired = [r.at for r in result.trace.records if isinstance(r.input, TimerFired)]
        assert fired == [1001.0, 1003.0, 1007.0]

    asyncio.run(main())


def test_other_branches_go_on_while_one_waits() -> None:
    """A wait before a retry holds nobody else up."""

    async def main() -> None:
        clock = ManualClock()
        flow = parallel(failing(1, "late"), saying("soon"), retry=Retry(2, wait_s=50, jitter=0))
        task = asyncio.ensure_future(run(flow.freeze(), Work(), clock=clock, run_id="r"))
        while clock.next_in_s is None:  # a plain function runs in a thread, which takes its own time
            await asyncio.wait((task,), timeout=0.001)
        assert clock.next_in_s == 50
        await clock.run_out(task)
        assert task.result().state.text == "late+soon"

    asyncio.run(main())


@pytest.mark.parametrize("beside", [False, True])
def test_an_attempt_that_takes_too_long_is_cancelled(beside: bool) -> None:
    """A timeout cancels the attempt and is recorded as NodeTimeout, also a TimeoutError, inline and in a task."""

    async def main() -> None:
        clock = ManualClock()
        gate = Gate()
        flow = parallel(gate, saying("x"), timeout=30) if beside else chain(gate, timeout=30)
        result = await in_time(clock, run(flow.freeze(), Work(), clock=clock))
        assert result.status == "failed"
        assert gate.cancelled
        assert clock.monotonic() == 30
        assert result.error is not None
        assert result.error.type == "NodeTimeout"
        assert "TimeoutError" in result.error.lineage
        assert "longer than its 30 s" in result.error.message
        (failed,) = [r.input for r in result.trace.records if isinstance(r.input, AttemptFailed)]
        assert failed.duration_s == 30
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(main())


def test_a_timeout_is_retried_like_any_error() -> None:
    """The second attempt of a node that hung once succeeds."""

    async def main() -> None:
        clock = ManualClock()
        calls = 0

        async def hang_once() -> str:
            nonlocal calls
            calls += 1
            if calls == 1:
                await asyncio.Event().wait()
            return "ok"

        flow = chain(hang_once, timeout=5, retry=Retry(2, wait_s=1, jitter=0))
        result = await in_time(clock, run(flow.freeze(), Work(), clock=clock))
        assert result.state.log == ["ok"]
        assert clock.monotonic() == 6

    asyncio.run(main())


def test_a_node_that_answers_its_timeout_has_answered() -> None:
    """A node that catches the cancellation and returns in spite of it has its value taken; the run goes on unharmed."""

    async def main() -> None:
        clock = ManualClock()

        async def rescue() -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "partial"
            raise AssertionError

        result = await in_time(clock, run(chain(rescue, saying("next"), timeout=5).freeze(), Work(), clock=clock))
        assert result.state.log == ["partial", "next"]

    asyncio.run(main())


def test_a_synchronous_function_that_hangs_is_given_up() -> None:
    """The thread of a hanging function is left alone; the run goes on without it, and Context says that it is over."""
    import threading

    from graphrt import Context

    seen: list[bool] = []
    release = threading.Event()
    ended = threading.Event()
    begun = threading.Event()

    def hang(ctx: Context) -> str:
        begun.set()
        release.wait(10)
        seen.append(ctx.cancelled)
        ended.set()
        return "too late"

    async def main() -> None:
        clock = ManualClock()
        task = asyncio.ensure_future(run(chain(hang, timeout=5).freeze(), Work(), clock=clock))
        assert await asyncio.to_thread(begun.wait, 10)
        await clock.run_out(task)
        result = task.result()
        assert result.error is not None
        assert result.error.type == "NodeTimeout"

    asyncio.run(main())
    release.set()
    assert ended.wait(10)
    assert seen == [True]


def test_a_deadline_fires_in_the_process_that_drives() -> None:
    """While other branches are live, an unanswered question ends at its deadline and its edge is taken."""

    async def main() -> None:
        clock = ManualClock(5000.0)
        result = await in_time(clock, run(asking(3600).freeze(), Work(), clock=clock, stay_s=1e9))
        assert result.status == "completed"
        assert result.state.text == "nobody answered"
        assert clock.monotonic() == 3600
        (failed,) = [e for e in result.trace.events() if isinstance(e, VisitFailed)]
        assert failed.error.type == "DeadlinePassed"

    asyncio.run(main())


def test_durations_do_not_follow_the_time_of_day() -> None:
    """Setting the machine's clock back changes neither durations nor the order of records."""

    async def main() -> None:
        clock = ManualClock(5000.0)

        async def work() -> str:
            await clock.sleep(10)
            clock.set_time_of_day(1000.0)
            return "ok"

        result = await in_time(clock, run(chain(work, saying("next")).freeze(), Work(), clock=clock))
        done = [r.input for r in result.trace.records if isinstance(r.input, AttemptSucceeded)]
        assert [d.duration_s for d in done] == [10, 0]
        assert [r.seq for r in result.trace.records] == list(range(5))
        assert result.trace.records[-1].at == 1000.0

    asyncio.run(main())


def test_a_wait_is_not_missed_when_the_time_of_day_is_set_forward() -> None:
    """A timer whose time the clock has jumped over fires at the next look, at most a minute later."""

    async def main() -> None:
        clock = ManualClock(5000.0)
        flow = chain(failing(1), retry=Retry(2, wait_s=7200, most_s=7200, jitter=0))
        task = asyncio.ensure_future(run(flow.freeze(), Work(), clock=clock))
        await settle()
        clock.set_time_of_day(5000.0 + 8000)
        await clock.advance(61)
        assert (await task).state.log == ["ok"]

    asyncio.run(main())


def test_real_timeouts_work_too() -> None:
    """With the clock of the machine, a node that hangs is stopped after its time."""
    begun = time.monotonic()
    result = asyncio.run(run(chain(Gate(), timeout=0.05).freeze(), Work()))
    assert result.error is not None
    assert result.error.type == "NodeTimeout"
    assert 0.04 < time.monotonic() - begun < 5


def test_many_waits_at_once() -> None:
    """Hundreds of branches that wait for their retries all come to their end."""

    async def main() -> None:
        clock = ManualClock()
        flow = parallel(*[failing(2) for _ in range(300)], retry=Retry(3, wait_s=10))
        result = await in_time(clock, run(flow.freeze(), Work(), clock=clock))
        assert len(result.state.log) == 300
        assert clock.monotonic() < 40

    asyncio.run(main())
