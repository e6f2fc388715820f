"""The spans of a run: what lies in what, what follows from what, how each ended, and what is not told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from graphrt import Agent, Flow
from graphrt.account import account
from graphrt.agents.errors import ModelUnavailable
from graphrt.agents.model import Model
from graphrt.agents.prompts import prompts
from graphrt.codec import decode_trace, encode_trace
from graphrt.graph import Graph
from graphrt.policies import fallback
from graphrt.runtime import answer, fork, resume
from graphrt.stores.memory import MemoryStore
from graphrt.telemetry.span import Span, trace_id_of
from graphrt.telemetry.spans import spans_of
from graphrt.testing import ScriptedModel
from graphrt.trace import Trace
from tests.cli import scenes
from tests.cli.test_steps import PARTS, traced
from tests.strategies import ORDERS, WILD, World, graphs, worlds
from tests.telemetry.flows import SECRET, Desk, answering, desk, named, tree
from tests.viz.test_changed_definition import changed_run

ALL = [
    scenes.suspended,
    scenes.completed,
    scenes.failed,
    scenes.cancelled,
    scenes.cut_off,
    scenes.resumed,
    scenes.researched,
]


async def recorded(model: Model | None = None, failures: int = 0, run: str = "r") -> Trace:
    """Run the desk until it asks, and return its trace."""
    flow = desk(failures=failures)
    return (await flow.run(Desk(message=SECRET), resources=[model or answering()], run_id=run)).trace


def edges(span: Span) -> list[tuple[Any, Any, Any]]:
    """Return how a visit was left."""
    about = [e.attributes for e in span.events if e.name == "graphrt.edge"]
    return [(a["graphrt.edge.target"], a["graphrt.edge.when"], a["graphrt.edge.result"]) for a in about]


def test_spans_lie_in_each_other_as_graphs_do() -> None:
    """A run is around its visits, an agent around its requests and calls; each is named by the conventions."""
    spans = spans_of(asyncio.run(recorded()))
    assert tree(spans) == {
        "": ["invoke_workflow desk"],
        "invoke_workflow desk": [
            "graphrt.node approve",
            "graphrt.node begin",
            "graphrt.node both",
            "graphrt.node fetch",
            "graphrt.node rate",
            "graphrt.node recall",
            "invoke_agent draft",
        ],
        "invoke_agent draft": [
            "chat scripted-1",
            "chat scripted-1",
            "execute_tool look_up",
            "graphrt.node answered",
            "graphrt.node results",
        ],
    }
    assert {span.name for span in spans if span.kind == "client"} == {"chat scripted-1"}
    assert {span.trace_id for span in spans} == {trace_id_of("r")}


def test_old_and_new_names_are_both_written() -> None:
    """What the conventions renamed is there under both names, with the same value."""
    spans = spans_of(asyncio.run(recorded()))
    (run,), asked = named(spans, "invoke_workflow desk"), named(spans, "chat scripted-1")
    assert run.attributes["gen_ai.workflow.name"] == run.attributes["gen_ai.agent.name"] == "desk"
    for span in asked:
        told = span.attributes
        assert told["gen_ai.operation.name"] == "chat"
        assert told["gen_ai.request.model"] == told["gen_ai.response.model"] == "scripted-1"
        assert told["gen_ai.usage.input_tokens"] == told["gen_ai.usage.prompt_tokens"] == 10
        assert told["gen_ai.usage.output_tokens"] == told["gen_ai.usage.completion_tokens"] == 5
    (agent,) = named(spans, "invoke_agent draft")
    assert agent.attributes["gen_ai.usage.input_tokens"] == 20
    (call,) = named(spans, "execute_tool look_up")
    assert (call.attributes["gen_ai.tool.name"], call.attributes["gen_ai.tool.call.id"]) == ("look_up", "c1")


def test_a_request_tells_whom_it_went_to_and_how() -> None:
    """Model, provider and settings, and the digest by which what was sent is found in the trace; no content."""

    class Offered(ScriptedModel):
        @property
        def provider(self) -> str:
            return "openai"

    flow = Flow("desk", Desk)
    agent = Agent("Say.", temperature=0, seed=7, max_tokens=90)
    flow.agent("clerk", agent, reads=flow.state.message, writes=flow.state.draft)
    result = asyncio.run(flow.run(Desk(), resources=[Offered(["Yes."], name="gpt-5-mini")]))
    (span,) = [span for span in spans_of(result.trace) if span.kind == "client"]
    assert span.name == "chat gpt-5-mini"
    told = span.attributes
    assert told["gen_ai.provider.name"] == told["gen_ai.system"] == "openai"
    asked = {name: told[f"gen_ai.request.{name}"] for name in ("model", "temperature", "seed", "max_tokens")}
    assert asked == {"model": "gpt-5-mini", "temperature": 0, "seed": 7, "max_tokens": 90}
    assert told["graphrt.prompt.digest"] == next(iter(prompts(result.trace))).digest
    assert "Say." not in str(told)


def test_forks_and_joins_are_links() -> None:
    """Both branches are linked to what forked, and the join to both."""
    spans = spans_of(asyncio.run(recorded()))
    by_id = {span.span_id: span.name for span in spans}
    links = {span.name: [(by_id[n.span_id], n.why) for n in span.links] for span in spans}
    assert links["graphrt.node fetch"] == links["graphrt.node recall"] == [("graphrt.node begin", "cause")]
    assert links["graphrt.node both"] == [("graphrt.node fetch", "cause"), ("graphrt.node recall", "cause")]


def test_each_attempt_is_a_span() -> None:
    """Failed attempts say so by status and exception; the next is linked to the one before, and the last is well."""
    spans = named(spans_of(asyncio.run(recorded(failures=2))), "graphrt.node fetch")
    assert [(s.attributes["graphrt.attempt"], s.error) for s in spans] == [
        (1, "ConnectionError"),
        (2, "ConnectionError"),
        (3, None),
    ]
    assert [[e.name for e in s.events] for s in spans[:2]] == [["exception", "graphrt.retry"]] * 2
    assert spans[0].attributes["error.type"] == "ConnectionError"
    assert [n.why for n in spans[2].links] == ["retry"]
    assert spans[2].links[0].span_id == spans[1].span_id


def test_verdicts_are_events() -> None:
    """How a visit was left is told edge by edge, with the guard's text and what became of it."""
    (rate,) = named(spans_of(asyncio.run(recorded())), "graphrt.node rate")
    assert edges(rate) == [("draft", "score > 0.9", "false"), ("approve", "always", "taken")]


