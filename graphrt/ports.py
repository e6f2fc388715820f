"""What a driver needs from its surroundings: a store that keeps traces, and a clock; and who may look on.

Protocols only. Everything that changes a store returns None when it is already done (a store in memory costs nothing)
or an awaitable that ends once it is durable. Everything that reads is a plain call, for the command line and the
pictures too.

A run is *owned* by who holds its lease. Each acquisition raises the lease's epoch, and an append must name the present
epoch and the next number: an owner that was paused, lost its lease and came back can append nothing.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec

from graphrt.errors import AlreadyAnswered, UseError
from graphrt.events import RunCancelled, RunCompleted, RunFailed, RunSuspended
from graphrt.inputs import Answered, Cancelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from graphrt.graph import Graph
    from graphrt.trace import Header, Record, Trace

RunStatus: TypeAlias = Literal["running", "suspended", "completed", "failed", "cancelled"]
Request: TypeAlias = Answered | Cancelled
"""What one process may ask of a run that another one drives."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GENERATED = 10


def new_run_id() -> str:
    """Return a fresh id: ten letters and digits without look-alikes, 50 random bits."""
    number = int.from_bytes(os.urandom(8))
    return "".join([_ALPHABET[number >> shift & 31] for shift in range(0, 5 * _GENERATED, 5)])


def check_run_id(run: str) -> str:
    """Return `run` if it can be the id of a run.

    Raises:
        UseError: it is anything but 1 to 64 letters, digits, `_` and `-`.
    """
    if not _ID.fullmatch(run):
        message = f"{run[:80]!r} cannot be the id of a run; expected 1 to 64 letters, digits, '_' or '-'"
        raise UseError(message, run=run)
    return run


def in_use(run: str, fork: str) -> UseError:
    """Say that a run cannot be deleted, because another one begins with its records."""
    message = f"run {run!r} cannot be deleted without its fork {fork!r}, which begins with its records"
    return UseError(message, run=run, fork=fork)


def already_answered(run: str, earlier: Answered) -> AlreadyAnswered:
    """Say that a question has an answer, which, by whom and when."""
    by = f" by {earlier.by}" if earlier.by is not None else ""
    when = f" at {datetime.fromtimestamp(earlier.at, UTC):%Y-%m-%d %H:%M:%S} UTC" if earlier.at is not None else ""
    message = f"visit {earlier.visit} of run {run!r} was answered already: {earlier.answer!r}{by}{when}"
    return AlreadyAnswered(message, run=run, earlier=earlier)


def check_unanswered(run: str, request: Request, waiting: Iterable[Request]) -> None:
    """See that a request is no second answer to one question.

    Raises:
        AlreadyAnswered: it is.
    """
    for other in waiting:
        if isinstance(request, Answered) and isinstance(other, Answered) and request.visit == other.visit:
            raise already_answered(run, other)


class RunInfo(msgspec.Struct, frozen=True):
    """One line of a list of runs."""

    run: str
    flow: str
    digest: str
    status: RunStatus
    """What the last record left behind. A run that says `running` and is not `live` was cut off and can be resumed."""
    live: bool
    """Whether somebody holds the run's lease now."""
    created: float
    """Seconds since the epoch."""
    updated: float
    """When the last record was appended, in seconds since the epoch."""
    records: int
    """Records in its trace; of a fork, with its share of the parent's."""
    due: float | None = None
    """The earliest deadline of its open questions, in seconds since the epoch."""
    target: str | None = None
    parent: str | None = None
    requests: int = 0
    """What was asked of it and not taken yet. Of a suspended run: answers that wait for somebody to resume it."""


class Lease:
    """The right to append to a run, until it is released or taken over. Stores make it, drivers hand it back."""

    __slots__ = ("__weakref__", "epoch", "extra", "hash", "lost", "next_seq", "parting", "run")

    def __init__(self, run: str, epoch: int, next_seq: int, last_hash: str = "") -> None:
        """Note who owns `run` (the epoch) and where its trace ends."""
        self.run = run
        self.epoch = epoch
        self.next_seq = next_seq
        self.hash = last_hash
        """Hash of the last line that was handed to the store."""
        self.extra: Any = None
        """What the store wants to remember; nobody else reads it."""
        self.lost = False
        """Whether an append was refused; nothing can be appended any more."""
        self.parting = False
        """Whether its owner has nothing left to do in the run but to record its end."""


