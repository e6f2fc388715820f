"""The two protocols of these endpoints, as the one model above them sees them: how to ask, and how to read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, cast

from graphrt.agents.models.openai.assembly import Assembly
from graphrt.agents.models.openai.responses.assembly import ResponsesAssembly
from graphrt.agents.models.openai.responses.wire import payload as responses_payload
from graphrt.agents.models.openai.wire import Wire, payload

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from openai import AsyncOpenAI
    from pydantic import JsonValue

    from graphrt.agents.model import Emit, ModelRequest

ApiName: TypeAlias = Literal["chat", "responses"]


class _Payload(Protocol):
    def __call__(self, request: ModelRequest, *, model: str, official: bool) -> Wire: ...


@dataclass(frozen=True, slots=True)
class Api:
    """One protocol."""

    payload: _Payload
    """Write a request for text or tools."""
    create: Callable[[AsyncOpenAI], Callable[..., Awaitable[Any]]]
    """Return the client's method that sends it; what the library's overloads say cannot follow a body made here."""
    document: Callable[[], Callable[..., Any]]
    """Return what makes an object, unchecked, of an answer that came whole."""
    assembly: Callable[[Emit], Assembly]
    scored: dict[str, JsonValue]
    """What asks for the probabilities of tokens."""
    answer: str
    """What an answer is called."""
    ending: str
    """What ends it."""

    def formatted(self, described: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Return what asks for JSON of a schema: its name, the schema, whether it is strict."""
        if self is RESPONSES:
            return {"text": {"format": {"type": "json_schema", **described}}}
        return {"response_format": {"type": "json_schema", "json_schema": described}}


def _completion() -> Callable[..., Any]:
    from openai.types.chat import ChatCompletion  # noqa: PLC0415 - loaded by now

    return ChatCompletion.construct


def _response() -> Callable[..., Any]:
    from openai.types.responses import Response  # noqa: PLC0415 - loaded by now

    return Response.construct


CHAT: Final = Api(
    payload=payload,
    create=lambda client: cast("Any", client.chat.completions).create,
    document=_completion,
    assembly=Assembly,
    scored={"logprobs": True, "top_logprobs": 20},
    answer="a chat completion",
    ending="a finish_reason",
)
RESPONSES: Final = Api(
    payload=responses_payload,
    create=lambda client: cast("Any", client.responses).create,
    document=_response,
    assembly=ResponsesAssembly,
    scored={"include": ["message.output_text.logprobs"], "top_logprobs": 20},
    answer="a response",
    ending="response.completed",
)
APIS: Final[dict[ApiName, Api]] = {"chat": CHAT, "responses": RESPONSES}
