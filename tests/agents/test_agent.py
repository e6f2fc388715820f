"""An agent is a small graph: what it asks the model, what it does with the answer, and what the trace tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from graphrt import Agent, Context, DefinitionError, Flow, Retry, append, tool
from graphrt.account import account
from graphrt.agents import FilePart, ImagePart, Message, Reply, TextPart, ToolCall, user
from graphrt.agents.errors import ModelBehavior, ModelUnavailable, OutputRefused, TurnLimit
from graphrt.replay import verify
from graphrt.runtime import Delta, run, stream
from graphrt.testing.scripted import ScriptedModel, Turn

if TYPE_CHECKING:
    from graphrt.agents import ModelRequest

pytestmark = pytest.mark.anyio


class Talk(BaseModel):
    """A state with a field of each kind that an agent can write."""

    message: str = ""
    facts: list[str] = []
    topic: Literal["billing", "bug"] | None = None
    reply: str = ""
    score: float = 0.0
    notes: Annotated[list[str], append] = []


def one(agent: Agent, *, writes: str = "reply", reads: tuple[str, ...] = ("message",)) -> Flow[Talk]:
    """Return a flow of one agent node."""
    flow = Flow("talk", Talk)
    state = flow.state
    flow.agent("agent", agent, reads=tuple(getattr(state, r) for r in reads), writes=getattr(state, writes))
    return flow


def unavailable() -> ModelUnavailable:
    """Return an error that another attempt may mend."""
    return ModelUnavailable("no answer", endpoint="nowhere", model="scripted")


async def test_text_is_written_and_streamed() -> None:
    """The text of a model without tools is streamed as deltas and written to the field; usage is in the record."""
    model = ScriptedModel([Turn.say("Good ", "day.")])
    events = stream(one(Agent("Greet.")).freeze(), Talk(message="Hi"), resources=[model])
    pieces = [event.text async for event in events if isinstance(event, Delta)]
    result = events.result
    assert pieces == ["Good ", "day."]
    assert result.state.reply == "Good day."
    told = account(result.trace)
    assert told.visits["0/0"].usage is not None
    assert told.visits["0/0"].usage.output_tokens == 5
    assert model.requests[0].instructions == "Greet."
    assert model.requests[0].messages[0].text == "Hi"


async def test_several_reads_become_named_lines() -> None:
    """Several fields are put before the model by name; a prompt with placeholders puts them where it wants them."""
    state = Talk(message="Where?", facts=["a", "b"])
    model = ScriptedModel(["x", "y"])
    await run(one(Agent("I."), reads=("message", "facts")).freeze(), state, resources=[model])
    shaped = Agent("I.", prompt="Q {message} F {facts} {not a name}")
    await run(one(shaped, reads=("message", "facts")).freeze(), state, resources=[model])
    assert model.requests[0].messages[0].text == "message: Where?\nfacts: - a\n- b"
    assert model.requests[1].messages[0].text == "Q Where? F - a\n- b {not a name}"


async def test_instructions_name_fields() -> None:
    """A field in braces is filled in, and not said again in the input; no other braces are touched."""
    state = Talk(message="Where?", facts=["a", "b"])
    model = ScriptedModel(["w", "x", "y", "z"])
    told = 'You know: {facts} Answer as {"message": "…"}, {topic}, {} or { facts }.'
    agent = Agent(told, examples=[({"message": "m", "facts": ["f"]}, "out")])
    await run(one(agent, reads=("message", "facts")).freeze(), state, resources=[model])
    assert model.requests[0].instructions == (
        'You know: - a\n- b Answer as {"message": "…"}, {topic}, {} or { facts }.'
    )
    assert [m.text for m in model.requests[0].messages] == ["Where?"]
    assert model.requests[0].examples == (("m", "out"),)
    await run(one(Agent("About {message}."), reads=("message",)).freeze(), state, resources=[model])
    assert [m.text for m in model.requests[1].messages] == ["Now it is your turn."]
    both = Agent("About {message}.", prompt="Again: {message}")
    await run(one(both, reads=("message",)).freeze(), state, resources=[model])
    assert [(r.instructions, r.messages[0].text) for r in model.requests[2:]] == [("About Where?.", "Again: Where?")]


async def test_what_fills_instructions_is_not_read_for_fields() -> None:
    """Braces in a value are text: a stranger's message cannot pull another field into the instructions."""
    state = Talk(message="{facts}", facts=["secret"])
    model = ScriptedModel(["x"])
    await run(one(Agent("On {message}: {facts}"), reads=("message", "facts")).freeze(), state, resources=[model])
    assert model.requests[0].instructions == "On {facts}: - secret"


