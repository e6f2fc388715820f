"""One neutral conversation: what was said, by whom, and which tools were asked for, independent of any provider.

Messages are frozen and turn into plain JSON, so that they can be part of a flow's state
(``chat: Annotated[list[Message], append]``), of a trace and of a cache key. Nothing here knows the wire format of an
endpoint; the adapters in ``graphrt.agents.models`` translate. A count that nobody reported is ``None``, never 0.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from graphrt import hints

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNTIME: Final = "graphrt"
"""Speaks in user messages by which the runtime itself asks a model to conclude, or to mend its answer."""
CONCLUDE: Final = "Now give the final answer in the form asked for."
"""… when an agent has called all the tools it wants to."""
MEND: Final = "This does not fit, answer again:"
"""… before what is wrong with an answer."""
GO_ON: Final = "Now it is your turn."
"""… where another agent spoke last, for endpoints want something to react to."""

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]
"""Why the model stopped: by itself, at the token limit, to call tools, or because a filter cut it off."""


class Frozen(BaseModel):
    """A record of this family: immutable, and strict about unknown fields so that a typo is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return the record itself if nothing in it can be changed: a conversation is handed to each node anew."""
        return self if _is_immutable(type(self)) else super().__deepcopy__(memo)


class TextPart(Frozen):
    """Plain text."""

    kind: Literal["text"] = "text"
    """Tells the kinds of parts apart."""
    text: str


class _Attachment(Frozen):
    url: str | None = None
    """Where the endpoint fetches it. Exactly one of ``url`` and ``data`` is given."""
    data: str | None = None
    """The bytes, base64 encoded."""
    media_type: str | None = None
    """Such as ``image/png``; needed with ``data``."""

    @model_validator(mode="after")
    def _one_source(self) -> _Attachment:
        if (self.url is None) == (self.data is None):
            msg = f"a {type(self).__name__} needs exactly one of url= and data=; give one of them"
            raise ValueError(msg)
        if self.data is not None and self.media_type is None:
            msg = f"a {type(self).__name__} with data= needs media_type=, for example 'image/png'"
            raise ValueError(msg)
        return self


class ImagePart(_Attachment):
    """A picture, by address or as base64 bytes."""

    kind: Literal["image"] = "image"
    """Tells the kinds of parts apart."""


class FilePart(_Attachment):
    """A document, by address or as base64 bytes."""

    kind: Literal["file"] = "file"
    """Tells the kinds of parts apart."""
    name: str | None = None
    """File name shown to the model."""


Part: TypeAlias = Annotated[TextPart | ImagePart | FilePart, Field(discriminator="kind")]


class ToolCall(Frozen):
    """A model's wish to call a tool."""

    id: str
    """Unique in its message; made up from the position when the endpoint sent none."""
    name: str
    """Name of the tool."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """The parsed arguments; empty when ``raw`` is set."""
    raw: str | None = None
    """The text the model wrote, kept only when it is not a JSON object."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy with arguments of its own."""
        if type(self) is not ToolCall:
            return super().__deepcopy__(memo)
        twin = self.__copy__()
        vars(twin)["arguments"] = copy.deepcopy(self.arguments, memo)
        return twin


class SystemMessage(Frozen):
    """What the author of the flow tells the model."""

    role: Literal["system"] = "system"
    text: str


class UserMessage(Frozen):
    """What a person, or another part of the flow, says to the model."""

    role: Literal["user"] = "user"
    content: str | tuple[Part, ...]
    """A text, or parts: texts, pictures, files."""
    name: str | None = None
    """Who speaks, when several do."""

    @property
    def text(self) -> str:
        """The text of all text parts, one per line; pictures and files are left out."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


class AssistantMessage(Frozen):
    """What a model answered: text, tool calls or both."""

    role: Literal["assistant"] = "assistant"
    text: str = ""
    """What it says; empty beside calls alone."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The tools that it wants to call."""
    name: str | None = None
    """The agent that spoke, when several do."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy with calls of its own; the message itself if it has none."""
        if type(self) is not AssistantMessage:
            return super().__deepcopy__(memo)
        if not self.tool_calls:
            return self
        twin = self.__copy__()
        vars(twin)["tool_calls"] = copy.deepcopy(self.tool_calls, memo)
        return twin


