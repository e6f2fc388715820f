"""`cache`: the same request to the same model is asked once.

The key is a hash of everything that a request depends on: instructions, examples, the whole conversation, tools, the
schema, settings, and which model at which endpoint. Those who ask the same while it is being asked wait for that
answer. What a hit costs is nothing, and that is what is recorded: no tokens, no money, and a mark.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from graphrt.agents.errors import ModelBehavior, ModelError, unpaid
from graphrt.agents.messages import Usage
from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard, match_label, parse_json
from graphrt.agents.pulse import listeners, listening
from graphrt.agents.refusals import if_refused
from graphrt.errors import UseError
from graphrt.freeze_nodes import seconds
from graphrt.policies.policy import Around, Policy, mark
from graphrt.policies.replies.memory import MemoryReplies
from graphrt.policies.replies.sqlite import SqliteReplies
from graphrt.runtime.clock import SYSTEM_CLOCK
from graphrt.runtime.leaving import stopped
from graphrt.runtime.threads import CACHE_THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from graphrt.ports import Clock

T = TypeVar("T")

MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of replies that a cache in memory keeps at most."""
_FORM: Final = "1"
"""Part of every key: the form of requests and replies. One that changed finds nothing that was kept before."""


class Cache(Policy):
    """Replies that are kept; see `cache`."""

    def __init__(self, replies: MemoryReplies | SqliteReplies, scope: str) -> None:
        self.replies = replies
        self.hits = 0
        """Requests that were not made, because their answer was kept …"""
        self.shared = 0
        """… or because the same request was under way."""
        self.misses = 0
        """Requests that were made."""
        self._scope = scope
        self._flights: dict[tuple[int, str], _Flight] = {}

    def around(self, model: Model) -> Model:
        """Return the model whose replies are kept."""
        return _Cached(model, self)

    async def aclose(self) -> None:
        """Let go of the file, or forget what is in memory."""
        await self._work(self.replies.close)

    def key(self, request: ModelRequest, model: Model) -> str:
        """Return what a request to a model is kept under: a hash, from which nothing can be read."""
        parts = [_FORM, self._scope, model.identity, request.model_dump(mode="json")]
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    async def respond(self, request: ModelRequest, model: Model, emit: Emit) -> Reply:
        """Answer out of what is kept, or else ask the model."""
        key = self.key(request, model)
        place = (id(asyncio.get_running_loop()), key)
        flight = self._flights.get(place)
        is_first = flight is None
        if flight is None:
            flight = self._flights[place] = _Flight(emit)
            flight.begin(self._answer(flight, request, model, key), partial(self._landed, place, flight))
        if_refused(lambda: self._work(lambda: self.replies.drop(key)))
        try:
            reply, is_kept = await flight.answer()
        except ModelError as error:
            if error.usage is None or flight.pays():
                raise
            raise unpaid(error) from error
        pays = not is_kept and flight.pays()
        if pays:
            self.misses += 1
        else:
            self._tell(reply, "hit" if is_kept else "shared")
        has_streamed = is_first and not is_kept
        if reply.text and not has_streamed and not request.labels and request.output_schema is None:
            emit(reply.text)
        return reply if pays else reply.model_copy(update={"usage": Usage.free()})

    async def _answer(self, flight: _Flight, request: ModelRequest, model: Model, key: str) -> tuple[Reply, bool]:
        """Return a reply, and whether it was kept."""
        kept = await self._work(lambda: self.replies.get(key))
        if kept is not None:
            with suppress(ValidationError):  # of another release, say: as good as none
                return Reply.model_validate_json(kept), True
        with listening(flight.heard):
            reply = await model.respond(request, flight.hear)
        if _is_sound(reply, request, model.name):
            body = reply.model_dump_json().encode()
            await self._work(lambda: self.replies.put(key, body))
        return reply, False

    def _landed(self, place: tuple[int, str], flight: _Flight) -> None:
        if self._flights.get(place) is flight:
            del self._flights[place]

    async def _work(self, work: Callable[[], T]) -> T:
        """Do what may block: with a file in a thread."""
        return work() if isinstance(self.replies, MemoryReplies) else await CACHE_THREADS.call(work)

    def _tell(self, reply: Reply, what: str) -> None:
        usage = reply.usage
        saved = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        if what == "hit":
            self.hits += 1
        else:
            self.shared += 1
        mark("cache", what, "cache hit" if what == "hit" else "shared request", saved=saved)


class _Flight:
    """A request that is being made, and those who wait for its answer."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        """Of who came first: they see the text as it comes."""
        self._task: asyncio.Task[tuple[Reply, bool]] | None = None
        self._over: Callable[[], object] = lambda: None
        self._waiting = 0
        self._is_paid = False
        self._hearing: list[tuple[Callable[[], None], ...]] = []

    def begin(self, work: Coroutine[Any, Any, tuple[Reply, bool]], over: Callable[[], object]) -> None:
        """Make the request; `over` is called when nobody may join it any more."""
        self._over = over
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(lambda _: over())

    def hear(self, piece: str) -> None:
        """Take a piece of the answer."""
        self.heard()
        self._emit(piece)

    def heard(self) -> None:
        """Tell those who joined that the model is alive; who came first hears it anyway."""
        for hearing in self._hearing:
            for hear in hearing:
                hear()

    def pays(self) -> bool:
        """Say whether what the answer has cost is to be put down to who asks: the first one who lived to get it."""
        is_paid, self._is_paid = self._is_paid, True
        return not is_paid

    async def answer(self) -> tuple[Reply, bool]:
        """Wait for the answer. When the last one who waits is cancelled, so is the request."""
        task = self._task
        assert task is not None, "it has begun"
        is_first, self._waiting = self._waiting == 0 and not self._hearing, self._waiting + 1
        hearing = () if is_first else listeners()
        self._hearing.append(hearing)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if is_first:
                self._emit = discard
            if self._waiting == 1 and not task.done():
                self._over()
                await stopped(task)
            raise
        finally:
            self._waiting -= 1
            self._hearing.remove(hearing)


def cache(
    ttl: float | str | None = "1h",
    *,
    size: int = 1000,
    file: str | Path | None = None,
    scope: str = "",
    clock: Clock = SYSTEM_CLOCK,
) -> Cache:
    """Keep replies, and give them again to who asks the same.

    A reply that breaks what was agreed (no label of those asked for, no JSON) is not kept, and neither is one that an
    agent then refuses: data that does not fit its field, calls that cannot be carried out. Text comes from the cache in
    one piece.

    Args:
        ttl: how long a reply is good: seconds, or a text like `1h`; None for ever.
        size: how many replies are kept; the least recently used go first.
        file: a SQLite file, which processes may share; by default they are kept in memory.
        scope: requests of another scope find nothing: the name of a tenant, say.
        clock: tells the time.

    Raises:
        UseError: `ttl` is no duration, or `size` no positive number.
    """
    try:
        ttl_s = None if ttl is None else seconds(ttl)
    except ValueError as wrong:
        raise UseError(f"cache(ttl=…): {wrong}") from None
    if size < 1:
        raise UseError(f"cache(size={size!r}): a cache keeps 1 or more")
    if file is None:
        return Cache(MemoryReplies(size=size, most_bytes=MOST_BYTES, ttl_s=ttl_s, clock=clock), scope)
    return Cache(SqliteReplies(file, size=size, ttl_s=ttl_s, clock=clock), scope)


class _Cached(Around):
    def __init__(self, inner: Model, policy: Cache) -> None:
        super().__init__(inner)
        self._policy = policy

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Answer out of the cache, or else ask the model inside."""
        return await self._policy.respond(request, self.inner, emit)


def _is_sound(reply: Reply, request: ModelRequest, model: str) -> bool:
    """Tell whether a reply is worth keeping: a broken one would be given to every further attempt."""
    if request.labels:
        return reply.text in request.labels or match_label(reply.text, request.labels) is not None
    if request.output_schema is None or reply.data is not None:
        return True
    try:
        parse_json(reply.text, model)
    except ModelBehavior:
        return False
    return True
