"""The native server that runs the weights, in this process: load, continue a text, tell the likeliest next tokens.

It knows texts and tokens, and nothing of requests or agents. One call runs at a time, in a thread of its own.

The same prompt gives the same answer, bit for bit, which takes care: what a model computes for a text differs in the
last bits with the pieces in which the text reaches it. So a prompt has two parts. Its ``start`` (the examples, the same
from request to request) is computed once from nothing and kept in a slot; before each use the slot is rewound to
exactly there, and the ``rest`` is computed from that. Rewinding also saves most of the work.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from weakref import WeakSet

from pydantic import JsonValue

from graphrt.agents.errors import ContextTooLong, LocalModelFault
from graphrt.agents.messages import FinishReason, Usage
from graphrt.agents.model import JsonSchema
from graphrt.agents.models.local.weights import put_together
from graphrt.runtime.threads import Threads

T = TypeVar("T")

WINDOW: Final = 2048
"""Tokens of the longest prompt and its answer."""
_SLOTS: Final = 6
"""How many starts are kept: a router takes three, an agent one or two."""
_LIKELIEST: Final = 200

_ONE_AT_A_TIME: Final = Threads("graphrt-local-model", 1)
_BUSY: Final = threading.Lock()
"""Held while the native library works."""
_STOPS: Final[set[threading.Event]] = set()
"""Of the call at work."""
_ENGINES: Final[WeakSet[Engine]] = WeakSet()
_LAST_S: Final = 30.0
"""How long the end of the process waits for a prompt to be read: that cannot be stopped."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to continue."""

    start: str
    """What it has in common with other prompts; may be empty."""
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How to continue a prompt."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Texts that end the answer and are not part of it."""
    schema: JsonSchema | None = None
    """The answer is JSON of this schema."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the model wrote."""

    text: str
    finish: FinishReason
    usage: Usage


class Engine:
    """One set of weights and what is kept of them in memory; loaded by the first call."""

    def __init__(self, path: Path, name: str) -> None:
        """Name the file of the weights, and the model in messages."""
        self._path = path
        self._name = name
        self._server: Any = None
        _ENGINES.add(self)
        self._held: OrderedDict[str, int] = OrderedDict()
        """Starts and the slots that keep them, the one used last at the end."""

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._server is not None

    async def call(self, work: Callable[[threading.Event], T]) -> T:
        """Do blocking work when the calls before it are done; cancelling sets its event, which stops it soon."""
        stopped = threading.Event()

        def in_turn() -> T:
            _STOPS.add(stopped)
            try:
                with _BUSY:
                    if stopped.is_set():
                        raise asyncio.CancelledError
                    return work(stopped)
            finally:
                _STOPS.discard(stopped)

        try:
            return await _ONE_AT_A_TIME.call(in_turn)
        except asyncio.CancelledError:
            stopped.set()
            raise

    # -- what work may do, in the thread ------------------------------------------------------------------------------

    def likeliest(self, prompt: Prompt, stopped: threading.Event) -> tuple[dict[str, float], Usage]:
        """Return the likeliest next tokens with their log probabilities."""
        if stopped.is_set():
            raise asyncio.CancelledError
        answer = self._post(self._rewound(prompt) | {"max_tokens": 1, "logprobs": _LIKELIEST, "temperature": 0})
        tokens = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return {token["token"]: float(token["logprob"]) for token in tokens}, _usage(answer)

    def write(self, prompt: Prompt, asked: Asked, take: Callable[[str], object], stopped: threading.Event) -> Written:
        """Continue a prompt; pieces of text go to ``take`` as they come."""
        pieces: list[str] = []
        heard: dict[str, Any] = {}
        failed: list[BaseException] = []

        def listen(chunk: Any) -> bool:
            # The library swallows what a callback raises, so it is kept; True stops the answer.
            try:
                heard.update({key: chunk[key] for key in ("error", "usage") if chunk.get(key)})
                for choice in chunk.get("choices", ()):
                    heard["finish"] = choice.get("finish_reason") or heard.get("finish")
                    if piece := choice.get("text"):
                        pieces.append(piece)
                        take(piece)
            except BaseException as error:  # noqa: BLE001 - raised below, in the thread that called
                failed.append(error)
            return bool(failed) or stopped.is_set()

        request: dict[str, Any] = self._rewound(prompt) | {
            "max_tokens": asked.max_tokens,
            "temperature": asked.temperature,
            "seed": asked.seed,
            "stream": True,
        }
        if asked.stop:
            request["stop"] = list(asked.stop)
        if asked.schema is not None:
            request["json_schema"] = asked.schema
        self._post(request, listen)
        if failed:
            raise failed[0]
        if stopped.is_set():
            raise asyncio.CancelledError
        if "error" in heard:
            raise self._fault(heard["error"])
        finish: FinishReason = "length" if heard.get("finish") == "length" else "stop"
        return Written("".join(pieces), finish, _usage(heard))

    def close(self, _stopped: threading.Event | None = None) -> None:
        """Give the memory back; the next call loads the weights again."""
        self._server = None
        self._held.clear()

    # -- slots --------------------------------------------------------------------------------------------------------

    def _rewound(self, prompt: Prompt) -> dict[str, JsonValue]:
        """Bring a slot to the end of the prompt's start; return the request that goes on from there."""
        if not prompt.start:  # nothing to keep; and computed from nothing, a text is the same each time as well
            return {"prompt": prompt.rest, "id_slot": self._slot("")[0], "cache_prompt": False}
        slot, is_held = self._slot(prompt.start)
        step: dict[str, JsonValue] = {"prompt": prompt.start, "max_tokens": 1, "temperature": 0, "id_slot": slot}
        if not is_held:
            try:
                self._post(step | {"cache_prompt": False})
            except BaseException:
                del self._held[prompt.start]
                raise
        self._post(step | {"cache_prompt": True})
        return {"prompt": prompt.start + prompt.rest, "id_slot": slot, "cache_prompt": True}

    def _slot(self, start: str) -> tuple[int, bool]:
        """Return the slot for a start and whether it is there: its own, a free one, else the longest unused."""
        held = start in self._held
        if not held:
            free = set(range(_SLOTS)).difference(self._held.values())
            self._held[start] = min(free) if free else self._held.popitem(last=False)[1]
        self._held.move_to_end(start)
        return self._held[start], held

    # -- the server ---------------------------------------------------------------------------------------------------

    def _post(self, request: dict[str, Any], listen: Callable[[Any], bool] | None = None) -> dict[str, Any]:
        if self._server is None:
            self._server = _load(put_together(self._path))
        if listen is not None:
            self._server.handle_completions(request, listen)
            return {}
        answer = cast("dict[str, Any]", self._server.handle_completions(request))
        if "error" in answer:
            raise self._fault(answer["error"])
        return answer

    def _fault(self, error: Any) -> ContextTooLong | LocalModelFault:
        told = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
        if told.get("type") == "exceed_context_size_error":
            return ContextTooLong(
                f"the request has {told.get('n_prompt_tokens')} tokens",
                endpoint="this process",
                model=self._name,
                expected=f"at most {WINDOW}, with the answer",
                advice="shorten it, give fewer examples, or use a larger model",
            )
        return LocalModelFault(f"the embedded model {self._name} failed: {json.dumps(error)[:300]}")


@atexit.register
def _end() -> None:
    """Stop the native library before the process ends: a thread that is killed inside it takes the process down."""
    for stopped in tuple(_STOPS):
        stopped.set()
    if _BUSY.acquire(timeout=_LAST_S):  # never given back: nothing begins any more
        for engine in tuple(_ENGINES):
            engine.close()


def _load(path: Path) -> Any:
    # Read by the OpenMP runtime when it is loaded: without it, waiting threads take the processor from working ones.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        native: Any = import_module("xllamacpp")
    except ImportError as error:
        message = f"the embedded model needs xllamacpp ({error}); pip install 'graphrt[local]'"
        raise LocalModelFault(message) from error
    params = native.CommonParams()
    params.model.path = str(path)
    params.n_parallel = _SLOTS
    params.n_ctx = WINDOW * _SLOTS
    params.swa_full = True  # else a slot cannot be rewound to any point
    params.cache_ram_mib = 0  # up to 8 GiB of old prompts, by default
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 2) // 2)
    # The server opens a port on 127.0.0.1 whether it is wanted or not. Nobody knows the key to it, a page in a browser
    # may not read its answers, and there is nothing to see.
    params.api_keys = [secrets.token_hex(32)]
    params.cors_origins, params.cors_origins_explicit = "", True
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    try:
        return native.Server(params)
    except Exception as error:
        message = f"the embedded model in {path} cannot be loaded ({error}); delete the file, it will be made again"
        raise LocalModelFault(message, path=str(path)) from error


def _usage(answer: dict[str, Any]) -> Usage:
    told = cast("dict[str, Any]", answer.get("usage") or {})
    return Usage(input_tokens=told.get("prompt_tokens"), output_tokens=told.get("completion_tokens"))
