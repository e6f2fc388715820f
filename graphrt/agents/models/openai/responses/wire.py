"""Write a request as the Responses protocol wants it."""

from __future__ import annotations

from typing import Any, assert_never, cast

from pydantic import JsonValue

from graphrt.agents.errors import ModelError
from graphrt.agents.messages import (
    RUNTIME,
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
from graphrt.agents.models.openai.wire import arguments_text, example_messages

Wire = dict[str, Any]


def payload(request: ModelRequest, *, model: str, official: bool) -> Wire:
    """Build the arguments of ``responses.create`` for a text or tool request.

    The conversation is sent with each request, so the official endpoint is asked to keep none of it. The protocol knows
    no seed; a model that can repeat itself is asked through Chat Completions.

    Raises:
        ModelError: it knows no texts that end an answer either, and these cannot be left out.
    """
    if request.stop:
        raise ModelError(
            f"the Responses protocol knows no stop texts, found {list(request.stop)}; leave them out, or use api='chat'"
        )
    body: Wire = {"model": request.model or model, "input": _conversation(request), "stream": True}
    if official:
        body["store"] = False
    if request.instructions:
        body["instructions"] = request.instructions
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.max_tokens is not None:
        body["max_output_tokens"] = request.max_tokens
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.tool_choice != "auto":
            body["tool_choice"] = request.tool_choice
    return cast("Wire", encodable(cast("JsonValue", body)))


def _conversation(request: ModelRequest) -> list[Wire]:
    """Write examples as earlier turns, then the messages."""
    items: list[Wire] = []
    for number, (given, wanted) in enumerate(request.examples):
        items.append({"role": "user", "content": given})
        for message in example_messages(number, wanted, request):
            items.extend(_items(message))
    for message in request.messages:
        items.extend(_items(message))
    return items


def _items(message: Message) -> list[Wire]:
    match message:
        case SystemMessage():
            return [{"role": "system", "content": message.text}]
        case UserMessage():
            return [{"role": "user", "content": _content(message)}]
        case AssistantMessage():
            said: list[Wire] = [{"role": "assistant", "content": message.text}]
            calls = [_call(call) for call in message.tool_calls]
            return [*(said if message.text or not calls else []), *calls]
        case ToolMessage():
            return [{"type": "function_call_output", "call_id": message.call_id, "output": message.text}]
        case _:
            assert_never(message)


def _content(message: UserMessage) -> str | list[Wire]:
    """Write what a person says; the protocol has no place for a name, so it stands before the text."""
    name = f"{message.name}: " if message.name and message.name != RUNTIME else ""
    if isinstance(message.content, str):
        return name + message.content
    parts = [_part(part) for part in message.content]
    return [{"type": "input_text", "text": name}, *parts] if name else parts


def _call(call: ToolCall) -> Wire:
    return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments_text(call)}


def _part(part: Part) -> Wire:
    match part:
        case TextPart():
            return {"type": "input_text", "text": part.text}
        case ImagePart():
            url = part.url or f"data:{part.media_type};base64,{part.data}"
            return {"type": "input_image", "image_url": url, "detail": "auto"}
        case FilePart():
            if part.data is None:
                return {"type": "input_file", "file_url": part.url}
            file: Wire = {"type": "input_file", "file_data": f"data:{part.media_type};base64,{part.data}"}
            return file | {"filename": part.name or "file"}
        case _:
            assert_never(part)


def _tool(tool: ToolSpec) -> Wire:
    # Without `strict`, some endpoints rewrite the schema so that every argument is required.
    described: Wire = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "strict": False, **described}
