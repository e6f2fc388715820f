"""What happens inside an agent: calls that a person must agree to, last answers, costs, retries, crashes."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from msgspec.structs import replace
from pydantic import BaseModel, Field

from graphrt import Agent, DefinitionError, Flow, Retry, tool
from graphrt.account import account
from graphrt.agents import ToolCall, Usage
from graphrt.agents.errors import ModelBehavior, ModelTimeout, QuotaExhausted, RateLimited
from graphrt.agents.guardrails import on_input
from graphrt.agents.model import Emit, Reply, discard
from graphrt.agents.tool_options import Approval
from graphrt.agents.tools import tool_from
from graphrt.codec import encode_trace
from graphrt.events import AttemptRetried, VisitWaiting
from graphrt.replay import verify
from graphrt.runtime import Delta, answer, resume, run, stream
from graphrt.stores.memory import MemoryStore
from graphrt.testing.clock import ManualClock
from graphrt.testing.scripted import ScriptedModel, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt.agents.model import ModelRequest
    from graphrt.runtime import Result

pytestmark = pytest.mark.anyio


class Desk(BaseModel):
    message: str = ""
    reply: str = ""
    verdict: Literal["pay", "keep"] | None = None
    score: float = 0.0


def len_of(text: str) -> int:
    """Return how long a text is."""
    return len(text)


class Bank:
    """Counts what was really paid."""

    def __init__(self) -> None:
        self.paid: list[tuple[str, int]] = []

    def agent(self, approval: Approval = "always") -> Agent:
        """Return an agent that may look, and pay where a person agrees."""

        @tool(writes=True, approval=approval)
        def pay(account: str, cents: Annotated[int, Field(gt=0)]) -> str:
            self.paid.append((account, cents))
            return f"paid {cents} to {account}"

        def look() -> str:
            return "looked"

        return Agent("Pay what is owed.", tools=[pay, look])


def one(agent: Agent, writes: str = "reply") -> Flow[Desk]:
    """Return a flow of one agent node."""
    flow = Flow("desk", Desk)
    flow.agent("clerk", agent, reads=flow.state.message, writes=getattr(flow.state, writes))
    return flow


def pay(account: str = "A", cents: int = 100, call_id: str = "p1") -> ToolCall:
    """Return a wish to pay."""
    return ToolCall(id=call_id, name="pay", arguments={"account": account, "cents": cents})


def results_told(request: ModelRequest) -> list[str]:
    """Return what tools answered, as a model was told it."""
    return [m.text for m in request.messages if m.role == "tool"]


async def asked(flow: Flow[Desk], model: ScriptedModel, store: MemoryStore) -> Result[Desk]:
    """Run until a question is open."""
    result = await run(flow.freeze(), Desk(message="m"), store=store, resources=[model])
    assert result.status == "suspended", result
    return result


# -- approval ---------------------------------------------------------------------------------------------------------


async def test_a_call_that_needs_approval_waits_for_it() -> None:
    """Nothing is carried out before a person agreed; the question names agent and tool, and waits in the store."""
    bank, store = Bank(), MemoryStore()
    flow = one(bank.agent())
    model = ScriptedModel([[pay()], "done"])
    result = await asked(flow, model, store)
    question = result.questions[0]
    assert bank.paid == []
    assert question.node == "approve pay"
    assert "'clerk' call pay" in question.question
    assert question.answers == ("approve", "decline")
    assert question.reads["call"]["arguments"] == {"account": "A", "cents": 100}
    await answer(store, result.run, question.visit, "approve", by="ada")
    result = await resume(store, result.run, flow.freeze(), resources=[model])
    assert result.state.reply == "done"
    assert bank.paid == [("A", 100)]
    assert results_told(model.requests[-1]) == ["paid 100 to A"]
    assert verify(result.trace, flow.freeze()) is None


async def test_whoever_approves_sees_all_of_the_arguments() -> None:
    """Nothing is hidden in a long argument; what is too long even for that says how much there is."""
    long = "A" * 3_000 + "!"
    result = await asked(
        one(Bank().agent()), ScriptedModel([[pay(account=long), pay(account=long * 2)]]), MemoryStore()
    )
    first, second = (question.reads["call"]["arguments"]["account"] for question in result.questions)
    assert first == long
    assert second.endswith("… (6,002 characters)")
    assert len(second) < 4_100


async def test_a_question_recorded_without_its_values_still_replays() -> None:
    """A trace whose questions do not say what they are about is none that differs."""
    flow = one(Bank().agent())
    trace = (await asked(flow, ScriptedModel([[pay()]]), MemoryStore())).trace
    older = [
        replace(r, events=tuple(replace(x, reads={}) if isinstance(x, VisitWaiting) else x for x in r.events))
        for r in trace.records
    ]
    assert any(a != b for a, b in zip(older, trace.records, strict=True))
    assert verify(replace(trace, records=older), flow.freeze()) is None


async def test_what_was_approved_is_not_bent_to_a_new_definition() -> None:
    """The code changed while the question waited: a call that no longer fits is told to the model, not carried out."""
    bank, store, booked = Bank(), MemoryStore(), list[tuple[str, int]]()
    model = ScriptedModel([[pay()], "Then I leave it."])
    result = await asked(one(bank.agent()), model, store)

    @tool(writes=True, approval="always", name="pay")
    def pay_in_euros(account: str, euros: int) -> str:
        booked.append((account, euros))
        return "paid"

    changed = one(Agent("Pay.", tools=[pay_in_euros]))
    await answer(store, result.run, result.questions[0].visit, "approve", by="ada")
    result = await resume(store, result.run, changed.freeze(), resources=[model], allow_changed=True)
    assert result.state.reply == "Then I leave it."
    assert (bank.paid, booked) == ([], [])
    (told,) = results_told(model.requests[-1])
    assert "cents" in told
    assert "euros" in told


async def test_a_declined_call_is_told_to_the_model() -> None:
    """What a person declines is not carried out; the model hears so and goes on without."""
    bank, store = Bank(), MemoryStore()
    flow = one(bank.agent())
    model = ScriptedModel([[pay()], "then not"])
    result = await asked(flow, model, store)
    await answer(store, result.run, result.questions[0].visit, "decline")
    result = await resume(store, result.run, flow.freeze(), resources=[model])
    assert (result.state.reply, bank.paid) == ("then not", [])
    assert "declined" in results_told(model.requests[-1])[0]


async def test_each_call_is_approved_for_itself() -> None:
    """Two calls beside each other have a question each; an answer belongs to one call and its arguments."""
    bank, store = Bank(), MemoryStore()
    flow = one(bank.agent())
    model = ScriptedModel([[pay("A", 1, "p1"), pay("B", 2, "p2")], "done"])
    result = await asked(flow, model, store)
    first, second = result.questions
    await answer(store, result.run, first.visit, "decline")
    await answer(store, result.run, second.visit, "approve")
    result = await resume(store, result.run, flow.freeze(), resources=[model])
    assert bank.paid == [("B", 2)]
    assert [("declined" in text) for text in results_told(model.requests[-1])] == [True, False]
    assert result.status == "completed"


async def test_a_predicate_decides_by_the_checked_arguments() -> None:
    """A function of the arguments says whether to ask; a function that raises means yes."""
    bank = Bank()

    def is_much(arguments: Mapping[str, Any]) -> bool:
        return bool(arguments["cents"] > 500)

    few = bank.agent(approval=is_much)
    model = ScriptedModel([[pay(cents=500)], "done"])
    result = await run(one(few).freeze(), Desk(), resources=[model])
    assert (result.status, bank.paid) == ("completed", [("A", 500)])
    model = ScriptedModel([[pay(cents=501)]])
    result = await run(one(few).freeze(), Desk(), resources=[model])
    assert result.status == "suspended"

    def broken(arguments: object) -> bool:
        raise KeyError(str(arguments))

    result = await run(one(bank.agent(approval=broken)).freeze(), Desk(), resources=[ScriptedModel([[pay()]])])
    assert result.status == "suspended"
    assert bank.paid == [("A", 500)]


async def test_nobody_is_asked_about_a_call_that_cannot_be_carried_out() -> None:
    """Wrong arguments and text that is no JSON go back to the model without a question."""
    bank = Bank()
    wrong = [pay(cents=-1), ToolCall(id="p2", name="pay", raw="{account: "), ToolCall(id="p3", name="lend")]
    model = ScriptedModel([wrong, "sorry"])
    result = await run(one(bank.agent()).freeze(), Desk(), resources=[model])
    assert (result.status, bank.paid) == ("completed", [])
    told = results_told(model.requests[-1])
    assert sorted(text[:20] for text in told) == sorted(
        ["There is no tool 'le", "the arguments of pay", "The arguments of pay"]
    )


async def test_reading_tools_run_before_anybody_is_asked() -> None:
    """Calls that need nobody's consent are carried out while the question is open, before the agent goes on."""
    bank, store = Bank(), MemoryStore()
    flow = one(bank.agent())
    model = ScriptedModel([[pay(), ToolCall(id="l1", name="look")], "done"])
    result = await asked(flow, model, store)
    assert [v.name for v in account(result.trace).visits.values() if v.name == "tool"] == ["tool"]
    await answer(store, result.run, result.questions[0].visit, "approve")
    await resume(store, result.run, flow.freeze(), resources=[model])
    assert results_told(model.requests[-1]) == ["looked", "paid 100 to A"]


