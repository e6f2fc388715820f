"""Order does not matter, and what is computed step by step is what the definition says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from graphrt.commands import StartAttempt
from graphrt.events import Routed, RunFailed, VisitStarted
from graphrt.graph import Graph
from graphrt.inputs import AttemptStarted, Started
from tests.driving import Driver, ended
from tests.properties import invariants
from tests.properties.definition import Conflict, Definition, plain
from tests.strategies import ORDERS, PLAIN, RACING, Kinds, TooLong, World, graphs, run, walk, worlds

CALM = worlds(failing=(0,))


def _outcome(driver: Driver) -> tuple[Any, ...]:
    """Return all that must not depend on the order."""
    visits = sorted((e.visit, e.node, e.causes, repr(e.item)) for e in driver.of(VisitStarted))
    routed = sorted(((e.visit, e.verdicts, e.error) for e in driver.of(Routed)), key=repr)
    return driver.status, driver.state, visits, routed


@given(graphs(PLAIN), worlds(), st.lists(ORDERS, min_size=2, max_size=3, unique=True))
def test_confluent(graph: Graph, world: World, orders: list[int]) -> None:
    """Any order gives the same final state, visit ids, causes and verdicts; only which error fails a run may differ."""
    first, *others = [run(graph, world, order) for order in orders]
    for other in others:
        if invariants.order_decided(first) or invariants.order_decided(other):
            continue
        assert first.status == other.status
        if first.status == "completed":
            assert _outcome(first) == _outcome(other)


@given(graphs(PLAIN) | graphs(RACING), worlds(), ORDERS)
def test_invariants_hold_after_every_move(graph: Graph, world: World, order: int) -> None:
    """Tokens add up, bounds are kept, nothing waits for ever, every visit has its own id and ends once."""
    driver = Driver(graph)
    try:
        for _ in walk(driver, world, order):
            invariants.hold(driver)
    except TooLong:
        return
    assert driver.status in {"completed", "failed"}, driver.stepper.visits
    invariants.every_visit_ends_once(driver)
    if driver.status == "completed":
        assert ended(driver)
    else:
        assert len(driver.of(RunFailed)) == 1


class _Watching(Driver):
    """Remembers what each visit saw."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.saw: dict[str, StartAttempt] = {}

    def begin(self, visit: str) -> StartAttempt:
        """Begin an attempt."""
        command = self.saw[visit] = super().begin(visit)
        return command


def _compare(driver: _Watching, graph: Graph, start: dict[str, Any], prefix: str) -> Definition:
    """Compare what the visits of one graph saw with the definition, and of the graphs inside them."""
    found = Definition(driver, graph, start, prefix)
    for visit, node in found.node.items():
        if visit in found.cancelled:
            continue
        state = found.state_before(visit)
        if visit in driver.saw:
            note(f"{visit} ({node.name})")
            assert plain(graph, driver.saw[visit].state) == plain(graph, state), visit
        if node.graph is not None and f"{visit}/0" in driver.visits:
            inner = {f.name: f.decode_whole(f.default_json) for f in node.graph.fields}
            inner |= {c.field: state[c.field] for c in node.inputs}
            below = _compare(driver, node.graph, inner, f"{visit}/")
            if visit in found.writes:
                last = plain(node.graph, below.final())
                assert found.writes[visit] == {c.field: last[c.field] for c in node.outputs}
    return found


@given(graphs(PLAIN) | graphs(RACING), worlds(), ORDERS)
def test_equal_to_the_definition(graph: Graph, world: World, order: int) -> None:
    """What each visit sees, and the final state, is the fold of the visits behind; a conflict is one by definition."""
    driver = _Watching(graph)
    try:
        for _ in walk(driver, world, order):
            pass
    except TooLong:
        return
    begun = driver.records[0].input
    assert isinstance(begun, Started)
    start = {f.name: f.decode_whole(begun.state[f.name]) for f in graph.fields}
    if driver.status == "completed":
        found = _compare(driver, graph, start, "")
        assert driver.state == plain(graph, found.final())
    elif driver.stepper.error is not None and driver.stepper.error.type == "WriteConflict":
        one, other = driver.stepper.error.detail["visits"]
        simple = all(n.graph is None and not any(e.set for e in n.edges) for n in graph.nodes)
        if simple and {one, other} <= driver.visits.keys():
            with pytest.raises(Conflict):
                Definition(driver, graph, start).between(one, other)


@given(graphs(Kinds(races=True, actions=False, errors=False)), CALM, ORDERS)
def test_races_are_decided_by_the_record(graph: Graph, world: World, order: int) -> None:
    """Who wins a race depends on the order; the recorded order gives the same winner again."""
    driver = run(graph, world, order)
    again = Driver(graph)
    for record in driver.records:
        again.feed(record.input) if record.at == again.at else _feed_at(again, record.at, record.input)
    assert [r.events for r in again.records] == [r.events for r in driver.records]


def _feed_at(driver: Driver, at: float, given: Any) -> None:
    driver.at = at
    driver.feed(given)


@given(graphs(RACING), CALM, ORDERS)
def test_attempts_count_from_one(graph: Graph, world: World, order: int) -> None:
    """The attempts of each visit are numbered without holes."""
    driver = run(graph, world, order)
    numbers: dict[str, list[int]] = {}
    for record in driver.records:
        if isinstance(record.input, AttemptStarted):
            numbers.setdefault(record.input.visit, []).append(record.input.attempt)
    assert all(n == list(range(1, len(n) + 1)) for n in numbers.values())
