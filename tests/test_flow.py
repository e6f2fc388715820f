"""Authoring: what a flow becomes when it is frozen, and every mistake that is caught, with its place and remedy."""

from __future__ import annotations

import asyncio
import functools
import itertools
import subprocess
import time
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, cast

import msgspec
import pytest
from pydantic import BaseModel

from graphrt.account import account
from graphrt.checks import check
from graphrt.context import Context
from graphrt.errors import DeadlinePassed, DefinitionError, LimitReached, UseError
from graphrt.expressions import contains, is_none, let, not_, one_of, size
from graphrt.fields import fields_of
from graphrt.flow import Expansion, ExpansionSpec, Flow, Node
from graphrt.freeze_nodes import seconds
from graphrt.graph import Graph, Retry, graph_from_json
from graphrt.graph import Node as FrozenNode
from graphrt.guards import Change
from graphrt.inputs import Limits
from graphrt.recorded import error_info
from graphrt.reducers import append, extend
from graphrt.replay import verify
from graphrt.runtime import run_sync
from graphrt.trees import Read


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Ticket(BaseModel):
    message: str = ""
    topic: Literal["billing", "bug", "other"] | None = None
    facts: Annotated[list[str], append] = []
    queries: Annotated[list[str], extend] = []
    query: str = ""
    draft: str = ""
    score: float = 0.0
    rounds: int = 0
    decision: Literal["send", "drop"] | None = None
    mood: Mood | None = None
    urgent: bool = False


class Inner(BaseModel):
    output: Any = None


class Echo:
    """A thing that expands to a graph of one node, as an agent does."""

    def __init__(self, *mistakes: str) -> None:
        self.mistakes = mistakes
        self.specs: list[ExpansionSpec] = []

    def expand(self, spec: ExpansionSpec) -> Expansion:
        """Remember the place; complain as told."""
        self.specs.append(spec)
        graph = Graph("echo", fields_of(Inner)[0], (FrozenNode(0, "model", "task"),), 0, None, Inner)
        outputs = tuple(Change(f.name, Read("output")) for f in spec.writes)
        return Expansion(graph, (), outputs, {"instructions": "echo"}, self.mistakes)


def say(message: str) -> str:
    """Return text."""
    return message


async def fact(message: str) -> str:
    """Return text, asynchronously."""
    return message


def grade(draft: str) -> float:
    """Return a number."""
    return len(draft) / 100


def good_enough(score: float, rounds: int) -> bool:
    """Judge, as a guard."""
    return score > 0.8 or rounds > 3


class Made(NamedTuple):
    """The support flow and its nodes."""

    flow: Flow[Ticket]
    nodes: dict[str, Node]


def support() -> Made:
    """Write a flow with a node of almost every kind."""
    flow = Flow("support", Ticket, limits=Limits(visits=50))
    s = flow.state
    triage = flow.router("triage", Echo(), reads=s.message, writes=s.topic)
    invoice = flow.task(writes=s.facts, name="invoice", retry=2)(fact)
    bugs = flow.task(writes=s.facts, name="known_bugs", timeout="30s", on_crash="ask")(fact)
    draft = flow.agent("draft", Echo(), reads=(s.message, s.facts), writes=s.draft)
    review = flow.task(writes=s.score)(grade)
    approve = flow.ask("approve", "Send this answer?", reads=s.draft, writes=s.decision, deadline="24h")
    stop = flow.end("dropped", stop=True, failure=True)
    flow.edge(triage, invoice, on="billing")
    flow.edge(triage, bugs, on="bug")
    flow.edge(triage, draft, on="other")
    flow.edge([invoice, bugs], draft)
    flow.edge(draft, review)
    flow.edge(review, draft, when=s.score < 0.8, set=let(s.rounds).be(s.rounds + 1), at_most=3)
    flow.edge(review, approve, when=good_enough)
    flow.edge(review, stop, on=TimeoutError)
    flow.edge(approve, stop, on="drop")
    flow.edge(approve, flow.end("sent"), on="send")
    flow.edge(approve, stop, on=DeadlinePassed)
    nodes = {n.name: n for n in (triage, invoice, bugs, draft, review, approve, stop)}
    return Made(flow, nodes)


# --- what a flow becomes ---


def test_a_flow_becomes_a_graph() -> None:
    """Nodes, reads, writes, answers, policies and edges stand in the graph as they were written."""
    graph = support().flow.freeze()
    assert [(n.name, n.kind) for n in graph.nodes] == [
        ("triage", "router"),
        ("invoice", "task"),
        ("known_bugs", "task"),
        ("draft", "agent"),
        ("grade", "task"),
        ("approve", "ask"),
        ("dropped", "end"),
        ("sent", "end"),
    ]
    triage, invoice, bugs, draft, review, approve, dropped, _ = graph.nodes
    assert (triage.reads, triage.writes, triage.answers) == (("message",), ("topic",), ("billing", "bug", "other"))
    assert invoice.retry == Retry(attempts=2)
    assert (bugs.timeout_s, bugs.on_crash, bugs.retry) == (30.0, "ask", None)
    assert draft.graph is not None
    assert draft.about == {"instructions": "echo"}
    assert [c.text for c in draft.outputs] == ["draft = output"]
    assert review.work is not None
    assert (review.work.fn, review.work.params, review.work.is_async) == (grade, (("draft", "draft"),), False)
    assert invoice.work is not None
    assert invoice.work.is_async
    assert (approve.question, approve.deadline_s, approve.answers) == ("Send this answer?", 86400.0, ("send", "drop"))
    assert (dropped.stop, dropped.failure) == (True, True)
    assert graph.limits == Limits(visits=50)
    assert graph.state_type is Ticket
    first, second, third = review.edges
    assert (first.when and first.when.text, [c.text for c in first.set], first.at_most) == (
        "score < 0.8",
        ["rounds = rounds + 1"],
        3,
    )
    assert second.when is not None
    assert second.when.text == "good_enough(score, rounds)"
    assert second.when.evaluate({"score": 0.9, "rounds": 1}) == (True, {"score": 0.9, "rounds": 1})
    assert (third.on_error, third.on) == ("TimeoutError", None)
    assert [(e.on, e.on_error) for e in approve.edges] == [("drop", None), ("send", None), (None, "DeadlinePassed")]
    assert [e.index for e in review.edges] == [0, 1, 2]


