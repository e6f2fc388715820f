"""The embedded model: Gemma 3 270M in this process, without a network.

It is a base model of 270 million parameters: it continues text, and knows no chat. So every request becomes a few-shot
text from the agent's examples (``fewshot``), and what it cannot do is not asked of it. Labels are chosen by calibrated
probability (``choosing``). Data and tool calls are written under a JSON schema; a call is taken only if its texts occur
in the input, for small models copy from the examples. Once tools have answered, their answers are the reply. The same
request always gives the same reply (``engine``).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from graphrt.agents.errors import ModelBehavior, OutputTruncated, RequestRejected, excerpt
from graphrt.agents.messages import ToolCall, Usage, UserMessage
from graphrt.agents.model import Choice, Emit, JsonSchema, Model, ModelRequest, Reply, ToolSpec, discard, strict_json
from graphrt.agents.models.local.choosing import Chooser
from graphrt.agents.models.local.engine import Asked, Engine, Prompt, Written
from graphrt.agents.models.local.fewshot import Told, prompt, told
from graphrt.agents.models.local.weights import FILE, cache_folder

_TEXT_TOKENS: Final = 160
_JSON_TOKENS: Final = 200

_making = threading.Lock()
_models: dict[Path, LocalModel] = {}


def local_model() -> LocalModel:
    """Return this process's embedded model; it is loaded by its first request."""
    path = cache_folder() / FILE
    with _making:
        return _models.setdefault(path, LocalModel(path))


class LocalModel(Model):
    """The embedded model; one request at a time, in order of arrival."""

    name = "gemma3-270m"

    def __init__(self, path: Path) -> None:
        """Name the file of the weights, which is made if it is not there; nothing is loaded yet."""
        self._path = path
        self._engine = Engine(path, self.name)
        self._chooser = Chooser(self._engine)

    @property
    def identity(self) -> str:
        """Its weights."""
        return f"{type(self).__qualname__} {self.name} {self._path.name}"

    @property
    def provider(self) -> str:
        """Nobody but this process."""
        return "graphrt.local"

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Answer a request; see the module for how.

        Raises:
            LocalModelFault: the model cannot be loaded or run.
            RequestRejected: there is a picture or a file in it.
            ContextTooLong: examples and input are too long for it.
            ModelBehavior: the answer breaks its contract.
            OutputTruncated: it did not come to the end of JSON within ``max_tokens``.
        """
        _check_readable(request, self.name)
        if request.labels:
            choice = await self.choose(request, request.labels)
            return Reply(text=choice.label, scores=choice.scores, usage=choice.usage, model=self.name)
        if request.output_schema is not None:
            return await self._fill(request, request.output_schema)
        if request.tools and request.tool_choice != "none":
            return await self._call_or_tell(request, emit)
        return await self._say(request, told(request), emit)

    async def choose(self, request: ModelRequest, labels: Sequence[str]) -> Choice:
        """Choose among labels, with calibrated scores.

        Raises:
            RequestRejected: there is a picture or a file in it.
        """
        _check_readable(request, self.name)
        given = _with_found(told(request))
        scores, usage = await self._engine.call(
            lambda stopped: self._chooser.scores(request, given, tuple(labels), stopped)
        )
        best, *others = sorted(labels, key=lambda label: -scores[label])
        if others and scores[others[0]] == scores[best]:
            raise _always(
                f"model {self.name} cannot tell {best!r} from {others[0]!r}; give examples of each, or other labels",
                labels=list(labels),
            )
        return Choice(label=best, scores=scores, usage=usage, model=self.name)

    def cost_usd(self, reply: Reply | Choice) -> float | None:
        """Return None: a model on one's own machine has no price."""
        del reply
        return None

    async def aclose(self) -> None:
        """Give the memory back; the next request loads the weights again."""
        if self._engine.loaded:
            await self._engine.call(self._engine.close)

    # -- abilities ----------------------------------------------------------------------------------------------------

    async def _say(self, request: ModelRequest, talk: Told, emit: Emit) -> Reply:
        shots = [*_texts(request), *talk.before]
        written = await self._write(prompt(request, shots, _with_found(talk)), request, emit)
        return Reply(text=written.text.strip(), finish=written.finish, usage=written.usage, model=self.name)

    async def _fill(self, request: ModelRequest, schema: JsonSchema) -> Reply:
        shots = [(given, json.dumps(wanted, ensure_ascii=False)) for given, wanted in request.examples]
        text = prompt(request, shots, _with_found(told(request)))
        written = await self._write(text, request, discard, schema)
        return Reply(text=written.text, data=self._parsed(written), usage=written.usage, model=self.name)

    async def _call_or_tell(self, request: ModelRequest, emit: Emit) -> Reply:
        """Call a tool; or tell what tools have answered, or that there is nothing to call one with."""
        talk = told(request)
        if talk.found:
            text = " ".join(talk.found)
            emit(text)
            return Reply(text=text, usage=Usage.zero(), model=self.name)
        shots = [(given, json.dumps(wanted)) for given, wanted in request.examples if isinstance(wanted, dict)]
        written = await self._write(prompt(request, shots, talk.given), request, discard, _any_of(request.tools))
        call = self._parsed(written)
        if not isinstance(call, dict) or not isinstance(call.get("arguments"), dict):
            raise _always(
                f"model {self.name} answered {excerpt(written.text)}, which is no tool call; give examples of calls",
                text=written.text,
            )
        name, arguments = str(call["tool"]), call["arguments"]
        assert isinstance(arguments, dict), "checked above"
        if _occurs(arguments, talk.given):
            made = ToolCall(id="call_0", name=name, arguments=arguments)
            return Reply(tool_calls=(made,), finish="tool_calls", usage=written.usage, model=self.name)
        if not _texts(request):
            raise _always(
                f"model {self.name} made up arguments of {name}, {excerpt(json.dumps(arguments))}, which do not occur"
                f" in {excerpt(talk.given)}; give an example of an input that needs no call, with the text to answer",
                text=written.text,
            )
        said = await self._say(request, talk, emit)
        return said.model_copy(update={"usage": written.usage + said.usage})

    def _parsed(self, written: Written) -> JsonValue:
        try:
            return strict_json(written.text)
        except ValueError as error:
            if written.finish == "length":
                message = f"model {self.name} came to no end with {excerpt(written.text)}; raise max_tokens"
                raise OutputTruncated(message, text=written.text) from error
            message = (
                f"model {self.name} answered {excerpt(written.text)}, which is not JSON; is the schema a valid one?"
            )
            raise _always(message, text=written.text) from error

    async def _write(
        self, text: Prompt, request: ModelRequest, emit: Emit, schema: JsonSchema | None = None
    ) -> Written:
        """Continue a text; pieces go to ``emit``, in the event loop and without the space before the first word."""
        loop = asyncio.get_running_loop()
        asked = Asked(
            max_tokens=request.max_tokens or (_TEXT_TOKENS if schema is None else _JSON_TOKENS),
            temperature=request.temperature or 0.0,
            seed=request.seed or 0,
            stop=("\n", *request.stop) if schema is None else (),
            schema=schema,
        )

        def work(stopped: threading.Event) -> Written:
            begun = False

            def take(piece: str) -> None:
                nonlocal begun
                shown = piece if begun else piece.lstrip()
                if shown and not stopped.is_set():
                    begun = True
                    loop.call_soon_threadsafe(emit, shown)

            return self._engine.write(text, asked, take, stopped)

        return await self._engine.call(work)


