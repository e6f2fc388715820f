"""Steps of any run: whatever a run did, it can be walked through, looked at and checked."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graphrt.cli.stepping import Stepping
from graphrt.cli.steps import around, walk
from graphrt.graph import Graph
from graphrt.inputs import AttemptStarted
from graphrt.replay import Divergence, fold, verify
from graphrt.trace import Header, Trace
from tests import strategies
from tests.strategies import ORDERS, WILD, World, graphs, worlds

PARTS = st.sampled_from((100, 100, 70, 30))
"""How many percent of a trace there are: a run may be looked at while it goes on."""


def traced(graph: Graph, world: World, order: int, part: int = 100) -> Trace:
    """Run a graph to its end; return the first so many percent of its trace."""
    records = strategies.run(graph, world, order).records
    header = Header("r", graph.name, graph.digest, graph.json, records[0].at)
    return Trace(header, records[: max(1, len(records) * part // 100)])


@given(graphs(WILD), worlds(), ORDERS, PARTS)
@settings(max_examples=60)
def test_each_event_belongs_to_one_step(graph: Graph, world: World, order: int, part: int) -> None:
    """Only attempts that merely begin are no steps; all else of the trace stands in exactly one, in its order."""
    trace = traced(graph, world, order, part)
    steps = walk(trace).steps
    assert [s.number for s in steps] == list(range(1, len(steps) + 1))
    assert [e for s in steps for e in s.record.events] == trace.events()
    shown = {s.record.seq for s in steps}
    assert all(isinstance(r.input, AttemptStarted) for r in trace.records if r.seq not in shown)
    assert all(s.known for s in steps)


@given(graphs(WILD), worlds(), ORDERS, PARTS)
@settings(max_examples=60)
def test_changes_lead_from_the_first_state_to_the_last(graph: Graph, world: World, order: int, part: int) -> None:
    """What a step says has changed is the difference of the states it shows, and the last is the run's own state."""
    trace = traced(graph, world, order, part)
    walked = walk(trace)
    for step in walked.steps:
        for level in step.levels:
            before: dict[str, Any] = {}
            if level.before is not None:
                before = {n: level.fields[n].encode_state_value(v) for n, v in level.before.items()}
            after = {n: level.fields[n].encode_state_value(v) for n, v in level.after.items()}
            for change in level.changes():
                if change.added is not None:
                    before[change.field] = before[change.field] + change.added
                else:
                    before[change.field] = change.new
            for name in level.items:
                before.pop(name, None)
            if level.before is not None:
                assert {n: v for n, v in after.items() if n not in level.items} == before
    stepper = fold(trace)
    if stepper.state is not None:
        root = next(level for level in walked.steps[-1].levels if not level.around)
        assert root.after == stepper.state


@given(graphs(WILD), worlds(), ORDERS, PARTS)
@settings(max_examples=40)
def test_what_is_live_is_what_the_run_has_live(graph: Graph, world: World, order: int, part: int) -> None:
    """The visits said to be live after the last step are the run's own, without those around others."""
    trace = traced(graph, world, order, part)
    walked = walk(trace)
    stepper = fold(trace)
    if stepper.status not in {"running", "suspended"}:
        return
    live = set(stepper.visits)
    leaves = {v for v in live if not any(around(other) == v for other in live)}
    last = walked.steps[-1]
    assert len(last.live) + last.more_live == len(leaves)


@given(graphs(WILD), worlds(), ORDERS, st.sampled_from(((40, 12), (80, 24), (130, 40))))
@settings(max_examples=30)
def test_every_screen_of_every_run_fits(graph: Graph, world: World, order: int, size: tuple[int, int]) -> None:
    """Every page of every step fits its terminal, and no key ends in an error."""
    screen = Stepping(walk(traced(graph, world, order)))
    pages = ("w", "s", "d", "m", "v", "escape", "f", "/visit", "g 1", "right")
    for k in range(min(40, len(screen.walk.steps))):
        assert screen.do(pages[k % len(pages)])
        rows = screen.screen(*size)
        assert len(rows) == size[1]
        assert max(row.cell_len for row in rows) <= size[0]
        screen.do("right")


@given(graphs(WILD), graphs(WILD), worlds(), ORDERS)
@settings(max_examples=60)
def test_any_run_can_be_checked_against_any_flow(graph: Graph, other: Graph, world: World, order: int) -> None:
    """A run is equal under its own definition; under another one it is equal or differs, and never breaks."""
    trace = traced(graph, world, order)
    assert verify(trace, graph) is None
    found = verify(trace, other)
    assert found is None or isinstance(found, Divergence)
    assert str(found)
