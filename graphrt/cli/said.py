"""Messages of a conversation as they stand in a state: which values are messages, who speaks, and what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from graphrt.cli.screen import json_text

if TYPE_CHECKING:
    from graphrt.inputs import Json


def messages_in(value: Json) -> list[dict[str, Any]]:
    """Return the messages that a value of a state is: a list of them, or a lone one; none if it is something else."""
    listed = cast("list[Json]", value) if isinstance(value, list) else [value]
    return cast("list[dict[str, Any]]", listed) if listed and all(_is_message(one) for one in listed) else []


def _is_message(value: Json) -> bool:
    return isinstance(value, dict) and "role" in value and ("text" in value or "content" in value)


def who(message: dict[str, Any]) -> str:
    """Return who speaks: the role, and the name if there is one."""
    return f"{message['role']} {message['name']}" if message.get("name") else str(message["role"])


def text_of(message: dict[str, Any]) -> str:
    """Return what is said; of pictures and files only that they are there."""
    said = message.get("text", message.get("content"))
    if isinstance(said, str):
        return said
    parts = objects_in(said)
    if not parts:
        return json_text(said, indent=None)
    return "\n".join(str(p["text"]) if "text" in p else f"[{p.get('kind', 'part')}]" for p in parts)


def objects_in(value: Json) -> list[dict[str, Any]]:
    """Return the objects in a list; a value that is none has none."""
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("dict[str, Any]", one) for one in listed if isinstance(one, dict)]