def test_a_definition_read_back_has_the_same_digest() -> None:
    """Also where a limit is written as 300 and read as 300.0: a recorded run is of the flow that it ran on."""
    for span in (300, 300.0, 0.5):
        flow = Flow("f", Ticket, limits=Limits(active_s=span, cost_usd=1))
        flow.task(name="only")(lambda: None)
        graph = flow.freeze()
        assert graph_from_json(msgspec.json.decode(msgspec.json.encode(graph.json))).digest == graph.digest


def test_freezing_is_repeatable_and_cached() -> None:
    """The same definition has the same digest; a flow gives the same graph until something is added."""
    one, other = support().flow, support().flow
    graph = one.freeze()
    assert one.freeze() is graph
    assert other.freeze().digest == graph.digest
    assert graph_from_json(graph.json).json == graph.json
    one.task(name="more")(lambda: None)
    assert one.check()
    changed, nodes = support()
    changed.edge(nodes["invoice"], nodes["draft"])
    assert changed.freeze().digest != graph.digest


def test_places_are_where_the_author_wrote() -> None:
    """Nodes and edges remember file and line, relative to the working directory; the digest ignores them."""
    graph = support().flow.freeze()
    places = [node.place for node in graph.nodes] + [edge.place for edge in graph.by_name["grade"].edges]
    for place in places:
        assert place is not None
        assert place.rpartition(":")[0].endswith("tests/test_flow.py")
    assert "place" not in str(graph.json)


def test_a_task_stays_the_function() -> None:
    """A task can be called as before, keeps its documentation, and can be shared with another flow."""
    flow = Flow("f", Ticket)
    s = flow.state
    review, invoice = flow.task(writes=s.score)(grade), flow.task(writes=s.facts)(fact)
    flow.edge(invoice, review)
    assert review("x" * 50) == 0.5
    assert asyncio.run(invoice("m")) == "m"
    assert review.__doc__ == grade.__doc__
    other = Flow("other", Ticket)
    other.task(writes=other.state.score)(review)
    work = other.freeze().nodes[0].work
    assert work is not None
    assert work.fn is grade
    assert flow.check() == ()


def test_parameters_are_filled_from_fields() -> None:
    """By name, by `reads=`, with the context and with the whole state; what a partial filled stays filled."""

    def work(text: str, score: float, context: Context, state: Ticket, rounds: int = 1, extra: int = 7) -> str:
        raise NotImplementedError

    flow = Flow("f", Ticket)
    s = flow.state
    one = flow.task(writes=s.draft, reads={"text": s.message})(work)
    two = flow.task(writes=s.draft, name="two")(functools.partial(work, text="t", score=1.0))
    flow.edge(one, two)
    first, second = flow.freeze().nodes
    assert first.work is not None
    assert first.work.params == (("text", "message"), ("score", "score"), ("rounds", "rounds"))
    assert (first.work.context, first.work.whole, first.work.state_type) == ("context", "state", Ticket)
    assert first.reads == tuple(Ticket.model_fields)
    assert second.work is not None
    assert second.work.params == (("rounds", "rounds"),)


def test_a_subflow_adds_an_item_to_a_list() -> None:
    """`take` gives an item to the field's reducer: in `outputs=` of a subflow, and on an edge that is crossed."""

    class Shelf(BaseModel):
        subject: str = "rain"
        texts: Annotated[list[str], append] = ["old"]

    inner = writer()
    outer = Flow("outer", Shelf)
    o, i = outer.state, inner.state
    filled = let(i.message).be(o.subject)
    one = outer.subflow("one", inner, inputs=filled, outputs=let(o.texts).take(i.draft))
    two = outer.subflow("two", inner, inputs=filled, outputs=let(o.texts).take(i.draft))
    outer.edge(one, two)
    result = outer.run_sync(Shelf())
    assert list(result.state.texts) == ["old", "rain", "rain"]
    outer.edge(two, outer.end("e"), set=[let(o.texts).take("new"), let(o.texts).take(o.subject)])
    assert list(outer.run_sync(Shelf()).state.texts) == ["old", "rain", "rain", "new", "rain"]


def test_several_fields_are_written_by_a_tuple() -> None:
    """`writes=(a, b)` takes a function that returns both, or a mapping of them."""
    flow = Flow("f", Ticket)
    s = flow.state

    @flow.task(writes=(s.draft, s.score))
    def both(message: str) -> tuple[str, float]:
        return message, 1.0

    @flow.task(writes=(s.draft, s.facts))
    def named(message: str) -> dict[str, Any]:
        return {"draft": message, "facts": "f"}

    flow.edge(both, named)
    assert [n.writes for n in flow.freeze().nodes] == [("draft", "score"), ("draft", "facts")]


