"""`ChatRuntime`: turns, events, cancellation, handlers, durability, one turn at a time."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from graphrt import (
    Agent,
    ChatRuntime,
    ChatState,
    DefinitionError,
    Flow,
    RunFailed,
    UseError,
    handoff,
    sequential,
)
from graphrt.agents import (
    FilePart,
    ImagePart,
    Message,
    ModelRequest,
    TextPart,
    ToolCall,
    Usage,
    assistant,
    system,
    tool_result,
    user,
)
from graphrt.agents.guardrails import on_input
from graphrt.agents.models.openai import OpenAIModel
from graphrt.agents.tools import tool
from graphrt.chat import ConversationBusy, TurnOpen, TurnStopped, events
from graphrt.errors import AnswerRefused
from graphrt.policies.trimming import trimmed
from graphrt.runtime import leave, resume
from graphrt.stores import open_store
from graphrt.stores.memory import MemoryStore
from graphrt.testing.endpoint import Endpoint, chunk, sse
from graphrt.testing.scripted import Scripted, ScriptedModel, Turn

pytestmark = pytest.mark.anyio

ANN, BEN = (Agent(f"You are {name}.", name=name) for name in ("ann", "ben"))


def talking(*turns: Scripted, agent: Agent = ANN, **options: Any) -> tuple[ChatRuntime, ScriptedModel]:
    """Return a runtime of one agent on a script."""
    model = ScriptedModel(turns)
    return ChatRuntime(agent, resources=[model], **options), model


class Hanging:
    """A model's sleep that lasts until somebody lets it go on."""

    def __init__(self) -> None:
        self.begun, self.go, self.stopped = asyncio.Event(), asyncio.Event(), False

    async def __call__(self, _seconds: float) -> None:
        """Wait."""
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise


async def test_each_turn_hears_what_was_said_before() -> None:
    """The reply is a message; the next turn has the whole conversation before it."""
    runtime, model = talking("Hello.", "Fine.")
    assert await runtime.invoke("Hi") == assistant("Hello.", name="ann")
    assert (await runtime.invoke(user("How?"))).text == "Fine."
    assert [m.text for m in model.requests[1].messages] == ["Hi", "Hello.", "How?"]
    assert [m.text for m in runtime.messages] == ["Hi", "Hello.", "How?", "Fine."]


async def test_messages_may_have_parts() -> None:
    """Text, images and files reach the model as they were given; anything else is refused before a turn begins."""
    runtime, model = talking("A cat.")
    parts: list[TextPart | ImagePart | FilePart] = [
        TextPart(text="What is it?"),
        ImagePart(url="https://example.org/cat.png"),
    ]
    await runtime.invoke(parts)
    assert model.requests[0].messages[0] == user(parts)
    for wrong in (3, [], ["text"], assistant("I said.")):
        with pytest.raises(UseError, match="cannot be said to a flow"):
            await runtime.invoke(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test
    assert len(runtime.runs) == 1


def test_it_can_be_used_without_a_loop() -> None:
    """`invoke_sync` does the same in ordinary code, several times over, each in an event loop of its own."""
    runtime, _ = talking("a", "b")
    assert [runtime.invoke_sync(text).text for text in ("1", "2")] == ["a", "b"]
    assert len(runtime.messages) == 4


async def test_the_events_of_a_turn() -> None:
    """Agents, deltas, tools and the turn itself are told in order, and what is started is closed."""

    def look(what: str) -> str:
        return f"{what} is wet"

    ann = Agent("Look.", name="ann", tools=[look])
    model = ScriptedModel([Turn.call("look", what="rain"), Turn.say("It ", "rains."), "Done."])
    runtime = ChatRuntime(sequential(ann, BEN), resources=[model])
    stream = runtime.stream("Weather?")
    told = [event async for event in stream]
    assert [type(e).__name__ for e in told] == [
        "TurnStarted",
        "AgentStarted",
        "ToolRequested",
        "ToolReturned",
        "OutputDelta",
        "OutputDelta",
        "AgentCompleted",
        "AgentStarted",
        "OutputDelta",
        "AgentCompleted",
        "TurnCompleted",
    ]
    assert [(e.agent, e.step, e.of) for e in told if isinstance(e, events.AgentStarted)] == [
        ("ann", 1, 2),
        ("ben", 2, 2),
    ]
    assert [(e.agent, e.text) for e in told if isinstance(e, events.OutputDelta)][:2] == [
        ("ann", "It "),
        ("ann", "rains."),
    ]
    assert [e.arguments for e in told if isinstance(e, events.ToolRequested)] == [{"what": "rain"}]
    assert [e.text for e in told if isinstance(e, events.ToolReturned)] == ["rain is wet"]
    assert (await stream.reply()).text == "Done."


async def test_a_failure_is_told_attempt_by_attempt() -> None:
    """Each failed attempt is an event, the last one too; the turn fails, and the conversation is as it was before."""
    runtime, _ = talking(ValueError("broken"), "Better.")
    told = [event async for event in runtime.stream("Hi")]
    assert [type(e).__name__ for e in told][1:] == ["AgentStarted", "AttemptFailed", "AgentFailed", "TurnFailed"]
    assert [e.again for e in told if isinstance(e, events.AttemptFailed)] == [False]
    assert not runtime.messages
    assert (await runtime.invoke("Again")).text == "Better."
    assert [m.text for m in runtime.messages] == ["Again", "Better."]


async def test_a_failed_turn_raises_and_can_be_taken_up_again() -> None:
    """`invoke` raises with the cause; `resume` goes on with the turn where it failed."""
    runtime, _ = talking(ValueError("broken"), "Better.")
    with pytest.raises(RunFailed, match="broken") as failed:
        await runtime.invoke("Hi")
    assert isinstance(failed.value.__cause__, ValueError)
    assert (await runtime.resume()).text == "Better."
    assert [m.text for m in runtime.messages] == ["Hi", "Better."]
    with pytest.raises(UseError, match="nothing to go on with: turn 1 is complete"):
        await runtime.resume()


async def test_handing_over_is_told_and_remembered() -> None:
    """The event has the reason, and the next turn begins with whoever spoke last."""
    model = ScriptedModel([Turn.call("hand_over_to_ben", reason="Spanish"), "Hola.", "Si."])
    runtime = ChatRuntime(handoff(ANN, BEN), resources=[model])
    told = [event async for event in runtime.stream("hola")]
    over = [e for e in told if isinstance(e, events.HandedOver)]
    assert [(e.source, e.target, e.reason) for e in over] == [("ann", "ben", "Spanish")]
    assert (await runtime.invoke("y?")) == assistant("Si.", name="ben")


async def test_cancelling_reaches_the_model_and_closes_what_is_open() -> None:
    """`cancel` stops the request under way; whoever awaits gets TurnStopped, and the events say who was stopped."""
    wait = Hanging()
    runtime = ChatRuntime(ANN, resources=[ScriptedModel(["late"], sleep=wait)])
    told: list[events.ChatEvent] = []
    runtime.on_event(told.append)
    task = asyncio.create_task(runtime.invoke("Hi"))
    await wait.begun.wait()
    assert runtime.cancel()
    with pytest.raises(TurnStopped):
        await task
    assert wait.stopped
    assert [type(e).__name__ for e in told] == ["TurnStarted", "AgentStarted", "AgentCancelled", "TurnCancelled"]
    assert not runtime.cancel()
    assert runtime.messages == ()
    assert runtime.store.info(runtime.runs[0]).status == "cancelled"


async def test_cancelling_the_awaiting_task_cancels_the_turn() -> None:
    """A task that awaits a turn and is cancelled stops it, and stays cancelled."""
    wait = Hanging()
    runtime = ChatRuntime(ANN, resources=[ScriptedModel(["late"], sleep=wait)])
    task = asyncio.create_task(runtime.invoke("Hi"))
    await wait.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wait.stopped
    assert runtime.store.info(runtime.runs[0]).status == "cancelled"


async def test_an_agent_that_judges_is_part_of_the_one_it_judges() -> None:
    """Its text and its calls are nobody's answer: what is told is what the judged one does, and that it was stopped."""

    def look(place: str) -> str:
        """Look."""
        return place

    def script(request: ModelRequest) -> Scripted:
        if request.instructions != "Judge.":
            return "Hello."
        if request.labels:
            return Turn.choose("block")
        return "I think it is bad." if request.messages[-1].role == "tool" else Turn.call("look", place="here")

    judged = Agent("Talk.", name="ann", guardrails=[on_input(Agent("Judge.", tools=[look]), name="fair")])
    runtime = ChatRuntime(judged, resources=[ScriptedModel(script)])
    told: list[events.ChatEvent] = []
    runtime.on_event(told.append)
    with pytest.raises(RunFailed, match="guardrail 'fair' blocked"):
        await runtime.invoke("Hi")
    names = [type(e).__name__ for e in told]
    assert names == ["TurnStarted", "AgentStarted", "OutputDelta", "AttemptFailed", "AgentFailed", "TurnFailed"]
    assert {e.agent for e in told if isinstance(e, events.AgentStarted | events.OutputDelta)} == {"ann"}
    assert [e.text for e in told if isinstance(e, events.OutputDelta)] == ["Hello."]


class Full(MemoryStore):
    """A store that can write nothing more after so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def append(self, *args: Any, **options: Any) -> None:
        """Write, or fail."""
        self.times -= 1
        if self.times < 0:
            raise OSError("disk full")
        super().append(*args, **options)


async def test_a_store_that_fails_closes_what_is_open() -> None:
    """Whatever ends a turn, who listens hears that it has ended, and so has every agent at work in it."""
    runtime, _ = talking("Hello.", store=Full(1))
    told: list[events.ChatEvent] = []
    runtime.on_event(told.append)
    with pytest.raises(OSError, match="disk full"):
        await runtime.invoke("Hi")
    assert [type(e).__name__ for e in told] == [
        *["TurnStarted", "AgentStarted", "OutputDelta", "AgentCancelled", "TurnFailed"],
    ]
    assert told[-1] == events.TurnFailed(runtime.runs[0], "OSError", "disk full")
    full, _ = talking("Hello.", store=Full(0))
    full.on_event(told.append)
    told.clear()
    with pytest.raises(OSError, match="disk full"):
        await full.invoke("Hi")
    assert told == [], "what has not begun does not end"


def raises(_event: object) -> None:
    """Raise an error."""
    raise ValueError("handler")


def leaves(_event: object) -> None:
    """Raise what is no Exception."""
    raise SystemExit(3)


async def raises_later(_event: object) -> None:
    """Raise an error."""
    raise ValueError("handler")


async def leaves_later(_event: object) -> None:
    """Raise what is no Exception."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("handler", [raises, leaves, raises_later, leaves_later])
async def test_what_a_handler_raises_is_reported_once(handler: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a handler raises, also what is no Exception, changes no reply and is logged once over all turns."""
    runtime, _ = talking("a", "b")
    heard: list[object] = []
    runtime.on_event(handler)
    runtime.on_event(heard.append)
    with caplog.at_level(logging.ERROR):
        assert [(await runtime.invoke(text)).text for text in ("1", "2")] == ["a", "b"]
    assert len(caplog.records) == 1
    assert handler.__name__ in caplog.text
    assert isinstance(heard[-1], events.TurnCompleted)


async def test_a_handler_that_hangs_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    """A blocked handler delays the end of a turn a little, once, and is then reported and left out."""
    runtime, _ = talking("a", "b")
    go = threading.Event()
    seen: list[object] = []

    def hang(event: object) -> None:
        seen.append(event)
        go.wait()

    runtime.on_event(hang)
    try:
        assert [(await runtime.invoke(text)).text for text in ("1", "2")] == ["a", "b"]
    finally:
        go.set()
    assert "still hangs" in caplog.text
    assert not [e for e in seen if isinstance(e, events.TurnStarted) and e.run.endswith("-2")]


async def test_a_handler_that_awaits_for_ever_costs_one_turn(caplog: pytest.LogCaptureFixture) -> None:
    """It is cancelled at the end of the turn, called no more in later ones, and told once; others hear everything."""
    runtime, _ = talking("a", "b", "c")
    seen: list[object] = []
    heard: list[object] = []

    async def hang(event: object) -> None:
        seen.append(event)
        await asyncio.Event().wait()

    runtime.on_event(hang)
    runtime.on_event(heard.append)
    assert [(await runtime.invoke(text)).text for text in ("1", "2", "3")] == ["a", "b", "c"]
    assert [type(e) for e in seen] == [events.TurnStarted]
    assert [r.levelname for r in caplog.records if "hung in an event" in r.getMessage()] == ["ERROR"]
    assert len([e for e in heard if isinstance(e, events.TurnCompleted)]) == 3


async def test_messages_queue_in_order() -> None:
    """Messages that come at the same time are turns one after the other, also over two runtimes of a conversation."""
    store, model = MemoryStore(), ScriptedModel(lambda r: f"to {r.messages[-1].text}")
    one, two = (ChatRuntime(ANN, store=store, conversation="c", resources=[model]) for _ in range(2))
    await asyncio.gather(*(runtime.invoke(str(n)) for n, runtime in enumerate((one, two, one, two))))
    said = [m.text for m in one.messages]
    assert said == [text for n in range(4) for text in (str(n), f"to {n}")]
    assert two.messages == one.messages


async def test_a_second_message_is_refused_if_asked_so() -> None:
    """With busy="refuse" a message during a turn is an error at once, and the turn goes on."""
    wait = Hanging()
    runtime = ChatRuntime(ANN, resources=[ScriptedModel(["a"], sleep=wait)], busy="refuse")
    task = asyncio.create_task(runtime.invoke("1"))
    await wait.begun.wait()
    with pytest.raises(ConversationBusy):
        await runtime.invoke("2")
    wait.go.set()
    assert (await task).text == "a"


@pytest.mark.parametrize("kind", ["sqlite:{}/runs.db", "jsonl:{}/runs"])
async def test_another_process_goes_on_with_it(kind: str, tmp_path: Path) -> None:
    """A runtime made anew on the same store, by the conversation's id, has its messages and goes on with it."""
    for number, reply in enumerate(("a", "b", "c")):
        store = open_store(kind.format(tmp_path))
        model = ScriptedModel([reply])
        runtime = ChatRuntime(ANN, store=store, conversation="c", resources=[model])
        await runtime.invoke(f"say {reply}")
        assert len(model.requests[0].messages) == 2 * number + 1
        assert len(runtime.messages) == 2 * number + 2
        store.close()


async def test_a_turn_that_was_cut_off_is_finished_or_given_up() -> None:
    """After a crash the conversation says so, until the turn is resumed or discarded."""
    for finish in (True, False):
        store, wait = MemoryStore(), Hanging()
        crashed = ChatRuntime(ANN, store=store, conversation="c", resources=[ScriptedModel(["x"], sleep=wait)])
        task = asyncio.create_task(crashed.invoke("1"))
        await wait.begun.wait()
        assert leave(store, "c-1")
        with pytest.raises(asyncio.CancelledError):
            await task
        runtime = ChatRuntime(ANN, store=store, conversation="c", resources=[ScriptedModel(["a", "b"])])
        with pytest.raises(TurnOpen, match="was cut off"):
            await runtime.invoke("2")
        if finish:
            assert (await runtime.resume()).text == "a"
        else:
            await runtime.discard()
        await runtime.invoke("2")
        assert [m.text for m in runtime.messages] == (["1", "a", "2", "b"] if finish else ["2", "a"])


async def test_clearing_begins_anew_for_everybody() -> None:
    """After `clear` no turn sees what was said before, also in a runtime that knew it; the runs stay."""
    store = MemoryStore()
    model = ScriptedModel(["a", "b"])
    one, two = (ChatRuntime(ANN, store=store, conversation="c", resources=[model]) for _ in range(2))
    await one.invoke("1")
    assert [m.text for m in two.messages] == ["1", "a"]
    await one.clear()
    assert [*one.messages, *two.messages] == []
    await two.invoke("2")
    assert [m.text for m in model.requests[1].messages] == ["2"]
    assert [m.text for m in one.messages] == ["2", "b"]
    assert len(one.runs) == 3


async def test_old_messages_are_left_out_of_a_turn_but_kept() -> None:
    """A turn sees the last `keep` messages, so that it costs the same in a long conversation; all are in `messages`."""
    runtime, model = talking(*("abcdefgh"), keep=3)
    sizes: list[int] = []
    for n in range(8):
        await runtime.invoke(str(n))
        sizes.append(len(str([r.input for r in runtime.store.records(runtime.runs[-1])])))
    assert [m.text for m in model.requests[-1].messages] == ["6", "g", "7"]
    assert max(sizes[2:]) - min(sizes[2:]) < 40
    assert len(runtime.messages) == 16


class Own(ChatState):
    remembered: ClassVar[tuple[str, ...]] = ("count",)
    count: int = 0
    decision: Literal["yes", "no"] | None = None


def counting() -> Flow[Own]:
    """Return an own flow over a chat state: it asks before it answers, and counts."""
    flow = Flow("counting", Own)
    s = flow.state
    ask = flow.ask("ask", "Shall I?", reads=s.count, writes=s.decision)

    @flow.task(writes=(s.messages, s.count))
    def say(decision: str | None, count: int) -> tuple[Message, int]:
        return assistant(f"{decision} {count}"), count + 1

    flow.edge(ask, say)
    return flow


async def test_an_own_flow_asks_and_remembers() -> None:
    """Any flow over a chat state can be talked to; its questions are answered, and what it declares is remembered."""
    runtime = ChatRuntime(counting())
    with pytest.raises(RunFailed, match="suspended"):
        await runtime.invoke("Go")
    assert [q.question for q in runtime.questions] == ["Shall I?"]
    assert runtime.questions[0].reads == {"count": 0}
    with pytest.raises(TurnOpen, match="waits for an answer"):
        await runtime.invoke("Go on")
    assert (await runtime.answer("yes")).text == "yes 0"
    with pytest.raises(RunFailed):
        await runtime.invoke("Again")
    assert (await runtime.answer("no")).text == "no 1"
    with pytest.raises(UseError, match="no question is open"):
        await runtime.answer("yes")


def test_what_cannot_be_talked_to_is_refused_with_all_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow without messages, options out of range, and an agent without a model are found at construction."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "GRAPHRT_MODEL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DefinitionError, match="expected a Flow or an Agent"):
        ChatRuntime("hello")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test
    with pytest.raises(DefinitionError, match=r"(?s)keep=0.*busy='wait'"):
        ChatRuntime(counting(), keep=0, busy="wait")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test
    wrong: dict[str, Any] = {"limits": 5, "store": "x.db", "resources": "abc", "policies": iter(())}
    with pytest.raises(DefinitionError, match=r"(?s)resources='abc'.*limits=5.*give open_store\('x.db'\)"):
        ChatRuntime(Agent("Say.", model=ScriptedModel([])), **wrong)
    with pytest.raises(TypeError, match="limit"):
        ChatRuntime(Agent("Say.", model=ScriptedModel([])), limit=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # the mistake under test
    with pytest.raises(DefinitionError, match="no endpoint is known"):
        ChatRuntime(Agent("I.", model="some-model"))
    with pytest.raises(UseError, match="cannot be the id of a conversation"):
        ChatRuntime(counting(), conversation="a/b")


async def test_many_conversations_do_not_mix() -> None:
    """Conversations that run at the same time each hear only themselves, and leave no task behind."""

    def echo(request: ModelRequest) -> str:
        return "/".join(m.text for m in request.messages if m.role == "user")

    store, model = MemoryStore(), ScriptedModel(echo)
    runtimes = [ChatRuntime(ANN, store=store, conversation=f"c{n}", resources=[model]) for n in range(100)]
    before = len(asyncio.all_tasks())
    for turn in ("a", "b"):
        await asyncio.gather(*(r.invoke(f"{n}{turn}") for n, r in enumerate(runtimes)))
    assert [r.messages[-1].text for r in runtimes] == [f"{n}a/{n}b" for n in range(100)]
    assert len(asyncio.all_tasks()) == before


def test_the_systems_messages_and_whole_pairs_are_kept() -> None:
    """Trimming keeps what the system said, and no tool's answer without its request."""
    call = ToolCall(id="1", name="look")
    said: list[Message] = [system("Be kind."), user("a"), assistant("", call), tool_result(call, "x"), user("b")]
    assert trimmed(said, 2) == [system("Be kind."), user("b")]
    assert trimmed(said, 3) == [system("Be kind."), *said[2:]]
    assert trimmed(said, None) == said


async def test_cancelling_reaches_the_socket() -> None:
    """A stream that has fallen silent is hung up on when the turn is cancelled; the endpoint notices."""
    silent = sse(chunk({"role": "assistant", "content": "It "}), done=False, ending="hang")
    async with Endpoint([silent]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url)
        runtime = ChatRuntime(ANN, resources=[model])
        told: list[events.ChatEvent] = []
        async for event in (stream := runtime.stream("Hi")):
            told.append(event)
            if isinstance(event, events.OutputDelta):
                runtime.cancel()
        with pytest.raises(TurnStopped):
            await stream.reply()
        async with asyncio.timeout(30):  # never, if nobody hangs up
            await endpoint.hung_up.wait()
        await model.aclose()
    assert [type(e).__name__ for e in told][2:] == ["OutputDelta", "AgentCancelled", "TurnCancelled"]


async def test_a_stream_begins_when_it_is_iterated_over_or_told_to() -> None:
    """A turn whose stream is begun is told to who iterates later; one that is dropped before warns of it."""
    runtime = ChatRuntime(ANN, resources=[ScriptedModel(["Hello."])])
    unread = [runtime.stream("Hm")]
    with pytest.warns(RuntimeWarning, match=r"dropped before it began.*call begin\(\)"):
        unread.clear()
    stream = runtime.stream("Hi").begin()
    assert (await asyncio.wait_for(stream.reply(), 60)).text == "Hello."
    assert [type(event).__name__ async for event in stream][-1] == "TurnCompleted"
    assert [m.text for m in runtime.messages] == ["Hi", "Hello."]


async def test_an_answer_and_a_resumption_can_be_watched(tmp_path: Path) -> None:
    """What follows an answer, and what follows a failure, is told as a turn is; an agent's own routers are not."""

    @tool(approval="always")
    def pay(cents: int) -> str:
        return f"paid {cents}"

    ann = Agent("Pay.", name="ann", tools=[pay])
    model = ScriptedModel([Turn.call("pay", cents=3), ValueError("away"), "Done."])
    store = open_store(tmp_path / "runs.db")
    runtime = ChatRuntime(ann, store=store, conversation="c", resources=[model], target="desk.py:flow")
    told = [type(e).__name__ async for e in runtime.stream("Pay!")]
    assert told == ["TurnStarted", "AgentStarted", "ToolRequested", "TurnSuspended"]
    refused = runtime.stream_answer("perhaps")
    with pytest.raises(AnswerRefused, match="approve"):
        await refused.reply()
    answered = [type(e).__name__ async for e in runtime.stream_answer("approve")]
    assert answered == ["ToolReturned", "AttemptFailed", "AgentFailed", "TurnFailed"]
    resumed = runtime.stream_resume()
    assert [type(e).__name__ async for e in resumed] == [
        "AgentStarted",
        "OutputDelta",
        "AgentCompleted",
        "TurnCompleted",
    ]
    assert (await resumed.reply()).text == "Done."
    assert store.info("c-1").target == "desk.py:flow"
    store.close()


def paying(store: MemoryStore, *turns: Scripted) -> ChatRuntime:
    """Return a runtime whose agent asks before it pays, on this script."""

    @tool(approval="always")
    def pay(cents: int) -> str:
        return f"paid {cents}"

    model = ScriptedModel(turns or [Turn.call("pay", cents=3), "Done."])
    return ChatRuntime(Agent("Pay.", name="ann", tools=[pay]), store=store, conversation="c", resources=[model])


def hearing(runtime: ChatRuntime) -> list[str]:
    """Return a list that fills with the names of all events."""
    heard: list[str] = []

    async def hear(event: object) -> None:
        heard.append(type(event).__name__)

    runtime.on_event(hear)
    return heard


WAITS = ["TurnStarted", "AgentStarted", "ToolRequested", "TurnSuspended"]


async def test_what_waits_is_begun_once_and_closed_once() -> None:
    """A handler that hears a turn suspended and answered hears each agent and each call begin once and end once."""
    runtime = paying(MemoryStore())
    heard = hearing(runtime)
    with pytest.raises(RunFailed):
        await runtime.invoke("Pay!")
    assert heard == WAITS
    await runtime.answer("approve")
    assert heard[4:] == ["ToolReturned", "OutputDelta", "AgentCompleted", "TurnCompleted"]


async def test_giving_up_closes_what_waits() -> None:
    """`discard` tells the call, the agent and the turn cancelled; who was told of none hears the turn's end."""
    store = MemoryStore()
    first, other = paying(store), paying(store)
    heard, told = hearing(first), hearing(other)
    with pytest.raises(RunFailed):
        await first.invoke("Pay!")
    await first.discard()
    assert heard == [*WAITS, "ToolCancelled", "AgentCancelled", "TurnCancelled"]
    with pytest.raises(RunFailed):
        await paying(store).invoke("Pay!")
    await other.discard()
    assert told == ["TurnCancelled"]


async def test_another_process_is_told_first_who_waits() -> None:
    """One that answers what it was told nothing of hears agent and call begin, and end."""
    store = MemoryStore()
    first, other = paying(store), paying(store, "Well.")
    heard = hearing(other)
    with pytest.raises(RunFailed):
        await first.invoke("Pay!")
    await other.answer("decline")
    assert heard[:3] == ["AgentStarted", "ToolRequested", "ToolReturned"]
    assert heard[-2:] == ["AgentCompleted", "TurnCompleted"]


async def test_what_ended_elsewhere_meanwhile_is_told_on_return() -> None:
    """A call that another process answered, and whose turn failed there, is closed for the first when it goes on."""
    store = MemoryStore()
    first, other = paying(store), paying(store, ValueError("away"))
    heard = hearing(first)
    with pytest.raises(RunFailed):
        await first.invoke("Pay!")
    with pytest.raises(RunFailed):
        await other.answer("approve")
    assert (await first.resume()).text == "Done."
    assert heard == [*WAITS, "ToolReturned", "OutputDelta", "AgentCompleted", "TurnCompleted"]


async def test_a_turn_that_is_finished_after_the_next_changes_no_past() -> None:
    """A run that failed and is taken up behind the conversation's back is complete, but nobody heard it."""
    store = MemoryStore()
    model = ScriptedModel(["one", ValueError("away"), "three", "late", "four"])
    first = ChatRuntime(ANN, store=store, conversation="c", resources=[model])
    await first.invoke("1")
    with pytest.raises(RunFailed):
        await first.invoke("2")
    await first.invoke("3")
    assert (await resume(store, "c-2", first.flow.freeze(), resources=[model])).status == "completed"
    for runtime in (first, ChatRuntime(ANN, store=store, conversation="c", resources=[model])):
        assert [m.text for m in runtime.messages] == ["1", "one", "3", "three"]
    await first.invoke("4")
    assert [m.text for m in model.requests[-1].messages] == ["1", "one", "3", "three", "4"]


async def test_a_turn_that_is_taken_up_in_time_counts() -> None:
    """Whoever takes up the last turn, by whatever way, its messages are part of the conversation."""
    store = MemoryStore()
    model = ScriptedModel([ValueError("away"), "one", "two"])
    first = ChatRuntime(ANN, store=store, conversation="c", resources=[model])
    with pytest.raises(RunFailed):
        await first.invoke("1")
    await resume(store, "c-1", first.flow.freeze(), resources=[model])
    await first.invoke("2")
    for runtime in (first, ChatRuntime(ANN, store=store, conversation="c", resources=[model])):
        assert [m.text for m in runtime.messages] == ["1", "one", "2", "two"]


def test_a_state_that_a_message_alone_cannot_begin_is_refused() -> None:
    """A turn begins with messages: every other field needs a default, and that is said before anything runs."""

    class Needy(ChatState):
        topic: str

    flow = Flow("needy", Needy)
    flow.agent("say", ANN, reads=flow.state.messages, writes=flow.state.messages)
    with pytest.raises(DefinitionError, match="field 'topic' of Needy has no default; give it one"):
        ChatRuntime(flow, resources=[ScriptedModel([])])


async def test_what_a_conversation_used_is_known_or_unknown() -> None:
    """Tokens and cost of all turns together, of those that came to nothing too; a price that nobody knows is none."""
    spent = Usage(input_tokens=1000, output_tokens=100, cached_tokens=0, reasoning_tokens=0)
    priced = ScriptedModel(["one", LookupError("broken"), "two"], name="gpt-5-mini", usage=spent)
    runtime = ChatRuntime(Agent("Talk."), resources=[priced])
    before = runtime.usage
    assert before is None
    await runtime.invoke("a")
    with pytest.raises(RunFailed):
        await runtime.invoke("b")
    await runtime.invoke("c")
    used = runtime.usage
    assert used is not None
    assert (used.model, used.input_tokens, used.output_tokens) == ("gpt-5-mini", 2000, 200)
    assert used.cost_usd is not None
    assert used.cost_usd > 0
    unpriced = ChatRuntime(Agent("Talk."), resources=[ScriptedModel(["one"])])
    await unpriced.invoke("a")
    assert unpriced.usage is not None
    assert (unpriced.usage.input_tokens, unpriced.usage.cost_usd) == (10, None)