# -- calls that fail --------------------------------------------------------------------------------------------------


async def test_a_tool_says_itself_how_often_it_is_tried() -> None:
    """Each failed attempt of a call is an event with its error, and waits as its tool says; the model hears the end."""
    tries: dict[str, int] = {"flaky": 0, "firm": 0}

    @tool(retry=Retry(attempts=3, wait_s=2, factor=5, jitter=0))
    async def flaky() -> str:
        tries["flaky"] += 1
        if tries["flaky"] < 3:
            raise ConnectionError("no route")
        return "there"

    async def firm() -> str:
        tries["firm"] += 1
        raise ConnectionError("the password is hunter2")

    calls = [ToolCall(id="1", name="flaky"), ToolCall(id="2", name="firm")]
    flow, model, clock = one(Agent("Try.", tools=[flaky, firm])), ScriptedModel([calls, "done"]), ManualClock()
    events: list[Any] = []
    start = clock.now()
    going = asyncio.ensure_future(run(flow.freeze(), Desk(), resources=[model], clock=clock, on_event=events.append))
    await clock.run_out(going)
    result = await going
    assert tries == {"flaky": 3, "firm": 1}
    retried = [e for e in events if isinstance(e, AttemptRetried)]
    assert [(e.node, e.attempt, e.error.type) for e in retried] == [
        ("tool", 1, "ToolFailed"),
        ("tool", 2, "ToolFailed"),
    ]
    assert "ConnectionError: no route" in retried[0].error.message
    assert [e.due - start for e in retried] == [2.0, 12.0]
    told = results_told(model.requests[-1])
    assert told[0] == "there"
    assert "hunter2" not in told[1]
    (noted,) = [v.notes["error"] for v in account(result.trace).visits.values() if "error" in v.notes]
    assert noted == "ConnectionError: the password is hunter2"
    assert verify(result.trace, flow.freeze()) is None


