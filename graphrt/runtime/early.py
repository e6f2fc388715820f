"""Cancellations that come before their run is in its store: whoever begins the run takes them.

A task that is to begin a run makes its first step only when the event loop comes to it. Who stops the run before that
finds it nowhere; it must not hear that there is none, and see it go on afterwards.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeAlias

if TYPE_CHECKING:
    from graphrt.inputs import Cancelled
    from graphrt.ports import Store
    from graphrt.runtime.driver import Driver

_TURNS: Final = 4
"""Turns of the event loop after which a task that was made before has begun its run, also one that stands in others."""
_Key: TypeAlias = tuple[int, str]

_coming: dict[_Key, int] = {}
"""How many are beginning a run, by the identity of its store and its id; of two, one is refused by the store."""
_stops: dict[_Key, list[_Stop]] = {}
"""Who waits for a run to begin, and to be stopped then."""


class _Stop:
    """A cancellation that waits for its run."""

    __slots__ = ("given", "told")

    def __init__(self, given: Cancelled) -> None:
        self.given = given
        self.told: concurrent.futures.Future[bool] = concurrent.futures.Future()
        """Ends when the cancellation is on record; with False, if the run has not begun."""

    def tell(self, posted: concurrent.futures.Future[None] | None) -> None:
        """Say what has become of it, if anybody still waits to hear that."""
        if not self.told.set_running_or_notify_cancel():
            return
        if posted is not None and (error := posted.exception()) is not None:
            self.told.set_exception(error)
        else:
            self.told.set_result(posted is not None)


class Coming:
    """A run from the moment in which nothing can refuse it any more but its store, until it is driven."""

    __slots__ = ("_key",)

    def __init__(self, store: Store, run: str) -> None:
        self._key: _Key | None = (id(store), run)

    def __enter__(self) -> Self:
        assert self._key is not None
        _coming[self._key] = _coming.get(self._key, 0) + 1
        return self

    def hand_over(self, driver: Driver) -> None:
        """Let the driver know what was asked of the run meanwhile: before it performs anything."""
        self._end(driver)

    def __exit__(self, *_error: object) -> None:
        if self._key is not None:
            self._end(None)

    def _end(self, driver: Driver | None) -> None:
        key, self._key = self._key, None
        assert key is not None
        others = _coming.pop(key) - 1
        if others:
            _coming[key] = others
            if driver is None:
                return  # somebody else is still beginning it
        if not _stops:
            return
        for stop in _stops.pop(key, ()):
            if driver is None:
                stop.tell(None)
            else:
                driver.post(stop.given).add_done_callback(partial(_Stop.tell, stop))


async def stopped(store: Store, run: str, given: Cancelled) -> bool:
    """Stop a run that a task of this process is about to begin; say if there was one, once that is on record."""
    key, stop = (id(store), run), _Stop(given)
    _stops.setdefault(key, []).append(stop)
    try:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            if key in _coming or stop not in _stops.get(key, ()):
                return await asyncio.wrap_future(stop.told)
        return False
    finally:
        waiting = _stops.get(key, [])
        if stop in waiting:
            waiting.remove(stop)
            if not waiting:
                del _stops[key]
