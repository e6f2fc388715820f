"""Where policies can be said and how they stand around each other; what they did is on record and seen everywhere."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import Field

from graphrt import Agent, ChatRuntime, DefinitionError, Flow, Retry, UseError, sequential
from graphrt.account import account
from graphrt.agents import ModelRequest, Reply
from graphrt.agents.errors import ModelUnavailable
from graphrt.agents.messages import Message, user
from graphrt.agents.model import Emit, Model, discard
from graphrt.chat.events import PolicyActed
from graphrt.cli import main
from graphrt.codec import decode_trace, encode_trace
from graphrt.events import AttemptRetried, VisitCompleted, VisitFailed
from graphrt.inputs import AttemptSucceeded, Mark
from graphrt.policies import Around, Policy, cache, context, fallback, limit, mark, retry, timeout
from graphrt.replay import verify
from graphrt.stores import open_store
from graphrt.testing import ScriptedModel, Turn
from graphrt_viz import render
from graphrt_viz.overlay import picture_of_run
from tests.policies.asking import Talk, talking

pytestmark = pytest.mark.anyio

DOWN = ModelUnavailable("found no connection", endpoint="here", model="m")


class Named(Policy):
    """Marks that it was passed, on the way in."""

    def __init__(self, name: str) -> None:
        self.name = name

    def around(self, model: Model) -> Model:
        """Return the model that marks."""
        policy = self

        class Marked(Around):
            async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
                mark("named", policy.name, policy.name)
                return await self.inner.respond(request, emit)

        return Marked(model)


async def test_policies_stand_around_each_other_from_run_to_agent() -> None:
    """Outermost first: the run's, the outer flow's, the node's that holds a flow, its, the node's, the agent's."""
    agent = Agent("Say.", policies=[Named("agent 1"), Named("agent 2")])
    inner = talking(agent, policies=[Named("node")]).use(Named("inner 1"), Named("inner 2"))
    outer = Flow("outer", Talk).use(Named("outer"))
    outer.subflow("inside", inner, policies=[Named("subflow")])
    result = await outer.run(Talk(), resources=[ScriptedModel(["Hello."])], policies=[Named("run 1"), Named("run 2")])
    marks = [m.text for m in account(result.trace).visits["0/0/0"].marks]
    assert marks == [
        *["run 1", "run 2", "outer", "subflow", "inner 1", "inner 2", "node", "agent 1", "agent 2"],
    ]


async def test_a_configuration_takes_policies() -> None:
    """Each agent of a configuration, and those of one inside another, is under its policies; a turn's are outside."""
    pair = sequential(Agent("One.", name="one"), Agent("Two.", name="two"), name="pair").use(Named("pair"))
    whole = sequential(pair, Agent("Three.", name="three")).use(Named("whole"))
    runtime = ChatRuntime(whole, resources=[ScriptedModel(["1", "2", "3"])], policies=[Named("turn")])
    events = [event async for event in runtime.stream("Go.") if isinstance(event, PolicyActed)]
    assert [(e.agent, e.text) for e in events] == [
        *[("one", "turn"), ("one", "whole"), ("one", "pair")],
        *[("two", "turn"), ("two", "whole"), ("two", "pair")],
        *[("three", "turn"), ("three", "whole")],
    ]


async def test_the_same_value_is_shared_by_all_who_are_given_it() -> None:
    """A cache of two agents, two flows and a conversation asks once; a limit counts everyone."""
    shared, counted = cache(), limit(tokens=10_000)
    model = ScriptedModel(["Hello."])
    agents = [Agent("Say.", policies=[counted, shared]) for _ in range(2)]
    for agent in agents:
        assert (await talking(agent).run(Talk(), resources=[model])).state.reply == "Hello."
    chat = ChatRuntime(Agent("Say."), resources=[model], policies=[counted, shared])
    assert (await chat.invoke("Hi")).text == "Hello."
    assert (shared.hits, shared.misses, counted.used_tokens) == (2, 1, 15)


def _in_flow_and_agent(policy: Policy) -> Flow[Talk]:
    return talking(Agent("Say.", policies=[policy])).use(policy)