def test_routers_may_be_functions_and_enums() -> None:
    """A typed function chooses; the members of an Enum are named by their values."""
    flow = Flow("f", Ticket)
    s = flow.state

    def feel(message: str) -> Mood:
        return Mood.GOOD

    router = flow.router("feel", feel, writes=s.mood)
    flow.edge(router, flow.end("a"), on=Mood.GOOD)
    flow.edge(router, flow.end("b"), on=Mood.BAD)
    node = flow.freeze().nodes[0]
    assert (node.kind, node.answers, node.reads) == ("router", ("good", "bad"), ("message",))
    assert [e.on for e in node.edges] == ["good", "bad"]
    assert node.work is not None


def test_an_expansion_is_told_its_place() -> None:
    """An agent learns the fields it reads and writes; a router also what it may answer, and the node's retry policy."""
    flow = Flow("f", Ticket)
    s = flow.state
    echo, choose = Echo(), Echo()
    one = flow.agent("one", echo, reads=(s.message, s.facts), writes=s.facts, retry=4)
    two = flow.router("two", choose, writes=s.topic)
    flow.edge(one, two)
    flow.freeze()
    (spec,) = echo.specs
    assert ([f.name for f in spec.reads], [f.name for f in spec.writes]) == (["message", "facts"], ["facts"])
    assert (spec.node, spec.answers, spec.retry) == ("one", (), Retry(attempts=4))
    assert spec.writes[0].takes is str
    assert choose.specs[0].answers == ("billing", "bug", "other")


def test_asks_without_fixed_answers_admit_any_value() -> None:
    """An ask may write any field; its edges then use guards."""
    flow = Flow("f", Ticket)
    s = flow.state
    ask = flow.ask("rate", "How good?", writes=s.score, deadline=90)
    flow.edge(ask, flow.end("good"), when=s.score > 0.5)
    node = flow.freeze().nodes[0]
    assert (node.answers, node.deadline_s, node.writes) == ((), 90.0, ("score",))


class Doc(BaseModel):
    text: str


class Batch(BaseModel):
    docs: list[Doc]
    doc: Doc | None = None
    found: Annotated[list[str], append] = []


def test_an_item_that_is_no_text_needs_no_made_up_default() -> None:
    """The field of an item is None outside its branches; who reads it there is given the item, so it may say so."""
    flow = Flow("batch", Batch)
    s = flow.state

    @flow.task
    def begin() -> None: ...

    @flow.task(writes=s.found)
    def extract(doc: Doc) -> str:
        return doc.text

    flow.each(begin, extract, item=s.doc, of=s.docs)
    flow.edge(extract, flow.join("together"))
    result = run_sync(flow.freeze(), Batch(docs=[Doc(text="a"), Doc(text="b")]))
    assert (result.state.found, result.state.doc) == (["a", "b"], None)


def test_forks_each_and_joins() -> None:
    """A fork takes all its edges, an each one per item, a join knows whose branches it gathers."""
    flow = Flow("research", Ticket)
    s = flow.state
    plan = flow.agent("plan", Echo(), writes=s.queries)
    look = flow.task(writes=s.facts, name="look")(fact)
    gather = flow.join("gather")
    split = flow.task(name="split")(lambda: None)
    left, right = (flow.task(writes=s.facts, name=n)(fact) for n in ("left", "right"))
    done = flow.join("done", wait="any", of=split)
    flow.each(plan, look, item=s.query, of=s.queries, at_once=4, local=[s.draft], when=size(s.queries) > 0)
    flow.edge(look, gather)
    flow.edge(gather, split)
    flow.fork(split, [left, right], when=not_(s.urgent), set=let(s.rounds).be(0), local=(s.draft,))
    flow.fork(split, left)
    flow.edge(split, done, on=ValueError)
    flow.edge([left, right], done)
    graph = flow.freeze()
    each = graph.by_name["plan"].edges[0].each
    assert each is not None
    assert (each.of, each.item, each.at_once) == ("queries", "query", 4)
    assert graph.by_name["plan"].edges[0].local == ("draft",)
    fork = graph.by_name["split"]
    assert fork.fork
    assert [(graph.nodes[e.target].name, e.local, len(e.set)) for e in fork.edges] == [
        ("left", ("draft",), 1),
        ("right", ("draft",), 1),
        ("left", (), 0),
        ("done", (), 0),
    ]
    assert graph.by_name["gather"].opener == graph.by_name["plan"].index
    assert graph.by_name["gather"].closes
    assert (graph.by_name["done"].wait, graph.by_name["done"].of) == (1, fork.index)
    assert graph.by_name["gather"].wait is None


class Brief(BaseModel):
    subject: str = ""
    text: str = ""
    draft: str = ""
    message: str = ""


def writer() -> Flow[Ticket]:
    """Write a flow of one task."""
    flow = Flow("writer", Ticket)
    s = flow.state
    flow.task(writes=s.draft)(say)
    return flow


def test_subflows_map_fields_explicitly_or_by_name() -> None:
    """Maps say what goes in and out; without them, fields of one name are connected."""
    inner = writer()
    i = inner.state
    outer = Flow("outer", Brief)
    o = outer.state
    one = outer.subflow("one", inner, inputs=let(i.message).be(o.subject), outputs=[let(o.text).be(i.draft)], timeout=5)
    two = outer.subflow("two", inner)
    outer.edge(one, two)
    first, second = outer.freeze().nodes
    assert first.graph is inner.freeze()
    assert ([c.text for c in first.inputs], [c.text for c in first.outputs]) == (
        ["message = subject"],
        ["text = draft"],
    )
    assert (first.reads, first.writes, first.timeout_s) == (("subject",), ("text",), 5.0)
    assert [c.text for c in second.inputs] == ["message = message", "draft = draft"]
    assert [c.text for c in second.outputs] == ["draft = draft"]


