"""Writes for everybody: what is handed in at the same time, or while the disk is busy, becomes one batch.

Callers hand in jobs and await them. A batch is one unit for the disk (one transaction, one fsync per file), so a
hundred runs that append at the same time pay for it once. Nothing is called done before its batch is.

What an event loop hands in is gathered for one turn of it. A thread performs the batch, because a disk keeps one
waiting. A store that waits for no disk may offer to perform batches `at_once`, in the event loop: that spares the way
to the thread and back, which costs more than such a batch. It is asked only while the thread has nothing to do, so the
jobs of a loop are done in their order.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeAlias, TypeVar

from graphrt.errors import StoreFault

T = TypeVar("T")
MOST_JOBS = 1000
"""Jobs of one batch at most, so that the first does not wait for an endless stream of others."""
_BEGINS_S: Final = 5.0
"""How long a thread may take to begin; one in whose start a signal came may never do."""
_WOKEN: Final = 20
"""How many who waited for a batch go on in one turn of their event loop."""


class Job(Generic[T]):
    """Something to do, and who waits for it."""

    __slots__ = ("_future", "error", "loop", "result")

    def __init__(self) -> None:
        """Remember the running event loop, which is told when the job is done."""
        self.result: T | None = None
        self.error: BaseException | None = None
        self.loop = loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Any] = loop.create_future()

    @property
    def done(self) -> Awaitable[T]:
        """Await this for the result."""
        return self._future

    @property
    def is_revoked(self) -> bool:
        """Whether it need not be done any more, because nobody waits for it."""
        return False

    def perform(self) -> None:
        """Do it and keep what came of it."""

    def abandoned(self) -> None:
        """It was done, and nobody waits for it any more; called in the event loop."""

    def undo(self) -> None:
        """It was not performed, or for nothing, because its batch failed as a whole."""

    def tell(self) -> None:
        """Wake who waits; called in their event loop."""
        if self._future.done():
            self.abandoned()
            return
        if self.error is None:
            self._future.set_result(self.result)
        else:
            self._future.set_exception(self.error)


class Call(Job[T]):
    """A function to call."""

    __slots__ = ("_action", "_revocable", "_undone", "_unwanted")

    def __init__(
        self,
        action: Callable[[], T],
        *,
        revocable: bool = False,
        undone: Callable[[], None] | None = None,
        unwanted: Callable[[T], object] | None = None,
    ) -> None:
        """Take what to call; if it is `revocable`, only if somebody still waits for it when its turn comes.

        `undone` is called where that was undone with its batch, `unwanted` with its result if nobody waits for that.
        """
        super().__init__()
        self._action = action
        self._revocable = revocable
        self._undone = undone
        self._unwanted = unwanted

    @property
    def is_revoked(self) -> bool:
        """Whether who waited was cancelled meanwhile."""
        return self._revocable and self._future.cancelled()

    def abandoned(self) -> None:
        """Hand over what came of it to whoever puts it away."""
        if self._unwanted is not None and self.result is not None:
            with suppress(StoreFault):  # the store was closed, which gives up all that it owns
                self._unwanted(self.result)

    def perform(self) -> None:
        """Call it and keep what it returned."""
        self.result = self._action()

    def undo(self) -> None:
        """Call what is to be called then."""
        if self._undone is not None:
            self._undone()


class _Done:
    """What there is nothing to wait for of; as often as one likes."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


DONE: Final = _Done()
"""Of what was done before it was asked for."""

Batch: TypeAlias = Sequence[Job[Any]]