def _in_flow_and_subflow(policy: Policy) -> Flow[Talk]:
    outer = Flow("outer", Talk).use(policy)
    outer.subflow("inside", talking().use(policy))
    return outer


def _in_agent_and_fallback(policy: Policy) -> Flow[Talk]:
    spare = Agent("Say.", model=ScriptedModel(["Hello."]), policies=[policy])
    return talking(Agent("Say.", retry=1, policies=[policy, fallback(spare)]))


def _in_agent_and_summary(policy: Policy) -> Flow[Talk]:
    window = context(messages=1, summary=Agent("Sum up.", model=ScriptedModel(["All."]), policies=[policy]))
    flow = Flow("talk", Long)
    flow.agent("agent", Agent("Say.", policies=[policy, window]), reads=flow.state.said, writes=flow.state.reply)
    return cast("Flow[Talk]", flow)


class Long(Talk):
    """A conversation that has a past."""

    said: list[Message] = Field(default_factory=lambda: list[Message](map(user, ("One.", "Two.", "Three."))))


TWICE = [_in_flow_and_agent, _in_flow_and_subflow, _in_agent_and_fallback, _in_agent_and_summary]


@pytest.mark.parametrize("make", TWICE, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    "policy",
    [
        *[lambda: limit(at_once=1), lambda: limit(per_minute=1), lambda: limit(tokens=1), cache, retry],
        *[lambda: timeout(total=60), lambda: context(messages=5), lambda: fallback(ScriptedModel(["Hello."]))],
    ],
    ids=["at_once", "per_minute", "tokens", "cache", "retry", "timeout", "context", "fallback"],
)
async def test_a_policy_that_stands_twice_around_a_request_does_its_work_once(
    make: Callable[[Policy], Flow[Talk]], policy: Callable[[], Policy]
) -> None:
    """No request waits for what it holds itself, wherever the same value is said again."""
    flow, first = make(policy()), DOWN if make is _in_agent_and_fallback else "Hello."
    state = Long() if make is _in_agent_and_summary else Talk()
    async with asyncio.timeout(5):
        result = await flow.run(state, resources=[ScriptedModel([first, *["Hello."] * 3])])
    assert (result.status, result.state.reply) == ("completed", "Hello.")


async def test_conversations_and_nested_configurations_may_name_the_same_policy_again() -> None:
    """One cache for a runtime, a configuration, the one inside and its agent asks the model once."""
    kept = cache()
    inner = sequential(Agent("One.", name="one", policies=[kept]), name="inner").use(kept)
    runtime = ChatRuntime(sequential(inner).use(kept), resources=[ScriptedModel(["Hello."])], policies=[kept])
    async with asyncio.timeout(5):
        assert (await runtime.invoke("Hi")).text == "Hello."
    assert (kept.misses, kept.shared, kept.hits) == (1, 0, 0)


async def test_a_limit_that_stands_twice_counts_once() -> None:
    """Four runs at once under a limit of four that their flow and agent share all begin, and count as four."""
    counted = limit(at_once=4, tokens=10_000)
    flow = _in_flow_and_agent(counted)
    async with asyncio.timeout(5):
        await asyncio.gather(*(flow.run(Talk(), resources=[ScriptedModel(["Hello."])]) for _ in range(4)))
    assert (counted.used_tokens, counted.running) == (60, 0)


async def test_a_hit_costs_nothing_in_the_totals() -> None:
    """Tokens and money of a run are those that were spent in it."""
    agent = Agent("Say.", policies=[cache()])
    model = ScriptedModel(["Hello."], name="gpt-5-mini")
    first, second = [
        account((await talking(agent).run(Talk(), resources=[model])).trace).totals.usage for _ in range(2)
    ]
    assert first is not None
    assert second is not None
    assert (first.input_tokens, second.input_tokens, second.output_tokens, second.cost_usd) == (10, 0, 0, 0.0)
    assert (first.cost_usd or 0) > 0


