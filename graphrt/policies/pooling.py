"""`pool`: a few costly things, made when they are needed, lent to one user at a time, and disposed of at the end.

What comes back from a user who failed or was cancelled is not lent again: nobody knows what state it is in.
"""

from __future__ import annotations

import inspect
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from graphrt.agents.model import Emit, Model, ModelRequest, Reply, discard
from graphrt.agents.sent import told
from graphrt.errors import UseError
from graphrt.policies.policy import Around, Policy, mark, priced, spelled
from graphrt.policies.waiting import Queue
from graphrt.runtime.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from graphrt.ports import Clock

T = TypeVar("T")


class Pool(Policy, Generic[T]):
    """Things to lend; see `pool`. As a policy it takes the place of the model that it stands around."""

    supplies = True

    def __init__(
        self,
        make: Callable[[], object],
        size: int,
        *,
        reset: Callable[[T], object] | None,
        clock: Clock,
    ) -> None:
        self.size = size
        self._make = make
        self._reset = reset
        self._clock = clock
        self._queue = Queue(clock)
        self._idle: deque[T] = deque()
        self._made = 0
        self._closed = False
        self._identity = f"pool {uuid.uuid4().hex}"
        """Of the models to lend. Before the first is made nobody knows it, so it is like no other."""

    @property
    def identity(self) -> str:
        """What tells models of this pool from others; see `Model.identity`."""
        return self._identity

    @property
    def made(self) -> int:
        """How many there are, idle and lent."""
        return self._made

    @property
    def idle(self) -> int:
        """How many wait to be lent."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """How many users wait."""
        return len(self._queue)

    def around(self, model: Model) -> Model:
        """Return the model that is lent for each request; `model` is not asked."""
        return _Pooled(model, cast("Pool[Model]", self))

    @asynccontextmanager
    async def lease(self) -> AsyncGenerator[T]:
        """Lend one, after all who came before; it comes back at the end, or is disposed of if that was a failure.

        Raises:
            UseError: the pool was closed.
        """
        lent = await self._take()
        try:
            yield lent
            if self._reset is not None:
                await _awaited(self._reset(lent))
        except BaseException as error:
            await self._drop(lent, error)
            raise
        if not self._give_back(lent):
            await self._drop(lent)

    async def aclose(self) -> None:
        """Dispose of what is idle, and of what is lent when it comes back. Nothing is lent any more."""
        with self._queue.lock:
            self._closed = True
            idle = list(self._idle)
            self._idle.clear()
            self._queue.stir()
        failed: list[Exception] = []
        for each in idle:
            try:
                await self._drop(each)
            except Exception as error:  # noqa: BLE001 - the others are disposed of all the same, then it is raised
                failed.append(error)
        if len(failed) == 1:
            raise failed[0]
        if failed:
            raise ExceptionGroup(f"{len(failed)} of {len(idle)} in the pool could not be disposed of", failed)

    async def __aenter__(self) -> Self:
        """Give it to `async with`, which closes it at the end."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        await self.aclose()

    async def _take(self) -> T:
        found: list[T] = []

        def attempt() -> float | None:
            if self._closed:
                raise UseError("the pool was closed; make another one")
            if self._idle:
                found.append(self._idle.pop())  # the one that was used last is the warmest
                return 0.0
            if self._made < self.size:
                self._made += 1
                return 0.0
            return None

        waited = await self._queue.admit(attempt)
        if waited:
            mark("pool", "waited", f"waited {spelled(waited)} for the pool", wait_s=round(waited, 3))
        if found:
            return found[0]
        try:
            made = cast("T", await _awaited(self._make()))
        except BaseException:
            self._one_less()
            raise
        if isinstance(made, Model) and type(made).identity is not Model.identity:
            self._identity = made.identity  # it says itself who is like it; else those of one pool are alike
        return made

    def _give_back(self, lent: T) -> bool:
        """Keep one for the next user; say if it is kept."""
        with self._queue.lock:
            if self._closed:
                return False
            self._idle.append(lent)
            self._queue.stir()
            return True

    async def _drop(self, lent: T, because: BaseException | None = None) -> None:
        """Dispose of one. Its place is free only then: two of a costly thing may not fit where one does.

        Where an error is the reason, it is the error to raise: one that replaced a cancellation would undo it.
        """
        try:
            await dispose(lent)
        except Exception as error:
            if because is None:
                raise
            because.add_note(f"and what the pool had lent could not be disposed of: {type(error).__name__}: {error}")
        finally:
            self._one_less()

    def _one_less(self) -> None:
        with self._queue.lock:
            self._made -= 1
            self._queue.stir()


@overload
def pool(
    make: Callable[[], Awaitable[T]],
    size: int = ...,
    *,
    reset: Callable[[T], object] | None = ...,
    clock: Clock = ...,
) -> Pool[T]: ...
@overload
def pool(
    make: Callable[[], T],
    size: int = ...,
    *,
    reset: Callable[[T], object] | None = ...,
    clock: Clock = ...,
) -> Pool[T]: ...
def pool(
    make: Callable[[], Any],
    size: int = 4,
    *,
    reset: Callable[[Any], object] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Pool[Any]:
    """Lend costly things, at most `size` at a time, to those who wait in the order of arrival.

    A pool of models is a policy: each request gets one for itself. Anything else is lent by `async with pool.lease()`,
    in a task that was given the pool as a resource.

    Args:
        make: makes one; may be asynchronous.
        size: how many there are at most.
        reset: makes one that a user has done with as good as new; may be asynchronous.
        clock: tells the time.

    Raises:
        UseError: the size is no positive number.
    """
    if size < 1:
        raise UseError(f"pool(size={size!r}): a pool has 1 or more")
    return Pool(make, size, reset=reset, clock=clock)


async def dispose(thing: object) -> None:
    """Close what can be closed."""
    close = getattr(thing, "aclose", None) or getattr(thing, "close", None)
    if callable(close):
        await _awaited(close())


async def _awaited(value: object) -> object:
    return await value if inspect.isawaitable(value) else value


class _Pooled(Around):
    def __init__(self, inner: Model, policy: Pool[Model]) -> None:
        super().__init__(inner)
        self._policy = policy

    @property
    def identity(self) -> str:
        """Of those that are lent, for the model inside is not asked."""
        return self._policy.identity

    async def respond(self, request: ModelRequest, emit: Emit = discard) -> Reply:
        """Ask one of the pool."""
        async with self._policy.lease() as model:
            reply = await told(model).respond(request, emit)
            return priced(model, reply if reply.model is not None else reply.model_copy(update={"model": model.name}))
