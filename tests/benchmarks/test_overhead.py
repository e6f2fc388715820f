"""What the engine adds to the work stays small and does not grow.

Ratios only, each of figures that were taken in turn in this very process, the best of several rounds, with wide bounds:
a busy machine is no failure, a part that became ten times as slow is one. `make bench` measures; this only watches.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from graphrt.replay import fold
from graphrt.runtime import run
from graphrt.stores.sqlite import SqliteStore
from tests.benchmarks import on_floor, on_graphrt

pytestmark = pytest.mark.skipif(
    sys.gettrace() is not None, reason="a tracer slows graphrt alone, not what it is compared with"
)

Work = Callable[[], Awaitable[object]]


@pytest.fixture(autouse=True)
def _without_what_others_left() -> Iterator[None]:
    """Keep the collector from walking through the objects of the whole test suite in the middle of a measurement."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def least(*pieces: tuple[Work, int], rounds: int = 4) -> list[float]:
    """The least processor time of a unit of each piece of work, in seconds, the pieces taken in turn."""

    async def measure() -> list[float]:
        best = [float("inf")] * len(pieces)
        for work, _ in pieces:
            await work()
        for _ in range(rounds):
            for i, (work, units) in enumerate(pieces):
                gc.collect()
                begun = time.process_time()
                await work()
                best[i] = min(best[i], (time.process_time() - begun) / units)
        return best

    return asyncio.run(measure())


async def often(work: Work, times: int) -> None:
    """Do a short thing so often that a clock can tell."""
    for _ in range(times):
        await work()


def test_a_step_costs_at_most_some_hundred_times_a_bare_await() -> None:
    """A step with guard, events, verdicts and trace stays below 200 times what the same loop costs by hand."""
    graph = on_graphrt.loop_of(1_000)
    floor, ours = least(
        (partial(often, partial(on_floor.loop_once, 1_000), 30), 30_000),
        (partial(on_graphrt.counted, graph), 1_000),
    )
    assert ours < 200 * floor


def test_a_branch_costs_at_most_some_times_a_bare_task() -> None:
    """A branch with its join stays below 20 times what a task and `gather` cost by hand."""
    graph, items = on_graphrt.fan_of(), list(range(300))
    floor, ours = least(
        (partial(often, partial(on_floor.fan_once, items), 10), 3_000),
        (partial(on_graphrt.fanned, graph, items), 300),
    )
    assert ours < 20 * floor


def test_a_step_costs_the_same_late_in_a_run() -> None:
    """The time of a step does not depend on how many went before: 20,000 steps take 20 times what 1,000 take."""
    short, long = on_graphrt.loop_of(1_000), on_graphrt.loop_of(20_000)
    few, many = least(
        (partial(on_graphrt.counted, short), 1_000), (partial(on_graphrt.counted, long), 20_000), rounds=3
    )
    assert many < 1.6 * few


def test_a_branch_costs_the_same_among_many() -> None:
    """The time of a branch does not depend on how many there are: 1,000 cost at most twice as much as 10 each."""
    graph = on_graphrt.fan_of()
    few, many = least(
        (partial(often, partial(on_graphrt.fanned, graph, list(range(10))), 10), 100),
        (partial(on_graphrt.fanned, graph, list(range(1_000))), 1_000),
    )
    assert many < 2 * few


def test_folding_a_trace_costs_no_more_than_the_run() -> None:
    """Taking up a run again costs less than it took to run it: below 1.5 times its time, without its nodes."""
    graph = on_graphrt.loop_of(1_000)
    _, trace = asyncio.run(on_graphrt.trace_of(1_000))

    async def folded() -> None:
        state = fold(trace, graph).state
        assert state is not None
        assert state["n"] == 1_000

    running, folding = least((partial(on_graphrt.counted, graph), 1_000), (folded, 1_000))
    assert folding < 1.5 * running


def test_freezing_costs_the_same_for_a_node_of_a_large_flow() -> None:
    """The time of a node at definition does not depend on how many there are."""

    async def frozen(nodes: int) -> None:
        on_graphrt.chain_of(nodes).freeze()

    few, many = least((partial(often, partial(frozen, 100), 5), 500), (partial(frozen, 3_000), 3_000), rounds=2)
    assert many < 2.5 * few


def test_a_step_leaves_the_same_bytes_late_in_a_run(tmp_path: Path) -> None:
    """A store grows linearly: each further step takes as much room as those before, whatever went before."""

    async def stored(steps: int) -> int:
        path = tmp_path / f"{steps}.db"
        store = SqliteStore(path, synchronous="normal")
        await run(on_graphrt.loop_of(steps), on_graphrt.Count(), store=store)
        store.close()
        return path.stat().st_size

    async def measure() -> tuple[int, int, int]:
        return await stored(100), await stored(1_000), await stored(3_000)

    small, middle, large = asyncio.run(measure())
    assert (large - middle) / 2_000 < 1.3 * (middle - small) / 900
    assert (large - middle) / 2_000 < 1_000
