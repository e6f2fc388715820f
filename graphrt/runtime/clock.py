"""The clock of this machine, as the driver reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from graphrt.ports import Wake

_LONGEST_S: Final = 24 * 3600.0
"""No timer is set for longer; the driver looks at the time of day again when it wakes."""


class SystemClock:
    """Real time. `call_later` and `sleep` count seconds that pass, also when the time of day is set meanwhile."""

    __slots__ = ()

    now = staticmethod(time.time)
    monotonic = staticmethod(time.perf_counter)

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Wake:
        """Call `callback` in the running event loop after `delay_s` seconds."""
        return asyncio.get_running_loop().call_later(min(max(delay_s, 0.0), _LONGEST_S), callback)

    async def sleep(self, delay_s: float) -> None:
        """Return after `delay_s` seconds."""
        await asyncio.sleep(max(delay_s, 0.0))


SYSTEM_CLOCK: Final = SystemClock()
"""The clock of every run that is given no other."""