class Trip(BaseModel):
    notes: Annotated[list[str], append] = []
    rounds: int = 0


def side_by_side() -> Flow[Trip]:
    """Return a flow that begins at two tasks and gathers them."""
    flow = Flow("trip", Trip)
    s = flow.state
    weather = flow.task(writes=s.notes, name="weather")(lambda: "rain")
    museums = flow.task(writes=s.notes, name="museums")(lambda: "two")
    flow.start([weather, museums])
    flow.edge([weather, museums], flow.join("together"))
    return flow


def test_a_flow_may_start_at_several_nodes() -> None:
    """They are branches of a join named `start`, which needs no function and about which the checker says nothing."""
    flow = side_by_side()
    graph = flow.freeze()
    first = graph.nodes[graph.start]
    assert (first.name, first.kind, first.fork, [e.target for e in first.edges]) == ("start", "join", True, [0, 1])
    assert graph.by_name["together"].opener == graph.start
    assert [f.code for f in check(graph)] == ["GR303"]  # of a field that another test needs
    result = flow.run_sync(Trip())
    assert list(result.state.notes) == ["rain", "two"]
    assert [v.id for v in account(result.trace).visits.values()] == ["0", "0.0.0", "0.1.0", "1"]
    assert verify(result.trace, graph) is None


def test_a_start_at_several_nodes_inside_a_flow() -> None:
    """A subflow that begins at several nodes goes on as any other, and so does a loop that leads back to its bar."""
    outer = Flow("outer", Trip)
    o = outer.state
    outer.subflow("inner", side_by_side(), outputs=let(o.rounds).be(7))
    assert outer.run_sync(Trip()).state.rounds == 7
    flow = Flow("rounds", Trip)
    s = flow.state
    begin, done = flow.join("begin"), flow.end("done")
    note = flow.task(writes=s.notes, name="note")(lambda: "x")
    flow.start(begin)
    flow.edge(begin, note)
    flow.edge(note, begin, set=let(s.rounds).be(s.rounds + 1), at_most=2)
    flow.edge(note, done)
    assert flow.run_sync(Trip()).state == Trip(notes=["x", "x", "x"], rounds=2)


def test_a_start_at_no_node_is_a_mistake() -> None:
    """An empty list is told where it stands, and a second node named `start` as well."""
    flow = Flow("trip", Trip)
    flow.task(name="start")(lambda: None)
    flow.start([])
    assert "duplicate-name" in [m.code for m in flow.check()]


def test_the_start_is_the_only_node_without_incoming_edge() -> None:
    """A loop back to oneself does not count; otherwise the start is named."""
    flow = Flow("f", Ticket)
    a, b = (flow.task(name=n)(lambda: None) for n in "ab")
    flow.edge(a, a, at_most=2)
    flow.edge(a, b)
    assert flow.freeze().start == 0
    flow.edge(b, a)
    assert [m.code for m in flow.check()] == ["no-start"]
    flow.start(b)
    assert flow.freeze().start == 1


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (3, 3.0),
        (0.5, 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("24h", 86400.0),
        ("2d", 172800.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("250ms", 0.25),
        ("1.5m", 90.0),
    ],
)
def test_durations(written: float | str, expected: float) -> None:
    """Numbers are seconds; texts carry their units."""
    assert seconds(written) == expected


@pytest.mark.parametrize(
    "written", [0, -1, "", "5", "m", "5 minutes", "1y", True, None, float("inf"), float("nan"), "0s"]
)
def test_what_is_no_duration(written: Any) -> None:
    """Zero, negative, unbounded and unknown durations are refused."""
    with pytest.raises(ValueError, match="no duration"):
        seconds(written)


# --- mistakes ---


def flow_and_state() -> tuple[Flow[Ticket], Any]:
    """Begin a flow; its state is untyped, since mistakes are to be made with it."""
    flow = Flow("f", Ticket)
    return flow, flow.state


def untyped(fn: Any) -> Any:
    """Hide from type checkers what they would rightly refuse."""
    return fn


OTHER = support()


def begin(flow: Any) -> Any:
    """Add a node that does nothing."""
    return flow.task(name="begin")(lambda: None)


def link(flow: Any, **options: Any) -> None:
    """Lead from that node to an end, with these options of an edge."""
    flow.edge(begin(flow), flow.end("e"), **options)


def _unknown_parameter(flow: Any, s: Any) -> None:
    def a1(messge: str) -> None: ...

    flow.task()(a1)


def _returns_dict(flow: Any, s: Any) -> None:
    def a1(message: str) -> dict[str, str]:
        raise NotImplementedError

    flow.task(writes=s.facts)(a1)


def _returns_list_to_append(flow: Any, s: Any) -> None:
    def a1(message: str) -> list[str]:
        raise NotImplementedError

    flow.task(writes=s.facts)(a1)


def _returns_item_to_extend(flow: Any, s: Any) -> None:
    def a1(message: str) -> str:
        raise NotImplementedError

    flow.task(writes=s.queries)(a1)


def _returns_for_nothing(flow: Any, s: Any) -> None:
    flow.task()(say)


def _returns_too_few(flow: Any, s: Any) -> None:
    def a1(message: str) -> tuple[str]:
        raise NotImplementedError

    flow.task(writes=(s.draft, s.score))(a1)