async def test_nothing_of_it_is_in_the_definition() -> None:
    """The digest is the same with and without policies, so they can be changed under runs that wait."""
    plain = talking().freeze()
    policed = talking(Agent("Say.", retry=1, policies=[cache()]), policies=[cache()]).use(cache()).freeze()
    assert plain.digest == policed.digest
    assert plain.json == policed.json


async def test_a_replay_needs_no_policy() -> None:
    """What policies did is in the record: it is verified, and equal, without any."""
    agent = Agent("Say.", policies=[fallback(ScriptedModel(["Other."]))], retry=1)
    result = await talking(agent).run(Talk(), resources=[ScriptedModel([DOWN])])
    assert verify(result.trace, talking().freeze()) is None


async def test_marks_stand_on_completed_retried_and_failed_attempts() -> None:
    """Whoever listens finds them on the event that the attempt ended with; each is stored once, and read back equal."""
    model = ScriptedModel([DOWN, "Hello.", DOWN, DOWN])
    agent = Agent("Say.", policies=[Named("passed")], retry=Retry(2, wait_s=0))
    seen: list[tuple[str, tuple[Mark, ...]]] = []

    def listen(event: object) -> None:
        if isinstance(event, VisitCompleted | VisitFailed | AttemptRetried) and "/" in event.visit:
            seen.append((type(event).__name__, event.marks))

    results = [await talking(agent).run(Talk(), resources=[model], on_event=listen) for _ in range(2)]
    passed = (Mark("named", "passed", "passed"),)
    assert seen == [
        ("AttemptRetried", passed),
        ("VisitCompleted", passed),
        ("AttemptRetried", passed),
        ("VisitFailed", passed),
    ]
    for result in results:
        written = encode_trace(result.trace)
        assert decode_trace(written).records == result.trace.records
        for line, record in zip(written.splitlines()[1:], result.trace.records, strict=True):
            if isinstance(record.input, AttemptSucceeded) and record.input.marks:
                assert line.count(b'"passed"') == 2, "once in the input: as what it did and as its text"


async def test_facts_that_are_no_json_are_printed() -> None:
    """A mark never makes an attempt fail."""

    class Odd(Policy):
        def around(self, model: Model) -> Model:
            class Marked(Around):
                async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
                    mark("odd", "did", "did", model=self.inner, score=float("nan"))
                    return await self.inner.respond(request, emit)

            return Marked(model)

    result = await talking().run(Talk(), resources=[ScriptedModel(["Hello."])], policies=[Odd()])
    (found,) = account(result.trace).visits["0/0"].marks
    assert result.status == "completed"
    assert json.dumps(found.facts, allow_nan=False)


async def test_pictures_show_what_policies_did() -> None:
    """The node of an agent, closed or open, says it, with how often; so do the tooltip and the unrolled run."""
    model = ScriptedModel([Turn.say("Hello.")])
    kept = cache()
    flow = Flow("twice", Talk)
    s = flow.state
    one = flow.agent("one", Agent("Say.", policies=[kept]), reads=s.message, writes=s.reply)
    two = flow.agent("two", Agent("Say.", policies=[kept]), reads=s.message, writes=s.reply)
    flow.edge(one, two)
    flow.edge(two, two, when=s.reply != "", at_most=2)
    flow.edge(two, flow.end("done"))
    result = await flow.run(Talk(), resources=[model])
    picture = picture_of_run(result.trace)
    marks = {node.name: node.mark.marks for node in picture.nodes if node.mark is not None}
    assert (marks["one"], marks["two"]) == ((), ("cache hit ×3",))
    assert "cache hit ×3" in str(render(result.trace, "svg"))
    assert "cache hit ×3" in str(render(result.trace, "text"))


def test_the_command_line_shows_what_policies_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`show` and `why` say it under the visit; JSON has it with the attempt."""
    monkeypatch.chdir(tmp_path)
    store = open_store(".graphrt/runs.db")
    agent = Agent("Say.", policies=[fallback(ScriptedModel(["Other."], name="spare"))], retry=1)
    talking(agent).run_sync(Talk(), resources=[ScriptedModel([DOWN], name="first")], store=store, run_id="one")
    store.close()
    for command in (["show", "one"], ["why", "one", "0/0"]):
        assert main(command) == 0
        assert "fell back to spare" in capsys.readouterr().out
    assert main(["show", "one", "--json"]) == 0
    visits = json.loads(capsys.readouterr().out)["visits"]
    (found,) = visits[1]["attempts"][0]["marks"]
    assert (found["by"], found["facts"]["source"], found["facts"]["target"]) == ("fallback", "first", "spare")


NESTED = """
from graphrt import Agent, ChatRuntime, Retry, concurrent, handoff, sequential
from graphrt.policies import cache, context, fallback, limit, retry
from graphrt.testing import ScriptedModel