class Awkward(BaseModel):
    context: str = "rain"
    messages: str = "two"
    output: str = ""
    score: int = 0


def weigh(text: str) -> int:
    """Weigh a text."""
    return len(text)


@pytest.mark.parametrize("agent", [Agent("I."), Agent("I.", tools=[weigh])], ids=["plain", "with tools"])
@pytest.mark.parametrize("writes", ["output", "score"])
async def test_fields_may_be_named_as_an_agent_names_its_own(agent: Agent, writes: str) -> None:
    """A field called `context`, `messages` or `output` is read and written like any other."""
    flow = Flow("awkward", Awkward)
    s = flow.state
    flow.agent("agent", agent, reads=(s.context, s.messages, s.output), writes=getattr(s, writes))
    model = ScriptedModel(["3", "3"])
    result = await run(flow.freeze(), Awkward(), resources=[model])
    assert result.status == "completed", result.error
    assert str(getattr(result.state, writes)) == "3"
    assert model.requests[0].messages[0].text == "context: rain\nmessages: two\noutput: "


async def test_a_router_answers_one_of_its_labels() -> None:
    """A router's model chooses among the answers; the scores stand in the record and the answer is the outcome."""
    flow = Flow("route", Talk)
    s = flow.state
    triage = flow.router("triage", Agent("Sort."), reads=s.message, writes=s.topic)

    @flow.task(writes=s.reply)
    def bill() -> str:
        return "bill"

    @flow.task(writes=s.reply)
    def fix() -> str:
        return "fix"

    flow.edge(triage, bill, on="billing")
    flow.edge(triage, fix, on="bug")
    model = ScriptedModel([Turn.choose("bug", 0.9)])
    result = await run(flow.freeze(), Talk(message="it crashes"), resources=[model])
    told = account(result.trace)
    assert (result.state.topic, result.state.reply) == ("bug", "fix")
    assert told.visits["0"].outcome == "bug"
    assert told.visits["0/0"].notes == {"scores": {"billing": 0.1, "bug": 0.9}}
    assert model.requests[0].labels == ("billing", "bug")


async def test_other_types_are_filled_by_schema_and_validated() -> None:
    """A field that is not text is asked for by its schema; what does not fit goes back to the model with the reason."""
    model = ScriptedModel([Turn.fill("no number"), Turn.fill(0.75)])
    result = await run(one(Agent("Grade."), writes="score").freeze(), Talk(message="x"), resources=[model])
    visits = account(result.trace).visits
    assert result.state.score == 0.75
    assert model.requests[0].output_schema == {"type": "number"}
    assert [m.role for m in model.requests[1].messages] == ["user", "assistant", "user"]
    assert "valid number" in model.requests[1].messages[-1].text
    assert [v for v in visits if v.startswith("0/")] == ["0/0", "0/1", "0/2"]
    assert visits["0/0"].writes["refused"].startswith("model scripted answered '\"no number\"'")


async def test_data_that_never_fits_is_an_error_that_an_edge_can_catch() -> None:
    """After the repairs the agent fails with OutputRefused, which names the field, its type and what came."""
    flow = Flow("stubborn", Talk)
    s = flow.state
    grade = flow.agent("grade", Agent("Grade.", repairs=1), reads=s.message, writes=s.score)

    @flow.task(writes=s.reply)
    def give_up() -> str:
        return "no grade"

    flow.edge(grade, give_up, on=OutputRefused)
    model = ScriptedModel(lambda _: Turn.fill("high"))
    result = await run(flow.freeze(), Talk(message="x"), resources=[model])
    assert result.state.reply == "no grade"
    assert len(model.requests) == 2
    error = account(result.trace).visits["0/2"].attempts[-1].error
    assert error is not None
    assert "'\"high\"', which does not fit field 'score' (float)" in error.message
    assert "2 times over" in error.message
    model = ScriptedModel([Turn.fill("high")])
    once = await run(one(Agent("Grade.", repairs=0), writes="score").freeze(), Talk(message="x"), resources=[model])
    assert (once.status, once.error.type if once.error else "") == ("failed", "OutputRefused")


