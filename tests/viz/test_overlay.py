"""A run on its graph: what the trace says happened is what the picture shows."""

from __future__ import annotations

import re
import unittest.mock

import msgspec
import pytest
from pydantic import BaseModel

from graphrt import Flow
from graphrt.codec import decode_trace, encode_trace
from graphrt.trace import Trace
from graphrt_viz import looks, picture_of, picture_of_run, render
from graphrt_viz.overlay import RunPictures
from graphrt_viz.picture import EdgeMark, NodeMark, PEdge, Picture
from graphrt_viz.tally import count_record
from graphrt_viz.theme import LIGHT
from tests.viz.runs import RESEARCH, RESEARCH_RESULTS, SUPPORT, Result, Results, long_run, trace_of
from tests.viz.test_changed_definition import changed_run, ran_on

NO_PAGE = ValueError("no page")
TIMEOUT = TimeoutError("the model took more than 30 s")
COMPLETED = trace_of(
    SUPPORT,
    {
        "triage": {"topic": "billing"},
        "invoice": {"facts": "invoice"},
        "draft": [TIMEOUT, {"draft": "a"}, {"draft": "b"}],
        "review": [{"score": 0.62}, {"score": 0.91}],
    },
    {"approve": "send"},
)
BRANCHED = trace_of(RESEARCH, RESEARCH_RESULTS)


def _mark(picture: Picture, ident: str) -> NodeMark:
    mark = next(n.mark for n in picture.nodes if n.id == ident)
    assert mark is not None
    return mark


def _edge(picture: Picture, source: str, target: str, on: str = "") -> EdgeMark | None:
    (found,) = [e for e in picture.edges if (e.source, e.target, e.on, e.retry) == (source, target, on, False)]
    return found.mark


def _taken(picture: Picture) -> list[tuple[int, PEdge]]:
    steps = [(int(step), e) for e in picture.edges if e.mark is not None for step in e.mark.steps]
    return sorted(steps, key=lambda pair: pair[0])


def test_the_steps_of_a_run_are_numbered_in_order() -> None:
    """Crossings and repeated attempts are counted through, each number once, and lead from the start to the end."""
    steps = _taken(picture_of_run(COMPLETED))
    assert [number for number, _ in steps] == list(range(1, 10))
    ways = [(e.source, e.target) for _, e in steps]
    assert ways == [
        ("//", "triage"),
        ("triage", "invoice"),
        ("invoice", "draft"),
        ("draft", "draft"),
        ("draft", "review"),
        ("review", "draft"),
        ("draft", "review"),
        ("review", "approve"),
        ("approve", "sent"),
    ]


def test_taken_edges_have_the_values_that_were_read() -> None:
    """The recorded values stand on the edge, not what a guard would read today."""
    again = _edge(picture_of_run(COMPLETED), "review", "draft")
    assert again == EdgeMark(1, ("6",), "score = 0.62")


def test_edges_that_were_not_taken_say_why() -> None:
    """Another answer, a false guard with its values, an earlier rule, a bound that is used up: each in words."""
    picture = picture_of_run(COMPLETED)
    assert _edge(picture, "triage", "known_bugs", "bug") == EdgeMark(reason="answer: billing")
    assert _edge(picture, "approve", "gave up", "DeadlinePassed") == EdgeMark()
    assert _edge(picture_of_run(BRANCHED), "gather", "translate") == EdgeMark(reason="false: rounds = 0")
    good: dict[str, Result | list[Result]] = {
        "triage": {"topic": "other"},
        "draft": {"draft": "a"},
        "review": {"score": 0.9},
    }
    assert _edge(picture_of_run(trace_of(SUPPORT, good)), "review", "draft") == EdgeMark(reason="false: score = 0.9")
    poor = picture_of_run(trace_of(SUPPORT, good | {"review": {"score": 0.1}}))
    loop = _edge(poor, "review", "draft")
    assert loop is not None
    assert (loop.taken, loop.values) == (3, "last: score = 0.1")


