"""Guardrails: who looks at what goes into an agent and what comes out of it, and stops it."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import BaseModel

from graphrt import Agent, Context, DefinitionError, Flow
from graphrt.account import account
from graphrt.agents import Message, ToolCall, assistant, on_input, on_output, user
from graphrt.agents.errors import GuardrailDefinitionError, GuardrailTripped
from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard
from graphrt.events import VisitCompleted
from graphrt.replay import verify
from graphrt.runtime import Delta, resume, run
from graphrt.stores.memory import MemoryStore
from graphrt.testing import ScriptedModel, Turn

if TYPE_CHECKING:
    from graphrt.agents.guardrails import Guardrail
    from graphrt.runtime import Item, Result

pytestmark = pytest.mark.anyio


class Desk(BaseModel):
    message: str = ""
    talk: list[Message] = []
    reply: str = ""
    said: Message = assistant()
    score: float = 0.0
    verdict: Literal["pay", "keep"] | None = None
    stopped: bool = False


def no_cards(text: str) -> str | None:
    """Block what looks like the number of a card."""
    return "it holds the number of a card" if "4111" in text else None


async def polite(text: str, context: Context) -> str | None:
    """Block what is rude."""
    context.report(seen=len(text))
    return "it is rude" if "fool" in text else None


def desk(agent: Agent, *, reads: str = "message", writes: str = "reply", catches: bool = False) -> Flow[Desk]:
    """Return a flow of one agent, and what happens when it is stopped."""
    flow = Flow("desk", Desk)
    s = flow.state
    clerk = flow.agent("clerk", agent, reads=getattr(s, reads), writes=getattr(s, writes))
    if catches:

        @flow.task(writes=s.stopped)
        def stopped() -> bool:
            return True

        flow.edge(clerk, stopped, on=GuardrailTripped)
    return flow


async def played(flow: Flow[Desk], model: Model, **state: Any) -> Result[Desk]:
    """Run, and see that the run replays."""
    result = await run(flow.freeze(), Desk(**state), resources=[model])
    assert verify(result.trace, flow.freeze()) is None
    return result


def nodes(result: Result[Desk]) -> list[str]:
    """Return the names of the nodes inside the agent, as they were visited."""
    return [v.node.name for v in account(result.trace).visits.values() if "/" in v.id]


class Endless(Model):
    """Never answers, and tells whether it was told to stop."""

    name = "endless"

    def __init__(self) -> None:
        """Begin unasked."""
        self.asked = asyncio.Event()
        self.cancelled = False

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Wait for ever."""
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        raise AssertionError


async def test_what_fills_instructions_is_judged() -> None:
    """A field that the instructions name goes in as much as a message does, so it cannot pass by a guardrail."""
    seen: list[str] = []

    def watch(text: str) -> str | None:
        seen.append(text)
        return no_cards(text)

    flow = desk(Agent("Help with {message}.", guardrails=[on_input(watch)]), catches=True)
    result = await played(flow, ScriptedModel(["Done."]), message="my 4111 1111")
    assert seen == ["message: my 4111 1111\nNow it is your turn."]
    assert (result.state.stopped, result.state.reply) == (True, "")


async def test_what_is_allowed_passes_as_if_nobody_had_looked() -> None:
    """Each guardrail is a visit with an outcome; the agent answers as it would without."""
    rails = [on_input(no_cards), on_input(polite), on_output(polite, name="polite answer")]
    result = await played(desk(Agent("Help.", guardrails=rails)), ScriptedModel(["Hello!"]), message="Hi")
    assert result.state.reply == "Hello!"
    told = account(result.trace).visits.values()
    ruled = {v.node.name: v.outcome for v in told if v.node.kind == "router"}
    assert ruled == {"check no_cards": "allow", "check polite": "allow", "check polite answer": "allow"}
    assert next(v.notes for v in told if v.node.name == "check polite") == {"seen": 2}


async def test_an_input_that_is_blocked_cancels_the_request() -> None:
    """The judge runs beside the model; when it blocks, the model is told to stop, and an edge leads on."""
    model = Endless()

    async def after_the_model_was_asked(text: str) -> str | None:
        await model.asked.wait()
        return f"{text} is not welcome"

    agent = Agent("Help.", guardrails=[on_input(after_the_model_was_asked)])
    result = await played(desk(agent, catches=True), model, message="spam")
    assert (result.status, result.state.stopped, result.state.reply) == ("completed", True, "")
    assert model.cancelled
    visits = {v.node.name: v for v in account(result.trace).visits.values()}
    assert visits["model"].status == "cancelled"
    assert visits["check after_the_model_was_asked"].outcome == "block"
    assert visits["clerk"].caught == "GuardrailTripped"


async def test_what_is_blocked_first_reaches_no_model() -> None:
    """With `first=True` the request waits: neither the model nor a judge behind the one that blocked is asked."""
    model = ScriptedModel([])
    rails = [on_input(no_cards, first=True), on_input(Agent("Is it polite?"), name="tone", first=True)]
    result = await played(desk(Agent("Help.", guardrails=rails), catches=True), model, message="4111 1111")
    assert (result.state.stopped, result.state.reply) == (True, "")
    assert model.requests == []
    assert nodes(result) == ["input", "check no_cards", "stop no_cards"]


async def test_who_judges_first_judges_in_order_and_then_the_others_beside_the_request() -> None:
    """First ones judge one behind the other, then the request is made, with those who judge beside it."""
    rails = [on_input(no_cards), on_input(polite, first=True), on_input(no_cards, name="again", first=True)]
    model = ScriptedModel(["Gladly."])
    result = await played(desk(Agent("Help.", guardrails=rails)), model, message="Hello.")
    assert result.state.reply == "Gladly."
    order = nodes(result)
    assert order[:4] == ["input", "check polite", "check again", "cleared"]
    assert sorted(order[4:]) == ["admitted", "answered", "check no_cards", "model"]


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "with one beside"])
async def test_tools_and_data_follow_what_was_judged_first(*, beside: bool) -> None:
    """An agent that calls tools, and one that writes data, go on as ever after a judge that was first."""
    looked: list[str] = []

    def look_up(item: str) -> str:
        """Look an item up."""
        looked.append(item)
        return "49.90"

    rails = [on_input(no_cards, first=True), *([on_input(polite)] if beside else [])]
    clerk = Agent("Help.", tools=[look_up], guardrails=rails)
    model = ScriptedModel([Turn.call("look_up", item="kettle"), "It costs 49.90."])
    result = await played(desk(clerk), model, message="What does a kettle cost?")
    assert (result.state.reply, looked) == ("It costs 49.90.", ["kettle"])
    assert nodes(result).count("check no_cards") == 1

    rating = await played(
        desk(Agent("Rate it.", guardrails=rails), writes="score"), ScriptedModel([Turn.fill(0.7)]), message="Fine."
    )
    assert rating.state.score == 0.7


async def test_a_block_that_nobody_catches_fails_the_run_and_says_why() -> None:
    """The error names the guardrail, the side, the agent and the reason, also as facts."""
    agent = Agent("Help.", guardrails=[on_input(no_cards)])
    result = await played(desk(agent), ScriptedModel(["never mind"]), message="my card is 4111 1111")
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.type == "GuardrailTripped"
    assert (
        "guardrail 'no_cards' blocked the input of agent 'clerk': it holds the number of a card" in result.error.message
    )
    assert result.error.detail["reason"] == "it holds the number of a card"
    assert result.error.detail["side"] == "input"


async def test_nothing_is_called_before_the_input_is_admitted() -> None:
    """A tool that the model asks for waits for the judges, however fast the model is."""
    called: list[str] = []
    answered = asyncio.Event()

    def pay() -> str:
        called.append("pay")
        return "paid"

    def says(request: ModelRequest) -> Turn:
        answered.set()
        return Turn.call("pay") if request.messages[-1].role == "user" else Turn.say("done")

    async def slow(text: str) -> str | None:
        await answered.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        assert called == []
        return "no" if text == "steal" else None

    flow = desk(Agent("Pay.", tools=[pay], guardrails=[on_input(slow)]), catches=True)
    result = await played(flow, ScriptedModel(says), message="steal")
    assert (result.state.stopped, called) == (True, [])
    result = await played(flow, ScriptedModel(says), message="owed")
    assert (result.state.reply, called) == ("done", ["pay"])
    assert nodes(result).count("check slow") == 1, "the input is judged once, not at every turn"


async def test_an_output_that_is_blocked_is_not_written_nor_said() -> None:
    """What is judged is what would be written; nothing of it was streamed, and the field keeps what it had."""
    flow = desk(Agent("Help.", guardrails=[on_output(polite)]), catches=True)
    said: list[str] = []

    def hear(item: Item) -> None:
        if isinstance(item, Delta):
            said.append(item.text)

    model = ScriptedModel([Turn.say("You ", "fool")])
    result = await run(flow.freeze(), Desk(message="m"), resources=[model], on_event=hear)
    assert (result.state.stopped, result.state.reply, said) == (True, "", [])


async def test_an_agent_may_be_the_judge() -> None:
    """A judging agent is asked to choose between two words; its request is a visit of its own."""
    judge = Agent("Block what promises a refund.", examples=[("You get your money back.", "block")])
    agent = Agent("Help.", guardrails=[on_output(judge, name="promises")])

    def says(request: ModelRequest) -> Turn:
        if request.labels:
            promised = "refund" in request.messages[-1].text
            return Turn.choose("block" if promised else "allow", 0.9)
        return Turn.say("A refund is on its way" if "money" in request.messages[-1].text else "We are sorry")

    flow = desk(agent, catches=True)
    model = ScriptedModel(says)
    result = await played(flow, model, message="money back!")
    assert result.state.stopped
    assert model.requests[1].labels == ("allow", "block")
    assert model.requests[1].instructions == "Block what promises a refund."
    result = await played(flow, ScriptedModel(says), message="it is late")
    assert (result.state.reply, result.state.stopped) == ("We are sorry", False)


async def test_every_kind_of_agent_can_be_guarded() -> None:
    """Data, messages of a conversation, tool loops that end in data, and choices pass the same judges."""
    seen: list[str] = []

    def watch(text: str) -> None:
        seen.append(text)

    def watch_out(text: str) -> None:
        seen.append(text)

    def look() -> str:
        return "seen"

    rails: list[Guardrail] = [on_input(watch), on_output(watch_out)]
    result = await played(
        desk(Agent("Grade.", guardrails=rails), writes="score"),
        ScriptedModel([Turn.fill("x"), Turn.fill(0.5)]),
        message="m",
    )
    assert (result.state.score, seen) == (0.5, ["m", "0.5"])
    seen.clear()
    result = await played(
        desk(Agent("Grade.", guardrails=rails, tools=[look]), writes="score"),
        ScriptedModel([Turn.call("look"), "good", Turn.fill(0.7)]),
        message="m",
    )
    assert (result.state.score, seen) == (0.7, ["m", "0.7"])
    seen.clear()
    result = await played(
        desk(Agent("Talk.", guardrails=rails), reads="talk", writes="said"),
        ScriptedModel(["Hello"]),
        talk=[user("one"), assistant("two"), user("three")],
    )
    assert (result.state.said.text, seen) == ("Hello", ["three", "Hello"])
    seen.clear()
    alone: list[Any] = [Turn.choose("pay")]
    looking: list[Any] = [Turn.call("look"), "ok", Turn.choose("pay")]
    for tools, turns in (([], alone), ([look], looking)):
        flow = Flow("decide", Desk)
        s = flow.state
        decide = flow.router("decide", Agent("D.", guardrails=rails, tools=tools), reads=s.message, writes=s.verdict)
        flow.edge(decide, flow.end("paid"), on="pay")
        flow.edge(decide, flow.end("kept"), on="keep")
        result = await played(flow, ScriptedModel(turns), message="m")
        assert result.state.verdict == "pay"
    assert seen == ["m", "pay"] * 2


