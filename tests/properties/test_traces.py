"""The bytes of a trace: whatever happens to them is noticed, and there are no more of them than happened."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrt import codec, replay
from graphrt.errors import TraceInvalid
from graphrt.graph import Graph
from graphrt.inputs import Json
from graphrt.trace import Trace
from tests.driving import Driver, be, build, each, plus, subgraph, when
from tests.strategies import ORDERS, PLAIN, RACING, World, graphs, run, worlds

ANY = graphs(PLAIN) | graphs(RACING)
PLACES = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=20)


@given(ANY, worlds(), ORDERS, PLACES)
def test_an_altered_byte_is_noticed(graph: Graph, world: World, order: int, places: list[tuple[float, int]]) -> None:
    """Whichever byte of a trace is changed to whatever, reading names the line; what stands before it is sound."""
    driver = run(graph, world, order)
    data = driver.bytes
    for share, change in places:
        place = int(share * (len(data) - 1))
        altered = bytearray(data)
        altered[place] ^= change
        line = data.count(b"\n", 0, place) + 1
        with pytest.raises(TraceInvalid) as caught:
            codec.decode_trace(bytes(altered))
        assert caught.value.facts.get("line", 1) == line
        sound = data[: _begin(data, line)]
        if line > 1:
            assert list(codec.decode_trace(sound).records) == driver.records[: line - 2]


def _begin(data: bytes, line: int) -> int:
    place = 0
    for _ in range(line - 1):
        place = data.index(b"\n", place) + 1
    return place


@given(ANY, worlds(), ORDERS, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_cut_is_noticed_or_between_records(graph: Graph, world: World, order: int, places: list[float]) -> None:
    """Cut anywhere, a trace is torn at its last line, or it is the sound trace of a run that stands at that record."""
    driver = run(graph, world, order)
    data = driver.bytes
    for share in places:
        cut = int(share * len(data))
        whole = data.count(b"\n", 0, cut)
        if cut and data[cut - 1 : cut] == b"\n":
            trace = codec.decode_trace(data[:cut])
            assert list(trace.records) == driver.records[: whole - 1]
            if trace.records:
                assert replay.fold(trace).status == driver.folded(whole - 1).status
            continue
        with pytest.raises(TraceInvalid) as caught:
            codec.decode_trace(data[:cut])
        assert (caught.value.facts["kind"], caught.value.facts["line"]) == ("torn", whole + 1)


@given(ANY, worlds(), ORDERS, st.integers(0, 3), st.floats(0, 1))
def test_lines_are_not_interchangeable(graph: Graph, world: World, order: int, way: int, share: float) -> None:
    """Lines that are left out, doubled, swapped, or taken from the trace of another run break the chain."""
    driver = run(graph, world, order)
    lines = driver.bytes.splitlines(keepends=True)
    place = 1 + int(share * (len(lines) - 3))
    other = [codec.encode_record(r, "")[0] + b"\n" for r in driver.records[place - 1 : place]]
    mixed: list[list[bytes]] = [
        lines[:place] + lines[place + 1 :],
        lines[:place] + lines[place : place + 1] + lines[place:],
        lines[:place] + lines[place + 1 : place + 2] + lines[place : place + 1] + lines[place + 2 :],
        lines[:place] + other + lines[place + 1 :],
    ]
    with pytest.raises(TraceInvalid) as caught:
        codec.decode_trace(b"".join(mixed[way]))
    assert caught.value.facts["line"] == place + (2 if way == 1 else 1)


# Growth

MOST = 20_000
"""Attempts of the longest run here."""


def _loop(steps: int) -> Driver:
    """A loop of two nodes, with a guard, an action, a list that grows and a number."""
    graph = build(
        [
            ("work", "check"),
            ("check", "work", {"when": when("n", "<", steps // 2 - 1), "set": (plus("n", 1), be("note", "again"))}),
            ("check", "end"),
        ]
    )
    return Driver(graph).start().finish(lambda c: {"log": f"{c.node.name:>20}", "total": 1}, MOST)


def _fan(steps: int) -> Driver:
    """A branch for each of many items, a join, and a second round of them one after the other."""
    graph = build(
        [("begin", "work", {"each": each()}), ("work", "J"), ("J", "again", {"each": each(at_once=1)}), ("again", "K")],
        joins="J K",
    )
    return Driver(graph).start(items=list(range(1000, 1000 + steps // 2))).finish(most=MOST)


def _inside(steps: int) -> Driver:
    """A loop around a graph inside a node."""
    inner = build([("a", "b")])
    graph = build(
        [
            ("loop", "in"),
            ("in", "loop", {"when": when("n", "<", steps // 3 - 1), "set": (plus("n", 1),)}),
            ("in", "end"),
        ],
        nodes={"in": subgraph(inner, "total")},
    )
    return Driver(graph).start().finish(most=MOST)


def _failing(steps: int) -> Driver:
    """A run that fails and is resumed, again and again."""
    driver = Driver(build([("a", "b")])).start()
    for _ in range(steps):
        driver.fail("0")
        driver.resume()
    return driver.finish()


@pytest.mark.parametrize("make", [_loop, _fan, _inside, _failing])
def test_traces_grow_linearly(make: Callable[[int], Driver]) -> None:
    """A step of a run of ten thousand takes hardly more bytes than one of a hundred: numbers get longer, no more."""

    def bytes_a_step(steps: int) -> float:
        driver = make(steps)
        assert driver.status == "completed"
        trace = driver.trace
        return (len(codec.encode_trace(trace)) - len(codec.encode_header(trace.header)[0])) / steps

    hundred, thousand, ten_thousand = map(bytes_a_step, (100, 1_000, 10_000))
    assert thousand < 1.1 * hundred
    assert ten_thousand < 1.1 * thousand


def test_a_step_does_not_record_what_it_did_not_change() -> None:
    """A large value in the state is written when it is set, and never again, whatever happens beside it."""
    large: Json = "x" * 50_000
    graph = build([("a", "b"), ("b", "b", {"when": when("n", "<", 20), "set": (plus("n", 1),)}), ("b", "end")])
    driver = Driver(graph).start(note=large).finish(lambda c: {"log": c.node.name})
    trace = driver.trace
    assert codec.encode_trace(trace).count(large.encode()) == 1
    assert len(codec.encode_trace(Trace(trace.header, trace.records[1:]))) < 30_000