async def test_failures_worth_another_try_are_retried() -> None:
    """A passing fault of the model is retried within the agent's budget; others fail at once."""
    agent = Agent("Try.", retry=Retry(attempts=3, wait_s=0))
    model = ScriptedModel([Turn.fail(unavailable()), Turn.fail(unavailable()), "done"])
    result = await run(one(agent).freeze(), Talk(), resources=[model])
    assert result.state.reply == "done"
    model = ScriptedModel([Turn.fail(ValueError("a mistake of the author"))])
    failed = await run(one(Agent("Try.")).freeze(), Talk(), resources=[model])
    assert failed.status == "failed"
    assert len(model.requests) == 1


async def test_tools_are_visits_and_their_results_reach_the_model_in_order() -> None:
    """Calls of one turn are visits beside each other; the model then sees the results in the order of its calls."""
    seen: list[str] = []

    def find(number: str, context: Context) -> str:
        seen.append(context.visit)
        return f"order {number}"

    calls = [
        ToolCall(id="c1", name="find", arguments={"number": "A"}),
        ToolCall(id="c2", name="find", arguments={"number": "B"}),
    ]
    model = ScriptedModel([calls, "found both"])
    graph = one(Agent("Look.", tools=[find])).freeze()
    result = await run(graph, Talk(message="A and B"), resources=[model])
    assert result.state.reply == "found both"
    assert sorted(seen) == ["0/0.0-0.0", "0/0.0-1.0"]
    assert [m.text for m in model.requests[1].messages] == ["A and B", "", "order A", "order B"]
    assert verify(result.trace, graph) is None


async def test_what_goes_wrong_with_a_tool_is_told_to_the_model() -> None:
    """An unknown tool, arguments that do not fit and a raising tool are answered with text; messages do not leak."""

    def find(number: Annotated[int, Field(gt=0)]) -> str:
        raise RuntimeError(f"secret {number}")

    wanted: list[Any] = [
        ToolCall(id="1", name="lose", arguments={}),
        ToolCall(id="2", name="find", arguments={"number": -1}),
        ToolCall(id="3", name="find", arguments={}, raw="{number: "),
        ToolCall(id="4", name="find", arguments={"number": 7}),
    ]
    model = ScriptedModel([wanted, "sorry"])
    result = await run(one(Agent("Look.", tools=[find])).freeze(), Talk(), resources=[model])
    told = [m for m in model.requests[1].messages if m.role == "tool"]
    assert result.state.reply == "sorry"
    assert [m.failed for m in told] == [True] * 4
    assert "no tool 'lose'" in told[0].text
    assert "number" in told[1].text
    assert "not a JSON object" in told[2].text
    assert "secret" not in told[3].text


async def test_the_turn_limit_is_an_error_that_an_edge_can_catch() -> None:
    """An agent that keeps calling tools stops after `max_turns` requests, with an error of its own."""

    def look() -> str:
        return "nothing"

    flow = Flow("limit", Talk)
    s = flow.state
    agent = flow.agent("agent", Agent("Look.", tools=[look], max_turns=2), reads=s.message, writes=s.reply)

    @flow.task(writes=s.reply)
    def give_up() -> str:
        return "gave up"

    flow.edge(agent, give_up, on=TurnLimit)
    model = ScriptedModel(lambda _: Turn.call("look"))
    result = await run(flow.freeze(), Talk(), resources=[model])
    assert result.state.reply == "gave up"
    assert len(model.requests) == 2


