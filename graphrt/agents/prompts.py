"""What was sent to models, put together again from a trace: after the fact, without any model and without the code.

for prompt in prompts(trace):
    print(prompt.visit, prompt.request.instructions, prompt.request.messages)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from graphrt.agents.model import ModelRequest
from graphrt.agents.sent import as_text, digest_of
from graphrt.inputs import AttemptFailed, AttemptStarted, AttemptSucceeded
from graphrt.replay import states

if TYPE_CHECKING:
    from graphrt.inputs import Json, Sent
    from graphrt.trace import Trace


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request to a model."""

    visit: str
    """The visit that it was made for."""
    attempt: int
    """The attempt, from 1."""
    model: str
    """Who was asked."""
    request: ModelRequest
    """What was sent: instructions, conversation, tools, settings."""
    is_exact: bool
    """Whether it is the same to the last character; if not, the trace was redacted or shortened."""


def prompts(trace: Trace, visit: str | None = None) -> Iterator[Prompt]:
    """Yield the requests of a run that were sent to models by agents, in the order in which their attempts ended.

    Args:
        trace: of the run.
        visit: of which visit, and of those inside it; by default of all.

    Raises:
        TraceInvalid: the trace is altered.
    """
    kept: dict[str, Json] = {}
    asked = _fields(trace, visit)
    seen: dict[tuple[str, int], dict[str, Json]] = {}
    for record, stepper in states(trace):
        given = record.input
        if isinstance(given, AttemptStarted):
            key = (given.visit, given.attempt)
            if key in asked:
                seen[key] = stepper.seen_at(given.visit, asked[key])
        elif isinstance(given, AttemptSucceeded | AttemptFailed):
            kept |= given.kept
            state = seen.pop((given.visit, given.attempt), None)
            if state is not None:
                yield from (_prompt(given, sent, _Reader(state, kept)) for sent in given.sent)


def _fields(trace: Trace, visit: str | None) -> dict[tuple[str, int], set[str]]:
    """Return the attempts that sent something, with the fields that it refers to."""
    found: dict[tuple[str, int], set[str]] = {}
    for record in trace.records:
        given = record.input
        if not isinstance(given, AttemptSucceeded | AttemptFailed) or not given.sent:
            continue
        if visit is None or f"{given.visit}/".startswith(f"{visit}/"):
            found[given.visit, given.attempt] = set(_named((*(s.messages for s in given.sent), given.kept)))
            found[given.visit, given.attempt] |= set(_named([s.rest for s in given.sent]))
    return found


def _named(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON, and tuples of it
    """Yield the fields that are named in what stands on record."""
    if isinstance(value, dict):
        yield from [str(value["field"])] if "field" in value else []
        for each in cast("dict[str, Any]", value).values():
            yield from _named(each)
    elif isinstance(value, list | tuple):
        if len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int):
            yield value[0]
        for each in cast("list[Any]", value):
            yield from _named(each)


def _prompt(given: AttemptSucceeded | AttemptFailed, sent: Sent, reader: _Reader) -> Prompt:
    request = reader.request(sent)
    return Prompt(given.visit, given.attempt, sent.model, request, digest_of(request) == sent.digest)


class _Reader:
    """Puts requests of one attempt together."""

    def __init__(self, state: dict[str, Json], kept: dict[str, Json]) -> None:
        self._state = state
        self._kept = kept

    def request(self, sent: Sent) -> ModelRequest:
        """Return a request; what is not to be had any more is left out."""
        messages: list[Json] = []
        for each in sent.messages:
            if isinstance(each, list):
                name, first, count = cast("tuple[str, int, int]", each)
                messages += self._list(name)[first : first + count]
            else:
                messages.append(self._message(each))
        rest = {name: self._value(value) for name, value in sent.rest.items()}
        if "instructions" in rest:
            rest["instructions"] = self._text(rest["instructions"])
        try:
            return ModelRequest.model_validate({**rest, "messages": messages})
        except ValidationError:
            return ModelRequest()

    def _list(self, name: str) -> list[Json]:
        found = self._state.get(name)
        return cast("list[Json]", found) if isinstance(found, list) else []

    def _message(self, message: dict[str, Json]) -> dict[str, Json]:
        out = dict(message)
        for name in ("content", "text"):
            if isinstance(out.get(name), list):
                out[name] = [self._part(part) for part in out[name]]
            elif name in out:
                out[name] = self._text(out[name])
        return out

    def _part(self, part: dict[str, Json]) -> Json:
        if "field" in part:
            value = self._state.get(str(part["field"]))
            return value[part["at"]] if "at" in part and isinstance(value, list) else value
        out = self._value(part)
        return {**out, "text": self._text(out["text"])} if isinstance(out, dict) and "text" in out else out

    def _value(self, value: Json) -> Json:
        """Return a value, also one that is kept."""
        if isinstance(value, dict) and value.keys() == {"kept"}:
            return self._kept.get(cast("dict[str, str]", value)["kept"])
        return value

    def _text(self, value: Json) -> Json:
        """Return a text, also one that is kept, or stands in pieces."""
        value = self._value(value)
        if not isinstance(value, dict):
            return value
        pieces = cast("list[Any]", value.get("pieces", []))
        return "".join(p if isinstance(p, str) else as_text(self._state.get(p["field"])) for p in pieces)