def test_what_a_node_used_is_summed_over_its_visits() -> None:
    """Visits, attempts, seconds good and failed, tokens and money: the sums of what was recorded."""
    mark = _mark(picture_of_run(COMPLETED), "draft")
    assert (mark.visits, mark.attempts, mark.good_s, mark.failed_s) == (2, 3, 2.5, 0.75)
    assert mark.took_s == 3.25
    assert (mark.tokens, mark.cost_usd) == (3 * 420, 0.0036)


def test_a_failed_attempt_is_kept_with_its_error() -> None:
    """Which attempt, of how many, what it said, and how long until the next."""
    (failure,) = _mark(picture_of_run(COMPLETED), "draft").failures
    assert (failure.attempt, failure.of, failure.wait_s, failure.step) == (1, 3, 1.0, "4")
    assert failure.error == "TimeoutError: the model took more than 30 s"


def test_waiting_is_not_working() -> None:
    """The time until an answer is told apart from the time of work, and the answer is named."""
    mark = _mark(picture_of_run(COMPLETED), "approve")
    assert (mark.status, mark.waited_s, mark.took_s, mark.outcome) == ("good", 372.0, 0.0, "send")


def test_an_open_question_waits() -> None:
    """A suspended run shows where it waits, and nothing behind that as visited."""
    trace = trace_of(SUPPORT, {"triage": {"topic": "bug"}, "draft": {"draft": "a"}, "review": {"score": 1.0}})
    picture = picture_of_run(trace)
    assert picture.status == "suspended"
    assert _mark(picture, "approve").status == "waiting"
    assert next(n for n in picture.nodes if n.id == "sent").mark is None


def test_a_caught_failure_shows_the_way_it_took() -> None:
    """The node is marked as failed with its error, and the error edge as taken; the failing end fails the run."""
    trace = trace_of(SUPPORT, {"triage": {"topic": "bug"}, "draft": ValueError("no JSON")})
    picture = picture_of_run(trace)
    assert picture.status == "failed"
    mark = _mark(picture, "draft")
    assert (mark.status, mark.error, mark.failed_s) == ("failed", "ValueError: no JSON", 0.75)
    assert _edge(picture, "draft", "gave up", "ValueError") == EdgeMark(1, ("4",))
    assert _mark(picture, "gave up").status == "failed"


def test_a_node_of_which_some_visits_failed_says_how_many() -> None:
    """A failure that an edge caught leaves the node good where other visits went well; it is told, with its error."""
    broken: Results = {**RESEARCH_RESULTS, "search": [{"facts": "1"}, NO_PAGE, {"facts": "3"}, NO_PAGE, NO_PAGE]}
    picture = picture_of_run(trace_of(RESEARCH, broken))
    mark = _mark(picture, "search")
    assert (mark.status, mark.visits, mark.failed, mark.error) == ("good", 3, 1, "ValueError: no page")
    drawn = looks.node_look(next(n for n in picture.nodes if n.id == "search"), looks.Context(LIGHT, "run"))
    assert (drawn.attrs["color"], drawn.attrs["fillcolor"]) == (LIGHT.retry, LIGHT.task.fill)
    assert "TASK · 1 OF 3 FAILED, CAUGHT" in render(picture, "svg")
    assert "▢ search · task · 1 of 3 failed, caught · " in render(picture, "text")
    assert re.search(r"\| search \| task \|.* 1 of 3 failed, caught \| 3 \| ", render(picture, "markdown"))


def test_a_failure_that_nobody_caught_speaks_for_its_node() -> None:
    """However many other visits went well: it ended the run."""
    broken: Results = {**RESEARCH_RESULTS, "model": [{"queries": ["x"]}, ValueError("no answer")]}
    mark = _mark(picture_of_run(trace_of(RESEARCH, broken), opened="all"), "write/model")
    assert (mark.status, mark.visits, mark.failed) == ("failed", 2, 1)


def _ratio(n: int) -> Trace:
    """Return a run whose guard divides by `n`."""
    flow = Flow("ratio", _Numbers)
    look = flow.task(writes=flow.state.text, name="look")(_seen)
    few, many, crowd = flow.end("few"), flow.end("many"), flow.end("crowd")
    flow.start(look)
    flow.edge(look, crowd, when=flow.state.n > 1000)
    flow.edge(look, few, when=_is_small)
    flow.edge(look, many)
    return flow.run_sync(_Numbers(n=n)).trace