def _returns_one_for_two(flow: Any, s: Any) -> None:
    flow.task(writes=(s.draft, s.score))(say)


def _wrong_parameter_type(flow: Any, s: Any) -> None:
    def a1(score: str) -> None: ...

    flow.task()(a1)


def _parameter_without_none(flow: Any, s: Any) -> None:
    def a1(topic: str) -> None: ...

    flow.task()(a1)


def _same_names(flow: Any, s: Any) -> None:
    flow.edge(flow.task(name="a")(lambda: None), flow.end("a"))


def _async_guard(flow: Any, s: Any) -> None:
    async def low(score: float) -> bool:
        return score < 1

    link(flow, when=low)


def _lambda_guard(flow: Any, s: Any) -> None:
    guards: list[Callable[[float], bool]] = [lambda score: score < 1]
    link(flow, when=guards[0])


def _guard_with_context(flow: Any, s: Any) -> None:
    def low(score: float, context: Context) -> bool:
        return score < 1

    link(flow, when=low)


def _guard_with_state(flow: Any, s: Any) -> None:
    def low(state: Ticket) -> bool:
        return state.score < 1

    link(flow, when=low)


def _guard_that_returns_text(flow: Any, s: Any) -> None:
    link(flow, when=say)


def _guard_of_unknown(flow: Any, s: Any) -> None:
    def low(scor: float) -> bool:
        return scor < 1

    link(flow, when=low)


def _router(flow: Any, s: Any) -> Any:
    return flow.router("triage", Echo(), writes=s.topic)


def _unanswered(flow: Any, s: Any) -> None:
    flow.edge(_router(flow, s), flow.end("e"), on="bug")


def _impossible_answer(flow: Any, s: Any) -> None:
    router = _router(flow, s)
    flow.edge(router, flow.end("e"))
    flow.edge(router, flow.end("e2"), on="biling")


def _fork_and_edge(flow: Any, s: Any) -> None:
    a = begin(flow)
    flow.fork(a, [flow.end("x"), flow.end("y")])
    flow.edge(a, flow.end("z"))


def _recursive(flow: Any, s: Any) -> None:
    flow.subflow("me", flow)


def _subflow_of(inner: Flow[Any], **maps: Any) -> Callable[[Any, Any], None]:
    def build(flow: Any, s: Any) -> None:
        flow.subflow("sub", inner, **maps)

    return build


class Needy(BaseModel):
    must: str
    score: str = ""
    facts: list[str] = []


def needy() -> Flow[Needy]:
    """Write a flow whose state has a field that must be filled."""
    flow = Flow("needy", Needy)
    s = flow.state

    @flow.task(writes=s.facts)
    def work(must: str) -> list[str]:
        return [must]

    return flow


NEEDY = needy()
N = NEEDY.state


def _map_types(flow: Any, s: Any) -> None:
    flow.subflow(
        "sub", NEEDY, inputs=[let(N.must).be(s.rounds), let(N.score).be(s.score)], outputs=let(s.facts).be(N.facts)
    )


def _map_backwards(flow: Any, s: Any) -> None:
    flow.subflow("sub", NEEDY, inputs=[let(N.must).be(s.message)], outputs=let(N.must).be(s.message))


class Secretive(BaseModel):
    password: str = ""
    key: Annotated[int, append] = 0


