"""What is recorded is enough: to replay, to go on after a crash anywhere, after a cancellation, and in a file."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from graphrt import codec, replay
from graphrt.events import (
    AttemptLost,
    AttemptRetried,
    Routed,
    RunCancelled,
    VisitCancelled,
    VisitCompleted,
    VisitStarted,
)
from graphrt.graph import Graph, graph_from_json
from graphrt.inputs import AttemptFailed, AttemptStarted, AttemptSucceeded
from graphrt.stepper import Stepper
from graphrt.trace import Record, Trace
from tests.driving import Driver, ended
from tests.properties import invariants
from tests.strategies import ORDERS, PLAIN, RACING, TooLong, World, finish, graphs, run, walk, worlds

ANY = graphs(PLAIN) | graphs(RACING)
SHORT = 40
"""Moves of the runs that are looked at record by record."""
ENDS = (AttemptSucceeded, AttemptFailed)
PLACE = st.floats(0, 1)
"""Somewhere in a run, as a share of its length."""


def _result(driver: Driver) -> tuple[Any, ...]:
    """Return what a run comes to, however often it was interrupted."""
    completed = sorted((e.visit, e.node, e.outcome, repr(e.writes)) for e in driver.of(VisitCompleted))
    routed = sorted({repr((e.visit, e.verdicts, e.error)) for e in driver.of(Routed)})
    visits = sorted({(e.visit, e.node, e.causes) for e in driver.of(VisitStarted)})
    return driver.status, driver.state, visits, completed, routed


@given(ANY, worlds(), ORDERS)
def test_replay_is_live(graph: Graph, world: World, order: int) -> None:
    """Feeding the recorded inputs gives the same events, byte for byte; verify finds no difference."""
    driver = run(graph, world, order)
    stepper, again = Stepper(graph), list[Record]()
    for record in driver.records:
        again.append(Record(record.seq, record.at, record.input, stepper.feed(record.at, record.input)[0]))
    assert codec.encode_trace(Trace(driver.trace.header, again)) == driver.bytes
    assert replay.verify(driver.trace, graph) is None
    folded = replay.fold(driver.trace)
    assert (folded.status, folded.error) == (driver.stepper.status, driver.stepper.error)


@given(ANY, worlds(), ORDERS)
def test_survives_the_codec(graph: Graph, world: World, order: int) -> None:
    """A trace read back is the same trace, and replays under the graph in its header alone."""
    driver = run(graph, world, order)
    trace = codec.decode_trace(driver.bytes)
    assert list(trace.records) == driver.records
    assert codec.encode_trace(trace) == driver.bytes
    without_code = graph_from_json(trace.header.graph)
    assert without_code.digest == graph.digest
    assert without_code.json == graph.json
    stepper = Stepper(without_code)
    assert [stepper.feed(r.at, r.input)[0] for r in trace.records] == [r.events for r in driver.records]


@given(graphs(PLAIN), worlds(), ORDERS, st.lists(PLACE, min_size=1, max_size=4))
def test_crash_anywhere(graph: Graph, world: World, order: int, places: list[float]) -> None:
    """A run cut off after any record and resumed ends as the uninterrupted run does, also if it is cut off again."""
    whole = run(graph, world, order)
    assume(whole.status == "completed" and not invariants.order_decided(whole))
    for place in places:
        cut = whole.crashed(1 + int(place * (len(whole.records) - 1)))
        finish(cut, world, order)
        assert _result(cut) == _result(whole)
        assert ended(cut)
        assert replay.verify(cut.trace, graph) is None
    twice = whole.crashed(1 + int(places[0] * (len(whole.records) - 1)))
    for _ in range(3):
        if found := list(twice.ready):
            twice.begin(found[0])
            twice = twice.crashed()
    finish(twice, world, order)
    assert _result(twice) == _result(whole)


@given(ANY, worlds(), ORDERS, PLACE)
def test_crash_balances_the_books(graph: Graph, world: World, order: int, place: float) -> None:
    """After a crash, what has to be in hand is in hand, and the run goes on to an end, whatever the graph."""
    whole = run(graph, world, order)
    cut = whole.crashed(1 + int(place * (len(whole.records) - 1)))
    try:
        for driver in walk(cut, world, order):
            invariants.hold(driver)
    except TooLong:
        return
    assert cut.status in {"completed", "failed"}


@given(graphs(PLAIN), worlds(), ORDERS, st.lists(PLACE, min_size=1, max_size=3))
def test_cancel_anywhere(graph: Graph, world: World, order: int, places: list[float]) -> None:
    """A run cancelled after any input and resumed ends as if nothing had been."""
    whole = run(graph, world, order)
    assume(whole.status == "completed" and not invariants.order_decided(whole))
    for place in places:
        left = int(place * len(whole.records))
        driver = Driver(graph)
        for _ in walk(driver, world, order):
            left -= 1
            if left <= 0 and driver.status in {"running", "suspended"}:
                driver.cancel()
                invariants.books_balance(driver)
                driver.resume()
                break
        finish(driver, world, order)
        assert _result(driver) == _result(whole)
        assert ended(driver)


@given(graphs(PLAIN), worlds(failing=(10, 25)), ORDERS)
def test_fails_again_or_goes_on(graph: Graph, world: World, order: int) -> None:
    """A failed run can be resumed as often as anybody likes: it fails again for the same kind of reason, or goes on."""
    driver = run(graph, world, order)
    for _ in range(3):
        if driver.status != "failed":
            break
        before = driver.stepper.error
        driver.resume()
        try:
            for each in walk(driver, world, order):
                invariants.hold(each)
        except TooLong:
            return
        assert driver.status in {"completed", "failed"}
        assert before is not None
    if driver.status == "completed":
        assert ended(driver)


@given(graphs(PLAIN), worlds(failing=(10, 25)), ORDERS)
def test_mended_world(graph: Graph, world: World, order: int) -> None:
    """Once the world is mended, a resumed run that had failed ends as if it had been mended from the start."""
    broken = run(graph, world, order)
    assume(broken.status == "failed")
    assume(not broken.of(Routed) or all(e.error is None for e in broken.of(Routed)))
    mended = World(world.salt, world.plain, 0, world.items)
    broken.resume()
    finish(broken, mended, order)
    fresh = run(graph, mended, order)
    if fresh.status == "completed" and not invariants.order_decided(broken):
        assert _result(broken) == _result(fresh)


@given(graphs(PLAIN), worlds(), ORDERS)
def test_crash_after_every_record(graph: Graph, world: World, order: int) -> None:
    """There is no record after which a run that is cut off ends otherwise; no visit with a result runs again."""
    whole = run(graph, world, order, SHORT)
    assume(whole.status == "completed" and not invariants.order_decided(whole))
    expected = _result(whole)
    for upto in range(1, len(whole.records)):
        cut = whole.crashed(upto)
        done = {e.visit for e in cut.of(VisitCompleted)}
        finish(cut, world, order)
        assert _result(cut) == expected, upto
        again = [r.input.visit for r in cut.records[upto:] if isinstance(r.input, AttemptStarted)]
        assert not done.intersection(again), upto


@given(ANY, worlds(), ORDERS)
def test_cancel_after_every_input(graph: Graph, world: World, order: int) -> None:
    """Cancelled anywhere, a run is cancelled, each attempt that had started has an end, and nothing is in hand."""
    whole = run(graph, world, order, SHORT)
    for upto in range(1, len(whole.records)):
        driver = Driver(graph)
        for _ in walk(driver, world, order):
            if len(driver.records) >= upto:
                break
        if driver.status not in {"running", "suspended"}:
            continue
        waiting = {*driver.ready, *driver.running, *driver.stepper.questions, *(visit for visit, _ in driver.timers)}
        events = driver.cancel()
        assert driver.status == "cancelled"
        assert events[-1] == RunCancelled("tests")
        assert {e.visit for e in events if isinstance(e, VisitCancelled)} == waiting
        invariants.books_balance(driver)
        assert not {*driver.ready, *driver.running, *driver.timers, *driver.stepper.questions}
        closed = {(r.input.visit, r.input.attempt) for r in driver.records if isinstance(r.input, ENDS)}
        begun = {(r.input.visit, r.input.attempt) for r in driver.records if isinstance(r.input, AttemptStarted)}
        stopped = {e.visit for e in driver.of(VisitCancelled)}
        assert {visit for visit, _ in begun - closed} <= stopped
        assert replay.fold(driver.trace).status == "cancelled"


@given(graphs(PLAIN), worlds(), ORDERS)
def test_fork_from_every_visit(graph: Graph, world: World, order: int) -> None:
    """A fork from any visit that has work to do, with nothing edited, ends as its parent does."""
    whole = run(graph, world, order, SHORT)
    assume(whole.status == "completed" and not invariants.order_decided(whole))
    expected = _result(whole)
    for visit in whole.visits:
        child = whole.folded(replay.branch_off(whole.trace, visit))
        if visit not in child.stepper.visits:
            continue  # a join or an end: over as soon as it had begun
        child.fork(visit)
        finish(child, world, order)
        assert _result(child) == expected, visit
        assert ended(child)


@given(graphs(PLAIN), worlds(), ORDERS, PLACE)
def test_lost_attempts_are_shown(graph: Graph, world: World, order: int, place: float) -> None:
    """Each attempt that had begun and not ended when the process died is shown as lost, once."""
    whole = run(graph, world, order)
    upto = 1 + int(place * (len(whole.records) - 1))
    before = whole.folded(upto)
    doubtful = dict(before.stepper.attempts) if before.status in {"running", "suspended"} else {}
    cut = whole.crashed(upto)
    assert {e.visit: e.attempt for e in cut.of(AttemptLost)} == doubtful
    assert len(cut.of(AttemptRetried)) <= len(whole.of(AttemptRetried))
