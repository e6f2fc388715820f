"""An endpoint that misbehaves: each fault has an outcome with a name, a place and a remedy, and nothing hangs or leaks.

Bytes are cut, stalled, split and swapped by a real server; the client library in between is the real one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from graphrt import Agent, Flow, Retry
from graphrt.account import account
from graphrt.agents import ModelRequest, Reply
from graphrt.agents.errors import (
    AuthenticationFailed,
    ContextTooLong,
    EndpointError,
    MalformedResponse,
    ModelTimeout,
    ModelUnavailable,
    QuotaExhausted,
    RateLimited,
    RequestRejected,
    TruncatedStream,
)
from graphrt.agents.models.openai import OpenAIModel
from graphrt.agents.models.openai.failures import retry_after_s
from graphrt.errors import RunError
from graphrt.policies import fallback, retry
from graphrt.runtime import run
from graphrt.testing import ScriptedModel
from graphrt.testing.clock import ManualClock
from graphrt.testing.endpoint import Answer, Endpoint, Speech, calling, chunk, document, failure, sse, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

KEY = "sk-canary-0123456789abcdef"
IDLE_S = 1.0
"""How long these models wait for a next byte, where an endpoint falls silent; others have more than they need."""


@pytest.fixture(params=["chat", "responses"])
def speech(request: pytest.FixtureRequest) -> Speech:
    """Return how the endpoint speaks: what is promised here holds for both protocols."""
    return Speech(request.param)


@pytest.fixture(autouse=True)
async def _nothing_hangs(anyio_backend: object) -> AsyncIterator[None]:
    del anyio_backend
    async with asyncio.timeout(60):
        yield


async def outcome(speech: Speech, *answers: Answer, **options: Any) -> Reply | RunError:
    """Ask an endpoint once; return the reply, or the error."""
    silent = any(answer.ending == "hang" for answer in answers)
    options = {"idle_timeout_s": IDLE_S if silent else 30.0, "api_key": KEY, **options}
    async with Endpoint(answers) as endpoint:
        model, place = OpenAIModel("m", base_url=endpoint.url, api=speech.api, **options), f"127.0.0.1:{endpoint.port}"
        try:
            return await model.respond(ModelRequest.prompt("Hi"))
        except RunError as error:
            found = error
        finally:
            await model.aclose()
    if isinstance(found, EndpointError):
        assert place in found.message, "the message says where"
        assert (found.endpoint, found.model) == (place, "m")
    assert KEY not in f"{found} {found.facts}"
    return found


# -- answers that say what is wrong -----------------------------------------------------------------------------------

STATUSES: list[tuple[Answer, type[EndpointError], str]] = [
    (failure(401, "bad key"), AuthenticationFailed, "check the API key"),
    (failure(403, "no"), AuthenticationFailed, "check the API key"),
    (failure(404, "no model m"), RequestRejected, "check the model's name"),
    (failure(400, "temperature is too high"), RequestRejected, "change the request"),
    (failure(422, "bad field"), RequestRejected, "change the request"),
    (failure(400, "This model's maximum context length is 8 tokens"), ContextTooLong, "shorten the conversation"),
    (failure(413, "x", code="context_length_exceeded"), ContextTooLong, "shorten the conversation"),
    (failure(429, "slow down"), RateLimited, "fewer requests"),
    (failure(429, "You exceeded your current quota"), QuotaExhausted, "add credit"),
    (failure(408, "late"), ModelTimeout, "try again"),
    (failure(500, "oops"), ModelUnavailable, "try again later"),
    (failure(502, "oops"), ModelUnavailable, "try again later"),
    (failure(503, "overloaded"), ModelUnavailable, "try again later"),
    (failure(529, "overloaded"), ModelUnavailable, "try again later"),
    (failure(520, "a proxy's own"), ModelUnavailable, "try again later"),
    (document(b"<html>Bad gateway</html>", media_type="text/html", status=502), ModelUnavailable, "try again later"),
    (replace(failure(307), headers=(("Location", "http://127.0.0.1:9/v1"),)), RequestRejected, "new address"),
]


@pytest.mark.parametrize(
    ("answer", "kind", "remedy"), STATUSES, ids=[f"{a.status}-{k.__name__}" for a, k, _ in STATUSES]
)
async def test_a_status_becomes_what_one_can_do_about_it(
    speech: Speech, answer: Answer, kind: type[EndpointError], remedy: str
) -> None:
    """Each status is an error named by its remedy, with the status as a fact, and is asked once only."""
    error = await outcome(speech, answer)
    assert isinstance(error, EndpointError)
    assert type(error) is kind
    assert error.status == answer.status
    assert remedy in error.message


async def test_the_wish_to_wait_is_kept(speech: Speech) -> None:
    """Retry-After, in seconds, milliseconds or as a date, is a fact of the error."""
    error = await outcome(speech, failure(429, retry_after_s=2))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 2
    busy = await outcome(speech, failure(503, retry_after_s="1.5"))
    assert isinstance(busy, ModelUnavailable)
    assert busy.retry_after_s == 1.5
    now = 1_700_000_000.0
    assert retry_after_s({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, now) == 60
    assert retry_after_s({"retry-after": "Tue, 14 Nov 2023 22:00:00 GMT"}, now) == 0
    assert retry_after_s({"retry-after-ms": "250", "retry-after": "9"}, now) == 0.25
    for nonsense in ("soon", "-1", "inf", "nan", ""):
        assert retry_after_s({"retry-after": nonsense}, now) is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "overloaded", "code": 503}, ModelUnavailable),
        ({"message": "Rate limit reached", "type": "rate_limit_error"}, RateLimited),
        ({"message": "bad key", "code": "401"}, AuthenticationFailed),
        ({"message": "prompt has too many tokens"}, ContextTooLong),
        ("something broke", ModelUnavailable),
    ],
)
async def test_an_error_inside_a_success_is_an_error(speech: Speech, error: Any, kind: type[EndpointError]) -> None:
    """Gateways report errors with status 200, as a document or as an event of the stream, also in mid-answer."""
    assert type(await outcome(speech, document({"error": error}))) is kind
    event = b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
    assert type(await outcome(speech, Answer(body=(event,)))) is kind
    begun = sse(speech.piece("Half"), done=False)
    assert type(await outcome(speech, replace(begun, body=(*begun.body, event)))) is kind


# -- answers that are none --------------------------------------------------------------------------------------------

NO_ANSWERS: list[tuple[str, Answer]] = [
    ("HTML with 200", document(b"<html>It works!</html>", media_type="text/html")),
    ("plain text", document(b"hello", media_type="text/plain")),
    ("an empty body", document(b"")),
    ("an empty object", document(b"{}")),
    ("choices that are null", document({"choices": None})),
    ("choices that are none", document({"choices": []})),
    ("a list", document(b"[1, 2]")),
    ("a number", document(b"3")),
    ("half of a document", document(b'{"choices": [')),
    ("NaN", document(b'{"choices": NaN}')),
    ("deep nesting", document(b"[" * 50_000)),
    ("no UTF-8", document(b'{"choices": "\xff\xfe"}')),
    ("choices of numbers", document({"choices": [1, 2]})),
]


@pytest.mark.parametrize("answer", [a for _, a in NO_ANSWERS], ids=[name for name, _ in NO_ANSWERS])
async def test_a_success_that_is_no_completion_is_refused(speech: Speech, answer: Answer) -> None:
    """The client library lets all of these through; here they are errors that suggest a wrong base URL or a cut."""
    error = await outcome(speech, answer)
    assert isinstance(error, MalformedResponse | TruncatedStream)
    if isinstance(error, MalformedResponse):
        assert "base URL" in error.message


ODD_CHUNKS: list[Any] = [
    {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": 5}}]},
    {"choices": [{"index": 0, "delta": {"content": None, "tool_calls": 7}}]},
    {
        "choices": [{"index": 0, "delta": {"tool_calls": [None, 3, {"function": None}]}}],
        "usage": {"prompt_tokens": "x"},
    },
    {"choices": {"a": 1}},
    {"choices": None},
    {"model": 5, "usage": -1},
    {},
    {"type": "response.output_text.delta", "delta": 5, "logprobs": [None, {"token": 1}]},
    {
        "type": "response.output_item.done",
        "item": {"type": "function_call", "name": 3, "arguments": 7, "call_id": None},
    },
    {"type": "response.output_item.added", "item": "message"},
    {"type": "response.function_call_arguments.delta", "delta": None, "output_index": "x"},
    {"type": "response.in_progress", "response": 5},
    {"type": "response.brand_new.delta", "delta": "not for us"},
    {"type": None},
]


@pytest.mark.parametrize("odd", ODD_CHUNKS, ids=range(len(ODD_CHUNKS)))
async def test_fields_of_another_type_do_no_harm(speech: Speech, odd: Any) -> None:
    """Whatever the chunks hold, the outcome is the text that was understood or a typed error, never another one."""
    got = await outcome(speech, sse(speech.piece("Hel"), odd, speech.piece("lo"), speech.end(counted=True)))
    assert not isinstance(got, Reply) or got.text == "Hello"
    assert isinstance(got, Reply | EndpointError) or type(got).__name__ == "ModelBehavior"


# -- silence and cuts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [(), ("Once ", "upon ")], ids=["at once", "in the middle"])
async def test_an_endpoint_that_falls_silent_is_given_up(speech: Speech, pieces: tuple[str, ...]) -> None:
    """After `idle_timeout_s` without a byte the request ends; what had come is kept."""
    error = await outcome(speech, sse(*(speech.piece(p) for p in pieces), done=False, ending="hang"))
    assert isinstance(error, ModelTimeout)
    assert isinstance(error, TimeoutError)
    assert error.partial == "".join(pieces)
    assert "idle_timeout_s" in error.message


async def test_an_endpoint_that_never_answers_a_connection_is_given_up(speech: Speech) -> None:
    """One that accepts and says nothing, not even a status, is a timeout as well."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        model = OpenAIModel(
            "m", base_url=f"http://127.0.0.1:{deaf.getsockname()[1]}/v1", idle_timeout_s=IDLE_S, api=speech.api
        )
        with pytest.raises(ModelTimeout):
            await model.respond(ModelRequest.prompt("Hi"))
        await model.aclose()


