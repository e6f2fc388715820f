"""Windows on a conversation: the end of it, whole tool calls, what the author says, and summaries of the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphrt import Agent, ChatRuntime, Context, Flow
from graphrt.account import account
from graphrt.agents import (
    AssistantMessage,
    Message,
    ModelRequest,
    Reply,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
    assistant,
    system,
    tool_result,
    user,
)
from graphrt.agents.errors import ModelUnavailable
from graphrt.agents.messages import SystemMessage
from graphrt.agents.model import Emit, Model, discard
from graphrt.errors import UseError
from graphrt.policies import cache, context
from graphrt.policies.tokens import tokens_of, tokens_of_message
from graphrt.policies.trimming import SUMMARISE, SUMMARY, first_kept, shown, trimmed, units_of
from graphrt.testing import ScriptedModel, Turn
from tests.policies.asking import Talk, hearing

pytestmark = pytest.mark.anyio


def call(n: int) -> ToolCall:
    """Return the wish for a call."""
    return ToolCall(id=f"c{n}", name="look", arguments={"n": n})


LONG: tuple[Message, ...] = (
    system("Be kind."),
    user("one"),
    assistant("", call(1), call(2)),
    tool_result(call(1), "first"),
    tool_result(call(2), "second"),
    assistant("answer one"),
    user("two"),
    assistant("answer two"),
    user("three"),
)


def texts(messages: Sequence[Message]) -> list[str]:
    """Return what messages say."""
    return [message.text for message in messages]


@pytest.mark.parametrize(
    ("most", "kept"),
    [
        (1, ["Be kind.", "three"]),
        (2, ["Be kind.", "answer two", "three"]),
        (4, ["Be kind.", "answer one", "two", "answer two", "three"]),
        (6, ["Be kind.", "answer one", "two", "answer two", "three"]),
        (7, ["Be kind.", "", "first", "second", "answer one", "two", "answer two", "three"]),
        (8, texts(LONG)),
        (99, texts(LONG)),
    ],
)
async def test_the_last_messages_and_what_belongs_to_them(most: int, kept: list[str]) -> None:
    """A request for tools comes with all its answers or not at all; the system's messages always come."""
    model = ScriptedModel(["Fine."])
    with hearing() as heard:
        await context(messages=most).wrap(model).respond(ModelRequest(instructions="Do.", messages=LONG))
    assert texts(model.requests[0].messages) == kept
    assert model.requests[0].instructions == "Do."
    left_out = len(LONG) - len(kept)
    assert heard.marks == ([f"{left_out} messages left out"] if left_out else [])


async def test_in_the_middle_of_its_tools_an_agent_still_knows_its_task() -> None:
    """The last thing that was said is shown, however many calls have followed, and counts as one of those allowed."""
    messages: list[Message] = [user("old"), assistant("ok"), user("the task")]
    for n in range(5):
        messages += [assistant("", call(n)), tool_result(call(n), f"result {n}")]
    model = ScriptedModel(["Fine."])
    await context(messages=5).wrap(model).respond(ModelRequest(messages=tuple(messages)))
    assert texts(model.requests[0].messages) == ["the task", "", "result 3", "", "result 4"]


async def test_the_last_unit_is_shown_even_if_it_is_too_large() -> None:
    """A model has to react to something."""
    model = ScriptedModel(["Fine."] * 2)
    wish = assistant("", *(call(n) for n in range(5)))
    messages = (user("go"), wish, *(tool_result(call(n), "x" * 4000) for n in range(5)))
    await context(messages=2).wrap(model).respond(ModelRequest(messages=messages))
    assert model.requests[0].messages == messages
    await context(tokens=10).wrap(model).respond(ModelRequest(messages=messages))
    assert model.requests[1].messages == messages


