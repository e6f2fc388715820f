"""What a run did is counted once: its account, its picture and the picture of many runs say the same, and no more."""

from __future__ import annotations

import json
from collections.abc import Sequence

from graphrt.account import account
from graphrt.cli.commands.show import facts
from graphrt.graph import Edge, Graph, Node, Retry
from graphrt.inputs import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    ErrorInfo,
    Forked,
    Input,
    Resumed,
    Started,
    Usage,
)
from graphrt.stepper import Stepper
from graphrt.told import Spent
from graphrt.trace import Header, Record, Trace, graph_of
from graphrt_viz import chronicle_of, picture_of_heat, picture_of_run, render
from graphrt_viz.picture import NodeMark
from graphrt_viz.report_data import data_of
from graphrt_viz.views.heat import NodeHeat, heat_of
from tests.viz.runs import FIELDS, trace_of

ERROR = ErrorInfo("ConnectionError", "no line", ("ConnectionError", "OSError", "Exception"))
START = Started("r", {f.name: f.default_json for f in FIELDS})
_MODEL = Node(
    0, "model", "task", writes=("draft",), retry=Retry(attempts=3, wait_s=0.0, jitter=0.0), edges=(Edge(0, 1, 0),)
)
_INNER = Graph("answer", FIELDS, (_MODEL, Node(1, "polish", "task", writes=("topic",))))
AGENT = Graph("support", FIELDS, (Node(0, "helper", "agent", graph=_INNER),))
"""An agent that asks its model, up to three times, and then polishes."""
CHAIN = Graph(
    "chain",
    FIELDS,
    (
        Node(0, "write", "task", writes=("draft",), edges=(Edge(0, 1, 0),)),
        Node(1, "grade", "task", writes=("topic",)),
    ),
)


def _trace(graph: Graph, *given: Input) -> Trace:
    """Return the trace of inputs, a second apart."""
    stepper = Stepper(graph)
    records: list[Record] = []
    for at, item in enumerate(given):
        events, _ = stepper.feed(float(at), item)
        records.append(Record(at, float(at), item, events))
    return Trace(Header("r", graph.name, graph.digest, graph.json, 0.0), tuple(records))


def _mark(trace: Trace, name: str) -> NodeMark:
    mark = next(n.mark for n in picture_of_run(trace).nodes if n.name == name)
    assert mark is not None
    return mark


def _heat(name: str, *traces: Trace) -> NodeHeat:
    return heat_of(traces, graph_of(traces[0])).nodes[name]


# ---- failures


def test_failed_attempts_inside_a_node_count_for_it() -> None:
    """A closed agent shows what failed inside it, in one run and in many."""
    trace = trace_of(AGENT, {"model": [ConnectionError("a"), ConnectionError("b"), {"draft": "x"}]})
    assert (_heat("helper", trace).failed_attempts, _heat("helper/model", trace).failed_attempts) == (2, 2)
    assert _heat("helper", trace).failures == 0
    closed = next(n for n in picture_of_heat([trace], by="failures", opened="none").nodes if n.name == "helper")
    assert closed.level == 4
    assert "2 failed attempts" in closed.notes


def test_a_failure_that_ends_a_node_and_the_one_around_it_is_one_failure_of_each() -> None:
    """The visit inside failed for good, and the agent by it: neither has two failures."""
    trace = trace_of(AGENT, {"model": ConnectionError("a")})
    for place in ("helper", "helper/model"):
        assert (_heat(place, trace).failures, _heat(place, trace).failed_attempts) == (1, 3)


def test_a_failure_that_was_caught_inside_counts_around_it() -> None:
    """An agent that went on after a failure inside it shows that there was one."""
    model = Node(0, "model", "task", edges=(Edge(0, 1, 0, on_error="ConnectionError"), Edge(0, 1, 1)))
    inner = Graph("answer", FIELDS, (model, Node(1, "polish", "task")))
    trace = trace_of(
        Graph("support", FIELDS, (Node(0, "helper", "agent", graph=inner),)), {"model": ConnectionError("a")}
    )
    assert account(trace).visits["0"].status == "completed"
    assert _heat("helper", trace).failures == 1


def test_a_visit_that_failed_for_good_and_was_resumed_shows_its_failure() -> None:
    """The error and its loop are told of every failed attempt that another one followed, whoever began that one."""
    trace = _trace(
        CHAIN,
        START,
        AttemptStarted("0", 1),
        AttemptFailed("0", 1, ERROR, 1.0),
        Resumed("ada"),
        AttemptStarted("0", 2),
        AttemptSucceeded("0", 2, {"draft": "x"}, 1.0),
    )
    mark = _mark(trace, "write")
    assert (mark.status, mark.attempts, mark.failed) == ("good", 2, 0)
    assert [(f.attempt, f.error, f.step) for f in mark.failures] == [(1, "ConnectionError: no line", "1·2")]
    assert "attempt 1 failed: ConnectionError: no line" in render(trace, "text")
    steps = chronicle_of(trace).steps
    assert [(s.label, s.status, s.retried) for s in steps[:2]] == [("1", "failed", True), ("1·2", "good", False)]
    going_on = picture_of_run(trace, until=5)
    assert next(n.mark.status for n in going_on.nodes if n.name == "write" and n.mark is not None) == "running"


