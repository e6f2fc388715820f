"""The Responses protocol: what is sent, and what is made of the ways in which endpoints answer it.

Faults that both protocols share are tried in `test_endpoint_faults.py`. Client library and wire are real.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow, UseError
from graphrt.agents import ModelRequest, ToolCall, ToolSpec, assistant, system, tool_result, user
from graphrt.agents.errors import (
    ModelBehavior,
    ModelError,
    ModelUnavailable,
    OutputTruncated,
    RateLimited,
    Refused,
)
from graphrt.agents.messages import FilePart, ImagePart, TextPart
from graphrt.agents.models.openai import OpenAIModel
from graphrt.policies import limit
from graphrt.runtime import run
from graphrt.testing.endpoint import Answer, Endpoint, Received, Speech, document, failure, sse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

pytestmark = pytest.mark.anyio

SPEECH = Speech("responses")
LOOK = ToolSpec(
    name="look",
    description="Look.",
    parameters={"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
)


@asynccontextmanager
async def talking_to(
    answers: Sequence[Answer] | Callable[[Received], Answer], **options: Any
) -> AsyncGenerator[tuple[OpenAIModel, Endpoint]]:
    """Open an endpoint and a model that talks to it; give up the connections at the end."""
    async with Endpoint(answers) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api="responses", **options)
        yield model, endpoint
        await model.aclose()


def response(*output: Any, **fields: Any) -> Any:
    """Return a whole response."""
    return {"id": "r", "object": "response", "status": "completed", "model": "d", "output": list(output), **fields}


def said(text: str, **fields: Any) -> Any:
    """Return a message of a response."""
    content: Any = [{"type": "output_text", "text": text, "annotations": [], **fields}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}


def ended(*output: Any, **fields: Any) -> Any:
    """Return the event that ends a stream."""
    return {"type": "response.completed", "response": response(*output, **fields)}


async def test_text_comes_in_pieces_and_as_a_whole() -> None:
    """Each piece is emitted as it comes; the reply has the whole text once, the tokens and the model that answered."""
    pieces: list[str] = []
    details = {"input_tokens_details": {"cached_tokens": 3}, "output_tokens_details": {"reasoning_tokens": 2}}
    end = ended(said("Hello"), usage={"input_tokens": 10, "output_tokens": 5, **details})
    async with talking_to([sse(SPEECH.piece("Hel"), SPEECH.piece("lo"), end)]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Hi"), pieces.append)
    assert pieces == ["Hel", "lo"]
    assert (reply.text, reply.finish, reply.model) == ("Hello", "stop", "d")
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (10, 5, 3, 2)


async def test_what_is_sent() -> None:
    """Instructions, examples as earlier turns, the conversation, calls and their results, pictures and files."""
    call = ToolCall(id="c1", name="look", arguments={"place": "here"})
    parts: list[TextPart | ImagePart | FilePart] = [
        TextPart(text="see"),
        ImagePart(data="QUJD", media_type="image/png"),
        ImagePart(url="https://pictures.example/a.png"),
        FilePart(data="QUJD", media_type="application/pdf", name="a.pdf"),
        FilePart(url="https://files.example/a.pdf"),
    ]
    request = ModelRequest(
        instructions="Be brief.",
        examples=(("2+2", "4"), ("Where?", {"tool": "look", "arguments": {"place": "here"}})),
        messages=(
            system("S"),
            user("U", name="Ada"),
            assistant("A", call),
            tool_result(call, "seen"),
            user(parts),
        ),
        tools=(LOOK,),
        tool_choice="required",
        temperature=0,
        max_tokens=9,
    )
    async with talking_to([SPEECH.calling("look", '{"place": "x"}')], extra={"top_k": 3}) as (model, endpoint):
        await model.respond(request)
        sent: Any = endpoint.requests[0].json
    assert endpoint.requests[0].path == "/v1/responses"
    assert [item.get("role") or item["type"] for item in sent["input"]] == [
        *("user", "assistant", "user", "function_call", "function_call_output"),
        *("system", "user", "assistant", "function_call", "function_call_output", "user"),
    ]
    assert sent["input"][6]["content"] == "Ada: U"
    assert sent["input"][8] == {
        "type": "function_call",
        "call_id": "c1",
        "name": "look",
        "arguments": '{"place": "here"}',
    }
    assert sent["input"][9] == {"type": "function_call_output", "call_id": "c1", "output": "seen"}
    assert [part["type"] for part in sent["input"][10]["content"]] == [
        *("input_text", "input_image", "input_image", "input_file", "input_file"),
    ]
    assert sent["input"][10]["content"][1]["image_url"] == "data:image/png;base64,QUJD"
    assert sent["tools"][0]["name"] == "look"
    assert sent["tools"][0]["strict"] is False
    settings = {"instructions", "model", "stream", "temperature", "max_output_tokens", "tool_choice", "top_k"}
    assert set(sent) == {"input", "tools", *settings}, "nothing that was not asked for"


CALLS: list[tuple[str, Answer]] = [
    ("in pieces", SPEECH.calling("look", '{"place": "here"}')),
    (
        "only with the end of the item",
        sse(
            {
                "type": "response.output_item.done",
                "output_index": 0,
                "item": {
                    "type": "function_call",
                    "call_id": "call_1",
                    "name": "look",
                    "arguments": '{"place": "here"}',
                },
            },
            ended(),
        ),
    ),
    (
        "only with the end of the arguments",
        sse(
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": ""},
            },
            {
                "type": "response.function_call_arguments.done",
                "item_id": "fc_1",
                "output_index": 0,
                "arguments": '{"place": "here"}',
            },
            ended(),
        ),
    ),
    (
        "in pieces, and again with the end of the arguments",
        sse(
            {
                "type": "response.output_item.added",
                "item": {"type": "function_call", "call_id": "call_1", "name": "look"},
            },
            {"type": "response.function_call_arguments.delta", "delta": '{"place": '},
            {"type": "response.function_call_arguments.delta", "delta": '"here"}'},
            {"type": "response.function_call_arguments.done", "arguments": '{"place": "here"}'},
            ended(),
        ),
    ),
    (
        "only with the end of the response",
        sse(ended({"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"place": "here"}'})),
    ),
    (
        "arguments as an object, without an id",
        sse(ended({"type": "function_call", "name": "look", "arguments": {"place": "here"}})),
    ),
    (
        "told three times",
        sse(
            {
                "type": "response.output_item.added",
                "item": {"type": "function_call", "call_id": "call_1", "name": "look"},
            },
            {"type": "response.function_call_arguments.delta", "delta": '{"place": "here"}'},
            ended({"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"place": "here"}'}),
        ),
    ),
    (
        "not streamed",
        document(
            response({"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"place":"here"}'})
        ),
    ),
]


@pytest.mark.parametrize("answer", [a for _, a in CALLS], ids=[name for name, _ in CALLS])
async def test_a_call_is_one_call_however_it_comes(answer: Answer) -> None:
    """Name and arguments are those that were told, once, with an id that is made up where none came."""
    async with talking_to([answer]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Where?", tools=(LOOK,)))
    (call,) = reply.tool_calls
    assert (call.name, call.arguments) == ("look", {"place": "here"})
    assert call.id in {"call_1", "call_0"}
    assert reply.finish == "tool_calls"


async def test_calls_beside_each_other_are_kept_apart() -> None:
    """Pieces of two calls may be mixed; the calls stand in the order in which they began."""

    def added(index: int, name: str) -> Any:
        item = {"type": "function_call", "id": f"fc_{index}", "call_id": f"c{index}", "name": name, "arguments": ""}
        return {"type": "response.output_item.added", "output_index": index, "item": item}

    def piece(index: int, delta: str) -> Any:
        kind = "response.function_call_arguments.delta"
        return {"type": kind, "item_id": f"fc_{index}", "output_index": index, "delta": delta}

    frames = [added(1, "look"), added(2, "look"), piece(2, '{"place":'), piece(1, '{"place": "a'), piece(2, '"b"}')]
    async with talking_to([sse(*frames, piece(1, '"}'), ended())]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Where?", tools=(LOOK,)))
    assert [(c.id, c.arguments) for c in reply.tool_calls] == [("c1", {"place": "a"}), ("c2", {"place": "b"})]


async def test_how_a_response_can_end() -> None:
    """Too long, filtered, refused, failed: each has its name; cut arguments are no call."""
    async with talking_to([sse(SPEECH.piece("Once"), SPEECH.end("length"))]) as (model, _):
        assert (await model.respond(ModelRequest.prompt("Hi"))).finish == "length"
    unsaid: Any = {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}
    async with talking_to([sse(SPEECH.piece("Once"), unsaid)]) as (model, _):
        assert (await model.respond(ModelRequest.prompt("Hi"))).finish == "length", "the event tells it too"
    broken: list[tuple[Any, type[ModelError]]] = [
        (sse(SPEECH.piece("x"), SPEECH.end("content_filter")), Refused),
        (sse({"type": "response.refusal.delta", "output_index": 0, "delta": "I must not"}, SPEECH.end()), Refused),
        (
            sse({"type": "response.failed", "response": response(status="failed", error={"message": "boom"})}),
            ModelUnavailable,
        ),
        (sse(SPEECH.piece("x"), {"type": "response.failed", "response": {"id": "r"}}), ModelUnavailable),
        (sse({"type": "response.failed"}), ModelUnavailable),
        (sse({"type": "error", "message": "Rate limit reached", "code": "rate_limit_exceeded"}), RateLimited),
        (document(response(status="failed", error={"message": "boom", "code": "server_error"})), ModelUnavailable),
        (
            sse(
                {"type": "response.output_item.added", "item": {"type": "function_call", "name": "look"}},
                {"type": "response.function_call_arguments.delta", "delta": '{"pla'},
                SPEECH.end("length"),
            ),
            OutputTruncated,
        ),
        (sse(ended(said("I would look.")), done=False), ModelBehavior),
    ]
    for answer, kind in broken:
        async with talking_to([answer]) as (model, _):
            with pytest.raises(ModelError) as raised:
                await model.respond(ModelRequest.prompt("Hi", tools=(LOOK,), tool_choice="required"))
        assert type(raised.value) is kind, answer


async def test_a_price_that_is_stated_is_taken() -> None:
    """What a gateway says a request cost is its price, whether a policy stands around the model or not."""
    end = ended(said("Hi"), usage={"input_tokens": 10, "output_tokens": 5, "cost": 0.02})
    async with talking_to([sse(end)]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Hi"))
        assert (model.cost_usd(reply), limit(at_once=1).wrap(model).cost_usd(reply)) == (0.02, 0.02)


async def test_what_was_said_in_pieces_is_not_taken_again_from_the_end() -> None:
    """Also where the end has another id and another place for it than the pieces had."""
    piece: Any = {"type": "response.output_text.delta", "item_id": "msg_a", "output_index": 1, "delta": "Hello"}
    async with talking_to([sse(piece, ended(said("Hello")))]) as (model, _):
        assert (await model.respond(ModelRequest.prompt("Hi"))).text == "Hello"
    pieces: list[str] = []
    async with talking_to([sse(ended(said("Hello"), {**said(" again"), "id": "msg_2"}))]) as (model, _):
        reply = await model.respond(ModelRequest.prompt("Hi"), pieces.append)
    assert (reply.text, pieces) == ("Hello again", ["Hello", " again"])


def part(kind: str, at: tuple[int | None, int | None], **fields: str) -> Any:
    """Return an event about a part of an item: its kind, and the places of the item and of the part in it."""
    item, place = at
    event: dict[str, Any] = {"type": f"response.{kind}", **fields}
    if item is not None:
        event |= {"item_id": f"msg_{item}", "output_index": item}
    return event if place is None else event | {"content_index": place}


ONCE: list[tuple[str, list[Any], str]] = [
    ("only at the end", [part("output_text.done", (0, 0), text="Hello")], "Hello"),
    ("only at the end, unnamed", [part("output_text.done", (None, None), text="Hello")], "Hello"),
    (
        "pieces, then the end",
        [part("output_text.delta", (0, 0), delta="Hello"), part("output_text.done", (0, 0), text="Hello")],
        "Hello",
    ),
    (
        "pieces that name no part, then an end that does",
        [part("output_text.delta", (0, None), delta="Hello"), part("output_text.done", (0, 0), text="Hello")],
        "Hello",
    ),
    (
        "pieces that name nothing, then an end that does",
        [part("output_text.delta", (None, None), delta="Hello"), part("output_text.done", (0, 0), text="Hello")],
        "Hello",
    ),
    (
        "one part in pieces, the next at its end",
        [
            part("output_text.delta", (0, 0), delta="Hel"),
            part("output_text.done", (0, 0), text="Hel"),
            part("output_text.done", (0, 1), text="lo"),
        ],
        "Hello",
    ),
    (
        "one item in pieces, the next at its end",
        [part("output_text.delta", (0, 0), delta="Hel"), part("output_text.done", (1, 0), text="lo")],
        "Hello",
    ),
]


@pytest.mark.parametrize(("events", "text"), [each[1:] for each in ONCE], ids=[each[0] for each in ONCE])
async def test_each_text_is_taken_once_whichever_event_brings_it(events: list[Any], text: str) -> None:
    """Pieces, the end of a part, of the item and of the response tell the same text; it is emitted once."""
    item: Any = said(text)
    whole: Any = {"type": "response.output_item.done", "output_index": 0, "item": {**item, "id": "msg_0"}}
    for frames in ([*events, ended()], [*events, whole, ended(item)]):
        pieces: list[str] = []
        async with talking_to([sse(*frames)]) as (model, _):
            reply = await model.respond(ModelRequest.prompt("Hi"), pieces.append)
        assert (reply.text, "".join(pieces)) == (text, text)


async def test_a_refusal_may_come_only_at_its_end() -> None:
    """What the model said instead of an answer stands in the error."""
    frames = [part("refusal.done", (0, 0), refusal="I must not"), ended()]
    async with talking_to([sse(*frames)]) as (model, _):
        with pytest.raises(Refused, match="I must not"):
            await model.respond(ModelRequest.prompt("Hi"))


async def test_data_is_asked_for_by_schema_and_in_words_where_that_is_refused() -> None:
    """The schema is sent in the protocol's own form; an endpoint that knows none is asked in words."""
    schema: Any = {"type": "object", "properties": {"score": {"type": "number"}}, "required": ["score"]}
    request = ModelRequest.prompt("Grade.")
    answers = [
        SPEECH.stream('{"score": 0.5}'),
        failure(400, "unknown field text.format"),
        SPEECH.stream('{"score": 1}'),
    ]
    async with talking_to(answers) as (model, endpoint):
        assert (await model.fill(request, schema)).data == {"score": 0.5}
        assert (await model.fill(request, schema)).data == {"score": 1}
        first, _, last = (r.json for r in endpoint.requests)
    form: Any = first["text"]
    assert (form["format"]["type"], form["format"]["name"]) == ("json_schema", "output")
    assert "text" not in last
    assert "JSON schema" in str(last["instructions"])


