"""What nodes have opened for the time that a run is driven: entered on its first use, left when nothing more happens.

Each is entered and left by one task of its own: it outlives the attempt that asked for it first, and libraries that
demand to be left by the task that entered them get what they demand. Whatever goes wrong in leaving is logged, and
changes nothing about the run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Generic, TypeVar, cast

from graphrt.errors import UseError
from graphrt.values import brief

T = TypeVar("T")
Opens = Callable[[], AbstractAsyncContextManager[T]]

GRACE_S: Final = 10.0
"""How long something may take to close, and again when it is cancelled after that."""

_log = logging.getLogger("graphrt.runtime")


class Opened:
    """What one run has opened, in the order in which that was done."""

    __slots__ = ("_held", "_is_closed", "_loop", "_run")

    def __init__(self, run: str) -> None:
        """Begin with nothing, in the event loop that drives the run."""
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._held: dict[Opens[Any], _Held[Any]] = {}
        self._is_closed = False

    def is_here(self) -> bool:
        """Say whether something can be opened from where this is called."""
        try:
            return asyncio.get_running_loop() is self._loop and not self._is_closed
        except RuntimeError:
            return False

    async def open(self, make: Opens[T]) -> T:
        """Return what `make()` opens: at the first call by entering it, later the same.

        Raises:
            UseError: it is called elsewhere than in the event loop of the run, or when the run is over.
        """
        if not self.is_here():
            raise UseError(
                f"run {self._run} cannot open {_named(make)} here: call open() in the event loop that drives the run,"
                " and before it ends"
            )
        held = cast("_Held[T] | None", self._held.get(make))
        if held is None:
            held = self._held[make] = _Held(make)
        try:
            return await asyncio.shield(held.ready)
        except BaseException:
            if held.has_failed() and self._held.get(make) is held:
                del self._held[make]  # the next one tries again
            raise

    async def close(self) -> None:
        """Leave everything, the last that was opened first."""
        self._is_closed = True
        held, self._held = list(self._held.items()), {}
        try:
            while held:
                make, each = held.pop()
                if (problem := await each.left()) is not None:
                    _log.warning("run %s: closing what %s had opened %s", self._run, _named(make), problem)
        finally:
            for _, each in held:  # whoever waited for this was cancelled, and they all close without being waited for
                each.leave()


class _Held(Generic[T]):
    """Something that is open, in the hands of a task."""

    __slots__ = ("_leaving", "_task", "ready")

    def __init__(self, make: Opens[T]) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[T] = loop.create_future()
        self._leaving = asyncio.Event()
        self._task = loop.create_task(self._hold(make))
        self._task.add_done_callback(_heard)

    async def _hold(self, make: Opens[T]) -> None:
        try:
            async with make() as value:
                self.ready.set_result(value)
                await self._leaving.wait()
        except BaseException as error:
            if self.ready.done():
                raise
            cancelled = isinstance(error, asyncio.CancelledError)
            self.ready.set_exception(ConnectionAbortedError("it was given up while it opened") if cancelled else error)
            self.ready.exception()  # whoever waits hears of it; nobody has to
            if cancelled:
                raise

    def has_failed(self) -> bool:
        """Say whether it could not be opened."""
        return self.ready.done() and self.ready.exception() is not None

    def leave(self) -> None:
        """Let the task leave it."""
        if self.ready.done():
            self._leaving.set()
        else:
            self._task.cancel()

    async def left(self) -> str | None:
        """Leave it and wait for that; return what went wrong."""
        self.leave()
        await asyncio.wait((self._task,), timeout=GRACE_S)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=GRACE_S)
            return f"took longer than {GRACE_S:g} s, and was given up"
        if self._task.cancelled() or (error := self._task.exception()) is None:
            return None
        return f"failed with {type(error).__name__}: {error}"


def _named(make: Opens[Any]) -> str:
    """Say what was to be opened, without the address of an object."""
    return str(getattr(make, "__qualname__", None) or brief(make))


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how it ended, so that nobody is told a second time."""
    if not task.cancelled():
        task.exception()