MISTAKES: list[tuple[str, Callable[[Any, Any], object], str]] = [
    ("no-nodes", lambda flow, s: None, "flow 'f' has no nodes"),
    ("node-name", lambda flow, s: flow.end(""), "this end has the name ''"),
    ("node-name", lambda flow, s: flow.task()(lambda: None), "a name is a line of text"),
    ("duplicate-name", _same_names, "two nodes 'a' (the other at"),
    (
        "unknown-field",
        _unknown_parameter,
        "parameter 'messge' of task 'a1' is not a field of Ticket. Did you mean 'message'?",
    ),
    ("reads-type", _wrong_parameter_type, "parameter 'score' of task 'a1' is str, but the field 'score' is float"),
    (
        "reads-type",
        _parameter_without_none,
        "\"other\"] | None; let it take None as well, or give 'topic' a",
    ),
    (
        "returns",
        _returns_dict,
        "returns dict[str, str], but writes=facts needs str (one item, because of append); a task returns the value",
    ),
    ("returns", _returns_list_to_append, "returns list[str], but writes=facts needs str (one item, because of append)"),
    ("returns", _returns_item_to_extend, "returns str, but writes=queries needs list[str] (because of extend)"),
    ("returns", _returns_for_nothing, "returns str, but writes nothing, so it would be lost; say writes="),
    ("returns", _returns_too_few, "returns tuple[str], but writes=(draft, score) needs a tuple of str, float"),
    ("returns", _returns_one_for_two, "returns str, but writes=(draft, score) needs a tuple of str, float"),
    ("cannot-call", lambda flow, s: flow.task(name="m")(Echo.expand), "is an unbound method; pass a bound one"),
    ("not-a-function", lambda flow, s: flow.task(name="t")(3), "is made from 3, which is not a function"),
    (
        "reads",
        lambda flow, s: flow.task(writes=s.draft, reads={"mesage": s.message})(say),
        "no parameter 'mesage', which its reads= names. Did you mean 'message'?",
    ),
    ("reads", lambda flow, s: flow.task(writes=s.draft, reads=s.message)(say), 'reads are {"parameter": s.field}'),
    (
        "not-a-field",
        lambda flow, s: flow.task(writes=s.rounds + 1)(say),
        "writes of task 'say' must be a field of flow.state, got rounds + 1",
    ),
    (
        "not-a-field",
        lambda flow, s: flow.agent("a", Echo(), reads="message", writes=s.draft),
        "reads of agent 'a' must be a field of flow.state, got 'message'",
    ),
    (
        "foreign-state",
        lambda flow, s: flow.task(writes=OTHER.flow.state.draft)(say),
        "is 'draft' of another flow's state; use the state of flow 'f'",
    ),
    (
        "named-twice",
        lambda flow, s: flow.agent("a", Echo(), reads=(s.draft, s.draft), writes=s.draft),
        "names 'draft' twice",
    ),
    (
        "not-an-agent",
        lambda flow, s: flow.agent("a", "be nice", writes=s.draft),
        "agent 'a' is made from 'be nice'; give an Agent",
    ),
    (
        "writes-nothing",
        lambda flow, s: flow.agent("a", Echo(), writes=None),
        "agent 'a' writes nothing, so its work would be lost",
    ),
    ("agent", lambda flow, s: flow.agent("a", Echo("prompt names {x}"), writes=s.draft), "agent 'a': prompt names {x}"),
    (
        "no-answers",
        lambda flow, s: flow.router("r", Echo(), writes=s.draft),
        "router 'r' writes 'draft', whose type str does not say what it can answer",
    ),
    (
        "one-answer",
        lambda flow, s: flow.router("r", Echo(), writes=(s.topic, s.decision)),
        "must write exactly one field",
    ),
    ("no-question", lambda flow, s: flow.ask("q", " ", writes=s.decision), "ask 'q' has no question"),
    ("duration", lambda flow, s: flow.ask("q", "?", writes=s.decision, deadline="soon"), "'soon' is no duration"),
    ("duration", lambda flow, s: flow.task(name="t", timeout="5 minutes")(lambda: None), "'5 minutes' is no duration"),
    (
        "retry",
        lambda flow, s: flow.task(name="t", retry=0)(lambda: None),
        "retry=0; give the number of attempts, at least 1",
    ),
    (
        "on-crash",
        lambda flow, s: flow.task(name="t", on_crash="pray")(lambda: None),
        "on_crash='pray'; it is 'retry', 'ask' or 'fail'",
    ),
    (
        "option",
        lambda flow, s: flow.task(name="t", retries=3)(lambda: None),
        "no option 'retries'; there are retry, timeout, on_crash",
    ),
    (
        "join-wait",
        lambda flow, s: flow.edge(begin(flow), flow.join("j", wait=0)),
        "wait=0; it is 'all', 'any' or a number from 1",
    ),
    ("join-wait", lambda flow, s: flow.edge(begin(flow), flow.join("j", wait="some")), "wait='some'"),
    (
        "foreign-node",
        lambda flow, s: flow.edge(begin(flow), OTHER.nodes["draft"]),
        "the target of an edge is 'draft' of flow 'support'",
    ),
    ("not-a-node", lambda flow, s: flow.edge(begin(flow), "begin"), "give the node itself, not its name 'begin'"),
    (
        "not-a-node",
        lambda flow, s: flow.edge(flow.task(writes=s.draft)(say), say),
        "this is the plain function; give what flow.task returned for it",
    ),
    ("not-a-node", lambda flow, s: flow.edge(begin(flow), 3), "the target of an edge is 3; give the node itself"),
    ("no-node", lambda flow, s: flow.edge([], begin(flow)), "the source of an edge is missing"),
    (
        "several-targets",
        lambda flow, s: flow.edge(begin(flow), [flow.end("x"), flow.end("y")]),
        "an edge has one target; use fork",
    ),
    ("end-goes-on", lambda flow, s: flow.edge(flow.end("e"), begin(flow)), "'e' is an end, so nothing follows it"),
    ("not-a-guard", lambda flow, s: link(flow, when=s.topic is None), "False is a plain bool, not a condition"),
    ("not-a-guard", lambda flow, s: link(flow, when=s.score), "`score` is not a condition but a value (float)"),
    ("not-a-guard", lambda flow, s: link(flow, when="score < 1"), "'score < 1' is not a condition"),
    ("lambda-guard", _lambda_guard, "is a lambda, which has no name to print"),
    ("guard-function", _async_guard, "guard 'low' of edge 'begin' -> 'e' is async"),
    ("guard-function", _guard_with_context, "takes 'context': a guard reads single fields"),
    ("guard-function", _guard_with_state, "takes 'state': a guard reads single fields"),
    ("guard-function", _guard_that_returns_text, "returns str, but a guard returns a bool"),
    (
        "unknown-field",
        _guard_of_unknown,
        "parameter 'scor' of guard 'low' of edge 'begin' -> 'e' is not a field of Ticket. Did you mean 'score'?",
    ),
    (
        "foreign-state",
        lambda flow, s: link(flow, when=untyped(OTHER.flow.state).score < 1),
        "reads the state of another flow: score < 1",
    ),
    (
        "never-equal",
        lambda flow, s: link(flow, when=s.topic == "biling"),
        "compares 'topic' with \"biling\", but it is Literal",
    ),
    (
        "never-equal",
        lambda flow, s: link(flow, when=one_of(s.topic, "bug", "bugs") & is_none(s.mood)),
        "Did you mean 'bug'?",
    ),
    (
        "not-a-change",
        lambda flow, s: link(flow, set=s.rounds),
        "set= of edge 'begin' -> 'e' must be let(s.field).be(value), got rounds",
    ),
    (
        "set-value",
        lambda flow, s: link(flow, set=let(s.rounds).be("x")),
        "rounds = \"x\", but field 'rounds' takes int",
    ),
    ("set-value", lambda flow, s: link(flow, set=let(s.facts).be("x")), "field 'facts' takes list[str]"),
    (
        "set-value",
        lambda flow, s: link(flow, set=let(s.facts).be("x")),
        "it replaces the whole field, without its reducer 'append'; to add an item write let(facts).take('x')",
    ),
    ("set-twice", lambda flow, s: link(flow, set=[let(s.rounds).be(1), let(s.rounds).be(2)]), "set 'rounds' twice"),
    (
        "foreign-state",
        lambda flow, s: link(flow, set=let(OTHER.flow.state.rounds).be(1)),
        "rounds = 1 uses the state of another flow",
    ),
    (
        "foreign-state",
        lambda flow, s: link(flow, set=let(s.rounds).be(OTHER.flow.state.rounds)),
        "uses the state of another flow",
    ),
    ("count", lambda flow, s: link(flow, at_most=0), "at_most=0; it is a number from 1"),
    ("on-answer", lambda flow, s: link(flow, on="bug"), "on='bug', but 'begin' is a task, which gives no answer"),
    (
        "on-error",
        lambda flow, s: link(flow, on=KeyboardInterrupt),
        "on=KeyboardInterrupt is not an exception type that derives from Exception",
    ),
    ("on-error", lambda flow, s: link(flow, on=str), "on=str is not an exception type"),
    (
        "on-answer",
        lambda flow, s: flow.edge(flow.ask("q", "?", writes=s.draft), flow.end("e"), on="yes"),
        "'q' admits any answer",
    ),
    ("unanswered", _unanswered, "'triage' can answer 'billing', 'other', but no edge says where to go"),
    (
        "impossible-answer",
        _impossible_answer,
        "'triage' never answers 'biling'; it can answer 'billing', 'bug', 'other'. Did you mean 'billing'?",
    ),
    ("fork-and-edge", _fork_and_edge, "'begin' has both fork and edge"),
    (
        "fork-of-choice",
        lambda flow, s: flow.fork(_router(flow, s), [flow.end("x"), flow.end("y")]),
        "'triage' chooses one way by its answer, so it cannot fork",
    ),
    (
        "each-of",
        lambda flow, s: flow.each(begin(flow), flow.end("x"), item=s.query, of=s.draft),
        "of=draft is str, but a branch per item needs a list",
    ),
    (
        "each-item",
        lambda flow, s: flow.each(begin(flow), flow.end("x"), item=s.score, of=s.queries),
        "an item of 'queries' is str, but item=score is float",
    ),
    (
        "each-item",
        lambda flow, s: flow.each(begin(flow), flow.end("x"), item=s.queries, of=s.queries),
        "item= and of= are both 'queries'",
    ),
    ("not-a-flow", lambda flow, s: flow.subflow("sub", "writer"), "subflow 'sub' is made from 'writer'; give a Flow"),
    ("flow-in-itself", _recursive, "inside subflow 'me': flow 'f' contains itself"),
    (
        "unfilled-input",
        _subflow_of(NEEDY, inputs=(), outputs=()),
        "subflow 'sub' needs 'must', which has no fixed default and which nothing fills",
    ),
    (
        "reduced-output",
        _subflow_of(NEEDY, inputs=()),
        "writes 'facts', which has the reducer append here; say what it adds",
    ),
    ("map-type", _map_types, "inputs of subflow 'sub' set must = rounds, but 'rounds' is int where str is needed"),
    (
        "map-type",
        _map_types,
        "outputs of subflow 'sub' set facts = facts, but 'facts' is list[str] where str is needed",
    ),
    (
        "map-type",
        lambda flow, s: flow.subflow("sub", NEEDY, inputs=let(N.must).be(s.topic), outputs=()),
        "where str is needed; let 'must' take None as well, or give 'topic' a default of its type",
    ),
    ("foreign-state", _map_backwards, "outputs of subflow 'sub': must = message uses the state of another flow"),
    (
        "no-start",
        lambda flow, s: (flow.end("x"), flow.end("y")),
        "nothing leads to 'x', 'y', so each of them could be the start",
    ),
    ("unreachable", lambda flow, s: (flow.start(begin(flow)), flow.end("x")), "'x' cannot be reached from 'begin'"),
    (
        "foreign-node",
        lambda flow, s: (begin(flow), flow.start(OTHER.nodes["draft"])),
        "flow.start is 'draft' of flow 'support'",
    ),
]