async def test_a_judge_that_fails_lets_nothing_pass() -> None:
    """An exception of a guardrail is the error of the run; so is an answer that is neither a reason nor None."""

    def broken(text: str) -> str | None:
        raise LookupError(text)

    def yes(text: str) -> Any:
        return True

    for rail, kind in ((broken, "LookupError"), (yes, "TypeError")):
        agent = Agent("Help.", guardrails=[on_input(rail)])
        result = await run(desk(agent, catches=True).freeze(), Desk(message="m"), resources=[ScriptedModel(["x"])])
        assert result.error is not None
        assert result.error.type == kind


@pytest.mark.parametrize("kind", ["async", "in a thread"])
@pytest.mark.parametrize("side", ["beside", "first", "output"])
async def test_a_judge_that_hangs_lets_nothing_pass(kind: str, side: str) -> None:
    """After its time the agent ends with an error that is a tripped guardrail too; the request beside it is stopped."""
    release = threading.Event()

    async def stuck(text: str) -> str | None:
        await asyncio.Event().wait()
        return text

    def stuck_in_a_thread(text: str) -> str | None:
        release.wait(30)
        return text

    judge: Any = stuck if kind == "async" else stuck_in_a_thread
    rail = (
        on_output(judge, timeout="50ms") if side == "output" else on_input(judge, timeout=0.05, first=side == "first")
    )
    model: Model = ScriptedModel(["Gladly."]) if side == "output" else Endless()
    try:
        result = await played(desk(Agent("Help.", guardrails=[rail]), catches=True), model, message="Hi")
    finally:
        release.set()
    assert (result.status, result.state.stopped, result.state.reply) == ("completed", True, "")
    visits = {v.node.name: v for v in account(result.trace).visits.values()}
    assert visits["clerk"].caught == "GuardrailTimeout"
    error = visits[f"check {rail.name}"].error
    assert error is not None
    where = "output" if side == "output" else "input"
    assert f"did not judge the {where} of agent 'clerk' within 0.05 s, so nothing passes" in error.message
    assert error.detail == {"node": "clerk", "guardrail": rail.name, "side": where, "timeout_s": 0.05}
    if isinstance(model, Endless):
        assert model.cancelled == model.asked.is_set() == (side == "beside")


async def test_a_judge_that_runs_out_of_a_time_of_its_own_fails_with_that() -> None:
    """A `TimeoutError` that the function raises is its error, not one of the guardrail's time."""

    async def asks(_text: str) -> str | None:
        raise TimeoutError("the service did not answer")

    result = await played(desk(Agent("Help.", guardrails=[on_input(asks)])), Endless())
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("TimeoutError", "the service did not answer")


class Stop(BaseException):
    """What is no Exception."""


@pytest.mark.parametrize("wrong", [Stop("enough"), asyncio.CancelledError("of its own"), GeneratorExit("odd")])
@pytest.mark.parametrize("kind", ["async", "in a thread"])
async def test_a_judge_may_raise_whatever_it_likes(wrong: BaseException, kind: str) -> None:
    """What is no Exception fails the run like any other, the request beside it is stopped, and nothing passes."""

    async def raises(_text: str) -> str | None:
        raise wrong

    def raises_in_a_thread(_text: str) -> str | None:
        raise wrong

    judge: Any = raises if kind == "async" else raises_in_a_thread
    model = Endless()
    result = await asyncio.wait_for(played(desk(Agent("Help.", guardrails=[on_input(judge)])), model), 10)
    assert result.status == "failed"
    assert result.error is not None
    expected = "RuntimeError" if kind != "async" and isinstance(wrong, GeneratorExit) else type(wrong).__name__
    assert result.error.type == expected
    assert model.cancelled == model.asked.is_set()
    assert result.partial["reply"] == ""


