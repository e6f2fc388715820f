r"""A small loopback endpoint that speaks Chat Completions or Responses; the test chooses every byte and every pause.

It is a real HTTP server on 127.0.0.1, for the real client library. It answers from a list, in order of arrival, or from
a function of the request; it records what it was sent and notices clients that hang up. It is a double: it knows no
security.

    >>> import asyncio, json
    >>> async def main() -> str:
    ...     async with Endpoint([stream("Hel", "lo"), failure(429, retry_after_s=2)]) as endpoint:
    ...         reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
    ...         writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    ...         head = await reader.readuntil(b"\r\n")
    ...         writer.close()
    ...         return head.decode().strip()
    >>> asyncio.run(main())
    'HTTP/1.1 200 OK'
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias

if TYPE_CHECKING:
    from types import TracebackType

    from pydantic import JsonValue

Json: TypeAlias = "dict[str, JsonValue]"

Ending: TypeAlias = Literal["clean", "cut", "hang"]
"""``clean`` ends the body as its framing says, ``cut`` drops the connection there, ``hang`` waits in silence for the
client to go."""
Framing: TypeAlias = Literal["chunked", "length", "close"]
"""How a client knows where the body ends: chunks, a Content-Length, or the end of the connection."""


_BACKLOG: Final = 2048
"""Connections that may wait to be accepted: a thousand clients at once are not turned away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP response, byte by byte."""

    body: tuple[bytes | asyncio.Event, ...] = ()
    """Each item is one write to the socket; an event is waited for before going on."""
    status: int = 200
    """The status of HTTP."""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/event-stream"),)
    """Names and values."""
    framing: Framing = "chunked"
    """How the end of the body is known."""
    ending: Ending = "clean"
    """How the connection ends: in order, cut off, or silent."""

    @property
    def content(self) -> bytes:
        """The whole body."""
        return b"".join(piece for piece in self.body if isinstance(piece, bytes))

    def cut_at(self, size: int) -> Answer:
        """Return the same answer, broken off after so many bytes of body."""
        return replace(self, body=(self.content[:size],), ending="cut")

    def split_at(self, *sizes: int) -> Answer:
        """Return the same answer, sent in pieces that end after so many bytes of body."""
        edges = [0, *sizes, len(self.content)]
        pieces = (self.content[start:end] for start, end in itertools.pairwise(edges))
        return replace(self, body=tuple(piece for piece in pieces if piece))


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request that came in."""

    method: str
    """Such as `POST`."""
    path: str
    """With the query, as it was sent."""
    headers: dict[str, str]
    """Names are in lower case."""
    body: bytes
    """The bytes of the body."""

    @property
    def json(self) -> Json:
        """The body as a JSON object.

        Raises:
            ValueError: it is none.
        """
        value: JsonValue = json.loads(self.body)
        if not isinstance(value, dict):
            msg = f"the client sent {type(value).__name__}, expected a JSON object"
            raise ValueError(msg)  # noqa: TRY004 - the bytes are wrong, not a type in the program
        return value