@pytest.mark.parametrize(("code", "build", "message"), MISTAKES, ids=[f"{c}: {m[:40]}" for c, _, m in MISTAKES])
def test_mistakes_are_found_and_explained(code: str, build: Callable[[Any, Any], Any], message: str) -> None:
    """Each mistake is reported under its code, says what was found and what to do, and where it was written."""
    flow, state = flow_and_state()
    build(flow, state)
    with pytest.raises(DefinitionError) as caught:
        flow.freeze()
    found = [m for m in caught.value.mistakes if m.code == code and message in m.message]
    assert found, str(caught.value)
    if code not in {"no-nodes", "no-start"}:
        assert "test_flow.py:" in str(found[0].place)
    assert message in str(caught.value)
    assert found[0] in flow.check()


def test_all_mistakes_are_reported_together() -> None:
    """One freeze finds every mistake, nodes before edges, in the order they were written."""
    flow, s = flow_and_state()
    _unknown_parameter(flow, s)
    _returns_dict(flow, s)
    a, b = begin(flow), flow.end("e")
    flow.edge(a, b, when=s.score, set=let(s.rounds).be("x"), at_most=0)
    flow.edge(a, untyped("b"))
    codes = [m.code for m in flow.check()]
    assert codes == ["duplicate-name", "unknown-field", "returns", "not-a-guard", "set-value", "count", "not-a-node"]
    with pytest.raises(DefinitionError, match="flow 'f' has 7 mistakes"):
        flow.freeze()