def _always(message: str, **facts: JsonValue) -> ModelBehavior:
    """Return the error of an answer that this model gives to the same request each time."""
    error = ModelBehavior(message, **facts)
    error.fixed = True
    return error


def _texts(request: ModelRequest) -> list[tuple[str, str]]:
    """Return the examples whose answer is a text."""
    return [(given, wanted) for given, wanted in request.examples if isinstance(wanted, str)]


def _with_found(talk: Told) -> str:
    """Return what is to be answered, with what tools have found about it."""
    return f"{talk.given} {' '.join(talk.found)}" if talk.found else talk.given


def _any_of(tools: Sequence[ToolSpec]) -> JsonSchema:
    """Return the schema of a call of one of the tools."""
    calls: list[JsonValue] = []
    shared: dict[str, JsonValue] = {}
    for tool in tools:
        parameters = {key: part for key, part in tool.parameters.items() if key != "$defs"}
        definitions = tool.parameters.get("$defs")
        if isinstance(definitions, dict):
            shared |= definitions
        calls.append(
            {
                "type": "object",
                "properties": {"tool": {"const": tool.name}, "arguments": parameters},
                "required": ["tool", "arguments"],
                "additionalProperties": False,
            }
        )
    schema: JsonSchema = {"anyOf": calls}
    if shared:
        schema["$defs"] = shared
    return schema


def _occurs(value: JsonValue, given: str) -> bool:
    """Tell whether every text of a tool's arguments occurs in the input."""
    match value:
        case str():
            return value.casefold() in given.casefold()
        case Mapping():
            return all(_occurs(each, given) for each in value.values())
        case list():
            return all(_occurs(each, given) for each in value)
        case _:
            return True


def _check_readable(request: ModelRequest, model: str) -> None:
    """Refuse what it cannot read, rather than answer as if nothing had been shown."""
    for message in request.messages:
        if isinstance(message, UserMessage) and not isinstance(message.content, str):
            other = next((part.kind for part in message.content if part.kind != "text"), None)
            if other is not None:
                raise RequestRejected(
                    f"the request holds {'an image' if other == 'image' else 'a file'}",
                    endpoint="in this process",
                    model=model,
                    expected="text alone, which is all that this model reads",
                    advice="use a model that sees, or fallback(…) to one",
                )
