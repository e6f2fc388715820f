"""Reading a trace again: under its own definition, under another one, and visit by visit."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import msgspec
from hypothesis import assume, event, given

from graphrt import replay
from graphrt.account import Reader, account
from graphrt.errors import GraphChanged, TraceInvalid
from graphrt.events import AttemptLost, VisitStarted
from graphrt.graph import Edge, Graph, Node
from graphrt.inputs import AttemptFailed, AttemptStarted, AttemptSucceeded
from graphrt.openers import place_joins
from graphrt.replay import Divergence
from graphrt.stepper import Stepper
from graphrt.trace import graph_of
from graphrt_viz import picture_of_run
from graphrt_viz.overlay import RunPictures
from tests.driving import Driver
from tests.properties import invariants
from tests.strategies import ORDERS, PLAIN, RACING, WILD, TooLong, World, graphs, moves, walk, worlds
from tests.strategies import move as perform

ANY = graphs(PLAIN) | graphs(RACING)


def _eventful(graph: Graph, world: World, order: int) -> Driver:
    """Return a run that was cancelled, cut off, taken up again and forked here and there."""
    rnd = random.Random(order)
    driver = Driver(graph).start(items=list(world.items))
    for _ in range(rnd.randrange(120)):
        draw = rnd.random()
        if driver.status in {"running", "suspended"} and draw < 0.03:
            driver.cancel()
        elif draw < 0.08:
            driver = driver.crashed()
        elif draw < 0.11 and driver.stepper.visits:
            driver = driver.folded()
            driver.fork(rnd.choice([*driver.stepper.visits]))
        elif found := moves(driver):
            perform(driver, world, *rnd.choice(found))
        elif driver.status in {"failed", "cancelled"}:
            driver.resume()
        else:
            break
    return driver


@given(graphs(WILD), worlds(), ORDERS)
def test_an_account_tells_what_the_run_is(graph: Graph, world: World, order: int) -> None:
    """Whatever a run has been through, the account of its trace agrees with the stepper that folded it."""
    driver = _eventful(graph, world, order)
    told = account(driver.trace)
    stepper = driver.stepper
    assert told.status == stepper.status
    assert told.error == stepper.error
    assert told.failed_at == ((stepper.failed_at[0] or None) if stepper.failed_at is not None else None)
    assert told.end == stepper.end
    begun = [e.visit for e in driver.of(VisitStarted)]  # twice inside a node that a fork entered anew
    assert list(told.visits) == list(dict.fromkeys(begun))
    assert told.totals.visits == len(told.visits)
    assert stepper.totals.visits == len(begun)
    inputs = [r.input for r in driver.records]
    attempts = Counter(i.visit for i in inputs if isinstance(i, AttemptStarted))
    assert {v.id: len(v.attempts) for v in told.visits.values() if v.attempts} == attempts
    for visit in told.visits.values():
        ended = sum(isinstance(i, (AttemptSucceeded, AttemptFailed)) and i.visit == visit.id for i in inputs)
        assert sum(a.ended is not None for a in visit.attempts) == ended
        lost = {e.attempt for e in driver.of(AttemptLost) if e.visit == visit.id}
        assert {a.number for a in visit.attempts if a.lost} == lost
    if stepper.status == "suspended":
        assert set(told.questions) == set(stepper.questions)
        assert all(told.visits[q].status == "waiting" for q in told.questions)
    if stepper.status == "completed":
        assert {v.status for v in told.visits.values()} <= {"completed", "failed", "cancelled"}


@given(graphs(WILD), worlds(), ORDERS)
def test_a_copy_of_a_reader_stays_where_it_was(graph: Graph, world: World, order: int) -> None:
    """What was told up to a record stays as it was, whatever is read after it, and a copy that reads on tells all."""
    trace = _eventful(graph, world, order).trace
    drawn, began = graph_of(trace), trace.records[0].at
    reader = Reader(trace.header, drawn, began)
    copies: list[Reader] = []
    for record in trace.records:
        copies.append(reader.copied())
        reader.read(record)
    for read in {*range(0, len(copies), 8), len(copies) - 1}:
        alone = Reader(trace.header, drawn, began)
        for record in trace.records[:read]:
            alone.read(record)
        assert copies[read].account == alone.account
        for record in trace.records[read:]:
            copies[read].read(record)
        assert copies[read].account == reader.account


@given(graphs(WILD), worlds(), ORDERS)
def test_who_walks_through_any_run_sees_each_picture_as_if_it_were_the_only_one(
    graph: Graph, world: World, order: int
) -> None:
    """Forwards and backwards, the picture after so many records is the one drawn from those alone."""
    trace = _eventful(graph, world, order).trace
    pictures, last = RunPictures(trace, apart=7), len(trace.records)
    for records in (*range(0, last + 1, 2), *range(last, -1, -3)):
        assert pictures.until(records) == picture_of_run(trace, until=records)


@given(ANY, worlds(), ORDERS)
def test_states_stand_at_each_record(graph: Graph, world: World, order: int) -> None:
    """Stepping through a trace gives, at each record, what a driver saw at that record; without the flow's code."""
    live = Driver(graph)
    seen: list[tuple[str, str, dict[str, str]]] = []
    try:
        for driver in walk(live, world, order):
            seen += [("", "", {})] * (len(driver.records) - len(seen) - 1)
            seen.append((driver.status, repr(driver.stepper.partial), dict(driver.stepper.visits)))
    except TooLong:
        assume(False)
    stood = [(stepper.status, repr(stepper.partial), dict(stepper.visits)) for _, stepper in replay.states(live.trace)]
    assert len(stood) == len(seen)
    assert all(a == b for a, b in zip(seen, stood, strict=True) if a[0])


def _changed(graph: Graph, rnd: random.Random) -> Graph | None:
    """Return the graph with something in it changed; None if that cannot be run."""
    node = rnd.choice([n for n in graph.nodes if n.edges])
    edges: list[Edge] = list(node.edges)
    k = rnd.randrange(len(edges))
    match rnd.choice(("less", "other", "free", "twice", "order", "kind", "renamed")):
        case "less":
            del edges[k]
        case "other":
            edges[k] = msgspec.structs.replace(edges[k], target=rnd.randrange(len(graph.nodes)))
        case "free":
            edges[k] = msgspec.structs.replace(edges[k], when=None, at_most=None)
        case "twice":
            edges.append(msgspec.structs.replace(edges[k], target=rnd.randrange(len(graph.nodes))))
        case "order":
            edges.reverse()
        case "kind":
            node = msgspec.structs.replace(node, fork=not node.fork)
        case _:
            node = msgspec.structs.replace(node, name="renamed")
    node = msgspec.structs.replace(node, edges=tuple(msgspec.structs.replace(e, index=i) for i, e in enumerate(edges)))
    nodes: tuple[Node, ...] = tuple(node if n.index == node.index else n for n in graph.nodes)
    bare = tuple(msgspec.structs.replace(n, opener=None, closes=False) if n.kind == "join" else n for n in nodes)
    placed, mistakes = place_joins(bare, graph.start)
    return None if mistakes else replace(graph, nodes=placed)


@given(graphs(WILD), worlds(), ORDERS)
def test_a_changed_graph_is_a_named_divergence(graph: Graph, world: World, order: int) -> None:
    """Under another definition a trace follows as recorded, or the first difference is named; nothing else happens."""
    driver = _eventful(graph, world, order)
    other = _changed(graph, random.Random(order))
    assume(other is not None)
    assert other is not None
    found = replay.verify(driver.trace, other)
    event("differs" if found is not None else "follows")
    if found is None:
        stepper = Stepper(other)
        assert [stepper.feed(r.at, r.input)[0] for r in driver.records] == [r.events for r in driver.records]
        return
    assert isinstance(found, Divergence)
    assert 0 <= found.seq < len(driver.records)
    assert found.recorded != found.now or found.visit is not None
    assert str(found)


@given(graphs(WILD), graphs(WILD), worlds(), ORDERS)
def test_quite_another_graph_is_a_divergence_too(graph: Graph, other: Graph, world: World, order: int) -> None:
    """Replaying a trace under a graph that has nothing to do with it ends in a named difference, not in a crash."""
    driver = _eventful(graph, world, order)
    found = replay.verify(driver.trace, other)
    assert found is None or str(found)
    try:
        folded = replay.fold(driver.trace, other)
    except (GraphChanged, TraceInvalid) as error:
        event(type(error).__name__)
    else:
        assert folded.status == driver.status


@given(graphs(WILD), worlds(), ORDERS)
def test_a_run_goes_on_under_a_changed_graph_or_says_why_not(graph: Graph, world: World, order: int) -> None:
    """The past is taken as it was recorded; from there on the new definition decides, to an end, or it is refused."""
    rnd = random.Random(order)
    whole = _eventful(graph, world, order)
    driver = whole.folded(rnd.randrange(1, len(whole.records) + 1))
    other = _changed(graph, rnd)
    if other is None or driver.status == "completed":
        return
    try:
        stepper = replay.fold(driver.trace, other)
    except GraphChanged:
        event("refused")
        return
    assert stepper.status == driver.status
    assert stepper.visits == driver.stepper.visits
    event("goes on")
    again = driver.folded(graph=other)
    again.resume()
    try:
        for each in walk(again, world, order):
            invariants.hold(each)
    except TooLong:
        return
    assert again.status in {"completed", "failed"}
