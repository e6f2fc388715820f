"""Models behind an endpoint: what is sent, and what is made of the many ways in which endpoints answer.

The client library and the wire are real: a loopback server answers byte by byte what each test says.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow
from graphrt.account import account
from graphrt.agents import ModelRequest, ToolCall, ToolSpec, assistant, system, tool_result, user
from graphrt.agents.errors import ModelBehavior, ModelError, NoModel, OutputTruncated, Refused
from graphrt.agents.messages import FilePart, ImagePart, TextPart
from graphrt.agents.models.openai import OpenAIModel
from graphrt.runtime import Delta
from graphrt.runtime import stream as run_stream
from graphrt.testing.endpoint import Answer, Endpoint, Received, calling, chunk, document, failure, sse, stream, usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from pydantic import JsonValue

pytestmark = pytest.mark.anyio

LOOK = ToolSpec(
    name="look",
    description="Look.",
    parameters={"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
)
SCORE: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"score": {"type": "number"}},
    "required": ["score"],
}


@asynccontextmanager
async def talking_to(
    answers: Sequence[Answer] | Callable[[Received], Answer], **options: Any
) -> AsyncGenerator[tuple[OpenAIModel, Endpoint]]:
    """Open an endpoint and a model that talks to it; give up the connections at the end."""
    async with Endpoint(answers) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, **options)
        yield model, endpoint
        await model.aclose()


def tool_piece(index: int | None, name: str, arguments: str | dict[str, JsonValue], call_id: str | None = None) -> Any:
    """Return a piece of a tool call as an endpoint streams it."""
    piece: dict[str, Any] = {"function": {"name": name, "arguments": arguments}, "type": "function"}
    if index is not None:
        piece["index"] = index
    if call_id is not None:
        piece["id"] = call_id
    return piece


def scored(text: str, *positions: dict[str, float]) -> Answer:
    """Stream a text with log probabilities: for each position, probabilities by token, the written one first."""
    import math

    content = [
        {
            "token": next(iter(tokens)),
            "logprob": math.log(next(iter(tokens.values()))),
            "top_logprobs": [{"token": t, "logprob": math.log(p)} for t, p in tokens.items()],
        }
        for tokens in positions
    ]
    frame: Any = chunk({"content": text})
    frame["choices"][0]["logprobs"] = {"content": content}
    return sse(frame, chunk({}, finish="stop"), usage())


# -- text -------------------------------------------------------------------------------------------------------------


async def test_text_comes_in_pieces_and_as_a_whole() -> None:
    """Each piece is emitted as it comes; the reply has the whole text, the tokens and the model that answered."""
    pieces: list[str] = []
    async with talking_to([stream("Hel", "lo")]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Hi"), pieces.append)
    assert pieces == ["Hel", "lo"]
    assert (reply.text, reply.finish, reply.model) == ("Hello", "stop", "double")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (10, 5)


async def test_what_is_sent() -> None:
    """Instructions, examples as earlier turns, the conversation and the settings; nothing that was not asked for."""
    request = ModelRequest(
        instructions="Be brief.",
        examples=(("2+2", "4"), ("Where?", {"tool": "look", "arguments": {"place": "here"}})),
        messages=(system("S"), user("U", name="Ada Lovelace"), assistant("A"), user("V")),
        tools=(LOOK,),
        temperature=0,
        seed=7,
        max_tokens=9,
        stop=("END",),
    )
    options: dict[str, Any] = {"extra": {"top_k": 3}, "headers": {"X-Team": "a"}}
    async with talking_to([stream("ok")], api_key="sk-test-1234567890", **options) as (model, endpoint):
        await model.respond(request)
        sent, headers = endpoint.requests[0].json, endpoint.requests[0].headers
    assert endpoint.requests[0].path == "/v1/chat/completions"
    assert (headers["authorization"], headers["x-team"]) == ("Bearer sk-test-1234567890", "a")
    messages: Any = sent.pop("messages")
    assert [(m["role"], m["content"]) for m in messages] == [
        ("system", "Be brief."),
        ("user", "2+2"),
        ("assistant", "4"),
        ("user", "Where?"),
        ("assistant", None),
        ("tool", "(the result of an example)"),
        ("system", "S"),
        ("user", "U"),
        ("assistant", "A"),
        ("user", "V"),
    ]
    assert messages[7]["name"] == "Ada_Lovelace"
    assert messages[4]["tool_calls"][0]["id"] == messages[5]["tool_call_id"]
    function = {"name": "look", "description": "Look.", "parameters": LOOK.parameters}
    assert sent == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "seed": 7,
        "max_tokens": 9,
        "stop": ["END"],
        "tools": [{"type": "function", "function": function}],
        "top_k": 3,
    }


async def test_the_key_of_the_environment_goes_to_its_own_endpoint_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a base URL, no key is sent that was not given for it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-environment")
    async with talking_to([stream("ok")]) as (model, endpoint):
        await model.respond(ModelRequest.prompt("Hi"))
        assert endpoint.requests[0].headers["authorization"] == "Bearer no-key-needed"
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(NoModel, match="OPENAI_API_KEY"):
        OpenAIModel("m")


async def test_a_conversation_with_tools_and_pictures_is_written_as_endpoints_want_it() -> None:
    """Calls keep their ids, results answer them, text that was no JSON goes back as JSON, pictures as data URLs."""
    call = ToolCall(id="c1", name="look", arguments={"place": "x"})
    broken = ToolCall(id="c2", name="look", raw="{place: ")
    picture = ImagePart(data="aGk=", media_type="image/png")
    file = FilePart(data="aGk=", media_type="text/plain", name="note.txt")
    request = ModelRequest(
        messages=(
            user([TextPart(text="See"), picture, file]),
            assistant("", call, broken),
            tool_result(call, "seen"),
            tool_result(broken, "not JSON", failed=True),
        )
    )
    async with talking_to([stream("ok")]) as (model, endpoint):
        await model.respond(request)
        messages: Any = endpoint.requests[0].json["messages"]
    assert messages[0]["content"] == [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "file", "file": {"file_data": "data:text/plain;base64,aGk=", "filename": "note.txt"}},
    ]
    arguments = [json.loads(c["function"]["arguments"]) for c in messages[1]["tool_calls"]]
    assert arguments == [{"place": "x"}, {"unparsable": "{place: "}]
    assert [(m["role"], m["tool_call_id"]) for m in messages[2:]] == [("tool", "c1"), ("tool", "c2")]
    remote = ModelRequest(messages=(user([FilePart(url="https://example.org/a.pdf")]),))
    async with talking_to([]) as (model, _):
        with pytest.raises(ModelError, match="give its bytes"):
            await model.respond(remote)


async def test_an_answer_that_comes_whole_is_taken() -> None:
    """Some endpoints send a document whatever they are asked; it is the same reply."""
    body: dict[str, JsonValue] = {
        "model": "whole",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
    async with talking_to([document(body)]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Hi"))
    assert (reply.text, reply.model, reply.usage.total_tokens) == ("Hello", "whole", 4)


@pytest.mark.parametrize(
    ("stated", "price"),
    [
        ({"cost": 0.02}, 0.02),
        ({"cost": 0}, 0.0),
        ({"cost": 0.001, "is_byok": True}, None),
        ({"cost": -1}, None),
        ({"cost": "0.02"}, None),
        ({"cost": True}, None),
        ({"cost": {"total_cost": 1}}, None),
        ({}, None),
    ],
)
async def test_a_price_that_is_stated_is_taken(stated: dict[str, Any], price: float | None) -> None:
    """A gateway's price comes before the price list; what is no price, or only its fee, leaves it to that."""
    counted: Any = chunk(None, usage={"prompt_tokens": 10, "completion_tokens": 5, **stated})
    async with Endpoint([sse(chunk({"content": "Hi"}), chunk({}, finish="stop"), counted)]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url)
        reply = await model.respond(ModelRequest.prompt("Hi"))
        await model.aclose()
    assert (reply.usage.cost_usd, model.cost_usd(reply)) == (price, price)


