"""What happened in a run, for observers: one frozen record per fact, past tense. The same structs stand in the trace.

Observers never influence a run. `visit` is a visit id (`2`, `1.0.0`, `3/0`), `node` the name of the visited node.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from graphrt.graph import OnCrash
from graphrt.inputs import ErrorInfo, Json, Mark


class RunStarted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="run_started"):
    """A run of `flow` began."""

    flow: str
    run: str


class VisitStarted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="visit_started"):
    """A node is visited. `causes` are the visits it follows; several at a join, none at the start."""

    visit: str
    node: str
    causes: tuple[str, ...] = ()
    item: Json = None
    """In the first visit of an `each` branch: the item it is for."""


class VisitWaiting(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="visit_waiting"):
    """A visit waits for an answer from outside."""

    visit: str
    node: str
    question: str
    answers: tuple[str, ...] = ()
    """The admitted answers; empty if any value of the written field's type will do."""
    due: float | None = None
    """Deadline in seconds since the epoch."""
    reads: dict[str, Json] = {}
    """What whoever answers is shown: the fields that the node reads; very long values are abbreviated."""


class AttemptRetried(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="attempt_retried"):
    """An attempt failed and another will be made at `due`."""

    visit: str
    node: str
    attempt: int
    """The attempt that failed, counted from 1."""
    error: ErrorInfo
    due: float
    """When the next attempt may start, in seconds since the epoch."""
    marks: tuple[Mark, ...] = ()
    """What happened in that attempt besides."""


class AttemptLost(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="attempt_lost"):
    """A started attempt has no recorded end: it is in doubt whether its effect took place."""

    visit: str
    node: str
    attempt: int
    then: OnCrash
    """What the node's `on_crash` says: `retry`, `ask` or `fail`."""


class VisitCompleted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="visit_completed"):
    """A visit ended well."""

    visit: str
    node: str
    outcome: str | None = None
    """The answer of a router or an ask; None for the plain outcome."""
    writes: dict[str, Json] = {}
    """What was written. Stored once: left out where the input of the same record already says it."""
    marks: tuple[Mark, ...] = ()
    """What happened on the way to it: a cache hit, a fallback. Stored once, as `writes` is."""


class VisitFailed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="visit_failed"):
    """A visit ended with an error, after its last attempt."""

    visit: str
    node: str
    error: ErrorInfo
    attempt: int = 1
    marks: tuple[Mark, ...] = ()
    """What happened in the last attempt besides."""


class VisitCancelled(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="visit_cancelled"):
    """A visit was stopped before it ended."""

    visit: str
    node: str
    why: str
    """`run` (it was cancelled), `failure` (of another visit), `join` (others won), `end` (a stopping end)."""


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, array_like=True):
    """What became of one edge when its node was left. `edge` is its index among the node's edges."""

    edge: int
    result: str
    """`taken`, `false`, `used up`, `not tried`."""
    values: dict[str, Json] | None = None
    """What the guard read, by the text of each operand (`score`, `size(facts)`); long values are abbreviated."""
    count: int | None = None
    """Crossings so far for an edge with `at_most`; branches started for an `each` edge."""


class Routed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="routed"):
    """A visit was left by the edges for its outcome; has the verdict of each of them."""

    visit: str
    verdicts: tuple[Verdict, ...] = ()
    error: str | None = None
    """For an error edge: the type of the error that it caught."""


class Joined(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="joined"):
    """A join fired as `visit`."""

    visit: str
    node: str
    of: str | None = None
    """The opener's visit whose branches met; None for a join of the whole run."""
    arrived: int = 0
    dropped: tuple[str, ...] = ()
    """Lines that an `any` or `n` join left behind: the last visit of each."""


class LimitPassed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="limit_passed"):
    """The run used more than `limit` (visits, active_s, tokens, cost_usd) allows."""

    visit: str
    limit: str
    used: float
    allowed: float


class RunResumed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="run_resumed"):
    """The run goes on."""

    after: str
    """What it was before: `running`, `suspended`, `failed`, `cancelled`."""


class RunForked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="run_forked"):
    """This run went off from a visit of `parent`."""

    run: str
    parent: str
    visit: str


class RunSuspended(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="run_suspended"):
    """Nothing is live but open questions: the run needs no process until one is answered."""

    questions: tuple[str, ...]
    """Visits that wait."""


class RunCompleted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="run_completed"):
    """Everything ended well. `end` names the stopping end that ended it, if one did."""

    end: str | None = None
    visits: int = 0


class RunFailed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="run_failed"):
    """The run ended with an error, at `visit`."""

    error: ErrorInfo
    visit: str
    node: str


class RunCancelled(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="run_cancelled"):
    """The run was stopped from outside."""

    by: str | None = None
    reason: str | None = None


Event: TypeAlias = (
    RunStarted
    | VisitStarted
    | VisitWaiting
    | AttemptRetried
    | AttemptLost
    | VisitCompleted
    | VisitFailed
    | VisitCancelled
    | Routed
    | Joined
    | LimitPassed
    | RunResumed
    | RunForked
    | RunSuspended
    | RunCompleted
    | RunFailed
    | RunCancelled
)