def test_what_fails_inside_an_agent_fails_it_and_the_run() -> None:
    """The error is told at the attempt, at all around it and at the run."""
    spans = spans_of(asyncio.run(recorded(ScriptedModel([]))))
    failed = [(s.name, s.error) for s in spans if s.error is not None]
    assert failed == [
        ("chat scripted", "ScriptExhausted"),
        ("invoke_agent draft", "ScriptExhausted"),
        ("invoke_workflow desk", "ScriptExhausted"),
    ]


def test_a_failed_call_is_told() -> None:
    """A tool that raises does not fail its visit, as the model is told; its span is an error all the same."""
    broken = ScriptedModel([[answering_call("nothing_like_it")], "sorry"])
    (call,) = named(spans_of(asyncio.run(recorded(broken))), "execute_tool nothing_like_it")
    assert call.error == "the call failed"
    assert call.attributes["graphrt.visit.status"] == "completed"


def answering_call(name: str) -> Any:
    """Return a call of a tool."""
    from graphrt.agents.messages import ToolCall

    return ToolCall(id="c9", name=name, arguments={"order": SECRET})


@pytest.mark.parametrize("make", ALL)
def test_nothing_is_told_of_what_a_run_works_on(make: Callable[[], Trace]) -> None:
    """No value of a state, no answer and no message of an error is in any span, unless it is asked for."""
    trace = make()
    told = repr(spans_of(trace))
    for value in ("charged twice", "no list", "Dear", "customer"):
        assert value not in told
    assert repr(spans_of(trace, content=True)) != told


