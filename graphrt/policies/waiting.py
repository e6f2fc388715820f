"""Who waits for a policy, and until when: a fair queue, and a bound on how long something may be silent.

Both read a `Clock`, so that tests wait for nothing, and both give way to cancellation.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from graphrt.runtime.leaving import stopped

if TYPE_CHECKING:
    from graphrt.ports import Clock, Wake

T = TypeVar("T")


class Queue:
    """Admits in the order of arrival; works over threads and event loops, because policies are shared by all of them.

    `lock` guards what `admit` looks at; whoever changes that calls `stir` afterwards.
    """

    def __init__(self, clock: Clock) -> None:
        self.lock = threading.RLock()
        self._clock = clock
        self._line: deque[_Place] = deque()

    def __len__(self) -> int:
        return len(self._line)

    async def admit(self, attempt: Callable[[], float | None]) -> float:
        """Wait until it is our turn and `attempt` lets us in; return how long that took, in seconds.

        `attempt` is called under the lock, of the first in line only. It returns 0 if it let us in, the seconds after
        which to ask again, or None to be asked when something has changed. What it raises ends the wait.
        """
        place = _Place()
        begun: float | None = None
        with self.lock:
            self._line.append(place)
        try:
            while True:
                with self.lock:
                    again = attempt() if self._line[0] is place else None
                    if again == 0:
                        return 0.0 if begun is None else self._clock.monotonic() - begun
                    stirred = place.await_stir()
                begun = self._clock.monotonic() if begun is None else begun
                await self._until(stirred, again)
        finally:
            with self.lock:
                with suppress(ValueError):  # nobody was left to wait in this place, and it was taken away
                    self._line.remove(place)
                self._stir()

    def stir(self) -> None:
        """Something has changed: whoever is first in line may ask again."""
        with self.lock:
            self._stir()

    def _stir(self) -> None:
        while self._line and not self._line[0].stir():
            self._line.popleft()

    async def _until(self, stirred: asyncio.Future[None], seconds: float | None) -> None:
        """Wait until something has changed, or for so long."""
        alarm = None if seconds is None else self._clock.call_later(seconds, partial(_done, stirred))
        try:
            await stirred
        finally:
            if alarm is not None:
                alarm.cancel()


class _Place:
    """A place in the line, of a task of some event loop."""

    __slots__ = ("_loop", "_stirred")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stirred: asyncio.Future[None] | None = None

    def await_stir(self) -> asyncio.Future[None]:
        """Return what is done once something has changed."""
        self._stirred = self._loop.create_future()
        return self._stirred

    def stir(self) -> bool:
        """Tell that something has changed, from any thread; say if anybody can wait here still."""
        if self._loop.is_closed():
            return False
        stirred, self._stirred = self._stirred, None
        if stirred is not None:
            with suppress(RuntimeError):  # its loop was closed just now
                self._loop.call_soon_threadsafe(_done, stirred)
        return True


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Watch:
    """Runs something for as long as it shows signs of life in time."""

    def __init__(self, clock: Clock, *, first_s: float | None, idle_s: float | None, total_s: float | None) -> None:
        self._clock = clock
        self._first_s = first_s
        self._idle_s = idle_s
        self._total_s = total_s
        self._begun = clock.monotonic()
        self._heard: float | None = None
        self._alarm: Wake | None = None
        self._over: asyncio.Future[None] | None = None
        self.passed: str | None = None
        """Which bound was passed: `first_byte`, `idle` or `total`."""

    def heard(self) -> None:
        """It lives."""
        is_first, self._heard = self._heard is None, self._clock.monotonic()
        if is_first and self._over is not None:
            self._set()  # the bound on silence may come sooner than the alarm that was set

    async def run(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what comes of the work; None if it was too late, and `passed` says by which bound."""
        self._over = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(work)
        self._set()
        try:
            await asyncio.wait((task, self._over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._over.cancel()
            if self._alarm is not None:
                self._alarm.cancel()
            if not task.done():
                await stopped(task)
        if self.passed is not None and (not task.done() or task.cancelled() or task.exception() is not None):
            return None
        return await task

    def _bounds(self) -> list[tuple[float, str]]:
        """Return when which bound is passed, soonest first."""
        found: list[tuple[float, str]] = []
        if self._total_s is not None:
            found.append((self._begun + self._total_s, "total"))
        if self._heard is None and self._first_s is not None:
            found.append((self._begun + self._first_s, "first_byte"))
        if self._heard is not None and self._idle_s is not None:
            found.append((self._heard + self._idle_s, "idle"))
        return sorted(found)

    def _set(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        bounds = self._bounds()
        if bounds:
            self._alarm = self._clock.call_later(max(0.0, bounds[0][0] - self._clock.monotonic()), self._ring)

    def _ring(self) -> None:
        at, bound = self._bounds()[0]
        if self._clock.monotonic() < at:
            self._set()
        elif self._over is not None and not self._over.done():
            self.passed = bound
            self._over.set_result(None)
