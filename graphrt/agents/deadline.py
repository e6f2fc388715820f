"""How long something may take, by the clock of the run: so that a test whose clock stands still need not wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from graphrt.context import Context
    from graphrt.ports import Wake


class Deadline:
    """Cancels what is done inside of it so many seconds after `begin`; None lets it take its time.

    Outside of a run, real time counts. Leaving it raises `TimeoutError` if the time was over.
    """

    def __init__(self, seconds: float | None, context: Context | None) -> None:
        self._seconds = seconds
        self._clock = None if context is None else context.clock
        self._timer = asyncio.timeout(None)
        self._alarm: Wake | None = None
        self._is_left = False

    def begin(self) -> None:
        """Let the time begin, unless it is left already."""
        if self._seconds is None or self._is_left:
            return
        if self._clock is not None:
            self._alarm = self._clock.call_later(self._seconds, self._ring)
        else:
            self._set(asyncio.get_running_loop().time() + self._seconds)

    def expired(self) -> bool:
        """Say if the time was over."""
        return self._timer.expired()

    async def __aenter__(self) -> Self:
        """Enter it; the time has not begun."""
        await self._timer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it.

        Raises:
            TimeoutError: the time was over.
        """
        self._is_left = True
        if self._alarm is not None:
            self._alarm.cancel()
        await self._timer.__aexit__(kind, error, trace)

    def _ring(self) -> None:
        self._set(0)

    def _set(self, when: float) -> None:
        with suppress(RuntimeError):  # it was left just now
            self._timer.reschedule(when)