async def test_a_judge_that_trips_late_stops_a_stream() -> None:
    """What was streamed until then was said; the rest is not, the model is stopped, and nothing is written."""
    heard: list[str] = []
    enough = asyncio.Event()

    class Talkative(Endless):
        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            for n in itertools.count():
                emit(f"word {n} ")
                if n == 5:
                    enough.set()
                await asyncio.sleep(0 if n < 5 else 0.005)
            raise AssertionError

    async def late(_text: str) -> str | None:
        await enough.wait()
        return "that goes too far"

    def listen(item: Item) -> None:
        if isinstance(item, Delta):
            heard.append(item.text)

    flow = desk(Agent("Help.", guardrails=[on_input(late)]), catches=True)
    running = run(flow.freeze(), Desk(message="Hi"), resources=[Talkative()], on_event=listen)
    result = await asyncio.wait_for(running, 20)
    said = len(heard)
    assert (result.state.stopped, result.state.reply) == (True, "")
    assert heard[:6] == [f"word {n} " for n in range(6)]
    await asyncio.sleep(0.05)
    assert len(heard) == said, "nothing more is said"
    visits = {v.node.name: v.status for v in account(result.trace).visits.values()}
    assert visits["model"] == "cancelled"


async def test_calls_with_guardrails_are_bounded_by_turns_as_ever() -> None:
    """A loop of turns goes on through the same nodes, and its calls stand in order."""

    def look(number: int) -> str:
        return f"{number}"

    turns: list[Any] = [
        [ToolCall(id=f"{k}{n}", name="look", arguments={"number": n}) for n in range(3)] for k in range(3)
    ]
    model = ScriptedModel([*turns, "done"])
    flow = desk(Agent("Look.", tools=[look], guardrails=[on_input(no_cards), on_output(polite)]))
    result = await played(flow, model, message="m")
    assert result.state.reply == "done"
    assert [m.text for m in model.requests[-1].messages if m.role == "tool"] == ["0", "1", "2"] * 3


def test_a_judge_is_not_asked_again_after_a_crash() -> None:
    """What a guardrail ruled stands in the trace; a crash in the request beside it repeats the request alone."""
    judged: list[str] = []
    ruled = asyncio.Event()

    def watch(text: str) -> None:
        judged.append(text)

    def hear(item: Item) -> None:
        if isinstance(item, VisitCompleted) and item.node == "check watch":
            ruled.set()  # it is on record now

    class Dying(Model):
        name = "dying"
        asked = 0

        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            self.asked += 1
            await ruled.wait()
            if self.asked == 1:
                raise SystemExit(3)
            return Reply(text="Hello")

    flow, store, model = desk(Agent("Help.", guardrails=[on_input(watch)])), MemoryStore(), Dying()
    with pytest.raises(SystemExit):
        asyncio.run(run(flow.freeze(), Desk(message="m"), store=store, run_id="r", resources=[model], on_event=hear))
    result = asyncio.run(resume(store, "r", flow.freeze(), resources=[model]))
    assert result.state.reply == "Hello"
    assert (judged, model.asked) == (["m"], 2)


def of_two(first: str, second: str) -> str | None:
    """Look at too much."""
    return first or second


def test_mistakes_are_found_before_anything_runs() -> None:
    """A function that does not take one text, a name that cannot be one, and two of the same name are refused."""
    with pytest.raises(GuardrailDefinitionError, match="takes first, second"):
        on_input(of_two)
    with pytest.raises(GuardrailDefinitionError, match="cannot name a guardrail"):
        on_input(no_cards, name="no/cards")
    with pytest.raises(GuardrailDefinitionError, match=r"say on which side it looks: on_input\(…\) or on_output"):
        Agent("I.", guardrails=[no_cards])  # type: ignore[list-item]  # the mistake
    with pytest.raises(DefinitionError, match="two guardrails of the agent are named 'no_cards'"):
        desk(Agent("I.", guardrails=[on_input(no_cards), on_output(no_cards)])).freeze()
    wrong = Agent("Judge.", prompt="{massage}")
    with pytest.raises(DefinitionError, match="massage"):
        desk(Agent("I.", guardrails=[on_input(wrong, name="judge")])).freeze()
