"""Put a reply together from what an endpoint streams, believing nothing that was not checked.

The client library hands over whatever came: fields may be missing, null or of another type. This module takes what it
understands, repairs what is known to vary between endpoints, and never invents an ending: a reply is complete only when
the endpoint gave a reason for ending it.

Known variations: tool calls without id, without index, or all with index 0; arguments as an object instead of text;
surrogate pairs cut in two by JSON escapes; usage in the last chunk, beside it, or never; parts instead of text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import JsonValue

from graphrt.agents.messages import FinishReason, ToolCall, Usage
from graphrt.agents.model import Emit, joined, strict_json
from graphrt.agents.models.openai.labels import Position

_FINISHES: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
"""What endpoints call the reasons; any other word is an ordinary stop."""


@dataclass(slots=True)
class Pending:
    """A tool call whose pieces are still arriving."""

    id: str = ""
    name: str = ""
    text: list[str] = field(default_factory=list[str])
    object: dict[str, JsonValue] | None = None

    def finished(self, position: int, taken: set[str]) -> ToolCall:
        """Close the call; an id that is missing or taken is made from the position."""
        call_id = self.id if self.id and self.id not in taken else f"call_{position}"
        while call_id in taken:
            call_id += "x"
        taken.add(call_id)
        if self.object is not None:
            return ToolCall(id=call_id, name=self.name, arguments=self.object)
        raw = "".join(self.text)
        arguments = _arguments(raw)
        if arguments is None:
            return ToolCall(id=call_id, name=self.name, raw=joined(raw))
        return ToolCall(id=call_id, name=self.name, arguments=arguments)


@dataclass(slots=True)
class Assembly:
    """Everything heard so far; feed it each chunk."""

    emit: Emit
    choices: int = 0
    """How many pieces of an answer came; 0 means that this was no chat completion."""
    finish: FinishReason | None = None
    failed: bool = False
    """True when the endpoint itself said that the answer ended in an error."""
    problem: Any = "finish_reason error"
    """What it said then."""
    usage: Usage = field(default_factory=Usage)
    model: str | None = None
    positions: list[Position] = field(default_factory=list[Position])
    _text: list[str] = field(default_factory=list[str])
    _refusal: list[str] = field(default_factory=list[str])
    _held: str = ""
    _calls: list[Pending] = field(default_factory=list[Pending])
    _by_index: dict[int, Pending] = field(default_factory=dict[int, Pending])

    @property
    def text(self) -> str:
        """The text so far, with surrogate pairs put together."""
        return joined("".join(self._text))

    @property
    def refusal(self) -> str:
        """What the model said instead of an answer; empty if it answered."""
        return joined("".join(self._refusal))

    @property
    def complete(self) -> bool:
        """True when the endpoint said why it stopped."""
        return self.finish is not None or self.failed

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, in order of appearance."""
        taken: set[str] = set()
        return tuple(call.finished(position, taken) for position, call in enumerate(self._calls))

    def flush(self) -> None:
        """Say that no more comes: half a surrogate pair that waits for its other half is emitted as U+FFFD."""
        if self._held:
            self.emit(joined(self._held))
            self._held = ""

    def feed(self, chunk: Any) -> None:
        """Take one chunk of a stream."""
        self._take_frame(chunk)
        for choice in items_of(getattr(chunk, "choices", None)):
            if _number(getattr(choice, "index", None)) in {None, 0}:
                self._take_choice(choice, getattr(choice, "delta", None))

    def feed_whole(self, completion: Any) -> None:
        """Take a completion that was not streamed, as some endpoints send whatever they are asked."""
        self._take_frame(completion)
        for choice in items_of(getattr(completion, "choices", None))[:1]:
            self._take_choice(choice, getattr(choice, "message", None))

    def _take_frame(self, frame: Any) -> None:
        model = getattr(frame, "model", None)
        if isinstance(model, str) and model:
            self.model = model
        usage = getattr(frame, "usage", None)
        if usage is not None:
            self.usage = read_usage(usage)

    def _take_choice(self, choice: Any, delta: Any) -> None:
        self.choices += 1
        if delta is not None:
            self._take_text(getattr(delta, "content", None))
            refusal = getattr(delta, "refusal", None)
            if isinstance(refusal, str):
                self._refusal.append(refusal)
            for call in items_of(getattr(delta, "tool_calls", None)):
                self._take_call(call)
        for entry in items_of(getattr(getattr(choice, "logprobs", None), "content", None)):
            self._take_logprob(entry)
        reason = getattr(choice, "finish_reason", None)
        if reason == "error":
            self.failed = True
        elif isinstance(reason, str) and reason:
            self.finish = _FINISHES.get(reason, "stop")

    def _take_text(self, content: Any) -> None:
        if isinstance(content, list):  # some endpoints send parts, as requests may
            content = "".join(text_of(part.get("text")) for part in items_of(content) if hasattr(part, "get"))
        if not isinstance(content, str) or not content:
            return
        self._text.append(content)
        ready, self._held = _hold_back(self._held + content)
        if ready:
            self.emit(ready)

    def _take_call(self, piece: Any) -> None:
        call = self._slot(piece)
        call.id = call.id or text_of(getattr(piece, "id", None))
        function = getattr(piece, "function", None)
        name = text_of(getattr(function, "name", None))
        if name != call.name:  # some repeat the name in every piece, some send it in pieces
            call.name += name
        arguments = getattr(function, "arguments", None)
        if isinstance(arguments, dict):
            call.object = {**(call.object or {}), **arguments}
        elif isinstance(arguments, str):
            call.text.append(arguments)

    def _slot(self, piece: Any) -> Pending:
        """Find the call that a piece belongs to, or open one."""
        call_id = text_of(getattr(piece, "id", None))
        index = _number(getattr(piece, "index", None))
        known = self._by_index.get(index) if index is not None else None
        if known is not None and not (call_id and known.id and call_id != known.id):
            return known
        if index is None and self._calls:
            last = self._calls[-1]
            opens = call_id or text_of(getattr(getattr(piece, "function", None), "name", None))
            if not opens or (call_id and call_id == last.id):
                return last
        call = Pending()
        self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _take_logprob(self, entry: Any) -> None:
        token, logprob = getattr(entry, "token", None), getattr(entry, "logprob", None)
        if not isinstance(token, str) or not isinstance(logprob, int | float):
            return
        others = [
            (other.token, float(other.logprob))
            for other in items_of(getattr(entry, "top_logprobs", None))
            if isinstance(getattr(other, "token", None), str)
            and isinstance(getattr(other, "logprob", None), int | float)
        ]
        self.positions.append(Position(token, float(logprob), tuple(others)))


