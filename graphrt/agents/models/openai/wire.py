"""Write a request as Chat Completions wants it."""

from __future__ import annotations

import json
import re
from typing import Any, assert_never, cast

from pydantic import JsonValue

from graphrt.agents.errors import ModelError
from graphrt.agents.messages import (
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    Part,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from graphrt.agents.model import ModelRequest, ToolSpec, encodable

Wire = dict[str, Any]


def payload(request: ModelRequest, *, model: str, official: bool) -> Wire:
    """Build the arguments of ``chat.completions.create`` for a text or tool request.

    ``official`` endpoints call the token limit ``max_completion_tokens``; all others know ``max_tokens``.
    """
    body: Wire = {
        "model": request.model or model,
        "messages": conversation(request),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.seed is not None:
        body["seed"] = request.seed
    if request.max_tokens is not None:
        body["max_completion_tokens" if official else "max_tokens"] = request.max_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice != "auto":
            body["tool_choice"] = request.tool_choice
    return cast("Wire", encodable(cast("JsonValue", body)))


def conversation(request: ModelRequest) -> list[Wire]:
    """Write instructions, then examples as earlier turns, then the messages."""
    lines: list[Wire] = []
    if request.instructions:
        lines.append({"role": "system", "content": request.instructions})
    for number, (given, wanted) in enumerate(request.examples):
        lines.append({"role": "user", "content": given})
        lines.extend(_message(message) for message in example_messages(number, wanted, request))
    lines.extend(_message(message) for message in request.messages)
    return lines


def example_messages(number: int, wanted: JsonValue, request: ModelRequest) -> list[Message]:
    """Return what is wanted of a model in an example as the messages it would have said."""
    names = {tool.name for tool in request.tools}
    if isinstance(wanted, dict) and wanted.get("tool") in names:
        arguments = wanted.get("arguments")
        call = ToolCall(
            id=f"example_{number}",
            name=str(wanted["tool"]),
            arguments=arguments if isinstance(arguments, dict) else {},
        )
        # A call without its result is refused by endpoints.
        return [
            AssistantMessage(tool_calls=(call,)),
            ToolMessage(call_id=call.id, name=call.name, text="(the result of an example)"),
        ]
    return [AssistantMessage(text=wanted if isinstance(wanted, str) else json.dumps(wanted))]


def _message(message: Message) -> Wire:
    match message:
        case SystemMessage():
            return {"role": "system", "content": message.text}
        case UserMessage():
            content = message.content
            wire: Wire = {
                "role": "user",
                "content": content if isinstance(content, str) else [_part(part) for part in content],
            }
            return wire | _name(message.name)
        case AssistantMessage():
            wire = {"role": "assistant", "content": message.text or None}
            if message.tool_calls:
                wire["tool_calls"] = [_call(call) for call in message.tool_calls]
            elif not message.text:
                wire["content"] = ""
            return wire | _name(message.name)
        case ToolMessage():
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
        case _:
            assert_never(message)


def _name(name: str | None) -> Wire:
    """Name the speaker, in the letters that endpoints allow."""
    return {"name": re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]} if name else {}


def arguments_text(call: ToolCall) -> str:
    """Return the arguments of a call as they are sent back.

    Text that was no JSON is not: many endpoints parse it and refuse the whole conversation.
    """
    return json.dumps(call.arguments if call.raw is None else {"unparsable": call.raw})


def _call(call: ToolCall) -> Wire:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments_text(call)}}


def _part(part: Part) -> Wire:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text}
        case ImagePart():
            return {"type": "image_url", "image_url": {"url": part.url or f"data:{part.media_type};base64,{part.data}"}}
        case FilePart():
            if part.data is None:
                raise ModelError(
                    f"a file is given by its address {part.url!r}, which Chat Completions cannot fetch; "
                    "give its bytes with data= and media_type="
                )
            file: Wire = {"file_data": f"data:{part.media_type};base64,{part.data}"}
            return {"type": "file", "file": file | {"filename": part.name or "file"}}
        case _:
            assert_never(part)


def _tool(tool: ToolSpec) -> Wire:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }
