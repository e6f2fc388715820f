"""Importing large libraries beside the event loop: what takes a second must not hold up everything else for as long."""

from __future__ import annotations

import importlib
from typing import Final

from graphrt.runtime.threads import Threads

_THREADS: Final = Threads("graphrt-import", 4)
_there: set[str] = set()
"""Modules that are imported to the end; `sys.modules` has them from the beginning of their import on."""


async def imported(*names: str) -> None:
    """Return once these modules are imported; those that are missing are imported in a thread.

    Raises:
        ImportError: there is no such module.
    """
    missing = [name for name in names if name not in _there]
    if missing:
        await _THREADS.call(lambda: [importlib.import_module(name) for name in missing])
        _there.update(missing)