async def test_tokens_that_nobody_reported_are_unknown() -> None:
    """An endpoint without usage leaves the counts at None, never at 0; cached and reasoning tokens are told apart."""
    detailed: Any = chunk(
        None,
        usage={
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 8},
        },
    )
    bare = sse(chunk({"content": "x"}), chunk({}, finish="stop"))
    async with talking_to([bare, sse(chunk({"content": "x"}), chunk({}, finish="stop"), detailed)]) as (model, _):
        unknown = (await model.respond(ModelRequest.prompt("Hi"))).usage
        known = (await model.respond(ModelRequest.prompt("Hi"))).usage
    assert (unknown.input_tokens, unknown.output_tokens, unknown.total_tokens) == (None, None, None)
    assert (known.input_tokens, known.cached_tokens, known.reasoning_tokens) == (100, 64, 8)


# -- tools ------------------------------------------------------------------------------------------------------------


async def test_a_tool_call_is_put_together_from_its_pieces() -> None:
    """Arguments arrive in pieces; the call has the id, the name and the parsed arguments."""
    async with talking_to([calling("look", '{"place": "Bärlin"}')]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Look", tools=(LOOK,)))
    assert reply.tool_calls == (ToolCall(id="call_1", name="look", arguments={"place": "Bärlin"}),)
    assert reply.finish == "tool_calls"


PARALLEL: list[tuple[str, list[Any]]] = [
    ("indexed", [tool_piece(0, "look", '{"place": "a"}', "x"), tool_piece(1, "look", '{"place": "b"}', "y")]),
    (
        "without index",
        [tool_piece(None, "look", '{"place": "a"}', "x"), tool_piece(None, "look", '{"place": "b"}', "y")],
    ),
    ("all of index 0", [tool_piece(0, "look", '{"place": "a"}', "x"), tool_piece(0, "look", '{"place": "b"}', "y")]),
    ("without ids", [tool_piece(0, "look", '{"place": "a"}'), tool_piece(1, "look", '{"place": "b"}')]),
    ("with one id", [tool_piece(0, "look", '{"place": "a"}', "x"), tool_piece(1, "look", '{"place": "b"}', "x")]),
    ("as objects", [tool_piece(0, "look", {"place": "a"}, "x"), tool_piece(1, "look", {"place": "b"}, "y")]),
    ("quoted twice", [tool_piece(0, "look", '"{\\"place\\": \\"a\\"}"'), tool_piece(1, "look", '{"place": "b"}')]),
]


@pytest.mark.parametrize("pieces", [p for _, p in PARALLEL], ids=[name for name, _ in PARALLEL])
async def test_parallel_calls_are_told_apart_however_they_are_marked(pieces: list[Any]) -> None:
    """Endpoints leave out ids and indexes or repeat them: two calls stay two, in order, with different ids."""
    answer = sse(*(chunk({"tool_calls": [piece]}) for piece in pieces), chunk({}, finish="stop"), usage())
    async with talking_to([answer]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Look", tools=(LOOK,)))
    assert [c.arguments for c in reply.tool_calls] == [{"place": "a"}, {"place": "b"}]
    assert len({c.id for c in reply.tool_calls}) == 2
    assert reply.finish == "tool_calls"


async def test_arguments_that_are_no_json_are_kept_as_they_came() -> None:
    """A model that writes broken JSON can be told so; what the token limit cut off is an error of its own."""
    odd = sse(chunk({"tool_calls": [tool_piece(0, "look", '{"place": ')]}), chunk({}, finish="tool_calls"))
    cut = sse(chunk({"tool_calls": [tool_piece(0, "look", '{"place": ')]}), chunk({}, finish="length"))
    async with talking_to([odd, cut]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Look", tools=(LOOK,)))
        assert (reply.tool_calls[0].raw, reply.tool_calls[0].arguments) == ('{"place": ', {})
        with pytest.raises(OutputTruncated, match="raise max_tokens"):
            await model.respond(ModelRequest.prompt("Look", tools=(LOOK,)))


async def test_a_call_of_nothing_and_a_call_that_never_comes() -> None:
    """A call without a name, and an endpoint that ignores tools where one was required, are the model's fault."""
    nameless = sse(chunk({"tool_calls": [tool_piece(0, "", "{}")]}), chunk({}, finish="tool_calls"))
    announced = sse(chunk({"content": "I look."}), chunk({}, finish="tool_calls"))
    async with talking_to([nameless, announced, stream("No tools here.")]) as (model, _):
        with pytest.raises(ModelBehavior, match="without naming it"):
            await model.respond(ModelRequest.prompt("Look", tools=(LOOK,)))
        with pytest.raises(ModelBehavior, match=r"expected a tool call, found 'I look\.'"):
            await model.respond(ModelRequest.prompt("Look", tools=(LOOK,)))
        with pytest.raises(ModelBehavior, match="the endpoint may ignore tools"):
            await model.respond(ModelRequest.prompt("Look", tools=(LOOK,), tool_choice="required"))


# -- data -------------------------------------------------------------------------------------------------------------


async def test_data_is_asked_for_by_its_schema() -> None:
    """The schema goes to the endpoint in its strict form; the answer comes back parsed."""
    async with talking_to([stream('{"sco', 're": 0.5}')]) as (model, endpoint):
        reply = await model.fill(ModelRequest.prompt("Grade"), SCORE)
        sent: Any = endpoint.requests[0].json["response_format"]
    assert reply.data == {"score": 0.5}
    assert sent["json_schema"]["strict"] is True
    assert sent["json_schema"]["schema"] == SCORE | {"additionalProperties": False}


async def test_data_that_is_no_object_is_wrapped_for_the_wire_alone() -> None:
    """Strict endpoints want an object at the root; who asks for a number gets the number."""
    async with talking_to([stream('{"value": 0.5}'), stream("0.25")]) as (model, endpoint):
        assert (await model.fill(ModelRequest.prompt("Grade"), {"type": "number"})).data == 0.5
        sent: Any = endpoint.requests[0].json["response_format"]
        assert sent["json_schema"]["schema"]["properties"] == {"value": {"type": "number"}}
        assert (await model.fill(ModelRequest.prompt("Grade"), {"type": "number"})).data == 0.25


async def test_an_endpoint_without_schemas_is_asked_in_words() -> None:
    """One that refuses the format, or ignores it, is asked again in plain words, and from then on at once."""
    refusal = failure(400, "response_format is not supported here")
    fenced = stream('```json\n{"score": 0.5}\n```')
    async with talking_to([refusal, fenced, fenced]) as (model, endpoint):
        first = await model.fill(ModelRequest.prompt("Grade"), SCORE)
        second = await model.fill(ModelRequest.prompt("Grade"), SCORE)
        sent = [request.json for request in endpoint.requests]
    assert (first.data, second.data) == ({"score": 0.5}, {"score": 0.5})
    assert ["response_format" in body for body in sent] == [True, False, False]
    words: Any = sent[1]["messages"]
    assert "fits this JSON schema" in words[0]["content"]
    async with talking_to([stream("Rather good."), stream('{"score": 1}')]) as (model, _):
        reply = await model.fill(ModelRequest.prompt("Grade"), SCORE)
    assert (reply.data, reply.usage.input_tokens) == ({"score": 1}, 20)


async def test_data_of_the_wrong_shape_is_the_models_fault() -> None:
    """JSON of another shape, prose, and JSON that the token limit cut are told apart, with what to do."""
    async with talking_to([stream('{"grade": 1}'), stream("[1]")]) as (model, _):
        with pytest.raises(ModelBehavior, match=r"'\[1\]', which is JSON but not of the schema 'output'"):
            await model.fill(ModelRequest.prompt("Grade"), SCORE)
    async with talking_to([stream("Good."), stream("Very good.")]) as (model, _):
        with pytest.raises(ModelBehavior, match=r"'Very good\.', which is not JSON"):
            await model.fill(ModelRequest.prompt("Grade"), SCORE)
    async with talking_to([stream('{"score": 0.', finish="length")]) as (model, _):
        with pytest.raises(OutputTruncated, match="raise max_tokens"):
            await model.fill(ModelRequest.prompt("Grade"), SCORE)


# -- labels -----------------------------------------------------------------------------------------------------------


async def test_an_error_says_what_was_spent_before_it() -> None:
    """All requests that were made for one answer count, although nothing came of them."""

    def wrong(_: Received) -> Answer:
        return sse(chunk({"content": "nothing of the kind"}, finish="stop"), usage(10, 5))

    async with talking_to(wrong) as (model, endpoint):
        with pytest.raises(ModelBehavior) as raised:
            await model.respond(ModelRequest.prompt("x", output_schema=SCORE))
        assert raised.value.usage is not None
        assert raised.value.usage.input_tokens == 10 * len(endpoint.requests) == 20
    async with talking_to(wrong) as (model, endpoint):
        with pytest.raises(ModelBehavior) as raised:
            await model.respond(ModelRequest.prompt("x", labels=("yes", "no")))
        assert raised.value.usage is not None
        assert raised.value.usage.output_tokens == 5 * len(endpoint.requests) == 15


async def test_a_choice_has_the_probabilities_that_the_endpoint_gave() -> None:
    """Each label gets the probability of the tokens that begin it; the likeliest is chosen, whatever was drawn."""
    answer = scored("billing", {"bill": 0.3, "bug": 0.6, "what": 0.1}, {"ing": 1.0})
    async with talking_to([answer]) as (model, endpoint):
        choice = await model.choose(ModelRequest.prompt("Sort"), ["billing", "bug"])
        sent: Any = endpoint.requests[0].json
    assert choice.label == "bug"
    assert choice.scores == pytest.approx({"billing": 1 / 3, "bug": 2 / 3})
    assert choice.confidence == pytest.approx(2 / 3)
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 20)
    assert "billing, bug" in sent["messages"][0]["content"]


async def test_an_endpoint_without_probabilities_still_chooses() -> None:
    """One that refuses them is asked without, once and for all; the choice is then unscored."""
    refusal = failure(400, "logprobs are not supported")
    async with talking_to([refusal, stream("Bug."), stream('"billing"')]) as (model, endpoint):
        first = await model.choose(ModelRequest.prompt("Sort"), ["billing", "bug"])
        second = await model.choose(ModelRequest.prompt("Sort"), ["billing", "bug"])
        sent = [request.json for request in endpoint.requests]
    assert (first.label, first.scores, first.confidence) == ("bug", None, None)
    assert second.label == "billing"
    assert ["logprobs" in body for body in sent] == [True, False, False]


async def test_a_model_that_talks_around_the_label_is_held_to_a_schema() -> None:
    """Prose that names no label is followed by one request that leaves no other word; then it is the model's fault."""
    async with talking_to([stream("Hard to say."), stream('{"label": "bug"}')]) as (model, endpoint):
        choice = await model.choose(ModelRequest.prompt("Sort"), ["billing", "bug"])
        schema: Any = endpoint.requests[1].json["response_format"]
    assert (choice.label, choice.usage.input_tokens) == ("bug", 20)
    assert schema["json_schema"]["schema"]["properties"]["label"]["enum"] == ["billing", "bug"]
    async with talking_to([stream("Hm."), stream('{"label": "other"}')]) as (model, _):
        with pytest.raises(ModelBehavior, match="expected one of billing, bug"):
            await model.choose(ModelRequest.prompt("Sort"), ["billing", "bug"])


# -- refusals ---------------------------------------------------------------------------------------------------------


async def test_refusals_are_told_from_answers() -> None:
    """A model that declines and a filter that cuts the answer raise `Refused`, which is not tried again."""
    declined = sse(chunk({"refusal": "I cannot "}), chunk({"refusal": "help."}), chunk({}, finish="stop"))
    filtered = sse(chunk({"content": "Half"}), chunk({}, finish="content_filter"))
    policy = failure(400, "blocked", code="content_filter")
    async with talking_to([declined, filtered, policy]) as (model, _):
        with pytest.raises(Refused, match=r"the model declined: 'I cannot help\.'"):
            await model.respond(ModelRequest.prompt("Hi"))
        with pytest.raises(Refused, match="a content filter cut the answer after 4 characters"):
            await model.respond(ModelRequest.prompt("Hi"))
        with pytest.raises(Refused, match="blocked"):
            await model.respond(ModelRequest.prompt("Hi"))
    assert Refused.retryable is False


# -- in a flow --------------------------------------------------------------------------------------------------------


class Talk(BaseModel):
    message: str
    reply: str = ""


def look(place: str) -> str:
    """Look at a place."""
    return f"{place} is empty"


async def test_an_agent_on_the_wire() -> None:
    """A whole tool loop over the real client: deltas as they come, one visit a request, tokens of each on record."""
    flow = Flow("talk", Talk)
    flow.agent("agent", Agent("Look.", tools=[look]), reads=flow.state.message, writes=flow.state.reply)
    async with talking_to([calling("look", '{"place": "attic"}'), stream("The attic ", "is empty.")]) as (
        model,
        endpoint,
    ):
        events = run_stream(flow.freeze(), Talk(message="What is in the attic?"), resources=[model])
        pieces = [e.text async for e in events if isinstance(e, Delta)]
        messages: Any = endpoint.requests[1].json["messages"]
    assert pieces == ["The attic ", "is empty."]
    assert events.result.state.reply == "The attic is empty."
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "tool"]
    assert messages[3]["content"] == "attic is empty"
    usages = [v.usage for v in account(events.result.trace).visits.values() if v.usage is not None]
    assert [(u.model, u.input_tokens) for u in usages if u.input_tokens][:1] == [("double", 10)]
    assert events.result.usage.tokens == 30


def test_who_offers_a_model_is_told_by_its_host() -> None:
    """Those that are known by their name, others by their host; never user, password or path."""
    table = {
        "https://api.openai.com/v1": "openai",
        "https://mine.openai.azure.com/x": "azure.ai.openai",
        "https://api.anthropic.com/v1": "anthropic",
        "https://generativelanguage.googleapis.com/v1beta/openai": "gcp.gemini",
        "http://user:secret@localhost:8080/v1?key=secret": "localhost",
        "https://notapi.openai.com.example.org/v1": "notapi.openai.com.example.org",
    }
    for url, name in table.items():
        assert OpenAIModel("m", base_url=url, api_key="k").provider == name