async def test_labels_are_scored() -> None:
    """The probabilities of the written tokens give one for each label."""
    tokens: Any = [
        {"token": "pay", "logprob": math.log(0.8), "top_logprobs": [{"token": "keep", "logprob": math.log(0.2)}]}
    ]
    frame = {**SPEECH.piece("pay"), "logprobs": tokens}
    async with talking_to([sse(frame, SPEECH.end()), sse(ended(said("pay", logprobs=tokens)))]) as (model, endpoint):
        for _ in range(2):
            choice = await model.choose(ModelRequest.prompt("Pay or keep?"), ["pay", "keep"])
            assert choice.label == "pay"
            assert choice.scores is not None
            assert round(choice.scores["pay"], 3) == 0.8
        assert endpoint.requests[0].json["include"] == ["message.output_text.logprobs"]


async def test_what_the_protocol_cannot_say_is_refused() -> None:
    """Texts that end an answer change what it means, so they are not left out silently; nor is an unknown protocol."""
    async with talking_to([]) as (model, _):
        with pytest.raises(ModelError, match="knows no stop texts"):
            await model.respond(ModelRequest.prompt("Hi", stop=("END",)))
    with pytest.raises(UseError, match="expected one of chat, responses"):
        OpenAIModel("m", base_url="http://127.0.0.1:9/v1", api="assistants")  # type: ignore[arg-type]  # the mistake


class Talk(BaseModel):
    message: str = "Where?"
    reply: str = ""


async def test_an_agent_with_tools_works_the_same() -> None:
    """The loop of an agent does not know which protocol its model speaks."""

    def look(place: str) -> str:
        return f"nothing in the {place}"

    flow = Flow("talk", Talk)
    flow.agent("agent", Agent("Look.", tools=[look]), reads=flow.state.message, writes=flow.state.reply)
    answers = [SPEECH.calling("look", '{"place": "box"}'), SPEECH.stream("It is empty.")]
    async with talking_to(answers) as (model, endpoint):
        result = await run(flow.freeze(), Talk(), resources=[model])
        sent: Any = endpoint.requests[1].json
    assert result.state.reply == "It is empty."
    assert sent["input"][-1] == {"type": "function_call_output", "call_id": "call_1", "output": "nothing in the box"}
    assert result.usage.tokens == 30