class ToolMessage(Frozen):
    """What a tool gave back for one call."""

    role: Literal["tool"] = "tool"
    call_id: str
    """The ``ToolCall.id`` this answers."""
    name: str
    """Name of the tool."""
    text: str
    """What the model is shown."""
    failed: bool = False
    """True when the text tells the model what went wrong instead of a result."""


Message: TypeAlias = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage,
    Field(discriminator="role"),
]
"""A message of a conversation. A field of this type takes what an agent says; `list[Message]` is a conversation."""


class Usage(Frozen):
    """Tokens spent. ``None`` means the endpoint did not say; 0 means it said zero."""

    input_tokens: int | None = Field(default=None, ge=0)
    """All tokens read, those from a cache included."""
    output_tokens: int | None = Field(default=None, ge=0)
    """All tokens written, reasoning included."""
    cached_tokens: int | None = Field(default=None, ge=0)
    """The part of ``input_tokens`` that came from the provider's cache."""
    reasoning_tokens: int | None = Field(default=None, ge=0)
    """The part of ``output_tokens`` that was hidden reasoning."""
    estimated: bool = False
    """True when a count was estimated here and not reported by the endpoint."""
    cost_usd: float | Literal["unknown"] | None = None
    """The price, where the endpoint says it, or it does not follow from the counts and the model that was asked:
    ``"unknown"`` if nobody can say. ``None`` leaves it to ``Model.cost_usd``."""

    @classmethod
    def zero(cls) -> Usage:
        """Nothing spent, known for sure: the start of a sum."""
        return cls(input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0)

    @classmethod
    def free(cls) -> Usage:
        """Nothing spent, and so nothing to pay: an answer for which nobody was asked."""
        return cls(input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0, cost_usd=0.0)

    @property
    def total_tokens(self) -> int | None:
        """Input plus output; ``None`` when either is unknown."""
        return _plus(self.input_tokens, self.output_tokens)

    def __add__(self, other: Usage) -> Usage:
        """Add count by count; unknown plus anything is unknown."""
        return Usage(
            input_tokens=_plus(self.input_tokens, other.input_tokens),
            output_tokens=_plus(self.output_tokens, other.output_tokens),
            cached_tokens=_plus(self.cached_tokens, other.cached_tokens),
            reasoning_tokens=_plus(self.reasoning_tokens, other.reasoning_tokens),
            estimated=self.estimated or other.estimated,
            cost_usd=_cost(self.cost_usd, other.cost_usd),
        )


def system(text: str) -> SystemMessage:
    """Make a system message."""
    return SystemMessage(text=text)


def user(content: str | Sequence[TextPart | ImagePart | FilePart], *, name: str | None = None) -> UserMessage:
    """Make a user message from text or from parts."""
    return UserMessage(content=content if isinstance(content, str) else tuple(content), name=name)


def assistant(text: str = "", *tool_calls: ToolCall, name: str | None = None) -> AssistantMessage:
    """Make an assistant message."""
    return AssistantMessage(text=text, tool_calls=tool_calls, name=name)


def tool_result(call: ToolCall, text: str, *, failed: bool = False) -> ToolMessage:
    """Answer a tool call."""
    return ToolMessage(call_id=call.id, name=call.name, text=text, failed=failed)


@cache
def _is_immutable(kind: type[Frozen]) -> bool:
    return hints.is_immutable(kind)


def _plus(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


def _cost(
    left: float | Literal["unknown"] | None, right: float | Literal["unknown"] | None
) -> float | Literal["unknown"] | None:
    """Add prices that were said; one that follows from the counts leaves that to the sum of the counts."""
    if left is None or right is None:
        return None
    return "unknown" if isinstance(left, str) or isinstance(right, str) else left + right