def read_usage(usage: Any) -> Usage:
    """Read token counts; what is absent or no count stays unknown."""
    return Usage(
        input_tokens=count_of(getattr(usage, "prompt_tokens", None)),
        output_tokens=count_of(getattr(usage, "completion_tokens", None)),
        cached_tokens=count_of(getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)),
        reasoning_tokens=count_of(getattr(getattr(usage, "completion_tokens_details", None), "reasoning_tokens", None)),
        cost_usd=price_of(getattr(usage, "cost", None), getattr(usage, "is_byok", None)),
    )


def _hold_back(text: str) -> tuple[str, str]:
    """Split off a last character that is the first half of a surrogate pair."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return joined(text[:-1]), text[-1]
    return joined(text), ""


def _arguments(raw: str) -> dict[str, JsonValue] | None:
    """Parse arguments; nothing at all means none, and an object that was quoted once more is unwrapped."""
    if not raw.strip():
        return {}
    try:
        value = strict_json(raw)
        if isinstance(value, str):
            value = strict_json(value)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def items_of(value: Any) -> list[Any]:
    """Return a list; nothing else counts as one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count_of(value: Any) -> int | None:
    """Return a count; None for anything else."""
    number = _number(value)
    return number if number is not None and number >= 0 else None


def price_of(cost: Any, is_byok: Any) -> float | None:
    """Return what a gateway such as OpenRouter says a request cost, in US dollars; None where it says nothing.

    With a key of one's own (`is_byok`) that is the gateway's fee alone, so the price has to follow from the counts.
    """
    if is_byok is True or isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return float(cost) if math.isfinite(cost) and cost >= 0 else None


def text_of(value: Any) -> str:
    """Return a text; empty for anything else."""
    return value if isinstance(value, str) else ""