async def test_nobody_at_the_other_end_is_told_as_that(speech: Speech) -> None:
    """A refused connection says so, and to check that the endpoint runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = OpenAIModel("m", base_url=f"http://127.0.0.1:{port}/v1", api=speech.api)
    with pytest.raises(ModelUnavailable, match=r"found no connection.*check that the endpoint runs"):
        await model.respond(ModelRequest.prompt("Hi"))
    await model.aclose()


async def test_a_stream_without_an_end_is_no_answer(speech: Speech) -> None:
    """No finish_reason means that nobody said the text is whole: it is an error that keeps the text, never a reply."""
    for done in (True, False):
        error = await outcome(speech, sse(speech.piece("Half a"), done=done))
        assert isinstance(error, TruncatedStream)
        assert (error.partial, error.retryable) == ("Half a", True)
    whole = await outcome(speech, speech.stream("All of it.", done=False))
    assert isinstance(whole, Reply)
    assert whole.text == "All of it."


async def test_a_stream_that_is_silent_after_its_end_is_an_answer(speech: Speech) -> None:
    """Once the reason for the end has come the text is whole; a connection that then hangs costs no failure."""
    got = await outcome(speech, sse(speech.piece("Done."), speech.end(), done=False, ending="hang"))
    assert isinstance(got, Reply)
    assert (got.text, got.usage.input_tokens) == ("Done.", None)


async def test_a_connection_cut_anywhere_gives_the_whole_or_an_error(speech: Speech) -> None:
    """Cut after any byte: before the end was told it is a `TruncatedStream` with what had come, after it the reply."""
    answer = speech.stream("Grüße ", "an alle 👋", " dort")
    whole = "Grüße an alle 👋 dort"
    size, told = (
        len(answer.content),
        answer.content.index(b'"finish_reason": "stop"' if speech.api == "chat" else b'"status": "completed"'),
    )
    cuts = sorted({*range(0, size, 17), told - 1, told + 30, size - 1})
    partial: list[tuple[int, str]] = []
    async with Endpoint([answer.cut_at(cut) for cut in cuts]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api=speech.api, idle_timeout_s=5)
        for cut in cuts:
            try:
                reply = await model.respond(ModelRequest.prompt("Hi"))
            except TruncatedStream as error:
                partial.append((cut, error.partial))
            else:
                assert reply.text == whole
                assert cut > told
        await model.aclose()
    assert all(whole.startswith(text) for _, text in partial)
    assert {text for _, text in partial} == {"", "Grüße ", "Grüße an alle 👋", whole}
    assert [cut for cut, _ in partial] == [cut for cut in cuts if cut <= partial[-1][0]]
    assert len(partial) < len(cuts)


async def test_characters_split_between_packets_stay_whole(speech: Speech) -> None:
    """A character of several bytes may arrive in two packets, and half a surrogate pair in two chunks."""
    answer = speech.stream("Grüße 👋 漢字")
    expected = "Grüße 👋 漢字"
    content = answer.content
    odd = [i for i in range(1, len(content)) if content[i] & 0xC0 == 0x80]
    assert len(odd) >= 8
    async with Endpoint([answer.split_at(i) for i in odd]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api=speech.api, idle_timeout_s=5)
        for _ in odd:
            pieces: list[str] = []
            assert (await model.respond(ModelRequest.prompt("Hi"), pieces.append)).text == expected
            assert "".join(pieces) == expected
        await model.aclose()
    frames = [
        json.dumps(speech.piece("TEXT")).encode().replace(b"TEXT", text)
        for text in (rb"\ud83d", rb"\udc4b!", rb"\ud83d")
    ]
    ends = json.dumps(speech.end()).encode()
    halves = Answer(body=tuple(b"data: %s\n\n" % frame for frame in [*frames, ends]))
    async with Endpoint([halves]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api=speech.api)
        pieces = []
        reply = await model.respond(ModelRequest.prompt("Hi"), pieces.append)
        await model.aclose()
    assert reply.text == "👋!\ufffd"
    assert "".join(pieces) == "👋!\ufffd"


async def test_characters_split_at_every_offset_stay_whole(speech: Speech) -> None:
    """Wherever two packets part, in the middle of a character, of an escape or of a line: text and pieces are whole."""
    expected = "Grüße 👋 漢"
    answer = speech.stream("Grüße 👋", " 漢")
    size = len(answer.content)
    async with Endpoint([answer.split_at(cut) for cut in range(1, size)]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, idle_timeout_s=5, api=speech.api)
        for _ in range(1, size):
            pieces: list[str] = []
            assert (await model.respond(ModelRequest.prompt("Hi"), pieces.append)).text == expected
            assert "".join(pieces) == expected
        await model.aclose()


TRUNCATED: list[tuple[str, Answer, str]] = [
    ("by the token limit", calling("look", '{"place": "Ber', finish="length"), "OutputTruncated"),
    ("by the model", calling("look", '{"place": "Ber'), "raw"),
    ("by a cut", calling("look", '{"place": "Berlin"}').cut_at(300), "TruncatedStream"),
    ("by silence", replace(calling("look", '{"place": "Berlin"}').cut_at(300), ending="hang"), "ModelTimeout"),
]


@pytest.mark.parametrize(("answer", "kind"), [(a, k) for _, a, k in TRUNCATED], ids=[name for name, _, _ in TRUNCATED])
async def test_arguments_that_break_off_are_never_called(answer: Answer, kind: str) -> None:
    """Half of a tool's arguments is an error of its own kind, or is given back to the model: it is no call."""
    got = await outcome(Speech(), answer)
    if kind == "raw":
        assert isinstance(got, Reply)
        assert (got.tool_calls[0].raw, got.tool_calls[0].arguments) == ('{"place": "Ber', {})
    else:
        assert type(got).__name__ == kind


