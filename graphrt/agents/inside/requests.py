"""What a request to a model says: the fields read as its input, the conversation, the examples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pydantic import JsonValue

from graphrt.agents.inside.place import PLACEHOLDER, call_in
from graphrt.agents.messages import (
    CONCLUDE,
    GO_ON,
    RUNTIME,
    AssistantMessage,
    FilePart,
    ImagePart,
    Message,
    TextPart,
    UserMessage,
    user,
)
from graphrt.agents.model import ModelRequest, ToolSpec
from graphrt.agents.sent import as_text

if TYPE_CHECKING:
    from graphrt.agents.inside.place import Place


class Requests:
    """Writes the requests of one agent in its place."""

    def __init__(self, place: Place) -> None:
        """Write for an agent in `place`."""
        self.place = place

    def request(
        self, values: Mapping[str, Any], messages: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> ModelRequest:
        """Return the next request: what the node reads, what was said in this visit since, what may be called."""
        place, agent = self.place, self.place.agent
        outer = {name: values[inner] for name, inner in place.names.items()}
        return ModelRequest(
            instructions=_filled(agent.instructions, {name: outer[name] for name in place.instructed}),
            examples=tuple((self._text(given), self._example(wanted)) for given, wanted in agent.examples),
            messages=self._conversation(outer, messages),
            tools=tuple(tools),
            model=agent.model if isinstance(agent.model, str) and agent.model != "local" else None,
            temperature=agent.temperature,
            seed=agent.seed,
            max_tokens=agent.max_tokens,
        )

    def going_in(self, values: Mapping[str, Any]) -> str:
        """Return what is new to the model, as those who judge it see it: its input, and what fills its instructions."""
        place = self.place
        filled = {name: values[place.names[name]] for name in place.instructed}
        last = self.request(values, ()).messages[-1].text
        return f"{_lines(filled)}\n{last}" if filled else last

    def concluding(self, request: ModelRequest, *, is_said: bool) -> ModelRequest:
        """Return the request that ends a tool-calling agent: no more calls, and no examples of them."""
        examples = tuple(e for e in request.examples if call_in(e[1]) is None)
        last = () if is_said else (user(CONCLUDE, name=RUNTIME),)
        return request.asking(tools=(), examples=examples, messages=(*request.messages, *last))

    def asked(self, request: ModelRequest, since: Sequence[Message]) -> list[Message]:
        """Return what the first request begins with, to be kept; a conversation is in the state already."""
        return [] if since or self.place.heard else list(request.messages)

    def _conversation(self, outer: Mapping[str, Any], since: Sequence[Message]) -> tuple[Message, ...]:
        """Return what the model is to react to: the conversation so far, or the fields read as a message."""
        if not self.place.heard:
            return tuple(since) or (self._input(outer),)
        before: list[Message] = [message for name in self.place.heard for message in outer[name]]
        rest = {name: value for name, value in outer.items() if name not in self.place.heard}
        if self.place.agent.prompt is not None or rest.keys() - set(self.place.instructed):
            before.append(self._input(rest, RUNTIME))
        elif not before or before[-1].role == "assistant":
            before.append(user(GO_ON, name=RUNTIME))
        return (*before, *since)

    def _input(self, values: Mapping[str, Any], name: str | None = None) -> UserMessage:
        """Return fields read as one message: pictures and files as they are, behind the text of the others."""
        attached = self.place.attached
        others = {field: value for field, value in values.items() if field not in attached}
        parts = [part for field in values if field in attached for part in _parts(values[field])]
        text = self._text(others) if others or not attached or self.place.agent.prompt is not None else ""
        if not parts:
            return user(text, name=name)
        return user([*([TextPart(text=text)] if text else []), *parts], name=name)

    def _text(self, given: str | Mapping[str, Any]) -> str:
        """Return values of the fields read as the model's input."""
        if isinstance(given, str):
            return given
        if self.place.agent.prompt is not None:
            return _filled(self.place.agent.prompt, given)
        left = {name: value for name, value in given.items() if name not in self.place.instructed}
        if not left and given:
            return GO_ON  # the instructions say it all
        if len(left) == 1:
            return as_text(next(iter(left.values())))
        return _lines(left)

    def _example(self, wanted: Any) -> JsonValue:  # noqa: ANN401 - whatever the author gave
        if call_in(wanted) is not None:
            return dict(cast("Mapping[str, JsonValue]", wanted))
        if isinstance(wanted, str):
            return wanted
        if self.place.speaks and isinstance(wanted, AssistantMessage):
            return wanted.text
        value: JsonValue = self.place.adapter.dump_python(self.place.adapter.validate_python(wanted), mode="json")
        return value if isinstance(value, str) or not self.place.spec.answers else json.dumps(value)


def _filled(text: str, values: Mapping[str, Any]) -> str:
    """Put values where a text names them in braces; all other braces stay."""
    return PLACEHOLDER.sub(lambda m: as_text(values[m.group(1)]) if m.group(1) in values else m.group(0), text)


def _lines(values: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {as_text(value)}" for name, value in values.items())


def _parts(value: Any) -> list[ImagePart | FilePart]:  # noqa: ANN401 - a value of the state
    """Return the pictures and files that a field holds: one, several, or none."""
    if value is None:
        return []
    return [value] if isinstance(value, ImagePart | FilePart) else list(value)
