"""A clock that stands still until a test moves it: waits of hours take no time, and no test sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

from graphrt.runtime.threads import NODE_THREADS, TOOL_THREADS

_GLANCE_S: Final = 0.005
"""How long, in real seconds, to wait at a time for a function that runs in a thread …"""
_PATIENCE: Final = 1000
"""… and how many times, where nothing waits for this clock …"""
_MOMENT: Final = 20
"""… or something does: a function that takes longer may find its time limit over."""


class ManualClock:
    """Give it to a runtime as `clock`; then `advance` it, or let `run_out` go from one thing that waits to the next.

    Both the time of day and the monotonic time move together; `set_time_of_day` makes them part, as when somebody sets
    the clock of a machine.
    """

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        """Start at `now`, in seconds since the epoch."""
        self._now = now
        self._elapsed = 0.0
        self._waiting: list[tuple[float, int, ManualWake]] = []
        self._order = count()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds that were advanced so far."""
        return self._elapsed

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> ManualWake:
        """Call `callback` once the clock was advanced by `delay_s` seconds."""
        wake = ManualWake(callback)
        heappush(self._waiting, (self._elapsed + max(delay_s, 0.0), next(self._order), wake))
        return wake

    async def sleep(self, delay_s: float) -> None:
        """Return once the clock was advanced by `delay_s` seconds."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wake = self.call_later(delay_s, lambda: None if done.done() else done.set_result(None))
        try:
            await done
        finally:
            wake.cancel()

    @property
    def next_in_s(self) -> float | None:
        """Seconds until the next thing that waits; None if nothing does."""
        while self._waiting and self._waiting[0][2].cancelled:
            heappop(self._waiting)
        return self._waiting[0][0] - self._elapsed if self._waiting else None

    async def advance(self, seconds: float) -> None:
        """Let time pass: wake what is due, each at its time and in order, and let the event loop work it off."""
        end = self._elapsed + seconds
        await _settled()
        while (rest := self.next_in_s) is not None and self._elapsed + rest <= end:
            self._pass(max(rest, 0.0))
            heappop(self._waiting)[2].call()
            await _settled()
        self._pass(end - self._elapsed)

    async def run_out(self, task: asyncio.Future[Any], *, most_s: float = 7 * 24 * 3600.0) -> None:
        """Let time pass, from one thing that waits to the next, until `task` is done.

        Raises:
            TimeoutError: it is not done after `most_s` seconds, or nothing waits for this clock any more.
        """
        begun, patience = self._elapsed, _PATIENCE
        while not task.done():
            await _settled()
            rest = self.next_in_s
            if task.done():
                return
            if rest is None and patience:  # A function in a thread takes its own time, which is not this clock's.
                patience -= 1
                await asyncio.wait((task,), timeout=_GLANCE_S)
                continue
            if rest is None or self._elapsed - begun > most_s:
                message = f"the task is not done after {self._elapsed - begun:g} s, and {rest} is when something wakes"
                raise TimeoutError(message)
            patience = _PATIENCE
            await self.advance(rest)

    def set_time_of_day(self, now: float) -> None:
        """Set the time of day without letting time pass."""
        self._now = now

    def _pass(self, seconds: float) -> None:
        self._elapsed += seconds
        self._now += seconds


class ManualWake:
    """A call that a `ManualClock` will make."""

    __slots__ = ("_callback", "cancelled")

    def __init__(self, callback: Callable[[], object]) -> None:
        self._callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Do not make the call."""
        self.cancelled = True

    def call(self) -> None:
        """Make the call, unless it was cancelled."""
        if not self.cancelled:
            self.cancelled = True
            self._callback()


async def _settled() -> None:
    """Let what can go on do so, also functions in threads, as long as they do not take long."""
    await settle()
    for _ in range(_MOMENT):
        if not (NODE_THREADS.is_busy or TOOL_THREADS.is_busy):
            return
        await asyncio.sleep(_GLANCE_S)
        await settle()


async def settle(turns: int = 20) -> None:
    """Give tasks that can go on a few turns of the event loop to do so."""
    for _ in range(turns):
        await asyncio.sleep(0)