async def test_calls_without_ids_get_one() -> None:
    """An endpoint that sends none is understood; the answer to a call names the id that was made up."""
    got = await outcome(Speech(), calling("look", '{"place": "Berlin"}', call_id=None))
    assert isinstance(got, Reply)
    (call,) = got.tool_calls
    assert (call.name, call.arguments, bool(call.id)) == ("look", {"place": "Berlin"}, True)


# -- too much ---------------------------------------------------------------------------------------------------------


async def test_a_large_answer_is_read_and_a_larger_one_refused(speech: Speech) -> None:
    """3 MB are an answer; more than `max_bytes` are cut off, before they fill the memory."""
    many = sse(*(speech.piece("x" * 30_000) for _ in range(100)), speech.end())
    got = await outcome(speech, many, idle_timeout_s=20)
    assert isinstance(got, Reply)
    assert len(got.text) == 3_000_000
    error = await outcome(speech, many, idle_timeout_s=20, max_bytes=1_000_000)
    assert isinstance(error, MalformedResponse)
    assert "more than 1,000,000 bytes" in error.message


async def test_packed_answers_are_refused(speech: Speech) -> None:
    """Compression is not asked for: a few packed bytes could unfold without bound."""
    packed = replace(speech.stream("x"), headers=(("Content-Type", "text/event-stream"), ("Content-Encoding", "gzip")))
    error = await outcome(speech, packed)
    assert isinstance(error, MalformedResponse)
    assert "packed with 'gzip'" in error.message