def test_mistakes_of_the_state_type_are_mistakes_of_the_flow() -> None:
    """What is wrong with a field stops the flow from freezing."""
    flow = Flow("f", Secretive)
    begin(flow)
    assert [m.code for m in flow.check()] == ["reducer-type"]


def test_the_state_type_must_be_a_model() -> None:
    """Without named fields there is nothing to write about; this is raised at once."""
    with pytest.raises(DefinitionError, match="must be a pydantic model"):
        Flow("f", untyped(dict))


def test_mistakes_inside_agents_and_subflows_keep_their_codes() -> None:
    """A subflow's mistakes are listed as its own, marked with the node that holds it."""
    inner, state = flow_and_state()
    _unknown_parameter(inner, state)
    outer = Flow("outer", Ticket)
    outer.subflow("sub", inner)
    (mistake,) = outer.check()
    assert mistake.code == "unknown-field"
    assert mistake.message.startswith("inside subflow 'sub': parameter 'messge'")


def test_errors_of_an_expansion_that_are_not_definitions_are_reported() -> None:
    """An agent that refuses its place with an error of graphrt is a mistake; any other error is a bug and raises."""

    class Refuses:
        def expand(self, spec: ExpansionSpec) -> Expansion:
            raise UseError("needs a model")

    class Breaks:
        def expand(self, spec: ExpansionSpec) -> Expansion:
            raise RuntimeError("bug")

    flow, s = flow_and_state()
    flow.agent("a", Refuses(), writes=s.draft)
    assert [(m.code, m.message) for m in flow.check()] == [("agent", "agent 'a': needs a model")]
    flow, s = flow_and_state()
    flow.agent("a", Breaks(), writes=s.draft)
    with pytest.raises(RuntimeError, match="bug"):
        flow.freeze()


def test_error_edges_name_types_as_traces_do() -> None:
    """An edge names the type as `ErrorInfo` does, whatever module it comes from."""

    class Custom(Exception):
        pass

    flow, _ = flow_and_state()
    a = begin(flow)
    for i, error in enumerate((LimitReached, TimeoutError, subprocess.SubprocessError, Custom)):
        flow.edge(a, flow.end(f"e{i}"), on=error)
    edges = flow.freeze().nodes[0].edges
    assert [e.on_error for e in edges] == ["LimitReached", "TimeoutError", "SubprocessError", "Custom"]
    assert edges[3].on_error == error_info(Custom()).type


def test_retry_may_name_exception_types() -> None:
    """Types given to a retry policy are kept by name."""
    flow, _ = flow_and_state()
    flow.task(name="t", retry=Retry(attempts=2, on=untyped((TimeoutError, "KeyError"))))(lambda: None)
    retry = flow.freeze().nodes[0].retry
    assert retry is not None
    assert retry.on == ("TimeoutError", "KeyError")


# --- cost ---


def test_freezing_grows_linearly() -> None:
    """Ten times as many nodes take about ten times as long."""

    def cost(count: int) -> float:
        flow = Flow("big", Ticket)
        s = flow.state
        nodes = [flow.task(writes=s.draft, name=f"n{i}")(say) for i in range(count)]
        for a, b in itertools.pairwise(nodes):
            flow.edge(a, b, when=contains(s.facts, "x"))
        begun = time.process_time()
        flow.freeze()
        return time.process_time() - begun

    cost(10)
    small, large = (min(cost(count) for _ in range(3)) for count in (200, 2_000))
    assert large < 30 * small


def test_the_vocabulary_is_there() -> None:
    """Every name that `graphrt` promises can be taken from it, and nothing else."""
    import graphrt

    for name in graphrt.__all__:
        assert getattr(graphrt, name) is not None
        assert name in dir(graphrt)
    with pytest.raises(AttributeError, match="no attribute 'Flwo'"):
        _ = untyped(graphrt).Flwo


@pytest.mark.parametrize("mapped", [True, False])
def test_a_flow_inside_a_branch_asks_for_the_item_itself(*, mapped: bool) -> None:
    """The field of an item may be None elsewhere; in a branch it holds one, also for a flow that stands there."""

    class Page(BaseModel):
        text: str

    class Reading(BaseModel):
        page: Page
        note: str = ""

    class Book(BaseModel):
        pages: list[Page]
        page: Page | None = None
        notes: Annotated[list[str], append] = []

    inner = Flow("reading", Reading)

    @inner.task(writes=inner.state.note)
    async def read(page: Page) -> str:
        return page.text

    flow = Flow("book", Book)
    s, t = flow.state, inner.state

    @flow.task
    async def begin() -> None: ...

    options: dict[str, Any] = {"inputs": let(t.page).be(cast("Page", s.page))} if mapped else {}
    inside = flow.subflow("inside", inner, outputs=let(s.notes).take(t.note), **options)
    flow.each(begin, inside, item=s.page, of=s.pages)
    flow.edge(inside, flow.join("all"))
    result = flow.run_sync(Book(pages=[Page(text="one"), Page(text="two")]))
    assert result.state.notes == ["one", "two"]
