"""A run to iterate over: its events and text deltas as they come, its result at the end."""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, Self, TypeVar

from pydantic import BaseModel

from graphrt.errors import UseError
from graphrt.runtime.listeners import QUEUE, Item, Watcher
from graphrt.runtime.result import Result

S = TypeVar("S", bound=BaseModel)


class _Queue:
    """What has come and was not read yet; the oldest items are dropped from a full queue."""

    __slots__ = ("dropped", "ended", "items", "waiter")

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.dropped = 0
        self.ended = False
        self.waiter: asyncio.Future[None] | None = None

    def put(self, items: Iterable[Item]) -> None:
        self.items.extend(items)
        while len(self.items) > QUEUE:
            self.items.popleft()
            self.dropped += 1
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def close(self, patience_s: float) -> None:
        """Whatever is queued stays for whoever iterates."""


class RunStream(Generic[S]):
    """Iterate over it to see the run; leaving the loop early does not stop the run.

        stream = runtime.stream(graph, state)
        async for event in stream: ...
        stream.result

    The run begins with the first iteration, with `wait`, or with `begin`: whoever makes a stream here and iterates over
    it elsewhere, in another request say, calls `begin()`. Until they are read, the newest 10,000 items are kept. Of a
    stream that is dropped before its run has begun a RuntimeWarning tells, as Python does of a coroutine.

    Used as `async with`, the run begins with the block, and is cancelled if it is still going on at its end.
    """

    def __init__(self, drive: Callable[[Watcher], Awaitable[Result[S]]], what: str = "a run") -> None:
        """Prepare; `what` it is of, for messages."""
        self._drive = drive
        self._what = what
        self._queue = _Queue()
        self._task: asyncio.Task[Result[S]] | None = None

    @property
    def dropped(self) -> int:
        """Items that were lost because nobody read them in time."""
        return self._queue.dropped

    @property
    def result(self) -> Result[S]:
        """The result, once the run has ended.

        Raises:
            UseError: it has not ended yet, or was cancelled.
        """
        if self._task is None or not self._task.done():
            message = "the run has not ended yet; iterate to the end or await stream.wait()"
            raise UseError(message)
        if self._task.cancelled():
            message = "the run was cancelled and left no result; its trace is in the store"
            raise UseError(message)
        return self._task.result()

    def begin(self) -> Self:
        """Begin the run now, if it has not begun; it goes on whether anybody iterates or not. Returns the stream.

        Raises:
            UseError: no event loop is running here.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            message = (
                f"the stream of {self._what} cannot begin here, where no event loop is running; call begin() in a"
                " coroutine, or use run_sync, which needs none"
            )
            raise UseError(message) from None
        self._begun()  # type: ignore[unused-awaitable]  # it runs by itself
        return self

    async def wait(self) -> Result[S]:
        """Wait for the end of the run; whoever is cancelled while waiting does not cancel the run."""
        return await asyncio.shield(self._begun())

    async def cancel(self) -> None:
        """Stop the run; it is recorded as cancelled."""
        task = self._begun()
        task.cancel()
        await asyncio.wait((task,))

    def _begun(self) -> asyncio.Task[Result[S]]:
        if self._task is None:
            self._task = asyncio.ensure_future(self._drive(self._queue))
            self._task.add_done_callback(self._end)
        return self._task

    def _end(self, _task: object) -> None:
        self._queue.ended = True
        self._queue.wake()

    def __aiter__(self) -> RunStream[S]:
        return self

    async def __anext__(self) -> Item:
        task = self._begun()
        queue = self._queue
        while not queue.items:
            if queue.ended:
                if not task.cancelled():
                    task.result()  # raises what kept the run from being driven
                raise StopAsyncIteration
            queue.waiter = asyncio.get_running_loop().create_future()
            await queue.waiter
        return queue.items.popleft()

    async def __aenter__(self) -> Self:
        return self.begin()

    async def __aexit__(self, *_error: object) -> None:
        if self._task is not None and not self._task.done():
            await self.cancel()

    def __del__(self) -> None:
        if self._task is None:
            message = (
                f"the stream of {self._what} was dropped before it began, so nothing has run; iterate over it, or call"
                " begin() where it is made"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=2)