def test_a_visit_that_begins_again_in_a_fork_is_one_visit() -> None:
    """Where a fork takes up an agent, what is inside begins anew, with its attempts so far, as the same visit."""
    past: list[Input] = [START, AttemptStarted("0/0", 1), AttemptSucceeded("0/0", 1, {"draft": "x"}, 1.0)]
    fork = _trace(AGENT, *past, Forked("child", "r", "0"), AttemptStarted("0/0", 1))
    told = account(fork)
    assert told.totals.visits == len(told.visits) == 3
    marks = {n.name: n.mark for n in picture_of_run(fork, opened="all").nodes if n.mark is not None}
    assert (marks["model"].visits, marks["model"].attempts) == (1, 2)
    assert (_heat("helper/model", fork).visits, _heat("helper", fork).visits) == (1, 1)


# ---- attempts


def test_attempts_inside_a_node_are_told_as_such() -> None:
    """An agent has one go a visit; what was tried inside it is told with how many visits there made the attempts."""
    trace = trace_of(AGENT, {"model": [ConnectionError("a"), ConnectionError("b"), {"draft": "x"}]})
    mark = _mark(trace, "helper")
    assert (mark.visits, mark.attempts, mark.inside) == (1, 1, (4, 2))
    text = render(trace, "text")
    assert "4 attempts in 2 visits inside" in text
    assert "4 attempts inside" in render(trace, "mermaid")
    assert "4 attempts in 2 visits inside" in render(trace, "markdown")
    assert _mark(trace_of(AGENT, {}), "helper").inside is None


# ---- what was used


def _used(*usages: Usage | None) -> Trace:
    """Return a run whose two visits used that."""
    given: list[Input] = [START]
    for visit, usage in enumerate(usages):
        given += [AttemptStarted(str(visit), 1), AttemptSucceeded(str(visit), 1, {}, 1.0, usage)]
    return _trace(CHAIN, *given)


def test_a_sum_of_which_a_part_is_unknown_is_a_least_amount() -> None:
    """Headline, nodes and many runs say `≥` where a request did not tell its tokens or its price, as `stats` does."""
    trace = _used(Usage("m", 10, 5, 0.01), Usage("m", 7, None, None))
    assert account(trace).totals.spent == Spent(22, 0.01, 2, 1, 1)
    assert picture_of_run(trace).subtitle.endswith("≥ 22 tok · ≥ $0.01")
    assert facts(account(trace)).plain.endswith("≥ 22 tokens · ≥ $0.01")
    assert picture_of_heat([trace]).subtitle.endswith("≥ 22 tok · ≥ $0.01")
    assert "≥ 7 tok" in next(n.notes for n in picture_of_heat([trace]).nodes if n.name == "grade")
    assert (_mark(trace, "write").uncounted, _mark(trace, "grade").uncounted) == (False, True)
    assert "≥ 7 tok" in render(trace, "text")
    assert "| ≥ 7 |" in render(trace, "markdown")
    steps = json.loads(data_of(chronicle_of(trace), ()))["steps"]
    assert [(s.get("tk"), s.get("tu")) for s in steps] == [(15, None), (7, 1)]
    events = json.loads(render(trace, "perfetto"))["traceEvents"]
    assert [event["args"]["tokens"] for event in events if "tokens" in event.get("args", {})] == [15, "≥ 7"]


def test_a_sum_that_is_known_in_full_is_told_as_it_is() -> None:
    """Attempts that say nothing used nothing that is counted; what nobody said has no amount at all."""
    trace = _used(Usage("m", 10, 5, 0.01), None)
    assert picture_of_run(trace).subtitle.endswith("15 tok · $0.01")
    silent = _used(Usage("m"), None)
    assert (_mark(silent, "write").tokens, _mark(silent, "write").cost_usd) == (None, None)
    assert "tok" not in picture_of_run(silent).subtitle


# ---- forks


def _forked() -> Sequence[Trace]:
    """Return a run of two visits, 10 tokens each, and a fork of it from the second, which used 10 more."""
    usage = Usage("m", 5, 5, 0.01)
    past: list[Input] = [START, AttemptStarted("0", 1), AttemptSucceeded("0", 1, {}, 1.0, usage)]
    again: list[Input] = [AttemptStarted("1", 1), AttemptSucceeded("1", 1, {}, 1.0, usage)]
    return _trace(CHAIN, *past, *again), _trace(CHAIN, *past, Forked("child", "r", "1"), *again)


def test_a_fork_counts_from_where_it_went_off() -> None:
    """What parent and fork have in common happened once, and was paid for once."""
    parent, fork = _forked()
    heat = heat_of([parent, fork], CHAIN)
    assert (heat.spent.tokens, heat.runs) == (30, 2)
    assert {name: (h.visits, h.spent.tokens, h.seconds) for name, h in heat.nodes.items()} == {
        "write": (1, 10, [1.0]),
        "grade": (2, 20, [1.0, 1.0]),
    }
    assert heat.edges["write", "grade", "", "", "", ""] == 1


def test_a_fork_says_what_of_its_bill_is_the_parents() -> None:
    """The totals of a fork are those of its whole past; how much of them the parent spent stands beside them."""
    parent, fork = _forked()
    assert picture_of_run(fork).subtitle.endswith("20 tok · $0.02 · of this the parent's: 10 tok, $0.01")
    said = facts(account(fork)).plain
    assert said.endswith("20 tokens · $0.02 · of this the parent's: 10 tokens, $0.01 · fork of r at visit 1")
    assert "parent's" not in picture_of_run(parent).subtitle