async def test_a_tool_is_not_tried_again_for_what_another_attempt_cannot_mend() -> None:
    """A policy names its errors, a slow call is one of them, and wrong results are none."""
    tries: list[str] = []

    @tool(retry=Retry(attempts=2, wait_s=0, on=("ToolTimeout",)), timeout_s=0.01)
    async def slow(kind: str) -> str:
        tries.append(kind)
        if kind == "late":
            await asyncio.Event().wait()
        raise LookupError(kind)

    @tool(retry=5)
    def odd() -> object:
        tries.append("odd")
        return object()

    calls = [
        ToolCall(id="1", name="slow", arguments={"kind": "late"}),
        ToolCall(id="2", name="slow", arguments={"kind": "wrong"}),
        ToolCall(id="3", name="odd"),
    ]
    model = ScriptedModel([calls, "done"])
    await run(one(Agent("Try.", tools=[slow, odd])).freeze(), Desk(), resources=[model])
    assert sorted(tries) == ["late", "late", "odd", "wrong"]
    assert "took longer than 0.01 s" in results_told(model.requests[-1])[0]


async def test_a_model_that_does_not_learn_how_to_call_ends_in_an_error_that_names_the_call() -> None:
    """Calls that cannot be carried out go back to the model, `repairs` turns in a row; a good turn begins anew."""

    def look(number: int) -> str:
        return f"seen {number}"

    wrong, unknown, good = Turn.call("look", number="many"), Turn.call("lok", number=1), Turn.call("look", number=1)
    agent = Agent("Look.", tools=[look], repairs=1, max_turns=50)
    flow = one(agent)
    result = await run(flow.freeze(), Desk(), resources=[ScriptedModel([wrong, good, unknown, good, "done"])])
    assert result.status == "completed"
    result = await run(flow.freeze(), Desk(), resources=[ScriptedModel([good, wrong, unknown])])
    assert result.error is not None
    assert result.error.type == "CallRefused"
    assert "2 times in a row" in result.error.message
    assert "There is no tool 'lok'. The tools are: look." in result.error.message