def test_content_is_told_where_asked_for() -> None:
    """State, prompts, replies, arguments and results of calls, values that guards read, and what was written."""
    trace = asyncio.run(recorded())
    assert SECRET not in repr(spans_of(trace))
    spans = spans_of(trace, content=True)
    first, second = named(spans, "chat scripted-1")
    assert SECRET in str(named(spans, "invoke_workflow desk")[0].attributes["graphrt.state"])
    assert "Answer the customer." in str(named(spans, "invoke_agent draft")[0].attributes["gen_ai.system_instructions"])
    assert SECRET in str(first.attributes["gen_ai.input.messages"])
    assert "tool_call" in str(first.attributes["gen_ai.output.messages"])
    assert f"Dear customer, {SECRET}." in str(second.attributes["gen_ai.output.messages"])
    (call,) = named(spans, "execute_tool look_up")
    assert call.attributes["gen_ai.tool.call.arguments"] == '{"order":"A-17"}'
    assert call.attributes["gen_ai.tool.call.result"] == f"A-17 is {SECRET}"
    (rate,) = named(spans, "graphrt.node rate")
    assert rate.events[0].attributes["graphrt.edge.values"] == "score = 0.25"
    failed = named(spans_of(asyncio.run(recorded(failures=1)), content=True), "graphrt.node fetch")[0]
    assert failed.error == f"ConnectionError: no answer about {SECRET}"
    assert failed.events[0].attributes["exception.message"] == f"no answer about {SECRET}"


@pytest.mark.parametrize("make", ALL)
def test_spans_are_whole(make: Callable[[], Trace]) -> None:
    """In every run: ids differ, whatever is around or linked exists, and nothing begins before what is around it."""
    spans = spans_of(make())
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    assert sum(span.parent_id is None for span in spans) == 1
    for span in spans:
        assert span.ended >= span.started
        assert span.parent_id is None or by_id[span.parent_id].started <= span.started
        assert all(n.span_id in by_id for n in span.links)


@pytest.mark.parametrize("make", ALL)
def test_the_same_trace_gives_the_same_spans(make: Callable[[], Trace]) -> None:
    """Told twice, and once more from the file that the trace was written to."""
    trace = make()
    assert spans_of(trace) == spans_of(trace) == spans_of(decode_trace(encode_trace(trace)))


def test_a_run_that_was_taken_up_again_keeps_its_trace() -> None:
    """Each time of driving is a span below the first; a question that waited meanwhile is a span in both."""

    async def main() -> Trace:
        store, flow = MemoryStore(), desk()
        await flow.run(Desk(message="m"), resources=[answering()], store=store, run_id="r")
        (question,) = [s for s in spans_of(store.trace("r")) if s.name == "graphrt.node approve"]
        assert (question.attributes["graphrt.visit.status"], question.cut_off) == ("waiting", True)
        await answer(store, "r", question.attributes["graphrt.visit.id"], "send", by="Ada")  # type: ignore[arg-type]  # an id is text
        await resume(store, "r", flow.freeze())
        return store.trace("r")

    spans = spans_of(asyncio.run(main()))
    assert {s.trace_id for s in spans} == {trace_id_of("r")}
    first, again = named(spans, "invoke_workflow desk")
    assert (first.attributes["graphrt.run.status"], again.attributes["graphrt.run.status"]) == (
        "suspended",
        "completed",
    )
    assert (first.parent_id, again.parent_id) == (None, first.span_id)
    before, after = named(spans, "graphrt.node approve")
    assert (before.parent_id, after.parent_id) == (first.span_id, again.span_id)
    assert [(n.span_id, n.why) for n in after.links] == [(before.span_id, "resumed")]
    assert after.attributes["graphrt.visit.status"] == "completed"
    assert "Ada" not in repr(spans)


