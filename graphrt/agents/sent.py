"""What is really sent to a model goes on record: behind all policies, and in a form that grows with what is new in it.

A request repeats most of what the trace has already: a conversation stands in the state, instructions and tools are the
same each time. So a message that the node was handed is named by its field and place, the value of a field inside a
text by the field's name, and every other long part is kept once in a run and named by its hash. What is left over is
written out. `graphrt.agents.prompts` puts all of it together again, and the digest shows that it is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from graphrt.agents.messages import FilePart, Frozen, ImagePart, UserMessage
from graphrt.agents.model import Choice, Emit, Missing, Model, ModelRequest, Reply, discard
from graphrt.context import CURRENT
from graphrt.inputs import Sent

if TYPE_CHECKING:
    from graphrt.agents.messages import Message
    from graphrt.agents.model import JsonSchema
    from graphrt.context import Context
    from graphrt.inputs import Json

LONG: Final = 200
"""Characters from which on a part is not written out where it can be named instead."""
_DIGITS: Final = 32
_ALL: Final = tuple(name for name in ModelRequest.model_fields if name not in {"messages", "instructions"})
_SHORT_JSON: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

_Places = dict[int, tuple[str, int | None]]
"""Where something that the node was handed stands, by its identity: its field, and its place in it."""
_NOWHERE: Final = ("", None)


class Told(Model):
    """A model whose requests go on record."""

    def __init__(self, inner: Model) -> None:
        """Stand around the model itself, inside of all policies."""
        self.inner = inner
        self.name = inner.name

    @property
    def identity(self) -> str:
        """The same as of the model inside."""
        return self.inner.identity

    @property
    def provider(self) -> str | None:
        """Who offers the model inside."""
        return self.inner.provider

    @property
    def endpoint(self) -> str:
        """Where the model inside is asked, for messages."""
        return str(getattr(self.inner, "endpoint", "in this process"))

    def cost_usd(self, reply: Reply | Choice) -> float | None:
        """Price a reply as the model inside does."""
        return self.inner.cost_usd(reply)

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Put the request on record, and ask."""
        tell(request, self.inner)
        return await self.inner.respond(request, emit)

    async def choose(self, request: ModelRequest, labels: Sequence[str]) -> Choice:
        """Put the request on record, and let the model choose in its own way."""
        tell(request.asking(labels=tuple(labels), tools=(), output_schema=None), self.inner)
        return await self.inner.choose(request, labels)

    async def fill(self, request: ModelRequest, schema: JsonSchema) -> Reply:
        """Put the request on record, and let the model answer with data in its own way."""
        tell(request.asking(output_schema=schema, tools=(), labels=()), self.inner)
        return await self.inner.fill(request, schema)

    async def aclose(self) -> None:
        """Release what the model inside holds."""
        await self.inner.aclose()


def told(model: Model) -> Model:
    """Return the model whose requests go on record; one that is missing is sent none."""
    return model if isinstance(model, Missing | Told) else Told(model)


def tell(request: ModelRequest, model: Model) -> None:
    """Put a request that is sent on the record of the attempt that it is made for; outside of runs nobody asks."""
    context = CURRENT.get()
    if context is not None:
        writer = _Writer(context)
        context.sent = (*context.sent, writer.sent(request, model))
        if writer.kept:
            context.kept = {**context.kept, **writer.kept}


def digest_of(request: ModelRequest) -> str:
    """Return what a request is recognised by: a hash of all of it."""
    return hashlib.sha256(request.model_dump_json().encode()).hexdigest()[:_DIGITS]