@st.composite
def conversations(draw: st.DrawFn) -> list[Message]:
    """Draw a conversation: what was said, answered and called, in any order that may occur."""
    messages: list[Message] = []
    kinds = st.sampled_from(["user", "assistant", "tools", "system", "orphan"])
    for count, kind in enumerate(draw(st.lists(kinds, max_size=14))):
        if kind == "user":
            messages.append(user(f"said {count}"))
        elif kind == "assistant":
            messages.append(assistant(f"answer {count}"))
        elif kind == "system":
            messages.append(system(f"rule {count}"))
        elif kind == "orphan":
            messages.append(ToolMessage(call_id=f"gone{count}", name="look", text=f"orphan {count}"))
        else:
            calls = [ToolCall(id=f"{count}-{n}", name="look") for n in range(draw(st.integers(1, 3)))]
            messages.append(assistant("", *calls))
            messages += [tool_result(each, f"result {each.id}") for each in draw(st.permutations(calls))]
    return messages


@given(conversations(), st.integers(1, 12))
def test_whatever_is_cut_pairs_stay_whole(messages: list[Message], most: int) -> None:
    """In any conversation: order and system messages are kept, no call without its answers or the other way round."""
    kept = trimmed(messages, most)
    place = [next(i for i, m in enumerate(messages) if m is k) for k in kept]
    others = [m for m in messages if not isinstance(m, SystemMessage)]
    left = [m for m in kept if not isinstance(m, SystemMessage)]
    if len(others) <= most:
        assert kept == messages
        return
    assert [m for m in kept if isinstance(m, SystemMessage)] == [m for m in messages if isinstance(m, SystemMessage)]
    assert [p for p, m in zip(place, kept, strict=True) if not isinstance(m, SystemMessage)] == sorted(
        p for p, m in zip(place, kept, strict=True) if not isinstance(m, SystemMessage)
    )
    assert left[-1:] == others[-1:], "there is something to react to"
    last = units_of(messages)[-1].messages
    assert len(left) <= max(most, len(last) + (not isinstance(last[0], UserMessage)))
    wished = {c.id for m in left if isinstance(m, AssistantMessage) for c in m.tool_calls}
    answered = {m.call_id for m in left if isinstance(m, ToolMessage)}
    was_wished = {c.id for m in messages if isinstance(m, AssistantMessage) for c in m.tool_calls}
    assert wished == answered & was_wished
    said = [m for m in others if isinstance(m, UserMessage)]
    assert not said or said[-1] in left
    if isinstance(left[0], ToolMessage):
        assert isinstance(last[0], ToolMessage), "an answer to nothing is shown only if there is nothing else"


@given(conversations(), st.integers(1, 400))
def test_tokens_bound_what_is_shown(messages: list[Message], most: int) -> None:
    """The units that are shown have at most so many tokens, but for those that must be; one more would be too many."""
    units = units_of(messages)
    if not units:
        return
    cut = first_kept(units, tokens_of_message, most)
    kept = [m for m in shown(messages, units, cut) if not isinstance(m, SystemMessage)]
    must = [*units[-1].messages, *([m for u in units if u.is_said for m in u.messages][-1:])]
    size = sum(map(tokens_of_message, kept))
    assert size <= max(most, sum(map(tokens_of_message, must)))


async def test_tokens_are_counted_with_all_of_the_request() -> None:
    """Instructions, tools and system messages take their part; what the endpoint counts corrects the estimate."""
    messages = tuple(m for n in range(20) for m in (user(f"{n} " + "x" * 100), assistant("y" * 100)))[:-1]

    def answer(request: ModelRequest) -> Turn:  # of a model whose tokens are half as long as we think
        return Turn(chunks=("Fine.",), usage=Usage(input_tokens=2 * tokens_of(request), output_tokens=1))

    model = ScriptedModel(answer)
    window = context(tokens=600).wrap(model)
    for _ in range(3):
        await window.respond(ModelRequest(instructions="z" * 400, messages=messages))
    first, *later = map(tokens_of, model.requests)
    assert 540 < first <= 600
    assert all(240 < size <= 300 for size in later)