async def test_a_key_never_stands_in_a_message(speech: Speech) -> None:
    """An endpoint that repeats the key it was sent does not make us repeat it."""
    error = await outcome(speech, failure(401, f"Incorrect API key provided: {KEY}"))
    assert isinstance(error, AuthenticationFailed)
    assert "Incorrect API key provided: …" in error.message


async def test_nothing_secret_stands_in_an_error_nor_in_what_it_comes_from(speech: Speech) -> None:
    """Headers and passwords are as secret as keys, also for who logs the error with all its causes."""
    told = f"got Bearer {KEY} and Bearer hdr-canary-4711 and pass-canary"
    for answer in (
        failure(401, told),
        failure(500, told),
        replace(speech.stream("x"), body=(f"data: {told}\n\n".encode(),)),
    ):
        async with Endpoint([answer]) as endpoint:
            url = endpoint.url.replace("http://", "http://ann:pass-canary@")
            headers = {"X-Auth": "Bearer hdr-canary-4711"}
            model = OpenAIModel("m", base_url=url, api_key=KEY, headers=headers, api=speech.api)
            with pytest.raises(RunError) as raised:
                await model.respond(ModelRequest.prompt("Hi"))
            await model.aclose()
        assert "canary" not in "".join(traceback.format_exception(raised.value)), answer.status


