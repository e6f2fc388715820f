"""A turn to iterate over: its events as they come, its reply at the end."""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Self, TypeAlias

from graphrt.agents.messages import Message
from graphrt.chat.events import ChatEvent
from graphrt.errors import RunFailed
from graphrt.runtime.listeners import QUEUE

Sink: TypeAlias = Callable[[ChatEvent], None]


class ChatStream:
    """Iterate over it to see the turn; leaving the loop early does not stop the turn.

    A turn that fails ends the iteration with its event `TurnFailed`; `reply` then raises. Used as `async with`, a turn
    that is still going on at the end of the block is cancelled.

    The turn begins with the first iteration, with `reply`, or with `begin`. Of a stream that is dropped before that a
    RuntimeWarning tells.
    """

    def __init__(self, drive: Callable[[Sink], Awaitable[Message]]) -> None:
        self._drive = drive
        self._items: deque[ChatEvent] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[Message] | None = None
        self.dropped = 0
        """Events that were lost because nobody read them in time."""

    def begin(self) -> Self:
        """Begin the turn now, if it has not begun, in the event loop that is running; returns the stream."""
        asyncio.get_running_loop()
        self._begun()  # type: ignore[unused-awaitable]  # it runs by itself
        return self

    async def reply(self) -> Message:
        """Wait for the end of the turn and return its reply.

        Raises:
            RunFailed: the turn did not complete.
        """
        return await asyncio.shield(self._begun())

    async def cancel(self) -> None:
        """Stop the turn."""
        task = self._begun()
        task.cancel()
        await asyncio.wait((task,))

    def _begun(self) -> asyncio.Task[Message]:
        if self._task is None:
            self._task = asyncio.ensure_future(self._drive(self._put))
            self._task.add_done_callback(self._wake)
        return self._task

    def _put(self, event: ChatEvent) -> None:
        self._items.append(event)
        if len(self._items) > QUEUE:
            self._items.popleft()
            self.dropped += 1
        self._wake()

    def _wake(self, _task: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> ChatStream:
        return self

    async def __anext__(self) -> ChatEvent:
        task = self._begun()
        while not self._items:
            if task.done():
                if not task.cancelled() and (error := task.exception()) and not isinstance(error, RunFailed):
                    raise error
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._items.popleft()

    async def __aenter__(self) -> Self:
        return self.begin()

    async def __aexit__(self, *_error: object) -> None:
        if self._task is not None and not self._task.done():
            await self.cancel()

    def __del__(self) -> None:
        if self._task is None:
            message = (
                "the stream of a turn was dropped before it began, so nothing was said; iterate over it, or call"
                " begin() where it is made"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=2)
