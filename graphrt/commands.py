"""What a run asks the world to do. A driver performs commands and feeds inputs back; commands are never recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from graphrt.graph import Node


class StartAttempt(msgspec.Struct, gc=False):
    """Feed `AttemptStarted`, make it durable, call the node's work, feed how it ended."""

    visit: str
    attempt: int
    """Counted from 1 over all tries of the visit."""
    node: Node
    """Its `work` is what to call."""
    state: dict[str, Any]
    """The state that the visit sees: field name to value. Not to be changed."""
    timeout_s: float | None = None
    """Bound of this attempt in seconds: the node's own, else the one of the node it runs inside."""
    policies: tuple[object, ...] = ()
    """What the definition says about requests to models here, outermost first; to be handed on in the `Context`."""


class StartTimer(msgspec.Struct, frozen=True, gc=False):
    """Feed `TimerFired(visit, kind)` once the clock has reached `due` (seconds since the epoch)."""

    visit: str
    kind: str
    due: float


class CancelTimer(msgspec.Struct, frozen=True, gc=False):
    """The wait is no longer needed."""

    visit: str
    kind: str


class CancelAttempt(msgspec.Struct, frozen=True, gc=False):
    """Stop this attempt if it still runs; whatever it returns is not wanted any more."""

    visit: str
    attempt: int


Command: TypeAlias = StartAttempt | StartTimer | CancelTimer | CancelAttempt
