"""How long something may take, by the clock of the run: so that a test whose clock stands still need not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphrt.context import Context


@asynccontextmanager
async def within(seconds: float | None, context: Context | None) -> AsyncGenerator[asyncio.Timeout]:
    """Cancel what is done inside after so many seconds of the run's clock; None lets it take its time.

    Outside of a run, real time counts. What is yielded says afterwards whether the time was over (`expired()`).

    Raises:
        TimeoutError: it was.
    """
    clock = None if context is None else context.clock
    async with asyncio.timeout(seconds if clock is None else None) as timer:
        alarm = None if clock is None or seconds is None else clock.call_later(seconds, lambda: timer.reschedule(0))
        try:
            yield timer
        finally:
            if alarm is not None:
                alarm.cancel()