class Endpoint:
    """A loopback server; ``url`` is the ``base_url`` of a client."""

    def __init__(self, answers: Sequence[Answer] | Callable[[Received], Answer]) -> None:
        """Take the answers; a client that asks for more than there are gets status 599."""
        self.requests: list[Received] = []
        """Every request so far, in order of arrival."""
        self.hung_up = asyncio.Event()
        """Set when a client closed its connection before its answer was complete."""
        self._answers = answers if callable(answers) else tuple(answers)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            msg = "the endpoint listens only inside `async with`"
            raise RuntimeError(msg)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The base URL to give to a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        """Start to listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=_BACKLOG)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, dropping open connections."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        writer.transport.set_write_buffer_limits(0)  # a drain then means that the kernel has every byte
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        except asyncio.CancelledError:
            return  # the endpoint closes; a cancelled handler would be reported by the loop as an error
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):  # as above
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ahead = b""
        while (request := await _read(reader, ahead)) is not None:
            self.requests.append(request)
            answer = self._answer(request)
            sending = asyncio.ensure_future(_send(answer, writer))
            # Reading is how a hang-up shows; a client that is quick with its next request makes it return a byte.
            reading = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
            finally:
                early = not sending.done()
                sending.cancel()
                reading.cancel()
                sent, read = await asyncio.gather(sending, reading, return_exceptions=True)
            if early or isinstance(sent, ConnectionError):
                self.hung_up.set()
                return
            if answer.ending == "cut":
                writer.transport.abort()
                return
            if answer.framing == "close":
                return
            ahead = read if isinstance(read, bytes) else b""

    def _answer(self, request: Received) -> Answer:
        if callable(self._answers):
            return self._answers(request)
        asked = len(self.requests)
        if asked > len(self._answers):
            return failure(599, f"asked for answer {asked}, but the test gave {len(self._answers)}")
        return self._answers[asked - 1]


def chunk(delta: Json | None, *, finish: str | None = None, **fields: JsonValue) -> Json:
    """Make one chunk of a stream; with ``delta=None`` one without choices, as the last one with the usage is."""
    choices: list[JsonValue] = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    frame: Json = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "double"}
    return {**frame, "choices": choices, **fields}


def usage(prompt: int = 10, completion: int = 5) -> Json:
    """Make the chunk that reports tokens."""
    counts: Json = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return chunk(None, usage=counts)


def sse(*chunks: Json, done: bool = True, ending: Ending = "clean", framing: Framing = "chunked") -> Answer:
    """Stream these chunks, each in one write."""
    frames = [b"data: " + json.dumps(frame, ensure_ascii=False).encode() + b"\n\n" for frame in chunks]
    return Answer(body=(*frames, *([b"data: [DONE]\n\n"] if done else [])), ending=ending, framing=framing)


def stream(*pieces: str, finish: str | None = "stop", done: bool = True) -> Answer:
    """Stream a text in these pieces, then the reason it ended and the usage, as an endpoint should."""
    return sse(*(chunk({"content": piece}) for piece in pieces), chunk({}, finish=finish), usage(), done=done)


def calling(tool: str, arguments: str, *, call_id: str | None = "call_1", finish: str = "tool_calls") -> Answer:
    """Stream a call of one tool, its arguments in two pieces."""
    half = len(arguments) // 2
    first: Json = {"index": 0, "type": "function", "function": {"name": tool, "arguments": arguments[:half]}}
    opening: Json = first if call_id is None else {**first, "id": call_id}
    rest: Json = {"index": 0, "function": {"arguments": arguments[half:]}}
    return sse(chunk({"tool_calls": [opening]}), chunk({"tool_calls": [rest]}), chunk({}, finish=finish), usage())


@dataclass(frozen=True, slots=True)
class Speech:
    """What an endpoint says, in one of the two protocols: so that a test can be about both."""

    api: Literal["chat", "responses"] = "chat"

    def piece(self, text: str) -> Json:
        """Make the frame of one piece of text."""
        if self.api == "chat":
            return chunk({"content": text})
        return {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": text}

    def end(self, finish: str = "stop", *, counted: bool = False) -> Json:
        """Make the frame that says why it ended: ``stop``, ``length``, ``tool_calls``; with the tokens if counted."""
        if self.api == "chat":
            counts: Json = {"prompt_tokens": 10, "completion_tokens": 5}
            return chunk({}, finish=finish, **({"usage": counts} if counted else {}))
        response: Json = {"id": "resp_1", "object": "response", "model": "double", "output": [], "status": "completed"}
        if finish in {"length", "content_filter"}:
            reason = "max_output_tokens" if finish == "length" else finish
            response |= {"status": "incomplete", "incomplete_details": {"reason": reason}}
        if counted:
            response["usage"] = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        kind = "response.incomplete" if response["status"] == "incomplete" else "response.completed"
        return {"type": kind, "response": response}

    def stream(self, *pieces: str, finish: str = "stop", done: bool = True) -> Answer:
        """Stream a text in these pieces, then the reason it ended and the usage, as an endpoint should."""
        if self.api == "chat":
            return stream(*pieces, finish=finish, done=done)
        return sse(*(self.piece(piece) for piece in pieces), self.end(finish, counted=True), done=done)

    def calling(self, tool: str, arguments: str, *, call_id: str = "call_1") -> Answer:
        """Stream a call of one tool, its arguments in two pieces."""
        if self.api == "chat":
            return calling(tool, arguments, call_id=call_id)
        item: Json = {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": tool, "arguments": ""}
        half = len(arguments) // 2
        where: Json = {"item_id": "fc_1", "output_index": 0}
        return sse(
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.function_call_arguments.delta", **where, "delta": arguments[:half]},
            {"type": "response.function_call_arguments.delta", **where, "delta": arguments[half:]},
            {"type": "response.output_item.done", "output_index": 0, "item": {**item, "arguments": arguments}},
            self.end(counted=True),
        )


def document(content: bytes | Json, *, media_type: str = "application/json", status: int = 200) -> Answer:
    """Answer with one whole body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(body=(body,), status=status, headers=(("Content-Type", media_type),), framing="length")


def failure(
    status: int, message: str = "no", *, code: str | None = None, retry_after_s: float | str | None = None
) -> Answer:
    """Answer with an error in the usual shape; ``retry_after_s`` may also be a date, as HTTP allows."""
    answer = document({"error": {"message": message, "type": "error", "code": code}}, status=status)
    if retry_after_s is None:
        return answer
    return replace(answer, headers=(*answer.headers, ("Retry-After", str(retry_after_s))))


async def _read(reader: asyncio.StreamReader, ahead: bytes) -> Received | None:
    try:
        head = ahead + await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method=method, path=path, headers=headers, body=body)


async def _send(answer: Answer, writer: asyncio.StreamWriter) -> None:
    writer.write(_head(answer))
    for piece in answer.body:
        if isinstance(piece, asyncio.Event):
            await piece.wait()
            continue
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if answer.framing == "chunked" and piece else piece)
        await writer.drain()
    if answer.ending == "hang":
        await asyncio.Event().wait()
    if answer.framing == "chunked" and answer.ending == "clean":
        writer.write(b"0\r\n\r\n")
    await writer.drain()


def _head(answer: Answer) -> bytes:
    def lines() -> Iterator[str]:
        known = answer.status in HTTPStatus.__members__.values()
        yield f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase if known else 'Unknown'}"
        for name, value in answer.headers:
            yield f"{name}: {value}"
        if answer.framing == "chunked":
            yield "Transfer-Encoding: chunked"
        elif answer.framing == "length":
            yield f"Content-Length: {len(answer.content)}"
        else:
            yield "Connection: close"

    return ("\r\n".join(lines()) + "\r\n\r\n").encode("latin-1")