# -- in a flow --------------------------------------------------------------------------------------------------------


class Talk(BaseModel):
    message: str = "Hi"
    reply: str = ""


def flow_of(agent: Agent) -> Flow[Talk]:
    """Return a flow of one agent."""
    flow = Flow("talk", Talk)
    flow.agent("agent", agent, reads=flow.state.message, writes=flow.state.reply)
    return flow


async def test_a_storm_of_faults_ends_in_a_failed_run(speech: Speech) -> None:
    """Attempts are bounded, each is on record with its fault, and the run fails with the last one."""
    agent = Agent("Say.", retry=4)
    async with Endpoint([failure(500), failure(429, retry_after_s=30), failure(503), failure(500)]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api=speech.api)
        clock = ManualClock()
        going = asyncio.ensure_future(run(flow_of(agent).freeze(), Talk(), resources=[model], clock=clock))
        await clock.run_out(going)
        await model.aclose()
        assert len(endpoint.requests) == 4
    result = going.result()
    attempts = account(result.trace).visits["0/0"].attempts
    assert [a.error.type for a in attempts if a.error] == [
        "ModelUnavailable",
        "RateLimited",
        "ModelUnavailable",
        "ModelUnavailable",
    ]
    assert attempts[2].started - (attempts[1].ended or 0) >= 30
    assert (result.status, result.error.type if result.error else "") == ("failed", "ModelUnavailable")