class Writer:
    """Owns the thread. `commit` performs a batch: it sets `result` or `error` of each job, and raises nothing."""

    def __init__(
        self,
        name: str,
        commit: Callable[[Batch], None],
        *,
        idle: Callable[[], None],
        every_s: float,
        finish: Callable[[], None],
        tidy: Callable[[], None] | None = None,
        at_once: Callable[[Batch], bool] | None = None,
    ) -> None:
        """Name the thread.

        In it, `idle` is called every `every_s` seconds while `ticking`, `tidy` when those who wait for a batch have
        been told and the store is `untidy`, and `finish` at the end. `at_once` performs a batch in the event loop as
        `commit` does, or returns False because it would have to wait, and has done nothing then.
        """
        self._name = name
        self._commit = commit
        self._idle = idle
        self._finish = finish
        self._tidy = tidy
        self._at_once = at_once
        self._every_s = every_s
        self._gathered: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        self._handed: queue.SimpleQueue[list[Job[Any]] | None] = queue.SimpleQueue()
        self._telling: set[asyncio.AbstractEventLoop] = set()
        """Loops in which some of those who waited for a batch are still to be told."""
        self._under_way = 0
        """Jobs that the thread was given and has not done."""
        self._rest: list[Job[Any]] = []
        """What the thread has taken out and did not fit into its last batch."""
        self._thread: threading.Thread | None = None
        self._began = threading.Event()
        """Set once the thread is at work."""
        self._handing = threading.Lock()
        self._working = threading.Lock()
        """Held by whoever uses the store: the thread, or an event loop that performs a batch at once."""
        self._closed = False
        self.ticking = False
        """Whether there is something to look after between batches."""
        self.untidy = False
        """Whether there is something to do that nobody waits for."""

    def submit(self, job: Job[T], *, alone: bool = False) -> Awaitable[T]:
        """Hand a job in; await what comes back.

        One that has nobody to share a batch with, because it is `alone`, does not wait for the turn of the loop.

        Raises:
            StoreFault: the store was closed.
        """
        loop = job.loop
        with self._handing:  # nothing may be handed in behind the word that ends the thread
            if self._closed:
                message = f"the store {self._name} was closed; open it again"
                raise StoreFault(message, store=self._name)
            gathered = self._gathered.get(loop)
            if gathered is not None:
                gathered.append(job)
                return job.done
            self._gathered[loop] = [job]
        if alone and self._at_once is not None:
            self._hand_over(loop)
        else:
            loop.call_soon(self._hand_over, loop)
        return job.done

    def close(self) -> None:
        """Finish what was handed in, then end the thread."""
        with self._handing:
            if not self._closed:
                self._closed = True
                for batch in self._gathered.values():
                    self._put(batch)
                self._gathered.clear()
                self._handed.put(None)
            thread = self._thread
        if thread is not None and self._began.wait(_BEGINS_S):
            thread.join()

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Perform what a loop has gathered, or leave it to the thread; called in that loop."""
        if loop in self._telling:  # those who are still to be told may have something for the same batch
            loop.call_soon(self._hand_over, loop)
            return
        with self._handing:
            batch = self._gathered.pop(loop, None)
            if batch is None:  # the store was closed, which handed it over
                return
            at_once = self._at_once
            if at_once is None or self._under_way or not self._working.acquire(blocking=False):
                self._put(batch)
                return
        ticked = self.ticking
        try:
            done = at_once(batch)
        finally:
            self._working.release()
        if done:
            self._tell(batch)
        if not done or self.untidy or self.ticking != ticked:
            with self._handing:
                self._put([] if done else batch)

    def _put(self, batch: list[Job[Any]]) -> None:
        """Give the thread something to do, if only to look round; called by who holds `handing`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"graphrt {self._name}", daemon=True)
            self._thread.start()
        self._under_way += len(batch)
        self._handed.put(batch)

    def _run(self) -> None:
        self._began.set()
        more = True
        while more:
            batch, more = self._next_batch()
            with self._working:
                if batch:
                    self._commit(batch)
                else:
                    self._idle()
            with self._handing:
                self._under_way -= len(batch)
            self._tell_all(batch)
            if self.untidy and self._tidy is not None:
                with self._working:
                    self._tidy()
        self._finish()

    def _next_batch(self) -> tuple[list[Job[Any]], bool]:
        """Wait for a batch, then take what else is there; empty when nothing came in time, or only a word to look."""
        batch, self._rest = self._rest, []
        try:
            found = (
                self._handed.get_nowait()
                if batch
                else self._handed.get(timeout=self._every_s if self.ticking else None)
            )
            while found is not None:
                batch += found
                if len(batch) >= MOST_JOBS:
                    batch, self._rest = batch[:MOST_JOBS], batch[MOST_JOBS:]
                    return batch, True
                found = self._handed.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _tell_all(self, batch: Batch) -> None:
        """Tell in each event loop, once, however many jobs it waits for."""
        loops: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        for job in batch:
            loops.setdefault(job.loop, []).append(job)
        for loop, jobs in loops.items():
            try:
                loop.call_soon_threadsafe(self._tell, jobs)
            except RuntimeError:
                continue  # that loop was closed: nobody waits any more

    def _tell(self, jobs: Batch, first: int = 0) -> None:
        """Wake who waits, so many in one turn of the loop: each has work to do, and others wait for the loop too."""
        rest = first + _WOKEN
        for job in jobs[first:rest]:
            job.tell()
        loop = jobs[first].loop
        if rest < len(jobs):
            self._telling.add(loop)
            loop.call_soon(self._tell, jobs, rest)
        elif first:
            loop.call_soon(self._telling.discard, loop)  # after those have gone on who were woken just now
