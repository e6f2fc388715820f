"""The numbers of a run's steps: the rules, and that all who show a run give the same numbers to the same things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from graphrt.account import account
from graphrt.cli.steps import walk
from graphrt.events import VisitCancelled, VisitCompleted, VisitFailed, VisitStarted
from graphrt.graph import Graph, Node
from graphrt.numbering import Numbering
from graphrt.trace import Trace
from graphrt_viz import chronicle_of, picture_of_run
from graphrt_viz.extract import step_into
from tests.strategies import ORDERS, WILD, World, graphs, run, worlds

if TYPE_CHECKING:
    from graphrt.cli.steps import Step
    from graphrt.told import VisitAccount

VISITS = (VisitStarted, VisitCompleted, VisitFailed, VisitCancelled)
TASK = Node(0, "write", "task")
JOIN = Node(1, "gather", "join")
AGENT = Node(2, "agent", "agent", graph=Graph("agent", (), (TASK,)))
PART = Node(3, "part", "subgraph", graph=Graph("part", (), (TASK,)))


def test_crossings_and_retries_are_counted_through() -> None:
    """A visit has the number of the crossing that led to it; the attempt after a failure takes the next."""
    numbers = Numbering()
    assert numbers.begun("0", TASK, ()) == "1"
    assert numbers.tried("0", 1) == "1"
    assert numbers.retried("0") == "2"
    assert numbers.tried("0", 2) == "2"
    assert numbers.crossed("0", TASK, None) == "3"
    assert numbers.begun("1", TASK, ("0",)) == "3"
    assert numbers.latest == "3"


def test_an_attempt_after_a_crash_and_a_question_about_one_stay_with_their_step() -> None:
    """They are 1·2 and 1?, since nothing was crossed and nothing failed."""
    numbers = Numbering()
    numbers.begun("0", TASK, ())
    numbers.tried("0", 1)
    assert numbers.asked("0") == "1?"
    assert numbers.tried("0", 2) == "1·2"
    assert numbers.tried("0", 3) == "1·3"
    assert numbers.crossed("0", TASK, None) == "2"


def test_a_question_of_an_ask_is_the_step_that_led_to_it() -> None:
    """Only what comes after a first thing in a visit is a step of its own."""
    numbers = Numbering()
    numbers.begun("0", TASK, ())
    assert numbers.asked("0") == "1"


def test_items_have_numbers_below_the_crossing_that_started_them() -> None:
    """One crossing, many visits: 2.1, 2.2; of a lone item no more than the number."""
    numbers = Numbering()
    numbers.begun("0", TASK, ())
    assert numbers.crossed("0", TASK, 2) == "2"
    assert [numbers.begun(v, TASK, ("0",)) for v in ("0.0-0.0", "0.0-1.0")] == ["2.1", "2.2"]
    assert numbers.crossed("0.0-0.0", TASK, 1) == "3"
    assert numbers.begun("0.0-0.1", TASK, ("0.0-0.0",)) == "3"


def test_a_join_has_the_number_of_the_arrival_that_made_it_fire() -> None:
    """Where none did, since a line ended elsewhere, it comes after the latest step."""
    numbers = Numbering()
    numbers.begun("0", TASK, ())
    numbers.record()
    numbers.crossed("0", JOIN, None)
    assert numbers.begun("1", JOIN, ("0",)) == "2"
    numbers.crossed("1", JOIN, None)
    numbers.record()
    assert numbers.begun("2", JOIN, ("1",)) == "3+"


def test_agents_number_what_is_inside_them_and_subgraphs_do_not() -> None:
    """What runs in an agent is 1/1, 1/2; what runs in a subgraph counts with what is around it."""
    numbers = Numbering()
    numbers.begun("0", AGENT, ())
    assert numbers.begun("0/0", TASK, ()) == "1/1"
    assert numbers.retried("0/0") == "1/2"
    assert numbers.crossed("0", PART, None) == "2"
    assert numbers.begun("1", PART, ("0",)) == "2"
    assert numbers.begun("1/0", TASK, ()) == "3"


@given(graphs(WILD), worlds(), ORDERS)
def test_all_give_the_same_numbers_to_the_same_things(graph: Graph, world: World, order: int) -> None:
    """Account, picture, report data and replay agree on every visit, attempt and crossing; each number is used once."""
    driver = run(graph, world, order)
    trace = Trace(driver.trace.header, driver.trace.records)
    told = account(trace)
    chronicle = chronicle_of(trace, opened="all")
    steps = [s.label for s in chronicle.steps]
    assert len(set(steps)) == len(steps)
    for visit in told.visits.values():
        shown = [s.label for s in chronicle.steps if s.visit == visit.id and s.what != "arrival"]
        assert shown == list(visit.steps)
    drawn = picture_of_run(trace, opened="all")
    assert drawn == chronicle.picture
    marks = [(e.source, e.mark) for e in drawn.edges if e.mark is not None]
    on_edges = {(source, step) for source, mark in marks for step in mark.steps}
    crossed = {(_ident(v), edge.step) for v in told.visits.values() for edge in v.routed if edge.step}
    assert crossed <= on_edges or any(mark.taken > len(mark.steps) for _, mark in marks)  # of many, the first
    assert f" · {told.totals.visits} visit" in drawn.subtitle
    walked = walk(trace)
    for step in walked.steps:
        assert step.label in (step.visit.steps if step.visit is not None else ("",))
    for visit in told.visits.values():
        for label in visit.steps:
            found = walked.at_step(label)
            assert found is not None
            about = {found.visit.id if found.visit is not None else "", *(_visits(found))}
            assert visit.id in about
    half = account(Trace(trace.header, trace.records[: len(trace.records) // 2]))
    assert all(told.visits[v.id].steps[: len(v.steps)] == v.steps for v in half.visits.values())


def _visits(step: Step) -> list[str]:
    return [event.visit for event in step.record.events if isinstance(event, VISITS)]


def _ident(visit: VisitAccount) -> str:
    path = ""
    for name in visit.path:
        path = step_into(path, name)
    return path
