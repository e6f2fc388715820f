"""Threads for synchronous functions: a few, made when needed, gone when idle, never in the way of the process ending.

A thread pool of the standard library keeps the process alive until its last call returns, and costs twice as much per
call. A function that hangs must not do that to a run that has long been cancelled, and must not take a thread away from
others once nobody waits for it.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, Final, TypeVar

T = TypeVar("T")

_IDLE_S: Final = 10.0


class _Job:
    __slots__ = ("context", "fn", "future", "is_left", "is_running", "loop")

    def __init__(self, fn: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.fn = fn
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.context: Context = copy_context()
        self.is_running = False
        self.is_left = False
        """Whether nobody waits for it while it runs; its thread then counts no more, and ends with it."""

    def perform(self, over: Callable[[_Job], None]) -> None:
        if self.future.cancelled():  # given up while it waited for a thread
            over(self)
            return
        result: Any = None
        failed: BaseException | None = None
        try:
            result = self.context.run(self.fn)
        except (StopIteration, GeneratorExit) as error:
            # These two mean something else to whoever awaits, and would end the wrong coroutine.
            failed = RuntimeError(f"the function raised {error!r}, which cannot be passed on")
        except BaseException as error:  # noqa: BLE001 - belongs to whoever awaits the call, whatever it is
            failed = error
        over(self)
        try:
            self.loop.call_soon_threadsafe(self._tell, result, failed)
        except RuntimeError:
            return  # the loop was closed: nobody waits any more

    def _tell(self, result: Any, failed: BaseException | None) -> None:  # noqa: ANN401 - what the function returned
        if self.future.done():
            return
        if failed is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(failed)


class Threads:
    """At most `most` daemon threads; calls beyond that wait for one. May be used from several event loops."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._jobs: deque[_Job] = deque()
        self._change = threading.Condition()
        """Guards what follows, and is told of new jobs."""
        self._idle = 0
        """Threads that wait for a job, or have not noticed yet that there is one."""
        self._count = 0
        self._numbers = itertools.count(1)

    def call(self, fn: Callable[[], T]) -> asyncio.Future[T]:
        """Call `fn` in a thread, within a copy of the present context; await what it returns.

        Cancelling the future gives the result up; a function that has begun runs to its end all the same.
        """
        return self._put(fn).future

    async def run(self, fn: Callable[[], T], begun: Callable[[], object]) -> T:
        """Call `fn` as `call` does, for somebody who may give up: then another thread takes the place of its own.

        `begun` is called in the event loop when a thread has taken it up.
        """
        loop = asyncio.get_running_loop()

        def noted() -> T:
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                loop.call_soon_threadsafe(begun)
            return fn()

        job = self._put(noted)
        try:
            return await job.future  # type: ignore[no-any-return]  # a job does not know what its function returns
        finally:
            self._leave(job)

    def _put(self, fn: Callable[[], Any]) -> _Job:
        job = _Job(fn, asyncio.get_running_loop())
        with self._change:
            self._jobs.append(job)
            grows = self._grow()
            if not grows:
                self._change.notify()
        if grows:
            self._start()
        return job

    def _leave(self, job: _Job) -> None:
        """Count the thread of a call no more that runs on and that nobody waits for."""
        with self._change:
            if not job.is_running:
                return
            job.is_left = True
            self._count -= 1
            grows = bool(self._jobs) and self._grow()
        if grows:
            self._start()

    def _grow(self) -> bool:
        """Say if one more thread is to be started, and count it; under the lock."""
        grows = len(self._jobs) > self._idle and self._count < self._most
        self._count += grows
        return grows

    def _start(self) -> None:
        threading.Thread(target=self._work, name=f"{self._name}-{next(self._numbers)}", daemon=True).start()

    @property
    def is_busy(self) -> bool:
        """Whether a function is at work, or waits for a thread."""
        with self._change:
            return bool(self._jobs) or self._count > self._idle

    def _work(self) -> None:
        while True:
            job = self._next()
            if job is None:
                return
            job.perform(self._over)
            if job.is_left:
                return
            del job  # an idle thread must not keep what the last call returned

    def _over(self, job: _Job) -> None:
        with self._change:
            job.is_running = False

    def _next(self) -> _Job | None:
        """Wait for a job; None when none came and the thread may go."""
        with self._change:
            self._idle += 1
            try:
                while not self._jobs:
                    if not self._change.wait(_IDLE_S) and not self._jobs:
                        self._count -= 1
                        return None
                job = self._jobs.popleft()
                job.is_running = True
                return job
            finally:
                self._idle -= 1


NODE_THREADS: Final = Threads("graphrt-node", 32)
"""For synchronous functions of nodes."""
LISTENER_THREADS: Final = Threads("graphrt-listener", 32)
"""For synchronous listeners: a listener that hangs takes no thread away from nodes."""
TOOL_THREADS: Final = Threads("graphrt-tool", 32)
"""For synchronous tools: one that hangs takes no thread away from nodes, nor from other tools once it is given up."""
CACHE_THREADS: Final = Threads("graphrt-cache", 4)
"""For caches in files."""