async def test_a_fault_that_passes_leaves_the_answer(speech: Speech) -> None:
    """A broken stream is asked for again; the answer is that of the whole one, and the broken one stays on record."""
    agent = Agent("Say.", retry=Retry(attempts=2, wait_s=0))
    async with Endpoint([sse(speech.piece("Half"), done=False), speech.stream("Whole.")]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api=speech.api)
        result = await run(flow_of(agent).freeze(), Talk(), resources=[model])
        await model.aclose()
    first = account(result.trace).visits["0/0"].attempts[0].error
    assert result.state.reply == "Whole."
    assert first is not None
    assert (first.type, first.detail["partial"]) == ("TruncatedStream", "Half")


async def test_cancelling_hangs_up(speech: Speech) -> None:
    """Who is no longer wanted does not go on costing: the connection of a cancelled request is closed."""
    async with Endpoint([sse(speech.piece("Once"), done=False, ending="hang")]) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url, api=speech.api, idle_timeout_s=60)
        begun = asyncio.Event()
        going = asyncio.ensure_future(model.respond(ModelRequest.prompt("Hi"), lambda _: begun.set()))
        await begun.wait()
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        await asyncio.wait_for(endpoint.hung_up.wait(), 20)
        await model.aclose()


POLICED: list[tuple[str, list[Answer], list[str], str]] = [
    ("429 with Retry-After", [failure(429, retry_after_s=30)], ["RateLimited"], ""),
    ("500 storm", [failure(500)] * 3, ["ModelUnavailable"] * 3, ""),
    ("dropped stream", [stream("Half of it").cut_at(220)], ["TruncatedStream"], "Half of it"),
    ("stream without end", [sse(chunk({"content": "Half"}), done=False)], ["TruncatedStream"], "Half"),
    ("HTML with 200", [document(b"<html>It works!</html>", media_type="text/html")], ["MalformedResponse"], ""),
]


@pytest.mark.parametrize(
    ("answers", "kinds", "partial"), [row[1:] for row in POLICED], ids=[name for name, *_ in POLICED]
)
async def test_faults_of_the_wire_under_policies(answers: list[Answer], kinds: list[str], partial: str) -> None:
    """Retried while that may help, then another model answers; each failure is marked, its partial text is kept."""
    clock, spare = ManualClock(), ScriptedModel(["Spare."], name="spare")
    async with Endpoint(answers) as endpoint:
        model = OpenAIModel("m", base_url=endpoint.url)
        stack = [fallback(spare), retry(Retry(len(answers), wait_s=1, on=("ModelError",)), clock=clock)]
        agent = Agent("Say.", policies=stack, retry=1)
        going = asyncio.ensure_future(run(flow_of(agent).freeze(), Talk(), resources=[model]))
        while not going.done():
            await asyncio.wait((going,), timeout=0.01)
            await clock.advance(0.5)
        await model.aclose()
        assert len(endpoint.requests) == len(answers)
    result = going.result()
    (attempt,) = account(result.trace).visits["0/0"].attempts
    assert result.state.reply == "Spare."
    assert [m.facts["error"] for m in attempt.marks] == [*kinds, kinds[-1]]
    assert [m.by for m in attempt.marks] == [*(["retry"] * len(kinds)), "fallback"]
    assert all(m.facts.get("partial", "") == partial for m in attempt.marks)


OPEN = Path("/proc/self/fd")


def open_sockets() -> int:
    """Count the sockets of this process."""
    return sum(str(name.readlink()).startswith("socket:") for name in OPEN.iterdir() if name.is_symlink())


@pytest.mark.skipif(not OPEN.is_dir(), reason="counts open files the way Linux tells them")
async def test_no_fault_leaves_a_socket_open(speech: Speech) -> None:
    """After every kind of fault, and after the models were closed, as many sockets are open as before."""
    before = open_sockets()
    for answer in (
        speech.stream("fine"),
        failure(500),
        document(b"<html>", media_type="text/html"),
        sse(speech.piece("x"), done=False),
        sse(speech.piece("x"), done=False, ending="hang"),
        speech.stream("cut off").cut_at(60),
        replace(speech.stream("x"), headers=(("Content-Encoding", "gzip"),)),
        sse(speech.piece("x" * 5000), speech.end()),
    ):
        await outcome(speech, answer, max_bytes=4000)
    gc.collect()
    await asyncio.sleep(0)
    assert open_sockets() == before