def as_text(value: Any) -> str:  # noqa: ANN401 - a value of the state, or its JSON
    """Return a value as text for a model: text as it is, lists as lines, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "\n".join(f"- {as_text(item)}" for item in cast("Sequence[object]", value))
    return json.dumps(to_jsonable_python(value), ensure_ascii=False)


class _Writer:
    """Writes requests of one attempt down."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.kept: dict[str, Json] = {}
        """What the request refers to, by its hash."""
        self._places = _places(context.seen)
        self._texts: dict[str, str] | None = None

    def sent(self, request: ModelRequest, model: Model) -> Sent:
        """Return a request as it stands on record."""
        messages: list[Json] = []
        field, following = "", -1  # where the message stands that would go on the last run of them
        for message in request.messages:
            name, at = self._places.get(id(message), _NOWHERE)
            if at is None:
                messages.append(self._written(message))
                following = -1
            elif at == following and name == field:
                messages[-1][2] += 1
                following += 1
            else:
                messages.append([name, at, 1])
                field, following = name, at + 1
        rest: dict[str, Json] = {}
        if request.instructions:
            rest["instructions"] = self._kept(self._with_fields(request.instructions))
        given = request.model_dump(mode="json", include=set(_ALL), exclude_defaults=True)
        rest |= {name: self._kept(value) for name, value in given.items()}
        return Sent(request.model or model.name, digest_of(request), tuple(messages), rest, model.provider)

    def _written(self, message: Message) -> Json:
        """Return a message that stands nowhere in what was handed, as short as can be."""
        out = message.model_dump(mode="json")
        for name in ("content", "text"):
            if isinstance(out.get(name), str):
                out[name] = self._kept(self._with_fields(out[name]))
        if isinstance(message, UserMessage) and not isinstance(message.content, str):
            out["content"] = [self._part(part) for part in message.content]
        return out

    def _part(self, part: Any) -> Json:  # noqa: ANN401 - one of the kinds of parts
        place = self._places.get(id(part))
        if isinstance(part, ImagePart | FilePart) and place is not None:
            name, number = place
            return {"field": name} if number is None else {"field": name, "at": number}
        out = part.model_dump(mode="json")
        if "text" in out:
            out["text"] = self._kept(self._with_fields(out["text"]))
        return self._kept(out)

    def _with_fields(self, text: str) -> Json:
        """Return a text in pieces, in which long values of fields are named; as it is, if it has none."""
        if len(text) < LONG:
            return text
        pieces: list[Json] = [text]
        for name, shown in self._shown().items():
            for number, piece in enumerate(pieces):
                if isinstance(piece, str) and shown in piece:
                    before, _, behind = piece.partition(shown)
                    pieces[number : number + 1] = [p for p in (before, {"field": name}, behind) if p]
                    break
        return text if pieces == [text] else {"pieces": pieces}

    def _shown(self) -> dict[str, str]:
        """Return the fields whose values are long as text, the longest first."""
        if self._texts is None:
            shown = {name: as_text(value) for name, value in self._context.seen.items() if _may_be_long(value)}
            long = {name: text for name, text in shown.items() if len(text) >= LONG // 2}
            self._texts = dict(sorted(long.items(), key=lambda item: -len(item[1])))
        return self._texts

    def _kept(self, value: Json) -> Json:
        """Return a value, or the name under which a long one is kept."""
        body = _SHORT_JSON.encode(value)
        if len(body) < LONG:
            return value
        name = hashlib.sha256(body.encode()).hexdigest()[:_DIGITS]
        self.kept[name] = value
        return {"kept": name}


def _places(seen: Mapping[str, Any]) -> _Places:
    found: _Places = {}
    for name, value in seen.items():
        if isinstance(value, ImagePart | FilePart):
            found[id(value)] = (name, None)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            found |= {id(item): (name, k) for k, item in enumerate(cast("Sequence[object]", value))}
    return found


def _may_be_long(value: object) -> bool:
    """Say whether the text of a value can be long, and is not that of a conversation, a picture or a file."""
    if isinstance(value, str):
        return len(value) >= LONG // 2
    if isinstance(value, Sequence):
        first = next(iter(cast("Sequence[object]", value)), None)
        return first is not None and not isinstance(first, Frozen)
    return isinstance(value, Mapping | BaseModel) and not isinstance(value, Frozen)