class _Numbers(BaseModel):
    n: int
    text: str = ""


def _seen(n: int) -> str:
    return f"seen {n}"


def _is_small(n: int) -> bool:
    return 10 / n > 2


def test_a_guard_that_raised_is_told_at_its_edge_and_its_node() -> None:
    """The work went well, and yet the node failed: where it was left, by which edge, with what; the rest not tried."""
    picture = picture_of_run(_ratio(0))
    mark = _mark(picture, "look")
    assert mark.status == "failed"
    assert mark.error is not None
    assert mark.error.endswith("raised ZeroDivisionError: division by zero")
    raised = _edge(picture, "look", "few")
    assert raised == EdgeMark(reason="raised ZeroDivisionError: division by zero", raised=True)
    assert _edge(picture, "look", "many") == EdgeMark(reason="not tried: rule 2 raised")
    assert _edge(picture, "look", "crowd") == EdgeMark(reason="no match")
    index = next(i for i, e in enumerate(picture.edges) if e.target == "few")
    assert looks.edge_look(index, picture.edges[index], looks.Context(LIGHT, "run")).attrs["color"] == LIGHT.bad.stroke
    assert _edge(picture_of_run(_ratio(2)), "look", "few") == EdgeMark(1, ("2",), "n = 2")


def test_a_failure_that_nobody_caught_is_at_its_node() -> None:
    """The run's error stands at the node where it arose, and in the headline."""
    picture = picture_of_run(trace_of(SUPPORT, {"triage": KeyError("topic")}))
    assert _mark(picture, "triage").status == "failed"
    assert "failed" in picture.subtitle


def test_a_node_that_found_no_way_on_is_marked() -> None:
    """A run that failed because no edge matched shows that at the node that was left, not at the next."""
    trace = trace_of(
        SUPPORT,
        {"triage": {"topic": "bug"}, "draft": {"draft": "a"}, "review": {"score": 1.0}},
        {"approve": "drop"},
    )
    mark = _mark(picture_of_run(trace), "approve")
    assert mark.status == "failed"
    assert mark.error is not None
    assert mark.error.startswith("NoRoute")


def test_a_cancelled_run_shows_what_was_stopped() -> None:
    """What was under way is cancelled, what had ended stays good, what was not reached has no mark."""
    picture = picture_of_run(trace_of(SUPPORT, {"triage": {"topic": "bug"}}, cancel_after=1))
    assert picture.status == "cancelled"
    assert _mark(picture, "triage").status == "good"
    assert _mark(picture, "known_bugs").status == "cancelled"
    assert next(n for n in picture.nodes if n.id == "draft").mark is None


def test_branches_are_counted_where_they_start() -> None:
    """An edge that fans out is crossed once and says how many branches it started; each branch crosses the next."""
    picture = picture_of_run(BRANCHED)
    assert _edge(picture, "plan", "search") == EdgeMark(1, ("2",), branches=3)
    search = _mark(picture, "search")
    assert (search.visits, search.attempts) == (3, 4)
    ways = _edge(picture, "search", "gather")
    assert ways is not None
    assert ways.taken == 3


