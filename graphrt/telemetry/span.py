"""A span, its links and events, and the ids that they have: data, as a run and OpenTelemetry both understand it.

All ids follow from the id of the run and those of its visits. So whoever tells the same record tells the same span: the
process that drove the run, one that took it up again, and whoever exports it years later.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeAlias

from graphrt.telemetry.names import Value

Attributes: TypeAlias = dict[str, Value]
Kind: TypeAlias = Literal["internal", "client"]
Why: TypeAlias = Literal["cause", "retry", "resumed", "parent", "caller"]
"""Why one span is linked to another."""


@dataclass(frozen=True, slots=True)
class Link:
    """Another span that has to do with one."""

    trace_id: str
    span_id: str
    why: Why


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """What happened at a moment of a span. Times are seconds since the epoch."""

    name: str
    at: float
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a run that has ended."""

    name: str
    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 of them."""
    parent_id: str | None
    kind: Kind
    started: float
    ended: float
    attributes: Attributes
    events: tuple[SpanEvent, ...] = ()
    links: tuple[Link, ...] = ()
    error: str | None = None
    """What went wrong, in as many words as may be told; None if nothing did."""
    cut_off: bool = False
    """Whether no record says how it ended: the process was gone, or left the run while it waited."""


def trace_id_of(run: str) -> str:
    """Return the trace that all spans of a run are in."""
    return _id("run", run)[:32]


def span_id_of(run: str, session: int, visit: str, attempt: int) -> str:
    """Return the id of the span of an attempt, or of a visit without one (0); of the run itself without a visit.

    Args:
        run: id of the run.
        session: how often it had been taken up again.
        visit: id of the visit.
        attempt: which attempt.
    """
    return _id("span", run, str(session), visit, str(attempt))[:16]


def _id(*parts: str) -> str:
    return sha256("\0".join(("graphrt", *parts)).encode()).hexdigest()