async def test_calls_of_one_turn_are_bounded_and_their_results_in_order() -> None:
    """At most `at_once` calls run at the same time; the model hears them in the order in which it made them."""
    live, most = 0, 0

    async def wait(number: int) -> str:
        nonlocal live, most
        live += 1
        most = max(most, live)
        for _ in range(10 - number):
            await asyncio.sleep(0)
        live -= 1
        return f"{number}"

    calls = [ToolCall(id=f"{n}", name="wait", arguments={"number": n}) for n in range(9)]
    model = ScriptedModel([calls, "done"])
    await run(one(Agent("Wait.", tools=[wait], at_once=3)).freeze(), Desk(), resources=[model])
    assert most == 3
    assert results_told(model.requests[-1]) == [f"{n}" for n in range(9)]


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        (Agent("I.", at_once=0), "at_once"),
        (Agent("I.", tools=[dataclasses.replace(tool_from(len_of), timeout_s=0)]), "timeout_s of tool 'len_of'"),
    ],
)
def test_bounds_that_allow_nothing_are_mistakes(agent: Agent, says: str) -> None:
    """A bound of nothing is found when the flow is frozen."""
    with pytest.raises(DefinitionError, match=says):
        one(agent).freeze()


# -- crashes ----------------------------------------------------------------------------------------------------------


def test_a_writing_call_that_was_cut_off_is_asked_about() -> None:
    """After a crash in the middle of a call that changes the world, a person decides whether it runs again."""
    tries: list[str] = []

    @tool(writes=True)
    async def pay(cents: int) -> str:
        tries.append(f"{cents}")
        if len(tries) == 1:
            raise SystemExit(3)
        return "paid"

    flow, store = one(Agent("Pay.", tools=[pay])), MemoryStore()
    model = ScriptedModel([Turn.call("pay", cents=5), "done"])
    with pytest.raises(SystemExit):
        asyncio.run(run(flow.freeze(), Desk(), store=store, run_id="r1", resources=[model]))

    async def go_on() -> Result[Any]:
        result = await resume(store, "r1", flow.freeze(), resources=[model])
        assert result.status == "suspended"
        assert "may or may not" in result.questions[0].question
        await answer(store, "r1", result.questions[0].visit, "retry")
        return await resume(store, "r1", flow.freeze(), resources=[model])

    assert asyncio.run(go_on()).state.reply == "done"
    assert tries == ["5", "5"]
    assert len(model.requests) == 2