# -- summaries --------------------------------------------------------------------------------------------------------


class Secretary(Model):
    """Answers, and summarises by listing the first words of the lines it is shown."""

    name = "gpt-5-mini"

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []
        self.summaries: list[str] = []

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Answer or summarise."""
        text = request.messages[-1].text
        used = Usage(input_tokens=1000, output_tokens=100)
        if request.instructions == SUMMARISE:
            self.summaries.append(text)
            return Reply(text=f"summary {len(self.summaries)}", usage=used)
        self.requests.append(request)
        return Reply(text=f"answer to {text}", usage=used)


async def test_what_is_left_out_is_summarised() -> None:
    """The model is shown a summary in its place; it is asked for seldom, and goes on from the one before."""
    model = Secretary()
    window = context(messages=4, summary=True).wrap(model)
    said: list[Message] = []
    for n in range(8):
        said.append(user(f"question {n}"))
        said.append(assistant((await window.respond(ModelRequest(messages=tuple(said)))).text))
    assert all(len(r.messages) <= 5 for r in model.requests)
    assert texts(model.requests[-1].messages)[0].startswith(SUMMARY)
    assert model.requests[-1].messages[0].role == "user"
    assert texts(model.requests[-1].messages)[-1] == "question 7"
    assert 3 <= len(model.summaries) < 7
    assert model.summaries[0].startswith("user: question 0")
    assert all(SUMMARY in text for text in model.summaries[1:])
    covered = "\n".join(model.summaries)
    before = texts(model.requests[-1].messages)[1]
    assert all(f"question {n}" in covered for n in range(int(before[-1]) if before[-1].isdigit() else 5))


async def test_a_summary_counts_in_the_usage() -> None:
    """Its tokens and its price are added to those of the answer; a mark says that it was asked for, or known."""
    model = Secretary()
    window = context(messages=2, summary=True).wrap(model)
    with hearing() as heard:
        reply = await window.respond(ModelRequest(messages=LONG))
        again = await window.respond(ModelRequest(messages=LONG))
    one = model.cost_usd(Reply(usage=Usage(input_tokens=1000, output_tokens=100))) or 0.0
    assert (reply.usage.input_tokens, again.usage.input_tokens) == (2000, 1000)
    assert window.cost_usd(reply) == pytest.approx(2 * one)
    assert window.cost_usd(again) == pytest.approx(one)
    assert [mark.facts["asked"] for mark in heard.context.marks] == [True, False]


async def test_a_summary_is_paid_also_where_the_answer_fails() -> None:
    """What it has cost stands in the error, and so in the record of the attempt; the next attempt knows it already."""
    clerk = ScriptedModel(["They greeted."], name="clerk", usage=Usage(input_tokens=50, output_tokens=7))
    down = ModelUnavailable("found no connection", endpoint="here", model="m")
    model = ScriptedModel([down, "Fine."])
    window = context(messages=2, summary=Agent("Minutes, please.", model=clerk)).wrap(model)
    with pytest.raises(ModelUnavailable) as raised:
        await window.respond(ModelRequest(messages=LONG))
    assert raised.value.usage is not None
    assert raised.value.usage.total_tokens == 57
    reply = await window.respond(ModelRequest(messages=LONG))
    assert reply.usage.total_tokens == 15


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (ModelUnavailable("found no connection", endpoint="here", model="m"), "no summary: ModelUnavailable"),
        (RuntimeError("odd"), "no summary: RuntimeError"),
        (" ", "no summary: it was empty"),
    ],
    ids=["down", "raises", "empty"],
)
async def test_without_a_summary_the_past_is_left_out_plainly(said: Exception | str, why: str) -> None:
    """The turn goes on, marks tell why, and the next request asks for a summary again."""

    def sum_up(_request: ModelRequest) -> str:
        if isinstance(said, str):
            return said
        raise said

    clerk, model = ScriptedModel(sum_up, name="clerk"), ScriptedModel(["Fine.", "Good."])
    window = context(messages=2, summary=Agent("Minutes, please.", model=clerk)).wrap(model)
    with hearing() as heard:
        for _ in range(2):
            await window.respond(ModelRequest(messages=LONG))
    assert len(clerk.requests) == 2
    assert [mark for mark in heard.marks if mark == why] == [why] * 2
    assert [mark for mark in heard.marks if mark.endswith("messages left out")] != []
    assert SUMMARY not in str(texts(model.requests[0].messages))


async def test_an_agent_summarises() -> None:
    """It has its own instructions, model and policies."""
    model, clerk = ScriptedModel(["Fine.", "Good."]), ScriptedModel(["They greeted."], name="clerk")
    kept = cache()
    agent = Agent("Minutes, please.", model=clerk, temperature=0, policies=[kept])
    for expected in ("Fine.", "Good."):
        window = context(messages=2, summary=agent).wrap(model)
        assert (await window.respond(ModelRequest(messages=LONG))).text == expected
    assert [(r.instructions, r.temperature) for r in clerk.requests] == [("Minutes, please.", 0)]
    assert kept.hits == 1
    assert texts(model.requests[1].messages)[:2] == ["Be kind.", SUMMARY + "They greeted."]


async def test_summaries_of_conversations_do_not_mix() -> None:
    """A summary is found by the hash of everything that it tells, so nobody is shown another's."""
    model = Secretary()
    window = context(messages=1, summary=True).wrap(model)
    tail = (assistant("ok"), user("go on"))
    for name in ("ann", "bob"):
        await window.respond(ModelRequest(messages=(user(f"I am {name}"), *tail)))
    assert [text.split("\n")[0] for text in model.summaries] == ["user: I am ann", "user: I am bob"]


