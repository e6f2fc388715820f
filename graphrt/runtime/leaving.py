"""What was cancelled and does not end is waited for a little, and then left behind."""

from __future__ import annotations

import asyncio
from typing import Any, Final

GRACE_S: Final = 5.0
"""How long to wait for something that was cancelled to end."""


async def stopped(task: asyncio.Future[Any]) -> bool:
    """Cancel something and wait until it has ended, but not for ever; say if it has."""
    task.cancel()
    task.add_done_callback(_forget)
    await asyncio.wait((task,), timeout=GRACE_S)
    return task.done()


def _forget(task: asyncio.Future[Any]) -> None:
    """Take note of how something ended that nobody wants to know of any more."""
    if not task.cancelled():
        task.exception()
