"""What was sent to models stands on record: to the last character, behind all policies, without a copy of the past."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from msgspec.structs import replace
from pydantic import BaseModel

from graphrt import Agent, ChatRuntime, Flow, Retry, sequential
from graphrt.agents import ImagePart, Message, ModelRequest, ToolCall, assistant, on_input, system, user
from graphrt.agents.errors import ModelUnavailable
from graphrt.agents.prompts import Prompt, prompts
from graphrt.codec import decode_trace, encode_trace
from graphrt.inputs import AttemptSucceeded
from graphrt.policies import cache, context, fallback, pool, retry
from graphrt.replay import verify
from graphrt.runtime import resume
from graphrt.stores.memory import MemoryStore
from graphrt.testing import ScriptedModel, Turn
from graphrt.trace import Trace

pytestmark = pytest.mark.anyio

DOWN = ModelUnavailable("found no connection", endpoint="here", model="m")
LONG = "A long text about shoes and ships. " * 40


class Desk(BaseModel):
    doc: str = LONG
    rows: list[dict[str, int]] = [{"n": n} for n in range(60)]
    talk: list[Message] = []
    photo: ImagePart | None = None
    reply: str = ""
    score: float = 0.0
    verdict: Literal["pay", "keep"] | None = None


def desk(agent: Agent, reads: list[str], writes: str = "reply") -> Flow[Desk]:
    """Return a flow of one agent."""
    flow = Flow("desk", Desk)
    s = flow.state
    flow.agent("clerk", agent, reads=[getattr(s, name) for name in reads], writes=getattr(s, writes))
    return flow


def look(number: str) -> str:
    """Look an order up by its number, which stands on the bill and on the parcel, below the name of the customer."""
    return f"order {number}: {LONG}"


def told(trace: Trace, *models: ScriptedModel) -> list[Prompt]:
    """Return what the trace tells of requests, after it was written and read; it must be what the models got."""
    found = list(prompts(decode_trace(encode_trace(trace))))
    assert all(prompt.is_exact for prompt in found)
    sent = [request for model in models for request in model.requests]
    assert sorted(p.request.model_dump_json() for p in found) == sorted(r.model_dump_json() for r in sent)
    return found


def watch(_text: str) -> str | None:
    """Let everything pass."""
    return None


SHAPES: dict[str, tuple[Agent, list[str], str, list[object]]] = {
    "text": (Agent("Say."), ["doc"], "reply", ["Fine."]),
    "several fields": (Agent("Say."), ["doc", "rows", "score"], "reply", ["Fine."]),
    "filled instructions": (Agent("You know: {doc} and {rows}."), ["doc", "rows", "score"], "reply", ["Fine."]),
    "a prompt": (Agent("Say.", prompt="Read {doc}\nand {rows}!"), ["doc", "rows"], "reply", ["Fine."]),
    "a conversation": (Agent("Say."), ["talk"], "reply", ["Fine."]),
    "a conversation and a field": (Agent("Say."), ["talk", "doc"], "reply", ["Fine."]),
    "a picture": (Agent("Look."), ["photo", "doc"], "reply", ["A shoe."]),
    "data": (Agent("Score.", repairs=1), ["doc"], "score", ["much", Turn.fill(0.5)]),
    "a choice": (
        Agent("Judge.", examples=[("Pay me.", "pay"), (LONG, "keep")]),
        ["doc"],
        "verdict",
        [Turn.choose("pay", 0.9)],
    ),
    "tools": (
        Agent("Help.", tools=[look], temperature=0, seed=7, max_tokens=90),
        ["doc"],
        "reply",
        [[ToolCall(id="1", name="look", arguments={"number": "A-1"})], Turn.call("look", number="B-2"), "Shipped."],
    ),
    "tools that end in data": (
        Agent("Help.", tools=[look]),
        ["talk"],
        "score",
        [Turn.call("look", number="A-1"), "I know it.", Turn.fill(1.0)],
    ),
    "a guardrail": (Agent("Say.", guardrails=[on_input(watch)]), ["doc"], "reply", ["Fine."]),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_every_kind_of_request_is_told_as_it_was_sent(name: str) -> None:
    """Text, data, choices, tools, pictures: what is put together from the trace is what the model was given."""
    agent, reads, writes, turns = SHAPES[name]
    flow = Flow("desk", Desk)
    s = flow.state
    options: dict[str, Any] = {"reads": [getattr(s, each) for each in reads], "writes": getattr(s, writes)}
    if writes == "verdict":
        judge = flow.router("clerk", agent, **options)
        flow.edge(judge, flow.end("paid"), on="pay")
        flow.edge(judge, flow.end("kept"), on="keep")
    else:
        flow.agent("clerk", agent, **options)
    model = ScriptedModel(turns)  # type: ignore[arg-type]  # a table of all kinds
    picture = ImagePart(data="aGVsbG8=" * 100, media_type="image/png")
    said: list[Message] = [system("Be kind."), user("Hello"), assistant("Hi."), user(LONG)]
    result = await flow.run(Desk(talk=said, photo=picture), resources=[model])
    assert result.status == "completed", result.error
    told(result.trace, model)
    assert verify(result.trace, flow.freeze()) is None


async def test_it_is_what_policies_made_of_it() -> None:
    """What a window leaves out was not sent; who else was asked is told, each attempt, and a hit not at all."""
    first, spare = ScriptedModel([DOWN, DOWN], name="first"), ScriptedModel(["Fine."], name="spare")
    clerk = ScriptedModel(["They greeted."], name="clerk")
    kept = cache()
    agent = Agent(
        "Say.",
        policies=[
            kept,
            fallback(Agent("Say it simply.", model=spare)),
            retry(Retry(2, wait_s=0)),
            context(messages=2, summary=Agent("Minutes.", model=clerk)),
        ],
    )
    flow = desk(agent, ["talk"])
    start = Desk(talk=[user(f"question {n}") if n % 2 == 0 else assistant(f"answer {n}") for n in range(7)])
    result = await flow.run(start, resources=[first])
    found = told(result.trace, first, spare, clerk)
    assert [p.model for p in found] == ["clerk", "first", "first", "spare"]
    assert [len(p.request.messages) for p in found] == [1, 3, 3, 7]
    assert found[3].request.instructions == "Say it simply."
    again = await flow.run(start, resources=[first])
    assert list(prompts(again.trace)) == []
    lent = ScriptedModel(["Fine."], name="lent")
    pooled = await desk(Agent("Say.", policies=[pool(lambda: lent, 1)]), ["doc"]).run(Desk(), resources=[first])
    assert [p.model for p in told(pooled.trace, lent)] == ["lent"]


async def test_a_request_that_failed_is_told_too() -> None:
    """Each attempt of a node has its own; the visit may be named."""
    model = ScriptedModel([DOWN, "Fine."])
    result = await desk(Agent("Say.", retry=Retry(2, wait_s=0)), ["doc"]).run(Desk(), resources=[model])
    found = told(result.trace, model)
    assert [(p.visit, p.attempt) for p in found] == [("0/0", 1), ("0/0", 2)]
    assert list(prompts(result.trace, "0")) == found
    assert list(prompts(result.trace, "1")) == []


async def test_the_record_grows_with_what_is_new() -> None:
    """Of fifty requests in a loop of tools the last one takes no more bytes on record than the second."""
    turns = [Turn.call("look", number=f"A-{n}") for n in range(50)]
    model = ScriptedModel([*turns, "Shipped."])
    agent = Agent("You know: {doc}", tools=[look], max_turns=60)
    result = await desk(agent, ["doc", "score"]).run(Desk(), resources=[model])
    told(result.trace, model)
    ended = [r.input for r in result.trace.records if isinstance(r.input, AttemptSucceeded) and r.input.sent]
    sizes = [len(str((given.sent, given.kept))) for given in ended]
    assert len(sizes) == 51
    assert max(sizes[1:]) < 700
    assert max(sizes[1:]) - min(sizes[1:]) < 10, "only numbers grow"
    texts = encode_trace(result.trace).decode()
    assert texts.count("Look an order up by its number") == 1, "tools are described once"


async def test_a_field_that_grows_is_not_copied() -> None:
    """An agent that reads all of a long field in each round names it; its text stands in the state alone."""

    class Notes(BaseModel):
        notes: str = ""
        rounds: int = 0

    flow = Flow("notes", Notes)
    s = flow.state
    write = flow.agent("write", Agent("Go on."), reads=s.notes, writes=s.notes)
    flow.edge(write, write, when=s.rounds < 0, at_most=1)
    model = ScriptedModel(["x" * 50_000])
    result = await flow.run(Notes(notes="y" * 50_000), resources=[model])
    (prompt,) = told(result.trace, model)
    assert prompt.request.messages[0].text == "y" * 50_000
    assert encode_trace(result.trace).decode().count("y" * 50_000) <= 2, "in the input of the run and of the agent"


async def test_conversations_and_configurations() -> None:
    """Every turn of a conversation tells what its agents were sent; what is named is there."""
    model = ScriptedModel(["1", "2", "3", "4"])
    runtime = ChatRuntime(sequential(Agent("One.", name="one"), Agent("Two.", name="two")), resources=[model])
    for _ in range(2):
        await runtime.invoke("Go on.")
    found = [p for run in runtime.runs for p in prompts(runtime.store.trace(run))]
    assert [p.request for p in found] == model.requests
    assert all(p.is_exact for p in found)


async def test_branches_and_runs_that_go_on() -> None:
    """A part that several refer to is kept once; a run that is taken up again keeps it anew."""
    flow = Flow("both", Desk)
    s = flow.state
    rules = f"The rules: {'be brief. ' * 60} You know: {{doc}}"
    first = flow.agent("first", Agent(rules, retry=1), reads=[s.doc, s.score], writes=s.reply)
    flow.edge(first, flow.agent("second", Agent(rules, retry=1), reads=[s.doc, s.score], writes=s.reply))
    store, model = MemoryStore(), ScriptedModel(["One.", DOWN, "Two."])
    failed = await flow.run(Desk(), resources=[model], store=store)
    assert failed.status == "failed"
    kept = [name for r in failed.trace.records for name in getattr(r.input, "kept", {})]
    assert len(kept) == len(set(kept)) == 1
    result = await resume(store, failed.run, flow.freeze(), resources=[model])
    assert result.status == "completed"
    assert len(told(result.trace, model)) == 3


async def test_what_is_gone_is_said() -> None:
    """Where a part is not to be had any more, what is left is told, and that it is not exact."""
    model = ScriptedModel(["Fine."])
    result = await desk(Agent(f"The rules: {LONG}"), ["talk"]).run(Desk(talk=[user("Hi")]), resources=[model])
    text = encode_trace(result.trace).decode()
    assert "The rules" in text
    records = [
        replace(r, input=replace(r.input, kept={})) if isinstance(r.input, AttemptSucceeded) else r
        for r in result.trace.records
    ]
    (prompt,) = prompts(Trace(result.trace.header, tuple(records)))
    assert not prompt.is_exact
    assert isinstance(prompt.request, ModelRequest)
