"""Looking back at a run: wherever one looks, in whatever order, it is told as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrt.account import Reader
from graphrt.cli.past import Past
from graphrt.graph import Graph
from graphrt.told import Account
from graphrt.trace import Trace
from tests.cli import scenes
from tests.strategies import ORDERS, PLAIN, RACING, TooLong, World, finish, graphs, run, worlds

LOOKS = st.lists(st.floats(0, 1), min_size=2, max_size=8)


def _read(trace: Trace, told: Account, records: int) -> Account:
    """Return what the first records tell to one who reads them from the start, by the same definition."""
    reader = Reader(trace.header, told.graph, trace.records[0].at if trace.records else None)
    for record in trace.records[:records]:
        reader.read(record)
    return reader.account


def _same(trace: Trace, looks: list[float]) -> None:
    past = Past(trace, apart=3)
    for share in looks:
        records = round(share * len(trace.records))
        told = past.at(records)
        assert told == _read(trace, told, records)


@given(graphs(PLAIN) | graphs(RACING), worlds(failing=(10, 25)), ORDERS, st.floats(0, 1), LOOKS)
def test_a_run_is_told_as_it_was(graph: Graph, world: World, order: int, place: float, looks: list[float]) -> None:
    """Of a run that was cut off and taken up again, and again after it failed, every moment is what it was."""
    whole = run(graph, world, order)
    driver = whole.crashed(1 + int(place * (len(whole.records) - 1)))
    try:
        finish(driver, world, order)
        if driver.status == "failed":
            driver.resume()
            finish(driver, world, order)
    except TooLong:
        return
    _same(driver.trace, looks)


@pytest.mark.parametrize("scene", ["suspended", "completed", "failed", "cancelled", "cut_off", "resumed", "researched"])
def test_every_moment_of_a_scene_is_told(scene: str) -> None:
    """Forwards and backwards, record by record: questions, retries, subgraphs, a crash, an hour without a driver."""
    trace: Trace = getattr(scenes, scene)()
    shares = [k / len(trace.records) for k in range(len(trace.records) + 1)]
    _same(trace, [*shares, *reversed(shares)])
