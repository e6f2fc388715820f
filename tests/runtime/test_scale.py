"""Many runs and long ones: what waits costs memory only, and a step costs the same however many were before it."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading
import time
import tracemalloc

import pytest
from pydantic import BaseModel

from graphrt import Flow, codec
from graphrt.replay import fold
from graphrt.runtime import answer, resume, run
from graphrt.stores.memory import MemoryStore
from tests.runtime.flows import Work, asking

RUNS = 10_000
STEPS = 100_000
PART = 10_000


@pytest.mark.slow
def test_ten_thousand_suspended_runs_need_no_task() -> None:
    """Runs that wait for an answer hold no task, no thread, and no more memory than their few records and state."""

    async def main() -> None:
        store = MemoryStore()
        graph = asking().freeze()
        await run(graph, Work(), store=store)  # what is prepared once
        threads = threading.active_count()
        gc.collect()
        tracemalloc.start()
        for n in range(0, RUNS, 100):
            await asyncio.gather(*(run(graph, Work(), store=store, run_id=f"r{n + k}") for k in range(100)))
        assert sum(info.status == "suspended" for info in store.runs()) == RUNS + 1
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] / RUNS
        tracemalloc.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert threading.active_count() <= threads
        trace = store.trace("r0")
        written = len(codec.encode_trace(trace)) - len(codec.encode_header(trace.header)[0])
        assert used < 5 * written, (used, written)
        await answer(store, "r777", "1", "yes")
        assert (await resume(store, "r777", graph)).state.text == "went"

    asyncio.run(main())


class Counter(BaseModel):
    """Counts."""

    n: int = 0


@pytest.mark.slow
def test_a_hundred_thousand_steps_cost_the_same_each() -> None:
    """The last ten thousand steps of a long loop take about as long as the first; the stack does not grow."""
    flow = Flow("long", Counter)
    marks: list[float] = []
    depths: set[int] = set()

    async def count(n: int) -> int:
        if n % PART == 0:
            marks.append(time.process_time())
            depths.add(_depth())
        return n + 1

    task = flow.task(writes=flow.state.n)(count)
    flow.edge(task, task, when=flow.state.n < STEPS)
    flow.edge(task, flow.end("done"))
    flow.start(task)

    async def main() -> None:
        gc.collect()
        gc.freeze()
        try:
            result = await run(flow.freeze(), Counter())
        finally:
            gc.unfreeze()
        assert result.state.n == STEPS
        assert result.usage.visits == STEPS + 1
        trace = result.trace
        assert len(trace.records) == 2 * STEPS + 1
        lines = [len(codec.encode_record(r, "0" * 16)[0]) for r in (trace.records[1001], trace.records[-2000])]
        assert lines[1] < lines[0] * 1.2
        assert fold(trace).status == "completed"

    asyncio.run(main())
    parts = [after - before for before, after in itertools.pairwise(marks)]
    assert len(parts) == STEPS // PART - 1
    assert len(depths) == 1
    assert min(parts[-3:]) < 2 * min(parts[:3]), parts


def _depth() -> int:
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth
