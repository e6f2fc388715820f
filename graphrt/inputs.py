"""What the world tells a run. Every input is recorded; feeding the same inputs again gives the same run.

Inputs hold JSON values only (what a trace can hold). Times of day stand in the record around an input, never in the
kernel's hands.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from graphrt.varying import varied

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict with text keys."""


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An exception as a trace keeps it: enough to match error edges without importing its class."""

    type: str
    """Name of the class, without its module."""
    message: str
    lineage: tuple[str, ...] = ()
    """Names of the class and of all its bases up to Exception, nearest first."""
    detail: dict[str, Json] = {}
    """Facts that a program may read (host, status, expected type …)."""
    retry_after_s: float | None = None
    """What the failing party asked us to wait, in seconds."""


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something that happened on the way to a result and that people want to see: an answer came from a cache, say."""

    by: str
    """Who did it: the name of a policy, such as `cache`."""
    what: str
    """What it did, for programs: `hit`."""
    text: str
    """The same for people, in a few words: `cache hit`."""
    facts: dict[str, Json] = {}
    """What a program may want to know beyond that."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an attempt consumed. None means unknown, never zero."""

    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class Sent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A request as it was sent to a model; what the trace has already stands here by reference."""

    model: str
    """Who was asked."""
    digest: str
    """SHA-256 of the JSON of the whole request, its first 32 digits: whoever puts it together again can see that it is
    the same."""
    messages: tuple[Json, ...] = ()
    """The conversation in order: `["chat", 0, 12]` for twelve messages of a field that the visit saw, from the first;
    else a message as JSON. `{"field": "doc"}` in one stands for the value of a field, as text."""
    rest: dict[str, Json] = {}
    """The other parts of the request that say something. `{"kept": "1f0c…"}` stands for what an attempt has kept."""
    provider: str | None = None
    """Who offers that model, where it is known."""


@varied
class Limits(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Bounds of a whole run; None means unbounded."""

    visits: int | None = None
    """Visits of nodes, those of inner graphs included."""
    active_s: float | None = None
    """Sum of the durations of all attempts, in seconds."""
    tokens: int | None = None
    """Tokens of all requests to models, both ways."""
    cost_usd: float | None = None
    """What those cost, in US dollars."""


class Started(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="started"):
    """A run begins with this state."""

    run: str
    state: dict[str, Json]
    seed: int = 0
    """Seeds the jitter of retries; nothing else in the kernel is random."""
    limits: Limits | None = None


class AttemptStarted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="attempt_started"):
    """A driver is about to perform an attempt. Durable before the effect."""

    visit: str
    attempt: int


class AttemptSucceeded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="attempt_succeeded"):
    """An attempt returned; `writes` holds what it wrote, field by field."""

    visit: str
    attempt: int
    writes: dict[str, Json] = {}
    duration_s: float = 0.0
    usage: Usage | None = None
    notes: dict[str, Json] = {}
    """Further facts for people, such as the scores of a router's labels; the kernel does not read them."""
    marks: tuple[Mark, ...] = ()
    """What happened on the way, such as a cache hit; the kernel does not read them."""
    sent: tuple[Sent, ...] = ()
    """What was sent to models."""
    kept: dict[str, Json] = {}
    """What that refers to, by its hash: once in a run, where it is long."""


class AttemptFailed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="attempt_failed"):
    """An attempt raised, timed out or returned a value that its fields refuse."""

    visit: str
    attempt: int
    error: ErrorInfo
    duration_s: float = 0.0
    usage: Usage | None = None
    marks: tuple[Mark, ...] = ()
    """What happened on the way, such as a wait for a rate limit; the kernel does not read them."""
    sent: tuple[Sent, ...] = ()
    """What was sent to models."""
    kept: dict[str, Json] = {}
    """What that refers to, by its hash: once in a run, where it is long."""


class TimerFired(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="timer_fired"):
    """A wait is over: of a retry, or of a question's deadline."""

    visit: str
    kind: str
    """`retry` or `deadline`."""


class Answered(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="answered"):
    """Somebody answered the question of a waiting visit."""

    visit: str
    answer: Json
    by: str | None = None
    at: float | None = None
    """When it was given, in seconds since the epoch, if it waited in the store until somebody drove the run."""


class Cancelled(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="cancelled"):
    """Somebody asked to stop the run."""

    by: str | None = None
    reason: str | None = None


class Resumed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="resumed"):
    """A driver takes the run up again: after a crash, a suspension, a failure or a cancellation.

    Attempts that had started and not ended are in doubt; `on_crash` of their nodes decides what becomes of them.
    """

    by: str | None = None
    digest: str | None = None
    """Digest of the definition from here on, if it is not the recorded one."""
    limits: Limits | None = None
    """New limits; None keeps the old ones."""
    graph: dict[str, Json] | None = None
    """JSON form of the definition that `digest` is of."""


class Forked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="forked"):
    """A new run begins from the middle of an old one: everything before is the parent's, by reference."""

    run: str
    parent: str
    visit: str
    set: dict[str, Json] = {}
    """Fields replaced in the state that `visit` sees."""


Input: TypeAlias = (
    Started | AttemptStarted | AttemptSucceeded | AttemptFailed | TimerFired | Answered | Cancelled | Resumed | Forked
)