def test_what_was_answered_is_not_asked_again_after_a_crash() -> None:
    """The last turn of a tool loop and the answer made of it are requests of their own: a crash repeats only one."""

    class Dying(ScriptedModel):
        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            if request.output_schema is not None and self.remaining == 1 and not self.died:
                self.died = True
                raise SystemExit(3)
            return await super().respond(request, emit)

        died = False

    def look() -> str:
        return "seen"

    flow, store = one(Agent("Grade.", tools=[look]), "score"), MemoryStore()
    model = Dying([Turn.call("look"), "It is good.", Turn.fill(0.9)])
    with pytest.raises(SystemExit):
        asyncio.run(run(flow.freeze(), Desk(), store=store, run_id="r1", resources=[model]))
    assert asyncio.run(resume(store, "r1", flow.freeze(), resources=[model])).state.score == 0.9
    assert len(model.requests) == 3


# -- last answers -----------------------------------------------------------------------------------------------------


async def test_a_tool_calling_agent_may_write_data_or_choose() -> None:
    """After the last turn the answer is asked for in the form of the field, without tools, and repaired if need be."""

    def look() -> str:
        return "seen"

    model = ScriptedModel([Turn.call("look"), "It is good.", Turn.fill("good"), Turn.fill(0.9)])
    examples: list[tuple[str, Any]] = [("a", {"tool": "look", "arguments": {}}), ("b", 0.5)]
    agent = Agent("Grade.", tools=[look], examples=examples)
    result = await run(one(agent, "score").freeze(), Desk(message="m"), resources=[model])
    assert result.state.score == 0.9
    asked_for, mended = model.requests[2], model.requests[3]
    assert (asked_for.tools, asked_for.output_schema) == ((), {"type": "number"})
    assert asked_for.examples == (("b", 0.5),)
    assert asked_for.messages[-1].text == "Now give the final answer in the form asked for."
    assert [m.role for m in mended.messages[-4:]] == ["assistant", "user", "assistant", "user"]
    assert mended.tools == ()

    flow = Flow("decide", Desk)
    s = flow.state
    decide = flow.router("decide", Agent("Decide.", tools=[look]), reads=s.message, writes=s.verdict)
    flow.edge(decide, flow.end("paid"), on="pay")
    flow.edge(decide, flow.end("kept"), on="keep")
    model = ScriptedModel([Turn.call("look"), "I would keep it.", Turn.choose("keep", 0.7)])
    chosen = await run(flow.freeze(), Desk(message="m"), resources=[model])
    assert chosen.state.verdict == "keep"
    assert model.requests[2].labels == ("pay", "keep")


async def test_an_answer_that_is_no_json_is_mended_too() -> None:
    """A model that answers in prose where data was asked for is told so, instead of being asked the same again."""
    model = ScriptedModel(["Rather good, I think.", Turn.fill(0.8)])
    result = await run(one(Agent("Grade."), "score").freeze(), Desk(message="m"), resources=[model])
    assert result.state.score == 0.8
    assert "not JSON" in model.requests[1].messages[-1].text


# -- costs ------------------------------------------------------------------------------------------------------------


async def test_tokens_and_cost_are_known_per_visit_and_per_run() -> None:
    """Each request is on record with its model, tokens and price; the run has their sum."""

    def look() -> str:
        return "seen"

    spent = Usage(input_tokens=1000, output_tokens=100, cached_tokens=0, reasoning_tokens=0)
    model = ScriptedModel([Turn.call("look"), "done"], name="gpt-5-mini", usage=spent)
    result = await run(one(Agent("Look.", tools=[look])).freeze(), Desk(message="m"), resources=[model])
    visits = account(result.trace).visits
    prices = [visits[v].usage for v in ("0/0", "0/2")]
    assert [(u.model, u.input_tokens, u.output_tokens) for u in prices if u] == [("gpt-5-mini", 1000, 100)] * 2
    each = prices[0].cost_usd if prices[0] else None
    assert each is not None
    assert 0 < each < 0.01
    assert result.usage.tokens == 2200
    assert result.usage.cost_usd == pytest.approx(2 * each)