class Store(Protocol):
    """Keeps traces. Made for one process, or for many at a time; `close` it at the end."""

    def create(self, header: Header) -> Lease | Awaitable[Lease]:
        """Begin a trace and own it.

        Raises:
            UseError: a run of that id exists, or its parent does not.
            StoreFault: the store cannot be written.
        """
        ...

    def acquire(self, run: str) -> Lease | Awaitable[Lease]:
        """Own an existing run; an incomplete last line is cut off.

        Raises:
            RunNotFound: there is no such run.
            RunLocked: somebody else owns it, and lives.
            TraceInvalid: the trace is altered.
        """
        ...

    def append(
        self, lease: Lease, records: Sequence[Record], status: RunStatus, due: float | None = None
    ) -> Awaitable[None] | None:
        """Add records behind the last one, all or none; `status` and `due` are what a list of runs shows.

        With `completed` and a lease that is `parting`, the run may be given up as well: no record follows that one.

        Raises:
            RunLocked: the lease is lost; nothing was added.
            StoreFault: the store cannot be written; nothing was added.
        """
        ...

    def release(self, lease: Lease) -> Awaitable[None] | None:
        """Give the run up; others may acquire it at once."""
        ...

    def post(self, run: str, request: Request, *, seen: int | None = None) -> Awaitable[bool] | bool:
        """Leave a request for whoever owns the run, or will; say if that was done.

        It was not if the run has other records than the `seen` that whoever asks has looked at.

        Raises:
            AlreadyAnswered: the question has an answer that waits to be taken.
        """
        ...

    def requests(self, lease: Lease) -> list[tuple[int, Request]]:
        """Return what was posted and not discarded, oldest first, with its number."""
        ...

    def discard(self, lease: Lease, number: int) -> Awaitable[None] | None:
        """Forget the requests up to `number`: the trace has what became of them."""
        ...

    def watch(self, lease: Lease, wake: Callable[[], object]) -> None:
        """Call `wake`, from any thread, soon after something is posted for the run or if it was; it must not block."""
        ...

    def header(self, run: str) -> Header:
        """Return the header of a run.

        Raises:
            RunNotFound: there is no such run.
            TraceInvalid: it is altered or of an unknown version.
        """
        ...

    def records(self, run: str, start: int = 0) -> Iterable[Record]:
        """Return the records from number `start` on; of a fork, its share of the parent's first.

        Raises:
            RunNotFound: there is no such run.
            TraceInvalid: a record is altered; raised when it is reached.
        """
        ...

    def trace(self, run: str) -> Trace:
        """Return header and records."""
        ...

    def info(self, run: str) -> RunInfo:
        """Return the run's line of the list.

        Raises:
            RunNotFound: there is no such run.
        """
        ...

    def runs(
        self,
        *,
        flow: str | None = None,
        status: RunStatus | None = None,
        parent: str | None = None,
        due_before: float | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[RunInfo]:
        """Return runs, newest first.

        Of a flow, with a status, forked from `parent`, with a deadline up to `due_before`. `before` is the run that the
        page before ended with; `limit` bounds the page.
        """
        ...

    def delete(self, runs: Sequence[str]) -> Awaitable[None] | None:
        """Forget runs for good, each whole or not at all, the first one first; see `graphrt.stores.pruning`.

        Refused before anything is deleted, but where a run is taken up in the same moment.

        Raises:
            RunNotFound: there is no such run.
            RunLocked: somebody owns one of them, and lives.
            UseError: one that is not among them is a fork of one of them, and would lose its beginning.
            StoreFault: the store cannot be written.
        """
        ...

    def compact(self) -> None:
        """Give the room that deleted runs have left back to the system, as far as it was not given back already.

        Raises:
            RunLocked: somebody owns a run, and would have to wait for too long.
            StoreFault: the store cannot be written.
        """
        ...

    def close(self) -> None:
        """Wait for what was handed in, then let go of files and threads. Closing twice is allowed."""
        ...


class Wake(Protocol):
    """A call that will be made later."""

    def cancel(self) -> None:
        """Do not make it."""
        ...


class Clock(Protocol):
    """Tells the time, and wakes. Drivers read all times from it."""

    def now(self) -> float:
        """Return seconds since the epoch; may jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump; for durations."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Wake:
        """Call `callback` in the running event loop after `delay_s` seconds."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds."""
        ...


class Observation(Protocol):
    """One run, as an observer looks at it while one process drives it."""

    def take(self, record: Record) -> None:
        """Take the next record, which is durable. Called in a thread of its own, as a listener is."""
        ...

    def around(self, visit: str, attempt: int) -> AbstractContextManager[object]:
        """Return what an attempt is made within, so that what its node does finds the attempt in the context.

        Entered and left in the event loop, in the context in which the node is called; it must be quick.
        """
        ...

    def close(self) -> None:
        """Know that the run is driven no longer: it has ended, waits, or was left. Called last, as `take` is."""
        ...


class Observer(Protocol):
    """Looks deeper into runs than a listener can: at whole records, and at the context in which nodes are called.

    Nothing that it does or fails to do reaches the run.
    """

    def observe(self, trace: Trace, graph: Graph) -> Observation:
        """Look at a run that is about to be driven.

        Args:
            trace: what is on record so far: nothing of a new run, of a fork its share of the parent's records.
            graph: its definition.
        """
        ...


_STATUS: dict[type, RunStatus] = {
    RunSuspended: "suspended",
    RunCompleted: "completed",
    RunFailed: "failed",
    RunCancelled: "cancelled",
}


def status_after(records: Sequence[Record]) -> RunStatus:
    """Return the status that a trace ends with, for whoever has only its records."""
    for event in reversed(records[-1].events if records else ()):
        status = _STATUS.get(type(event))
        if status is not None:
            return status
    return "running"