def test_closed_agents_sum_up_what_ran_inside() -> None:
    """A closed agent has the time of all that ran in it, and the calls of its tools; no step inside is numbered."""
    picture = picture_of_run(BRANCHED)
    mark = _mark(picture, "write")
    assert mark.good_s == 4 * 1.25
    assert [(t.name, t.calls) for t in mark.tools] == [("lookup", 2)]
    numbers = [number for number, _ in _taken(picture)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_failed_calls_of_tools_are_counted_at_the_tool() -> None:
    """A call that failed shows at its tool on the closed agent, beside those that did not."""
    broken: Results = {**RESEARCH_RESULTS, "lookup": [ConnectionError("down"), {"facts": "x"}]}
    trace = trace_of(RESEARCH, broken)
    assert [(t.name, t.calls, t.failed) for t in _mark(picture_of_run(trace), "write").tools] == [("lookup", 2, 1)]


def test_opened_agents_show_what_ran_inside() -> None:
    """The same trace, opened: inner nodes have marks of their own, the frame has the sums."""
    picture = picture_of_run(BRANCHED, opened="all")
    assert _mark(picture, "write/model").visits == 2
    assert _mark(picture, "write/lookup").visits == 2
    frame = next(c for c in picture.clusters if c.id == "write")
    assert frame.mark is not None
    assert frame.mark.good_s == 5.0
    assert _edge(picture, "write/model", "write/finish") == EdgeMark(1, ("7/6",), reason="")


def test_a_run_has_the_nodes_and_edges_of_its_definition() -> None:
    """Same ids, same order: a run is the definition with marks, nothing more and nothing less."""
    for trace, graph in ((COMPLETED, SUPPORT), (BRANCHED, RESEARCH)):
        run, flow = picture_of_run(trace), picture_of(graph)
        assert [(n.id, n.kind, n.name) for n in run.nodes] == [(n.id, n.kind, n.name) for n in flow.nodes]
        assert [(e.source, e.target, e.guard) for e in run.edges] == [(e.source, e.target, e.guard) for e in flow.edges]


def test_a_trace_file_alone_is_enough() -> None:
    """What comes back from a file, without any code, has the same picture."""
    assert picture_of_run(decode_trace(encode_trace(COMPLETED))) == picture_of_run(COMPLETED)


@pytest.mark.parametrize("trace", [COMPLETED, BRANCHED])
def test_every_moment_of_a_run_can_be_drawn(trace: Trace) -> None:
    """Looking at the first records only shows the run as it was: marks grow, nothing is unsaid."""
    taken, picture = 0, picture_of_run(trace, until=0)
    for until in range(len(trace.records) + 1):
        picture = picture_of_run(trace, until=until)
        now = sum(e.mark.taken for e in picture.edges if e.mark is not None)
        assert now >= taken
        taken = now
        assert render(picture, "text")
    assert picture == picture_of_run(trace)


def test_a_trace_of_no_records_shows_nothing_visited() -> None:
    """A run that was only announced is all ghosts."""
    picture = picture_of_run(Trace(COMPLETED.header))
    assert all(n.mark is None for n in picture.nodes)
    assert picture.shows == "run"


def test_a_header_without_a_graph_is_refused() -> None:
    """The error is one of those that reading a graph raises, not a crash later on."""
    header = msgspec.structs.replace(COMPLETED.header, graph={"name": "x"})
    with pytest.raises(KeyError):
        picture_of_run(Trace(header))


@pytest.mark.parametrize(
    "trace", [COMPLETED, BRANCHED, changed_run(), ran_on()], ids=["completed", "branched", "cancelled", "changed"]
)
def test_who_walks_through_a_run_sees_each_picture_as_if_it_were_the_only_one(trace: Trace) -> None:
    """Forwards, backwards and by leaps: the picture after so many records is the one drawn from those alone."""
    every = range(len(trace.records) + 1)
    alone = [picture_of_run(trace, until=n) for n in every]
    pictures = RunPictures(trace, apart=4)
    leaps = [n for k in every for n in (k, len(trace.records) - k)]
    for n in (*every, *reversed(every), *leaps):
        assert pictures.until(n) == alone[n]


def test_a_step_of_a_long_run_is_drawn_as_fast_as_of_a_short_one() -> None:
    """A step forwards counts the records in between; a leap back some, and steps back from there fewer: never all."""
    trace = long_run(3_000)
    last = len(trace.records)
    assert last > 6_000

    with unittest.mock.patch("graphrt_viz.overlay.count_record", wraps=count_record) as counting:
        pictures = RunPictures(trace)

        def counted(until: int) -> int:
            counting.reset_mock()
            pictures.until(until)
            return counting.call_count

        assert counted(last - 1) == last - 1
        assert counted(last) == 1
        assert counted(last - 500) <= 1_000
        assert max(counted(last - 500 - back) for back in range(1, 50)) <= 50
        assert counted(10) <= 10
        assert counted(last - 700) <= 1_000