async def test_what_is_not_known_is_not_zero() -> None:
    """A model without a price, or an endpoint that reports no tokens, leaves the cost unknown."""
    model = ScriptedModel([Reply(text="done", model="gpt-5-mini")], name="gpt-5-mini")
    result = await run(one(Agent("Say.")).freeze(), Desk(message="m"), resources=[model])
    usage = account(result.trace).visits["0/0"].usage
    assert usage is not None
    assert (usage.input_tokens, usage.cost_usd) == (None, None)
    unpriced = await run(one(Agent("Say.")).freeze(), Desk(message="m"), resources=[ScriptedModel(["done"])])
    assert (unpriced.usage.uncounted, unpriced.usage.unpriced) == (0, 1)
    assert (result.usage.uncounted, result.usage.unpriced) == (1, 1)
    usage = account(unpriced.trace).visits["0/0"].usage
    assert usage is not None
    assert (usage.input_tokens, usage.cost_usd) == (10, None)


async def test_a_cut_answer_is_noted() -> None:
    """Text that the token limit cut is taken, and its record says that it was cut."""
    model = ScriptedModel([Turn(chunks=("Once upon a",), finish="length")])
    result = await run(one(Agent("Tell.", max_tokens=3)).freeze(), Desk(message="m"), resources=[model])
    assert result.state.reply == "Once upon a"
    assert account(result.trace).visits["0/0"].notes == {"finish": "length"}


# -- retries and streams ----------------------------------------------------------------------------------------------


async def test_retries_are_events_and_wait_as_long_as_the_endpoint_asks() -> None:
    """Each failed attempt is an event with its error; a wish of the endpoint to wait longer is granted."""
    busy = RateLimited("busy", endpoint="e", model="m", status=429, retry_after_s=30)
    late = ModelTimeout("late", endpoint="e", model="m")
    model = ScriptedModel([Turn.fail(busy), Turn.fail(late), "done"])
    clock = ManualClock()
    events: list[Any] = []
    graph = one(Agent("Say.")).freeze()
    going = asyncio.ensure_future(run(graph, Desk(message="m"), resources=[model], clock=clock, on_event=events.append))
    await clock.run_out(going)
    retried = [e for e in events if isinstance(e, AttemptRetried)]
    assert [(e.visit, e.attempt, e.error.type) for e in retried] == [
        ("0/0", 1, "RateLimited"),
        ("0/0", 2, "ModelTimeout"),
    ]
    assert retried[0].error.detail["status"] == 429
    assert clock.monotonic() >= 30
    assert going.result().state.reply == "done"


async def test_a_quota_that_is_used_up_is_not_asked_again() -> None:
    """Though it comes with the status of a busy endpoint, waiting does not help; three attempts would only cost."""
    model = ScriptedModel([Turn.fail(QuotaExhausted("no credit", endpoint="e", model="m", status=429))])
    result = await run(one(Agent("Say.")).freeze(), Desk(message="m"), resources=[model])
    assert result.error is not None
    assert (result.error.type, len(model.requests)) == ("QuotaExhausted", 1)


async def test_a_policy_of_the_author_is_taken_as_it_is() -> None:
    """A `Retry` says itself which failures are worth another attempt, also those that the agent's own would not."""
    model = ScriptedModel([Turn.fail(ValueError("odd")), "done"])
    result = await run(
        one(Agent("Say.", retry=Retry(attempts=2, wait_s=0))).freeze(), Desk(message="m"), resources=[model]
    )
    assert result.state.reply == "done"


async def test_deltas_tell_which_visit_speaks() -> None:
    """Text of every turn is streamed as it comes, under the visit that says it."""

    def look() -> str:
        return "seen"

    model = ScriptedModel([Turn(chunks=("Let me ", "look."), tool_calls=(ToolCall(id="1", name="look"),)), "It is."])
    events = stream(one(Agent("Look.", tools=[look])).freeze(), Desk(message="m"), resources=[model])
    heard = [(e.visit, e.text) async for e in events if isinstance(e, Delta)]
    assert heard == [("0/0", "Let me "), ("0/0", "look."), ("0/2", "It is.")]


