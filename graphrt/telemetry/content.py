"""What a run worked on, as attributes of spans: what was used, said, called and written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from graphrt.telemetry import names

if TYPE_CHECKING:
    from graphrt.inputs import Json, Sent, Usage
    from graphrt.telemetry.names import Value
    from graphrt.telemetry.span import Attributes
    from graphrt.told import VisitAccount

REQUESTS: Final = frozenset({"model", "answer"})
"""Nodes inside an agent that ask a model …"""
CALLS: Final = frozenset({"tool", "act"})
"""… and those that carry out calls of tools."""


def usage_of(usage: Usage | None) -> Attributes:
    """Return what an attempt used, as far as it is known."""
    if usage is None:
        return {}
    facts = names.under({names.INPUT_TOKENS: usage.input_tokens, names.OUTPUT_TOKENS: usage.output_tokens})
    return facts | ({} if usage.cost_usd is None else {"graphrt.cost_usd": usage.cost_usd})


def sent_to(sent: Sent) -> Attributes:
    """Return who was asked last, and how; the digest leads to all of it in the trace."""
    facts: dict[tuple[str, ...], Value | None] = {
        names.ASKED_MODEL: sent.model,
        names.PROVIDER: sent.provider,
        names.PROMPT: sent.digest,
    }
    asked = {key: sent.rest.get(name) for name, key in names.SETTINGS.items()}
    return names.under(facts | {key: value for key, value in asked.items() if isinstance(value, int | float)})


def content_of(known: VisitAccount, writes: dict[str, Json], said: list[dict[str, Any]], *, inside: bool) -> Attributes:
    """Return what a visit wrote; of a request or a call, as the conventions want it."""
    if inside and known.node.name in CALLS and said:
        return names.under({names.RESULT: str(said[-1].get("text", ""))})
    if inside and known.node.name in REQUESTS:
        before = [m for m in said if m.get("role") != "assistant"]
        own = [m for m in said if m.get("role") == "assistant"] or [{"role": "assistant", "text": writes.get("output")}]
        return names.under(
            {
                names.SAID_BEFORE: json_text([_as_told(m) for m in before]) if before else None,
                names.SAID: json_text([_as_told(m) for m in own]),
            }
        )
    return {"graphrt.writes": json_text(writes)} if writes else {}


def messages_in(writes: dict[str, Json]) -> list[dict[str, Any]]:
    """Return the messages among what was written."""
    found = writes.get("messages")
    listed = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", m) for m in listed if isinstance(m, dict)]


def _as_told(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message as the conventions have it."""
    text = message.get("text", message.get("content"))
    parts: list[dict[str, Any]] = [{"type": "text", "content": text if isinstance(text, str) else json_text(text)}]
    parts += [
        {"type": "tool_call", "id": c.get("id"), "name": c.get("name"), "arguments": c.get("arguments")}
        for c in cast("list[dict[str, Any]]", message.get("tool_calls") or [])
    ]
    return {"role": message.get("role", "user"), "parts": parts}


def json_text(value: Json) -> str:
    """Return a value as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def text_or_none(value: Json) -> str | None:
    """Return a text that says something, else None."""
    return value if isinstance(value, str) and value else None
