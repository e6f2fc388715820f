"""The public doubles keep their word: a model that follows a script, an endpoint whose every byte is chosen."""

from __future__ import annotations

import asyncio
import doctest
from typing import Any, cast

import pytest

from graphrt import UseError
from graphrt.agents import ModelRequest, Reply, ToolCall, Usage
from graphrt.testing import ScriptedModel, ScriptExhausted, Turn, endpoint, scripted
from graphrt.testing.endpoint import Answer, Endpoint, failure, sse, stream

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("module", [scripted, endpoint], ids=["scripted", "endpoint"])
def test_the_examples_in_the_docs_run(module: Any) -> None:
    """What the module's docstring shows is what happens."""
    found = doctest.testmod(module)
    assert (found.failed, found.attempted > 0) == (0, True)


async def test_every_shorthand_is_a_turn() -> None:
    """Text, data, one call, several, an error, a whole reply: each is played in order and recorded."""
    call, error = ToolCall(id="1", name="look"), ValueError("odd")
    model = ScriptedModel(["text", {"a": 1}, call, [call, call], Reply(text="whole", model="x"), error])
    said: list[str] = []
    replies = [await model.respond(ModelRequest.prompt("q"), said.append) for _ in range(5)]
    assert [r.text for r in replies] == ["text", '{"a": 1}', "", "", "whole"]
    assert (replies[1].data, replies[2].finish, len(replies[3].tool_calls)) == ({"a": 1}, "tool_calls", 2)
    assert (replies[4].model, replies[4].usage) == ("x", Usage())
    assert said == ["text", "whole"]
    with pytest.raises(ValueError, match="odd"):
        await model.respond(ModelRequest.prompt("q"))
    assert (len(model.requests), model.remaining) == (6, 0)
    with pytest.raises(ScriptExhausted, match=r"turn 7, but its script has 6; the request ends with 'q'"):
        await model.respond(ModelRequest.prompt("q"))


async def test_a_function_may_be_asynchronous() -> None:
    """What it returns is awaited, and then a turn like any other."""

    async def answer(request: ModelRequest) -> str:
        await asyncio.sleep(0)
        return request.messages[-1].text.upper()

    assert (await ScriptedModel(answer).respond(ModelRequest.prompt("q"))).text == "Q"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("hello", r"ScriptedModel\('hello'\): expected a list of turns, such as \['hello'\]"),
        (7, r"ScriptedModel\(7\): expected a list of turns"),
        ({"a": 1}, "expected a list of turns"),
        (["a", 5], r"turn 2 of the script is 5; expected text"),
        ([[1, 2]], r"turn 1 of the script is \[1, 2\]; .*Turn\.fill"),
    ],
)
def test_what_is_no_script_is_refused_where_it_is_written(script: Any, says: str) -> None:
    """The error names the turn, what it is, and what it can be; no run has to fail for that."""
    with pytest.raises(UseError, match=says):
        ScriptedModel(script)


async def test_a_function_that_returns_no_turn_is_told() -> None:
    """What came of it is named, whether it was awaited or not."""

    def now(_request: ModelRequest) -> Any:
        return 3

    async def later(_request: ModelRequest) -> Any:
        return 3

    for script in (now, later):
        with pytest.raises(UseError, match="the script's function returned 3; expected text"):
            await ScriptedModel(cast("Any", script)).respond(ModelRequest.prompt("q"))


async def test_delays_take_the_time_of_the_test_and_pieces_come_before_an_error() -> None:
    """A delay is handed to the given sleep, once a piece and once at the end; nobody waits for real by default."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    said: list[str] = []
    turn = Turn.fail(ConnectionError("cut"), after=("one", "two"), delay_s=3)
    with pytest.raises(ConnectionError):
        await ScriptedModel([turn], sleep=sleep).respond(ModelRequest.prompt("q"), said.append)
    assert (slept, said) == ([3, 3, 3], ["one", "two"])
    async with asyncio.timeout(20):
        await ScriptedModel([Turn.say("a", delay_s=3600)]).respond(ModelRequest.prompt("q"))


async def test_scores_are_given_whole_or_by_confidence() -> None:
    """A confidence leaves the rest to the other labels in equal parts; scores are taken as they are."""
    model = ScriptedModel([Turn.choose("a", 0.5), Turn.choose("b", scores={"a": 0.1, "b": 0.9}), Turn.choose("c")])
    labels = ["a", "b", "c"]
    assert (await model.choose(ModelRequest.prompt("q"), labels)).scores == {"a": 0.5, "b": 0.25, "c": 0.25}
    assert (await model.choose(ModelRequest.prompt("q"), labels)).scores == {"a": 0.1, "b": 0.9}
    assert (await model.choose(ModelRequest.prompt("q"), labels)).scores is None


async def raw(url: Endpoint, body: bytes = b"{}") -> bytes:
    """Ask an endpoint without a client library; return all that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    writer.write(b"POST /v1/x HTTP/1.1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_an_endpoint_sends_the_bytes_it_was_told() -> None:
    """The framing and the ending are those of the answer, and requests are recorded with their headers and bodies."""
    plain = Answer(body=(b"a", b"b"), framing="close")
    async with Endpoint([plain, stream("x").cut_at(5)]) as server:
        assert (await raw(server, b'{"n": 1}')).endswith(b"\r\n\r\nab")
        assert b"0\r\n\r\n" not in await raw(server)
        assert server.requests[0].json == {"n": 1}
        assert (server.requests[0].method, server.requests[0].path) == ("POST", "/v1/x")
        assert b" 599 " in (await raw_line(server))


async def raw_line(server: Endpoint) -> bytes:
    """Return the first line of an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line


async def test_a_test_decides_when_an_endpoint_goes_on() -> None:
    """An event in a body holds it back; a client that hangs up meanwhile is noticed."""
    gate = asyncio.Event()
    async with Endpoint([Answer(body=(b"a", gate, b"b"), framing="close"), sse(ending="hang")]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(1) == b"a"
        gate.set()
        assert await reader.read() == b"b"
        writer.close()
        hanging, other = await asyncio.open_connection("127.0.0.1", server.port)
        other.write(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        await hanging.readline()
        other.close()
        await asyncio.wait_for(server.hung_up.wait(), 20)


def test_an_endpoint_that_is_not_open_says_so() -> None:
    """Its address is known only while it listens; a failure has the shape that clients know."""
    with pytest.raises(RuntimeError, match="only inside `async with`"):
        _ = Endpoint([]).url
    answer = failure(429, "slow", retry_after_s=3)
    assert answer.status == 429
    assert ("Retry-After", "3") in answer.headers