async def test_an_open_question_is_an_event_of_the_stream() -> None:
    """Whoever watches a run sees what it waits for, and where."""
    events = stream(one(Bank().agent()).freeze(), Desk(message="m"), resources=[ScriptedModel([[pay()]])])
    waiting = [e async for e in events if isinstance(e, VisitWaiting)]
    assert [e.node for e in waiting] == ["approve pay"]
    assert events.result.status == "suspended"


# -- mistakes ---------------------------------------------------------------------------------------------------------

NONSENSE: list[tuple[Any, str]] = [
    ("no pair", "is no pair"),
    (({"massage": "m"}, "x"), "gives 'massage'"),
    ((3, "x"), "input of type int"),
    (("m", {"tool": "lend", "arguments": {}}), "calls 'lend'"),
    (("m", "perhaps"), "answers 'perhaps', which is none of pay, keep"),
]


@pytest.mark.parametrize(("example", "says"), NONSENSE)
def test_examples_that_teach_nonsense_are_found_before_a_run(example: Any, says: str) -> None:
    """Each example is checked against what the node reads and writes when the flow is frozen."""
    flow = Flow("decide", Desk)
    s = flow.state
    decide = flow.router("decide", Agent("Decide.", examples=[example]), reads=s.message, writes=s.verdict)
    flow.edge(decide, flow.end("paid"), on="pay")
    flow.edge(decide, flow.end("kept"), on="keep")
    with pytest.raises(DefinitionError, match=says):
        flow.freeze()


def test_an_example_that_does_not_fit_the_field_is_found_before_a_run() -> None:
    """Data in an example fits the written field; text for a field of text is always good."""
    with pytest.raises(DefinitionError, match=r"wants \['high'\], which does not fit float"):
        one(Agent("Grade.", examples=[("m", ["high"])]), "score").freeze()
    with pytest.raises(DefinitionError, match="repairs is -1"):
        one(Agent("Grade.", repairs=-1), "score").freeze()
    one(Agent("Grade.", examples=[("m", 0.5)]), "score").freeze()


async def test_answers_of_no_use_are_paid_too() -> None:
    """What was spent on no JSON and on no label counts; where it is not known, the sum is unknown, never less."""
    flow = Flow("desk", Desk)
    flow.agent("grade", Agent("Grade.", retry=1), reads=flow.state.message, writes=flow.state.score)
    mended = await flow.run(Desk(), resources=[ScriptedModel(["no idea", Turn.fill(0.5)])])
    used = account(mended.trace).totals.usage
    assert used is not None
    assert (used.input_tokens, used.output_tokens) == (20, 10)

    flow = Flow("desk", Desk)
    judge = flow.router("judge", Agent("Judge.", retry=1), reads=flow.state.message, writes=flow.state.verdict)
    flow.edge(judge, flow.end("over"))
    failed = await flow.run(Desk(), resources=[ScriptedModel(["whatever"])])
    assert (failed.status, used := account(failed.trace).totals.usage) != ("completed", None)
    assert used is not None
    assert (used.input_tokens, used.output_tokens) == (10, 5)

    class Silent(ScriptedModel):
        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            raise ModelBehavior("it said something odd")

    odd = await flow.run(Desk(), resources=[Silent([])])
    used = account(odd.trace).totals.usage
    assert used is not None
    assert (used.input_tokens, used.cost_usd) == (None, None)


