"""Handlers of a runtime's events: called apart from the turn, so that nothing they do or fail to do reaches it."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from graphrt.chat.events import ChatEvent
from graphrt.runtime.listeners import Subscriber

EventHandler: TypeAlias = Callable[[Any], Any]
"""Called with each `ChatEvent`; a function, which runs in a thread, or a coroutine function."""

_log = logging.getLogger("graphrt.chat")


class Handler:
    """One handler, over all turns of a runtime: what it raises is reported once."""

    def __init__(self, fn: EventHandler) -> None:
        self.fn = fn
        self._reported = False
        self._busy = False
        self._calls = 0
        """How often it was called."""
        self._is_left = False
        """Whether it hung, and is called no more."""
        self._of_turn: Subscriber | None = None
        call = fn if inspect.isroutine(fn) else type(fn).__call__
        self._is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(call)

    def begin(self) -> Subscriber | None:
        """Return what takes the events of one turn; None if the handler still hangs in an earlier one, or was left."""
        if self._is_left:
            return None
        if self._busy:
            if not self._reported:
                self._reported = True
                _log.error("handler %s still hangs in an event of an earlier turn; it misses this one", self._name())
            return None
        made = Subscriber(self._awaited() if self._is_async else self._called())
        made.reported = self._reported
        self._of_turn = made
        return made

    async def end(self, patience_s: float) -> None:
        """Give the handler a little time for what it has not seen yet."""
        made, self._of_turn = self._of_turn, None
        if made is None:
            return
        waited_for = self._calls
        await made.close(patience_s)
        self._reported = self._reported or made.reported
        if self._is_async and self._busy and self._calls == waited_for:
            # What a thread hangs in may still end; a coroutine is cancelled now, and would hang in the next turn again.
            self._is_left = True
            _log.error("handler %s hung in an event for %g s; it is called no more", self._name(), patience_s)

    def _name(self) -> str:
        return getattr(self.fn, "__qualname__", type(self.fn).__qualname__)

    def _called(self) -> EventHandler:
        @functools.wraps(self.fn)
        def call(event: ChatEvent) -> None:
            self._busy = True
            try:
                self.fn(event)
            finally:
                self._busy = False

        return call

    def _awaited(self) -> EventHandler:
        @functools.wraps(self.fn)
        async def call(event: ChatEvent) -> None:
            self._busy = True
            self._calls += 1
            try:
                await self.fn(event)
            except (Exception, asyncio.CancelledError):
                raise
            except BaseException as error:  # an exit that a handler asks for would end the event loop
                raise RuntimeError(f"the handler raised {error!r}") from error
            finally:
                self._busy = False

        return call