async def test_tools_that_write_come_after_those_that_read() -> None:
    """Calls that change the world run after the others of their turn, and ask a person after a crash."""
    order: list[str] = []

    def read() -> str:
        order.append("read")
        return "r"

    @tool(writes=True)
    def pay() -> str:
        order.append("pay")
        return "p"

    flow = one(Agent("Do.", tools=[pay, read]))
    inner = flow.freeze().nodes[0].graph
    assert inner is not None
    assert inner.by_name["act"].on_crash == "ask"
    calls = [ToolCall(id="1", name="pay"), ToolCall(id="2", name="read")]
    model = ScriptedModel([calls, [ToolCall(id="3", name="pay")], "done"])
    result = await run(flow.freeze(), Talk(), resources=[model])
    assert order == ["read", "pay", "pay"]
    assert result.state.reply == "done"


async def test_an_agent_writes_through_the_reducer() -> None:
    """What an agent writes to a field with a reducer is one write of the reducer's input type."""
    result = await run(
        one(Agent("Note."), writes="notes").freeze(), Talk(notes=["old"]), resources=[ScriptedModel(["new"])]
    )
    assert list(result.state.notes) == ["old", "new"]


async def test_examples_are_put_as_the_input_is() -> None:
    """An example's input may be given by fields; it reaches the model in the form that the real input has."""
    agent = Agent("I.", examples=[({"message": "m", "facts": ["f"]}, "out"), ("text", "other")])
    model = ScriptedModel(["x"])
    await run(one(agent, reads=("message", "facts")).freeze(), Talk(message="q"), resources=[model])
    assert model.requests[0].examples == (("message: m\nfacts: - f", "out"), ("text", "other"))


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        (Agent("I.", prompt="{massage}"), "{massage}"),
        (Agent("I.", max_turns=0), "max_turns"),
    ],
)
async def test_mistakes_are_found_when_the_flow_is_frozen(agent: Agent, says: str) -> None:
    """A prompt that names an unknown field, and a limit that allows nothing, are mistakes of the definition."""
    with pytest.raises(DefinitionError, match=says.replace("{", r"\{").replace("}", r"\}")):
        one(agent).freeze()


async def test_a_request_tells_nothing_but_what_it_was_given() -> None:
    """Examples, temperature, seed and length reach the request unchanged: it is the complete key of a cache."""
    requests: list[ModelRequest] = []

    def note(request: ModelRequest) -> str:
        requests.append(request)
        return "x"

    agent = Agent("I.", temperature=0, seed=7, max_tokens=20)
    await run(one(agent).freeze(), Talk(message="m"), resources=[ScriptedModel(note)])
    assert (requests[0].temperature, requests[0].seed, requests[0].max_tokens) == (0, 7, 20)


class Claim(BaseModel):
    message: str = ""
    photos: list[ImagePart] = []
    receipt: FilePart | None = None
    talk: list[Message] = []
    reply: str = ""


@pytest.mark.parametrize("reads", [("message", "photos"), ("photos",), ("message", "receipt"), ("talk", "photos")])
async def test_pictures_and_files_are_shown_and_not_quoted(reads: tuple[str, ...]) -> None:
    """A field that holds pictures or files becomes parts of the message, behind the text of the others."""
    photos = [ImagePart(url=f"https://photos.example/{n}.png") for n in range(2)]
    receipt = FilePart(data="QUJD", media_type="application/pdf", name="receipt.pdf")
    flow = Flow("claims", Claim)
    s = flow.state
    flow.agent("look", Agent("Look."), reads=tuple(getattr(s, name) for name in reads), writes=s.reply)
    model = ScriptedModel(["seen"])
    state = Claim(message="It broke.", photos=photos, receipt=receipt, talk=[user("Look!")])
    result = await run(flow.freeze(), state, resources=[model])
    last = model.requests[0].messages[-1]
    assert last.role == "user"
    text = ["It broke."] if "message" in reads else []
    shown = [receipt] if "receipt" in reads else photos
    assert [part.text if isinstance(part, TextPart) else part for part in last.content] == [*text, *shown]
    assert verify(result.trace, flow.freeze()) is None