def test_each_time_of_driving_names_its_definition() -> None:
    """A run that went on under a changed definition tells which one it was, each time."""
    trace = changed_run()
    began, *went_on = named(spans_of(trace), "invoke_workflow counting")
    assert began.attributes["graphrt.flow.digest"] == trace.header.digest
    digests = {str(span.attributes["graphrt.flow.digest"]) for span in went_on}
    assert len(went_on) == 2
    assert len(digests) == 1
    assert trace.header.digest not in digests


def test_a_crash_leaves_spans_that_say_so() -> None:
    """What was under way when the process went ends with the last record, and its next attempt is linked to it."""
    spans = spans_of(scenes.resumed())
    lost, done = named(spans, "graphrt.node draft")[1:]
    assert (lost.attributes["graphrt.visit.status"], lost.cut_off) == ("cut off", True)
    assert [(n.span_id, n.why) for n in done.links] == [(lost.span_id, "retry")]
    assert done.attributes["graphrt.attempt"] == 2


def test_a_fork_tells_what_happened_since() -> None:
    """Its trace is its own, and is linked to where it left its parent."""

    async def main() -> tuple[Trace, Trace]:
        store, flow = MemoryStore(), desk()
        await flow.run(Desk(message="m"), resources=[answering()], store=store, run_id="old")
        (rate,) = [s for s in spans_of(store.trace("old")) if s.name == "graphrt.node rate"]
        visit = str(rate.attributes["graphrt.visit.id"])
        await fork(store, "old", visit, flow.freeze(), change={"draft": "shorter"}, new_id="new")
        return store.trace("old"), store.trace("new")

    old, new = asyncio.run(main())
    spans = spans_of(new)
    assert {s.trace_id for s in spans} == {trace_id_of("new")}
    assert [s.name for s in spans] == ["graphrt.node rate", "graphrt.node approve", "invoke_workflow desk"]
    (link,) = spans[-1].links
    assert (link.trace_id, link.why) == (trace_id_of("old"), "parent")
    assert link.span_id in {s.span_id for s in spans_of(old)}
    assert spans[-1].attributes["graphrt.run.parent"] == "old"


@given(graphs(WILD), worlds(), ORDERS, PARTS)
@settings(max_examples=80)
def test_every_run_has_spans_that_hang_together(graph: Graph, world: World, order: int, part: int) -> None:
    """Whatever a run did, and wherever its trace ends: ids differ, all around and all linked is told, nothing twice."""
    trace = traced(graph, world, order, part)
    spans = spans_of(trace)
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    assert [span.name for span in spans if span.parent_id is None] == [f"invoke_workflow {graph.name}"]
    for span in spans:
        assert span.parent_id is None or span.parent_id in by_id
        assert all(link.span_id in by_id for link in span.links)
    told = account(trace)
    attempts = {s.attributes["graphrt.visit.id"] for s in spans if "graphrt.attempt" in s.attributes}
    assert attempts == {v.id for v in told.visits.values() if v.attempts}
    failed = sum(a.error is not None for v in told.visits.values() for a in v.attempts)
    assert sum(s.error is not None and "graphrt.attempt" in s.attributes for s in spans) == failed


def test_what_a_policy_did_is_an_event_of_the_attempt() -> None:
    """It says which policy did what; its words, which may quote what was said, are content."""

    async def main() -> Trace:
        broken = ScriptedModel([ModelUnavailable(f"no answer about {SECRET}", endpoint="here", model="m")])
        backed = [fallback(answering())]
        return (await desk().run(Desk(message="m"), resources=[broken], policies=backed, run_id="r")).trace

    trace = asyncio.run(main())
    happened = [mark for visit in account(trace).visits.values() for mark in visit.marks]
    for content in (False, True):
        told = [e.attributes for span in spans_of(trace, content=content) for e in span.events if "mark" in e.name]
        assert [(a["graphrt.mark.by"], a["graphrt.mark.what"]) for a in told] == [(m.by, m.what) for m in happened]
        assert happened
        assert [a.get("graphrt.mark.text") for a in told] == [m.text if content else None for m in happened]
    assert SECRET not in repr(spans_of(trace))