def model(answer):
    def respond(request):
        respond.asked += 1
        if ASLEEP:
            raise AssertionError("a replay asks no model")
        return answer
    respond.asked = 0
    return ScriptedModel(respond)


ASLEEP = False
pair = concurrent(Agent("One.", name="one", policies=[cache()]), Agent("Two.", name="two"), name="pair").use(
    limit(at_once=1), retry(Retry(2, wait_s=0))
)
inner = sequential(pair, Agent("Three.", name="three", retry=1, policies=[fallback(model("Spare."))]), name="inner")
flow = sequential(inner, Agent("Four.", name="four"), name="whole").use(context(messages=4))
"""


def test_nested_configurations_with_policies_replay_without_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Turns of a conversation under policies at every level verify against the code, and nothing is asked for that."""
    monkeypatch.chdir(tmp_path)
    Path("nested_talk.py").write_text(NESTED, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    module: Any = importlib.import_module("nested_talk")
    down = iter([True, False, True])

    def answer(request: ModelRequest) -> Turn | str:
        return Turn.fail(DOWN) if request.instructions == "Three." and next(down, False) else request.instructions

    runtime = ChatRuntime(module.flow, resources=[ScriptedModel(answer)], store=open_store(".graphrt/runs.db"))

    async def talk() -> None:
        for _ in range(3):
            assert (await runtime.invoke("Go on.")).text == "Four."

    asyncio.run(talk())
    marks = [m.text for run in runtime.runs for v in account(runtime.store.trace(run)).visits.values() for m in v.marks]
    assert sum("fell back" in text for text in marks) == 2
    assert any("left out" in text for text in marks)
    runs = list(runtime.runs)
    assert all(verify(runtime.store.trace(run), module.flow.freeze()) is None for run in runs)
    runtime.store.close()
    module.ASLEEP = True
    for run in runs:
        assert main(["replay", run, "--verify", "--target", "nested_talk.py:flow"]) == 0, capsys.readouterr()


async def test_a_missing_model_is_said_early_unless_another_may_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation without any model is refused where it is made; under a fallback or a pool it is not."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRAPHRT_MODEL", "nowhere")
    with pytest.raises(DefinitionError, match="'nowhere' is wanted"):
        ChatRuntime(Agent("Say.", policies=[cache()]))
    spare = fallback(ScriptedModel(["Spare."] * 3))
    inner = sequential(Agent("Say."), name="inner").use(spare)
    for runtime in (
        ChatRuntime(Agent("Say.", policies=[spare])),
        ChatRuntime(sequential(inner)),
        ChatRuntime(Agent("Say."), policies=[spare]),
    ):
        assert (await runtime.invoke("Hi")).text == "Spare."


async def test_what_is_no_policy_is_refused_where_it_is_said() -> None:
    """On an agent, a node, a flow, a run and a conversation: what was found, and where to look."""
    wrong: list[Policy] = [3]  # type: ignore[list-item]  # on purpose
    for flow in (talking(Agent("Say.", policies=wrong)), talking(policies=wrong)):
        with pytest.raises(DefinitionError, match=r"has 3 among its policies; see graphrt\.policies"):
            flow.freeze()
    with pytest.raises(UseError, match="cannot use 3, which is no policy"):
        talking().use(*wrong)
    with pytest.raises(UseError, match="policies= has 3, which is no policy"):
        await talking().run(Talk(), policies=wrong)
    with pytest.raises(DefinitionError, match="policies= has 3, which is no policy"):
        ChatRuntime(Agent("Say.", model=ScriptedModel([])), policies=wrong)
