"""One thread that writes for everybody: what arrives while it is busy goes into its next batch.

Callers hand in jobs and await them. A batch is one unit for the disk (one transaction, one fsync per file), so a
hundred runs that append at the same time pay for it once. Nothing is called done before its batch is.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from graphrt.errors import StoreFault

T = TypeVar("T")
MOST_JOBS = 1000
"""Jobs of one batch at most, so that the first does not wait for an endless stream of others."""


class Job(Generic[T]):
    """Something to do in the writer's thread, and who waits for it."""

    __slots__ = ("_future", "action", "error", "loop", "result", "undone")

    def __init__(self, action: Callable[[], T], undone: Callable[[], None] | None = None) -> None:
        """Remember the running event loop, which is told when the job is done.

        `undone` is called when `action` was not performed, or for nothing, because its batch failed as a whole.
        """
        self.action = action
        self.undone = undone
        self.result: T | None = None
        self.error: BaseException | None = None
        self.loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Any] = self.loop.create_future()

    @property
    def done(self) -> Awaitable[T]:
        """Await this for the result."""
        return self._future

    def perform(self) -> None:
        """Do it and keep what came of it."""
        self.result = self.action()

    def tell(self) -> None:
        """Wake who waits; called in their event loop."""
        if self._future.done():
            return
        if self.error is None:
            self._future.set_result(self.result)
        else:
            self._future.set_exception(self.error)


class Writer:
    """Owns the thread. `commit` performs a batch: it sets `result` or `error` of each job, and raises nothing."""

    def __init__(
        self,
        name: str,
        commit: Callable[[Sequence[Job[Any]]], None],
        *,
        idle: Callable[[], None],
        every_s: float,
        finish: Callable[[], None],
    ) -> None:
        """Name the thread; in it, `idle` is called every `every_s` seconds while `ticking`, and `finish` at the end."""
        self._name = name
        self._commit = commit
        self._idle = idle
        self._finish = finish
        self._every_s = every_s
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._handing = threading.Lock()
        self._closed = False
        self.ticking = False
        """Whether there is something to look after between batches."""

    def submit(self, job: Job[T]) -> Awaitable[T]:
        """Hand a job in; await what comes back.

        Raises:
            StoreFault: the store was closed.
        """
        with self._handing:  # nothing may be handed in behind the word that ends the thread
            if self._closed:
                message = f"the store {self._name} was closed; open it again"
                raise StoreFault(message, store=self._name)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"graphrt {self._name}", daemon=True)
                self._thread.start()
            self._jobs.put(job)
        return job.done

    def close(self) -> None:
        """Finish what was handed in, then end the thread."""
        with self._handing:
            thread = self._thread
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._next_batch()
            if batch:
                self._commit(batch)
                _tell_all(batch)
            else:
                self._idle()
        self._finish()

    def _next_batch(self) -> tuple[list[Job[Any]], bool]:
        """Wait for a job, then take what else is there; empty when nothing came in time."""
        try:
            job = self._jobs.get(timeout=self._every_s if self.ticking else None)
        except queue.Empty:
            return [], True
        batch: list[Job[Any]] = []
        while job is not None:
            batch.append(job)
            if len(batch) == MOST_JOBS:
                return batch, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False


def _tell_all(batch: Sequence[Job[Any]]) -> None:
    """Wake each event loop once, however many jobs it waits for."""
    loops: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
    for job in batch:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        try:
            loop.call_soon_threadsafe(_tell, jobs)
        except RuntimeError:
            continue  # that loop was closed: nobody waits any more


def _tell(jobs: Sequence[Job[Any]]) -> None:
    for job in jobs:
        job.tell()
