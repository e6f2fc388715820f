"""Whoever watches a run: each has a bounded queue and a task of its own, so that none can slow or break the run.

Asynchronous listeners are called in the event loop, synchronous ones in a thread. What a listener raises is logged once
and otherwise ignored. When a queue is full its oldest items are dropped and counted.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from graphrt import codec
from graphrt.events import Event
from graphrt.graph import Graph
from graphrt.ports import Observation, Observer
from graphrt.runtime.threads import LISTENER_THREADS
from graphrt.trace import Record, Trace

QUEUE: Final = 10_000
"""Items that a listener may be behind."""
PATIENCE_S: Final = 1.0
"""How long the end of a run waits for listeners that are behind."""

_log = logging.getLogger("graphrt.runtime")


class Delta(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="delta"):
    """A piece of text that a node streams. Reaches listeners only; never in a trace."""

    visit: str
    node: str
    text: str
    """What was said since the piece before."""
    anew: bool = False
    """Whether what this attempt has said before does not count, because its answer begins anew."""


Item: TypeAlias = Event | Delta
"""What a listener is called with, and a stream yields."""
Listener: TypeAlias = Callable[[Any], Any]
"""Called with each event and each delta; a function or a coroutine function."""


def event_json(item: Item) -> bytes:
    """Return the JSON of an event or a delta, in one line: as the trace has events, with their `type`.

    A delta has the type `delta`. Half a character, as some endpoints stream it, is escaped.
    """
    return codec.dump(item, 0)


class Subscriber:
    """One listener of one run."""

    __slots__ = (
        "_closer",
        "_drained",
        "_is_async",
        "_listener",
        "_task",
        "_waiter",
        "dropped",
        "items",
        "most",
        "reported",
    )

    def __init__(self, listener: Listener, most: int = QUEUE) -> None:
        self.items: deque[Any] = deque()
        self.most = most
        self.dropped = 0
        """Items that were lost because the listener was too far behind."""
        self.reported = False
        self._listener = listener
        call = type(listener).__call__ if not inspect.isroutine(listener) else listener
        self._is_async = inspect.iscoroutinefunction(listener) or inspect.iscoroutinefunction(call)
        self._waiter: asyncio.Future[None] | None = None
        self._closer: asyncio.Future[None] | None = None
        self._drained = True
        self._task: asyncio.Task[None] | None = None

    def put(self, items: Iterable[Any]) -> None:
        """Queue items; called in the event loop."""
        mine = self.items
        mine.extend(items)
        while len(mine) > self.most:
            mine.popleft()
            self.dropped += 1
        self._drained = False
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def close(self, patience_s: float) -> None:
        """Give the listener a little time for what is queued, then leave it."""
        task = self._task
        if task is None:
            return
        if not self._drained:
            self._closer = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._closer,), timeout=patience_s)
        self.dropped += len(self.items)
        self.items.clear()
        task.cancel()
        if self.dropped:
            _log.warning("listener %s was too slow: %d items were dropped", _name(self._listener), self.dropped)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self.items:
                self._drained = True
                if self._closer is not None and not self._closer.done():
                    self._closer.set_result(None)
                self._waiter = loop.create_future()
                await self._waiter
            if self._is_async:
                await self._call(self.items.popleft())
            else:
                batch = list(self.items)
                self.items.clear()
                await LISTENER_THREADS.call(partial(self._call_each, batch))

    async def _call(self, item: object) -> None:
        try:
            await self._listener(item)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self.report(asyncio.CancelledError("raised by the listener"))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - nothing that a listener does may reach the run
            self.report(error)

    def _call_each(self, batch: Sequence[object]) -> None:
        for item in batch:
            try:
                self._listener(item)
            except BaseException as error:  # noqa: BLE001 - as above; this is a thread of its own
                self.report(error)

    def report(self, error: BaseException) -> None:
        """Log what it raised, once."""
        if not self.reported:
            self.reported = True
            _log.error(
                "listener %s raised; the run goes on, further errors of it are not shown",
                _name(self._listener),
                exc_info=error,
            )


class Watcher(Protocol):
    """Something that takes what happens in a run."""

    def put(self, items: Iterable[Item]) -> None:
        """Queue items; called in the event loop."""
        ...

    async def close(self, patience_s: float) -> None:
        """Take no more."""
        ...


class Onlooker:
    """One observer of one run: its records come as items come to a listener."""

    __slots__ = ("_observation", "_subscriber")

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._subscriber = Subscriber(self._take)

    def put(self, records: Iterable[Record | None]) -> None:
        """Queue records; called in the event loop."""
        self._subscriber.put(records)

    def around(self, visit: str, attempt: int) -> AbstractContextManager[object]:
        """Return what an attempt is made within; what goes wrong with it is reported, and no more."""
        try:
            return _Guarded(self._observation.around(visit, attempt), self._subscriber.report)
        except Exception as error:  # noqa: BLE001 - nothing that an observer does may reach the run
            self._subscriber.report(error)
            return nullcontext()

    async def close(self, patience_s: float) -> None:
        """Let it know that the run is driven no longer."""
        self._subscriber.put((None,))
        await self._subscriber.close(patience_s)

    def _take(self, record: Record | None) -> None:
        if record is None:
            self._observation.close()
        else:
            self._observation.take(record)


class _Guarded:
    """Enters and leaves what an observer puts around an attempt; the attempt does not notice if that fails."""

    __slots__ = ("_inner", "_is_in", "_report")

    def __init__(self, inner: AbstractContextManager[object], report: Callable[[BaseException], None]) -> None:
        self._inner = inner
        self._report = report
        self._is_in = False

    def __enter__(self) -> None:
        try:
            self._inner.__enter__()
            self._is_in = True
        except Exception as error:  # noqa: BLE001 - nothing that an observer does may reach the run
            self._report(error)

    def __exit__(self, *_error: object) -> None:
        if self._is_in:
            try:
                self._inner.__exit__(None, None, None)
            except Exception as failed:  # noqa: BLE001 - as above
                self._report(failed)


def onlookers(observers: Sequence[Observer], trace: Trace, graph: Graph) -> list[Onlooker]:
    """Let observers look at a run; one that cannot is reported, and left out."""
    found: list[Onlooker] = []
    for observer in observers:
        try:
            found.append(Onlooker(observer.observe(trace, graph)))
        except Exception as error:  # noqa: BLE001 - nothing that an observer does may reach the run
            _log.error("observer %s raised; the run goes on without it", type(observer).__qualname__, exc_info=error)
    return found


class Subscribers:
    """All listeners and observers of one run."""

    __slots__ = ("_all", "_loop", "_thread", "onlookers")

    def __init__(self, watchers: Sequence[Watcher], onlookers: Sequence[Onlooker] = ()) -> None:
        self._all = watchers
        self.onlookers = onlookers
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def __bool__(self) -> bool:
        return bool(self._all)

    def publish(self, items: Sequence[Item]) -> None:
        """Queue items for everybody; called in the event loop."""
        for subscriber in self._all:
            subscriber.put(items)

    def emit(self, delta: Delta) -> None:
        """Queue a delta for everybody; called from any thread."""
        if threading.get_ident() == self._thread:
            self.publish((delta,))
        else:
            self._loop.call_soon_threadsafe(self.publish, (delta,))

    async def close(self, patience_s: float = PATIENCE_S) -> None:
        """Let go of all listeners and observers."""
        closing = [*(w.close(patience_s) for w in self._all), *(o.close(patience_s) for o in self.onlookers)]
        if closing:
            await asyncio.gather(*closing)


def _name(listener: Listener) -> str:
    return getattr(listener, "__qualname__", None) or type(listener).__qualname__
