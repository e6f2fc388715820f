"""Following a run while it goes on: what is known of it so far, and what is live in it.

What is shown is what is on record: it is told after it is durable. Nothing here decides or changes anything.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from graphrt import events as e
from graphrt import inputs as i
from graphrt.account import Reader
from graphrt.runtime import Delta

if TYPE_CHECKING:
    from graphrt.graph import Graph
    from graphrt.ports import Lease, Request, RunInfo, RunStatus, Store
    from graphrt.runtime import Item
    from graphrt.told import Account, VisitAccount
    from graphrt.trace import Header, Record, Trace

_KEPT: Final = 2000
"""Characters of a streamed text that are remembered: its end is what is shown."""


class Display(Protocol):
    """Something that shows a run."""

    def begin(self, run: Following) -> None:
        """Show that it begins, or that it goes on after what is known of it."""
        ...

    def record(self, record: Record) -> None:
        """Show what a record tells; what is known of the run has it already."""
        ...

    def text(self, piece: Delta) -> None:
        """Show a piece of text that a node streams."""
        ...

    def stopping(self) -> None:
        """Show that it is asked to stop. Called by a signal, whatever else is half done."""
        ...

    def end(self) -> None:
        """Show no more; called once, however the run ended."""
        ...


class Following:
    """What is known of a run. Several threads may look at it while they hold `lock`."""

    def __init__(self, graph: Graph, display: Display) -> None:
        """Follow a run of `graph` on a display."""
        self.graph = graph
        self.lock = threading.RLock()
        self.live: dict[str, VisitAccount] = {}
        """Visits that have begun and not ended, in the order of their starts."""
        self.texts: dict[str, str] = {}
        """The end of what each live visit has streamed."""
        self.due: dict[str, float] = {}
        """When the next attempt of a visit may start that waits for it, in seconds since the epoch."""
        self.resumed = False
        """Whether there were records before those that are shown."""
        self._display = display
        self._reader: Reader | None = None

    @property
    def begun(self) -> bool:
        """Whether anything of it is on record."""
        return self._reader is not None

    @property
    def account(self) -> Account:
        """What its records tell so far."""
        assert self._reader is not None, "it has begun"
        return self._reader.account

    def begin(self, header: Header, past: Sequence[Record] = ()) -> None:
        """Take the header, and the records that are there already."""
        with self.lock:
            self._reader = Reader(header, self.graph, past[0].at if past else None)
            self.resumed = bool(past)
            for record in past:
                self._take(record)
        self._display.begin(self)

    def take(self, records: Iterable[Record]) -> None:
        """Take records that have become durable."""
        for record in records:
            with self.lock:
                self._take(record)
            self._display.record(record)

    async def hear(self, item: Item) -> None:
        """Take streamed text; the rest of what listeners are told is on record."""
        if not isinstance(item, Delta) or item.visit not in self.live:
            return
        with self.lock:
            before = "" if item.anew else self.texts.get(item.visit, "")
            self.texts[item.visit] = (before + item.text)[-_KEPT:]
        self._display.text(item)

    def _take(self, record: Record) -> None:
        assert self._reader is not None, "it has begun"
        self._reader.read(record)
        visits = self._reader.account.visits
        if isinstance(record.input, i.AttemptStarted):
            self.live[record.input.visit] = visits[record.input.visit]
            self.texts.pop(record.input.visit, None)
        for event in record.events:
            match event:
                case e.AttemptRetried():
                    self.due[event.visit] = event.due
                case e.VisitStarted() | e.VisitWaiting() | e.AttemptLost():
                    self.live[event.visit] = visits[event.visit]
                case e.VisitCompleted() | e.VisitFailed() | e.VisitCancelled():
                    self.live.pop(event.visit, None)
                    self.texts.pop(event.visit, None)
                case e.RunCompleted() | e.RunFailed() | e.RunCancelled():
                    self.live.clear()
                    self.texts.clear()
                case _:
                    pass


class Watched:
    """A store that tells a Following what was made durable; all else is done by the store inside."""

    def __init__(self, store: Store, following: Following) -> None:
        self._store = store
        self._following = following
        self._past: Trace | None = None
        self._header: Header | None = None
        self.run: str | None = None
        """The run that is driven."""

    def create(self, header: Header) -> Lease | Awaitable[Lease]:
        """Begin a trace, and note its header."""
        self._header = header
        self.run = header.run
        return self._store.create(header)

    def acquire(self, run: str) -> Lease | Awaitable[Lease]:
        """Own an existing run."""
        self.run = run
        return self._store.acquire(run)

    def append(
        self, lease: Lease, records: Sequence[Record], status: RunStatus, due: float | None = None
    ) -> Awaitable[None] | None:
        """Add records; tell of them once they are durable."""
        done = self._store.append(lease, records, status, due)
        if done is None:
            self._tell(records)
            return None
        return self._tell_after(done, records)

    async def _tell_after(self, done: Awaitable[None], records: Sequence[Record]) -> None:
        await done
        self._tell(records)

    def _tell(self, records: Sequence[Record]) -> None:
        if not self._following.begun:
            self._begin()
        self._following.take(records)

    def _begin(self) -> None:
        header, past = self._header, self._past
        self._past = None
        if header is None:
            assert past is not None, "whoever goes on with a run has read it"
            self._following.begin(past.header, past.records)
        elif past is not None and header.parent == past.header.run:
            self._following.begin(header, past.records[: header.parent_seq])
        else:
            self._following.begin(header)

    def release(self, lease: Lease) -> Awaitable[None] | None:
        """Give the run up."""
        return self._store.release(lease)

    def post(self, run: str, request: Request, *, seen: int | None = None) -> Awaitable[bool] | bool:
        """Leave a request."""
        return self._store.post(run, request, seen=seen)

    def requests(self, lease: Lease) -> list[tuple[int, Request]]:
        """Return what was posted."""
        return self._store.requests(lease)

    def discard(self, lease: Lease, number: int) -> Awaitable[None] | None:
        """Forget requests."""
        return self._store.discard(lease, number)

    def watch(self, lease: Lease, wake: Callable[[], object]) -> None:
        """Call `wake` when something was posted."""
        self._store.watch(lease, wake)

    def header(self, run: str) -> Header:
        """Return the header of a run."""
        return self._store.header(run)

    def records(self, run: str, start: int = 0) -> Iterable[Record]:
        """Return records of a run."""
        return self._store.records(run, start)

    def trace(self, run: str) -> Trace:
        """Return header and records; the first that is asked for is what the run goes on from."""
        trace = self._store.trace(run)
        if self._past is None and not self._following.begun:
            self._past = trace
        return trace

    def info(self, run: str) -> RunInfo:
        """Return the run's line of the list."""
        return self._store.info(run)

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
        """Return runs, newest first."""
        return self._store.runs(
            flow=flow, status=status, parent=parent, due_before=due_before, before=before, limit=limit
        )

    def delete(self, runs: Sequence[str]) -> Awaitable[None] | None:
        """Forget runs."""
        return self._store.delete(runs)

    def compact(self) -> None:
        """Give room back to the system."""
        self._store.compact()

    def close(self) -> None:
        """Nothing: whoever opened the store closes it."""
