"""How many tokens a request has, before its endpoint has counted them: an estimate, and labelled as one.

A token is taken for four bytes of text, which is about right for English and too little for other scripts; so what an
endpoint reports for a model corrects the estimates that follow.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from graphrt.agents.messages import AssistantMessage, UserMessage

if TYPE_CHECKING:
    from graphrt.agents.messages import Message
    from graphrt.agents.model import ModelRequest

BYTES: Final = 4
"""Bytes of text that are taken for a token."""
AROUND: Final = 4
"""Tokens that frame a message."""
ATTACHED: Final = 800
"""Tokens that a picture or a file is taken for; what it really is depends on the model."""
_LEAST, _MOST = 0.25, 4.0


def tokens_of_text(text: str) -> int:
    """Estimate a text."""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES)


def tokens_of_message(message: Message) -> int:
    """Estimate a message."""
    count = AROUND + tokens_of_text(message.text)
    if isinstance(message, UserMessage) and not isinstance(message.content, str):
        count += ATTACHED * sum(part.kind != "text" for part in message.content)
    if isinstance(message, AssistantMessage):
        count += sum(tokens_of_text(f"{c.name}{json.dumps(c.arguments)}{c.raw or ''}") for c in message.tool_calls)
    return count


def tokens_of_rest(request: ModelRequest) -> int:
    """Estimate all of a request but its messages."""
    parts: list[JsonValue] = [request.instructions, list(request.labels), request.output_schema]
    count = sum(tokens_of_text(part if isinstance(part, str) else json.dumps(part)) for part in parts if part)
    count += sum(tokens_of_text(given) + tokens_of_text(json.dumps(wanted)) for given, wanted in request.examples)
    return count + sum(tokens_of_text(tool.model_dump_json()) for tool in request.tools)


def tokens_of(request: ModelRequest) -> int:
    """Estimate a request."""
    return tokens_of_rest(request) + sum(map(tokens_of_message, request.messages))


class Scale:
    """How far estimates for a model were from what its endpoint counted."""

    def __init__(self) -> None:
        self._of: dict[str, float] = {}

    def of(self, model: str) -> float:
        """Return what to multiply estimates with; 1 as long as nothing was counted."""
        return self._of.get(model, 1.0)

    def learn(self, model: str, estimated: int, counted: int | None) -> None:
        """Take note of a count."""
        if counted and estimated:
            self._of[model] = min(_MOST, max(_LEAST, counted / estimated))
