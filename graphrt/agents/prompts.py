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
    digest: str
    """What the request is recognised by, in spans too."""
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
    kept: dict[str, Json] = {}
    for record in trace.records:
        given = record.input
        if not isinstance(given, AttemptSucceeded | AttemptFailed) or not given.sent:
            continue
        kept |= given.kept
        if visit is None or f"{given.visit}/".startswith(f"{visit}/"):
            parts = [part for sent in given.sent for part in (*sent.messages, sent.rest)]
            found[given.visit, given.attempt] = {name for part in parts for name in _named(part, kept)}
    return found


def _named(value: Json, kept: dict[str, Json]) -> Iterator[str]:
    """Yield the fields that are named in what stands on record, and in what that refers to."""
    if isinstance(value, dict):
        table = cast("dict[str, Json]", value)
        if "field" in table:
            yield str(table["field"])
        if isinstance(name := table.get("kept"), str):
            yield from _named(kept.get(name), kept)
        for each in table.values():
            yield from _named(each, kept)
    elif isinstance(value, list):
        listed = cast("list[Json]", value)
        if len(listed) == 3 and isinstance(listed[0], str):
            yield listed[0]
        for each in listed:
            yield from _named(each, kept)


def _prompt(given: AttemptSucceeded | AttemptFailed, sent: Sent, reader: _Reader) -> Prompt:
    request = reader.request(sent)
    return Prompt(given.visit, given.attempt, sent.model, sent.digest, request, digest_of(request) == sent.digest)


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
                name, first, count = cast("tuple[str, int, int]", tuple(cast("list[Any]", each)))
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
            name = str(part["field"])
            return self._list(name)[part["at"]] if "at" in part else self._state.get(name)
        out = self._value(part)
        whole = cast("dict[str, Json]", out) if isinstance(out, dict) else {}
        return {**whole, "text": self._text(whole["text"])} if "text" in whole else whole

    def _value(self, value: Json) -> Json:
        """Return a value, also one that is kept."""
        if not isinstance(value, dict):
            return value
        table = cast("dict[str, Json]", value)
        return self._kept.get(table["kept"]) if table.keys() == {"kept"} else table

    def _text(self, value: Json) -> Json:
        """Return a text, also one that is kept, or stands in pieces."""
        found = self._value(value)
        pieces = cast("dict[str, list[Any]]", found).get("pieces", []) if isinstance(found, dict) else None
        if pieces is None:
            return cast("Json", found)
        return "".join(p if isinstance(p, str) else as_text(self._state.get(p["field"])) for p in pieces)