async def test_a_conversation_is_trimmed_turn_by_turn() -> None:
    """With the policy on a runtime each turn's request is short, and the conversation keeps everything."""
    model = ScriptedModel(lambda request: f"answer {len(request.messages)}")
    runtime = ChatRuntime(Agent("Chat."), resources=[model], policies=[context(messages=3)])
    for n in range(5):
        await runtime.invoke(f"question {n}")
    assert [len(r.messages) for r in model.requests] == [1, 3, 3, 3, 3]
    assert len(runtime.messages) == 10
    last = account(runtime.store.trace(runtime.runs[-1])).visits["0/0"]
    assert [mark.text for mark in last.marks] == ["6 messages left out"]


def test_what_is_no_window_is_refused() -> None:
    """Nothing to bound, or by nothing, or an agent that cannot summarise, is said where it is written."""

    def look() -> str:
        return ""

    table: list[tuple[Callable[[], object], str]] = [
        (lambda: context(), r"bounds nothing"),  # noqa: PLW0108 - the call is what is tested
        (lambda: context(messages=0), r"messages=0"),
        (lambda: context(messages=3, summary=Agent("Sum up.", tools=[look])), r"has no tools"),
        (lambda: context(messages=3, summary=3), r"it is True, instructions, or an agent"),  # type: ignore[arg-type]  # on purpose
    ]
    for wrong, message in table:
        with pytest.raises(UseError, match=message):
            wrong()


async def test_a_task_sees_it_too() -> None:
    """A model that a task takes from its context is wrapped by what holds there."""
    flow = Flow("talk", Talk)

    @flow.task(writes=flow.state.reply, policies=[context(messages=1)])
    async def work(context: Context) -> str:
        reply = await context.resource(Model).respond(ModelRequest(messages=LONG))
        return reply.text

    model = ScriptedModel([Turn.say("Fine.")])
    result = await flow.run(Talk(), resources=[model])
    assert result.state.reply == "Fine."
    assert texts(model.requests[0].messages) == ["Be kind.", "three"]
    assert [m.text for m in account(result.trace).visits["0"].marks] == ["7 messages left out"]