async def test_a_retry_for_all_errors_does_not_repeat_what_is_certain() -> None:
    """That turns or repairs are used up, or a guardrail blocked, is said once; a broken request is still made again."""

    def look() -> str:
        """Look."""
        return "here"

    def no(_text: str) -> str:
        return "never"

    cases: list[tuple[Agent, str, str]] = [
        (Agent("Grade.", repairs=0), "score", "refused"),
        (Agent("Look.", tools=[look], max_turns=1), "reply", "turn limit"),
        (Agent("Look.", tools=[look], repairs=0), "reply", "calls refused"),
        (Agent("Say.", guardrails=[on_input(no)]), "reply", "stop no"),
    ]
    for agent, field, node in cases:
        flow = Flow("desk", Desk)
        flow.agent(
            "clerk", agent, reads=flow.state.message, writes=getattr(flow.state, field), retry=Retry(3, wait_s=0)
        )
        call = Turn.call("nothing") if node == "calls refused" else Turn.call("look") if agent.tools else "text"
        script = ScriptedModel([ValueError("broken"), call, "more"])
        result = await flow.run(Desk(), resources=[script])
        told = account(result.trace).visits.values()
        assert [len(v.attempts) for v in told if v.node.name == node] == [1], node
        if node != "stop no":
            assert [len(v.attempts) for v in told if v.node.name == "model"] == [2], node


# -- tools at their worst ---------------------------------------------------------------------------------------------


async def test_a_tool_that_is_cancelled_from_within_is_a_failed_call() -> None:
    """Of three calls beside each other one is cancelled by what it called: the others' results and the run go on."""

    async def slow(number: int) -> str:
        await asyncio.sleep(0.01)
        return f"result {number}"

    async def broken() -> str:
        inner = asyncio.ensure_future(asyncio.sleep(30))
        asyncio.get_running_loop().call_soon(inner.cancel)
        await inner
        return "never"

    calls = [
        ToolCall(id="1", name="slow", arguments={"number": 1}),
        ToolCall(id="2", name="broken"),
        ToolCall(id="3", name="slow", arguments={"number": 3}),
    ]
    model = ScriptedModel([calls, [ToolCall(id="4", name="broken")], "done"])
    result = await run(one(Agent("Try.", tools=[slow, broken])).freeze(), Desk(), resources=[model])
    assert (result.status, result.state.reply) == ("completed", "done")
    failed = "tool broken failed; its arguments were in order, so calling it again may not help"
    assert results_told(model.requests[1]) == ["result 1", failed, "result 3"]
    assert results_told(model.requests[2])[-1] == failed, "also where the call stands alone"
    noted = [v.notes["error"] for v in account(result.trace).visits.values() if "error" in v.notes]
    assert noted == ["CallCancelled: tool broken was cancelled by what it called itself"] * 2


async def test_a_huge_result_and_one_that_is_no_json() -> None:
    """Three megabytes are cut before they are recorded; what has no JSON form is told to the model as such."""

    def huge() -> str:
        return "x" * 3_000_000

    def odd() -> object:
        return object()

    model = ScriptedModel([[ToolCall(id="1", name="huge"), ToolCall(id="2", name="odd")], "done"])
    result = await run(one(Agent("Try.", tools=[huge, odd])).freeze(), Desk(), resources=[model])
    assert result.state.reply == "done"
    cut, none = results_told(model.requests[1])
    assert cut.endswith("… [2980000 more characters cut]")
    assert none.startswith("tool odd returned a value of type object, which is neither text nor JSON")
    assert len(encode_trace(result.trace)) < 100_000


async def test_a_model_that_says_nothing_is_marked() -> None:
    """An empty answer may be meant, so it is written; that nothing was said stands on record, also behind tools."""
    flow = one(Agent("Say."))
    result = await run(flow.freeze(), Desk(), resources=[ScriptedModel(["  "])])
    assert (result.status, result.state.reply) == ("completed", "")
    (mark,) = account(result.trace).visits["0/0"].marks
    assert (mark.by, mark.what, mark.text, mark.facts) == ("model", "silent", "answered nothing", {"finish": "stop"})

    def look() -> str:
        """Look."""
        return "nothing there"

    model = ScriptedModel([[ToolCall(id="1", name="look")], ""])
    result = await run(one(Agent("Say.", tools=[look])).freeze(), Desk(), resources=[model])
    marks = {v.id: [m.what for m in v.marks] for v in account(result.trace).visits.values() if v.marks}
    assert marks == {"0/2": ["silent"]}, "a turn that calls tools is not silent"