async def test_a_prompt_may_speak_of_pictures() -> None:
    """The author's text stands before them; an empty list of pictures shows none."""
    flow = Flow("claims", Claim)
    s = flow.state
    flow.agent("look", Agent("L.", prompt="Which is broken?"), reads=(s.message, s.photos), writes=s.reply)
    model = ScriptedModel(["the left", "none"])
    await run(flow.freeze(), Claim(photos=[ImagePart(url="https://p.example/a.png")]), resources=[model])
    await run(flow.freeze(), Claim(), resources=[model])
    first, second = (request.messages[-1] for request in model.requests)
    assert first.role == "user"
    assert [type(part).__name__ for part in first.content] == ["TextPart", "ImagePart"]
    assert second.text == "Which is broken?"


class Plan(BaseModel):
    """Data that a model fills in."""

    steps: list[str]


class Drafting(BaseModel):
    """Fields that begin as None, in the ways that authors write."""

    message: str = ""
    plan: Plan | None = None
    note: str | None = None
    least: Annotated[int, Field(gt=0)] | None = None
    open_plan: Plan | None = Plan(steps=["wait"])


def drafting(writes: str, **options: Any) -> Flow[Drafting]:
    """Return a flow of one agent that writes one of these fields."""
    flow = Flow("drafting", Drafting)
    s = flow.state
    flow.agent("draft", Agent("Draft.", **options), reads=s.message, writes=getattr(s, writes))
    return flow


async def test_none_is_no_answer_of_a_field_that_begins_as_none() -> None:
    """`Plan | None = None` asks the model for a plan: the schema has no null, and null is given back as wrong."""
    model = ScriptedModel([Reply(text="null"), {"steps": ["go"]}])
    result = await run(drafting("plan").freeze(), Drafting(), resources=[model])
    assert result.state.plan == Plan(steps=["go"])
    schema = model.requests[0].output_schema
    assert schema is not None
    assert (schema["type"], "anyOf" in schema) == ("object", False)
    model = ScriptedModel([Reply(text="0"), Reply(text="4")])
    assert (await run(drafting("least").freeze(), Drafting(), resources=[model])).state.least == 4
    assert model.requests[0].output_schema == {"exclusiveMinimum": 0, "type": "integer"}


async def test_text_of_a_field_that_begins_as_none_is_plain_text() -> None:
    """`str | None = None` is asked for as text, and streamed, not as JSON."""
    model = ScriptedModel(["Well."])
    result = await run(drafting("note").freeze(), Drafting(), resources=[model])
    assert result.state.note == "Well."
    assert model.requests[0].output_schema is None


@pytest.mark.parametrize(
    "flow",
    [
        pytest.param(drafting("plan", examples=[("nothing", None), ("a", {"steps": ["b"]})]), id="by an example"),
        pytest.param(drafting("open_plan"), id="by another default"),
    ],
)
async def test_none_is_an_answer_where_the_author_asks_for_it(flow: Flow[Drafting]) -> None:
    """An example that wants None, or a field that does not begin as None, lets the model say that there is none."""
    model = ScriptedModel([Reply(text="null")])
    state = (await run(flow.freeze(), Drafting(), resources=[model])).unwrap()
    assert state.plan is None
    schema = model.requests[0].output_schema
    assert schema is not None
    assert {"type": "null"} in schema["anyOf"]  # type: ignore[operator]  # a list


async def test_an_answer_that_comes_again_is_not_outwaited() -> None:
    """A model that answers the same request the same way each time is asked once: the agent fails as OutputRefused."""
    never: Any = ModelBehavior("model tiny cannot tell 'bug' from 'billing'", labels=["bug", "billing"])
    passing, never.fixed = ModelBehavior("once in a while"), True
    fast = Agent("Sort.", retry=Retry(5, wait_s=0, on=ModelBehavior))
    flow = Flow("sort", Talk)
    sort = flow.router("sort", fast, reads=flow.state.message, writes=flow.state.topic)
    flow.edge(sort, flow.end("told"), on="bug")
    flow.edge(sort, flow.end("paid"), on="billing")
    model = ScriptedModel([passing, never, "bug"])
    result = await run(flow.freeze(), Talk(message="x"), resources=[model])
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("OutputRefused", never.message)
    assert len(model.requests) == 2
