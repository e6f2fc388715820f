"""`limit`: how many requests at once, how many a minute, how many tokens and how much money.

The limits belong to the value: all who are given the same one share them, over agents, runs, conversations and threads.
A minute is any sixty seconds: what began in them is remembered, so there is no burst at the turn of a minute.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NoReturn

from graphrt.agents.errors import (
    AuthenticationFailed,
    ModelError,
    ModelUnavailable,
    NoModel,
    RateLimited,
    RequestRejected,
    UsageLimit,
)
from graphrt.agents.messages import Usage
from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard
from graphrt.errors import UseError
from graphrt.policies.policy import Around, Policy, mark, spelled
from graphrt.policies.tokens import Scale, tokens_of
from graphrt.policies.waiting import Queue
from graphrt.runtime.clock import SYSTEM_CLOCK
from graphrt.values import brief

if TYPE_CHECKING:
    from graphrt.ports import Clock

MINUTE_S: Final = 60.0
_DOOR: Final = (ModelUnavailable, RateLimited, AuthenticationFailed, RequestRejected, NoModel, UsageLimit)
_HAIR_S: Final = 1e-6
"""Added to waits, so that rounding does not make anybody come a moment too early."""


class _Begun:
    """A request of the last minute."""

    __slots__ = ("at", "tokens")

    def __init__(self, at: float, tokens: float) -> None:
        self.at = at
        self.tokens = tokens


class Limit(Policy):
    """What may be used, and what was; see `limit`."""

    def __init__(
        self,
        *,
        at_once: int | None,
        per_minute: int | None,
        tokens_per_minute: int | None,
        tokens: int | None,
        cost_usd: float | None,
        clock: Clock,
    ) -> None:
        self.at_once = at_once
        self.per_minute = per_minute
        self.tokens_per_minute = tokens_per_minute
        self.tokens = tokens
        self.cost_usd = cost_usd
        self.running = 0
        """Requests under way."""
        self.used_tokens = 0
        """Tokens of all requests so far, as their endpoints counted them; estimated where they did not."""
        self.used_usd = 0.0
        """Money spent so far, as far as it is known."""
        self._held = 0.0
        """Tokens that requests under way are expected to use."""
        self._clock = clock
        self._queue = Queue(clock)
        self._minute: deque[_Begun] = deque()
        self._scale = Scale()

    def around(self, model: Model) -> Model:
        """Return the model within the limits."""
        return _Limited(model, self)

    @property
    def waiting(self) -> int:
        """How many requests wait to begin."""
        return len(self._queue)

    @property
    def counts(self) -> bool:
        """Whether it must know about how many tokens a request has before that is made."""
        return self.tokens is not None or self.tokens_per_minute is not None

    def expected(self, request: ModelRequest, model: str) -> tuple[int, float]:
        """Return how many tokens a request may have: the plain estimate, and as the model's endpoint would count."""
        plain = tokens_of(request)
        return plain, plain * self._scale.of(model)

    async def begin(self, request: ModelRequest, model: str) -> tuple[_Begun, float, int]:
        """Wait until a request may begin; return what to `end` it with, the seconds waited, and its plain estimate.

        Raises:
            UsageLimit: a budget is used up.
        """
        plain, expected = self.expected(request, model) if self.counts else (0, 0.0)
        begun = _Begun(0.0, expected)

        def attempt() -> float | None:
            wait = self._wait(expected)
            if wait == 0:
                begun.at = self._clock.monotonic()
                self.running += 1
                self._held += expected
                if self.per_minute is not None or self.tokens_per_minute is not None:
                    self._minute.append(begun)
            return wait

        return begun, await self._queue.admit(attempt), plain

    def end(self, begun: _Begun, held: float, tokens: int | None, cost_usd: float | None) -> None:
        """Take note of what a request has used; None for what is not known."""
        with self._queue.lock:
            self.running -= 1
            self._held -= held
            begun.tokens = held if tokens is None else tokens
            self.used_tokens += round(begun.tokens)
            self.used_usd += cost_usd or 0.0
            self._queue.stir()

    def learn(self, model: str, estimated: int, counted: int | None) -> None:
        """Take note of how many tokens a request really had."""
        self._scale.learn(model, estimated, counted)

    def _wait(self, expected: float) -> float | None:
        """Return in how many seconds a request may begin: 0 for now, None for once another one has ended."""
        if self.cost_usd is not None and self.used_usd >= self.cost_usd:
            self._over("cost_usd", self.used_usd, self.cost_usd)
        if self.tokens is not None:
            if self.used_tokens >= self.tokens:
                self._over("tokens", self.used_tokens, self.tokens)
            if self.running and self.used_tokens + self._held >= self.tokens:
                return None  # what is under way may well use the rest up
        if self.at_once is not None and self.running >= self.at_once:
            return None
        return self._wait_for_minute(expected)

    def _wait_for_minute(self, expected: float) -> float:
        now, minute = self._clock.monotonic(), self._minute
        while minute and now - minute[0].at >= MINUTE_S:
            minute.popleft()
        gone = 0
        """How many of the oldest must be a minute ago."""
        if self.per_minute is not None:
            gone = max(0, len(minute) - self.per_minute + 1)
        if self.tokens_per_minute is not None:
            used = sum(each.tokens for each in minute)
            # One that is larger than the limit waits until no other counts.
            for number, each in enumerate(minute, 1):
                if used + expected <= self.tokens_per_minute:
                    break
                used -= each.tokens
                gone = max(gone, number)
        return max(minute[gone - 1].at + MINUTE_S - now, 0.0) + _HAIR_S if gone else 0.0

    def _over(self, what: str, used: float, allowed: float) -> NoReturn:
        raise UsageLimit(
            f"the limit {what}={allowed:g} is used up ({used:g}); raise it, fall back to another model, or lead an edge"
            " away with on=UsageLimit",
            limit=what,
            used=used,
            allowed=allowed,
        )


def limit(
    *,
    at_once: int | None = None,
    per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    tokens: int | None = None,
    cost_usd: float | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Limit:
    """Bound what is asked of models by all who are given this value.

    Who may not begin yet waits, in the order of arrival. A budget that is used up is `UsageLimit`, which an edge or a
    `fallback` can catch. Requests under way when it is used up end all the same.

    Args:
        at_once: requests under way at the same time.
        per_minute: requests that begin in any sixty seconds.
        tokens_per_minute: tokens of the requests that begin in any sixty seconds: as endpoints count them, estimated
            before they have. A request that is larger waits until no other counts.
        tokens: all tokens together.
        cost_usd: all money together; what has no known price counts nothing.
        clock: tells the time.

    Raises:
        UseError: nothing is limited, or a limit is no number, or not positive.
    """
    given: dict[str, object] = {
        "at_once": at_once,
        "per_minute": per_minute,
        "tokens_per_minute": tokens_per_minute,
        "tokens": tokens,
        "cost_usd": cost_usd,
    }
    if all(value is None for value in given.values()):
        raise UseError(f"limit() limits nothing; give one of {', '.join(given)}")
    for name, value in given.items():
        kinds = int if name in {"at_once", "per_minute"} else int | float
        if value is None:
            continue
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise UseError(f"limit({name}={brief(value)}): expected a {'whole ' if kinds is int else ''}number")
        if not value > 0:
            raise UseError(f"limit({name}={value!r}): a limit is more than 0")
    return Limit(
        at_once=at_once,
        per_minute=per_minute,
        tokens_per_minute=tokens_per_minute,
        tokens=tokens,
        cost_usd=cost_usd,
        clock=clock,
    )


def _was_turned_away(error: ModelError) -> bool:
    """Tell whether no model has worked on a request that failed: nobody was reached, or it was refused at the door."""
    return isinstance(error, _DOOR) and not getattr(error, "partial", "")


class _Limited(Around):
    def __init__(self, inner: Model, policy: Limit) -> None:
        super().__init__(inner)
        self._policy = policy

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Ask the model inside, when that is allowed.

        Raises:
            UsageLimit: a budget is used up.
        """
        policy, model = self._policy, request.model or self.name
        try:
            begun, waited, estimated = await policy.begin(request, model)
        except UsageLimit as over:
            mark("limit", "used up", f"limit {over.facts['limit']} used up", **over.facts)
            raise
        if waited:
            mark("limit", "waited", f"waited {spelled(waited)} for the limit", wait_s=round(waited, 3))
        held, answered = begun.tokens, Reply()
        try:
            answered = reply = await self.inner.respond(request, emit)
        except ModelError as error:
            answered = Reply(usage=error.usage or (Usage.free() if _was_turned_away(error) else Usage()))
            raise
        finally:
            counted = answered.usage
            policy.learn(model, estimated, counted.input_tokens or None)
            tokens = counted.total_tokens
            if tokens is None and not policy.counts:
                tokens = round(policy.expected(request, model)[1])
            policy.end(begun, held, tokens, self.cost_usd(answered))
        return reply
