"""Attempts under way: here the nodes of a run are called, beside each other, in their time, until nobody wants them.

A lone attempt runs inline, in the task of the driver. Of several, each that waits for something has a task to itself;
those that never wait are performed by one task, one after another, because a task costs more than such an attempt.
A task whose last attempt left its context changed, or a cancellation behind, takes no other.

Nothing here decides what follows from an outcome, and nothing is recorded: that is the driver's affair.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from contextvars import copy_context
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from graphrt import codec
from graphrt.commands import CancelAttempt, StartAttempt
from graphrt.context import CURRENT, Context
from graphrt.errors import NodeTimeout
from graphrt.inputs import AttemptFailed, AttemptSucceeded, Input
from graphrt.runtime.calls import Call, calls_of
from graphrt.runtime.listeners import Delta
from graphrt.runtime.opened import Opened
from graphrt.runtime.recording import facts_as_json, marks_as_json, recorded
from graphrt.runtime.threads import NODE_THREADS

if TYPE_CHECKING:
    from graphrt.graph import Node
    from graphrt.inputs import Json, Usage
    from graphrt.ports import Clock
    from graphrt.runtime.listeners import Subscribers
    from graphrt.stepper import Stepper

GRACE_S: Final = 5.0
"""How long a run that ends waits for cancelled nodes to clean up behind themselves."""
TURN: Final = 200
"""How many attempts begin in one turn of the event loop, about; others have their turn then."""
_CREW: Final = 4
"""How many tasks are made at once, at first; and how many more in the next turn, for each that was found to wait."""

_log = logging.getLogger("graphrt.runtime")


class Attempt(msgspec.Struct, eq=False):
    """An attempt that is under way."""

    command: StartAttempt
    task: asyncio.Task[Any] | None = None
    """The task that performs it; None before it begins."""
    base: int = 0
    """How many cancellations of its task are not ours."""
    unwanted: bool = False
    """Whether the run has cancelled it."""
    expired: bool = False
    """Whether it ran out of time."""


class _Crew:
    """The tasks that perform attempts beside each other; many runs never have any."""

    __slots__ = ("left", "manned", "manning", "queue", "tasks")

    def __init__(self) -> None:
        self.queue: deque[Attempt] = deque()
        """Attempts that no task has taken yet."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.manning = False
        """Whether `_man` will be called in the next turn of the loop."""
        self.manned = 0
        """How many tasks there were before the last ones were made."""
        self.left = 0
        """How many attempts may still begin in this turn."""


class Attempts:
    """The attempts of one run."""

    __slots__ = (
        "_calls",
        "_clock",
        "_crew",
        "_kept",
        "_loop",
        "_monotonic",
        "_policies",
        "_resources",
        "_run",
        "_stepper",
        "_subscribers",
        "_unpriced",
        "_waiter",
        "ended",
        "failure",
        "inline",
        "live",
        "opened",
    )

    def __init__(
        self,
        run: str,
        stepper: Stepper,
        *,
        clock: Clock,
        resources: Mapping[type, Any],
        policies: tuple[Any, ...],
        subscribers: Subscribers,
    ) -> None:
        """Prepare to call the nodes of a run."""
        self.failure: BaseException | None = None
        """The exception behind the last failed attempt."""
        self.inline: Attempt | None = None
        """The attempt that runs in the task of the driver."""
        self.live: dict[str, Attempt] = {}
        """The others, by their visit, until `take_ended` has told of them."""
        self.ended: list[tuple[Attempt, Input | None]] = []
        """Those that have ended, and how; None if nobody wants to know."""
        self.opened = Opened(run)
        """What nodes have opened; closed by who drives."""
        self._run = run
        self._stepper = stepper
        self._clock = clock
        self._monotonic = clock.monotonic
        self._resources = resources
        self._policies = policies
        self._subscribers = subscribers
        self._calls = calls_of(stepper.graph)
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._crew: _Crew | None = None
        self._kept: set[str] | None = None
        """The names of what attempts have kept on record so far."""
        self._unpriced = False
        """Whether it was told that the limit on cost cannot hold."""

    # -- beside each other --------------------------------------------------------------------------------------------

    def begin(self, commands: Sequence[StartAttempt]) -> None:
        """Perform attempts in tasks of their own; those that end stand in `ended`."""
        if self._crew is None:
            self._crew = _Crew()
        crew = self._crew
        live, queue = self.live, crew.queue
        for command in commands:
            live[command.visit] = attempt = Attempt(command)
            queue.append(attempt)
        if not crew.manning:
            crew.manned = len(crew.tasks)
            self._man(crew)

    def _man(self, crew: _Crew) -> None:
        """Make tasks for the attempts that have none: a few at first, then more, as it turns out that those wait."""
        tasks, waiting = crew.tasks, len(crew.queue)
        found_waiting = len(tasks) - crew.manned
        crew.manned = len(tasks)
        crew.left = TURN
        more = min(_CREW * max(1, found_waiting), TURN, waiting)
        for _ in range(more):
            tasks.add(self._loop.create_task(self._work(crew)))  # it takes itself out when it ends
        crew.manning = waiting > more  # the first of each is certain to be taken
        if crew.manning:
            self._loop.call_soon(self._man, crew)

    async def _work(self, crew: _Crew) -> None:
        """Take attempts as long as none of them waits and each finds this task as the first one did."""
        task = asyncio.current_task()
        assert task is not None, "this is called in a task"
        queue, clean = crew.queue, copy_context()
        seen = bool(self._subscribers.onlookers)
        try:
            while queue:
                attempt = queue.popleft()
                outcome = None
                crew.left -= 1
                try:
                    if not attempt.unwanted:
                        attempt.task = task
                        outcome = await (self.perform_seen(attempt) if seen else self.perform(attempt))
                finally:
                    self.ended.append((attempt, outcome))
                    self.wake()
                if queue and (crew.left <= 0 or task.cancelling() or copy_context() != clean):
                    return
        finally:
            crew.tasks.discard(task)

    def take_ended(self) -> Iterator[Input]:
        """Return how attempts ended that the run still wants to know of, one after another."""
        ended, self.ended = self.ended, []
        live, wanted = self.live, self._stepper.attempts
        ended.reverse()
        while ended:  # each is let go of before the next: they may be many
            attempt, outcome = ended.pop()
            command = attempt.command
            if live.get(command.visit) is attempt:
                del live[command.visit]
            if outcome is None:
                continue
            if wanted.get(command.visit) == command.attempt:
                yield outcome
            elif self._kept is not None and isinstance(outcome, AttemptSucceeded | AttemptFailed):
                self._kept.difference_update(outcome.kept)  # nobody wants it, so it is not on record

    def cancel(self, command: CancelAttempt) -> bool:
        """Stop an attempt; say whether it was live."""
        attempt = self.live.get(command.visit)
        if attempt is None or attempt.command.attempt != command.attempt:
            return False
        attempt.unwanted = True
        if attempt.task is not None:
            attempt.task.cancel()
        return True

    def give_way(self) -> None:
        """Stop the attempt that runs inline, so that the driver can do something else."""
        attempt = self.inline
        if attempt is not None and attempt.task is not None and not attempt.unwanted:
            attempt.unwanted = True
            attempt.task.cancel()

    async def change(self) -> None:
        """Wait until an attempt ends, or somebody calls `wake`."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """End the wait for a change."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def abandon(self) -> None:
        """Cancel all tasks, and wait for none: the process is to end."""
        if self._crew is not None:
            self._crew.queue.clear()
            for task in self._crew.tasks:
                task.cancel()

    async def stop(self) -> None:
        """Cancel what still runs and wait a little for it, so that no task is left behind."""
        if self._crew is None:
            return
        self._crew.queue.clear()
        tasks = [task for task in self._crew.tasks if not task.done()]
        for attempt in self.live.values():
            if not attempt.unwanted and attempt.task is not None:
                attempt.unwanted = True
                attempt.task.cancel()
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=GRACE_S)
        if pending:
            _log.warning("run %s: %d cancelled nodes did not end within %g s", self._run, len(pending), GRACE_S)

    # -- one ----------------------------------------------------------------------------------------------------------

    async def perform_seen(self, attempt: Attempt) -> Input | None:
        """Do as `perform`, within what each observer puts around an attempt."""
        command = attempt.command
        with ExitStack() as around:
            for onlooker in self._subscribers.onlookers:
                around.enter_context(onlooker.around(command.visit, command.attempt))
            return await self.perform(attempt)

    async def perform(self, attempt: Attempt) -> Input | None:
        """Call the node; return how it ended, or None if nobody wants to know any more."""
        command = attempt.command
        node = command.node
        call = self._calls[id(node)]
        context: Context | None = None
        around = None
        begun = self._monotonic()
        try:
            arguments = call.fill(command.state)
            if call.context is not None:
                arguments[call.context] = context = self._context(attempt)
                around = CURRENT.set(context)
            if command.timeout_s is not None:
                value = await self._in_time(attempt, call, arguments, command.timeout_s)
            elif call.is_async:
                value = await call.fn(**arguments)
            else:
                value = await _in_thread(call, arguments)
            writes = call.encode(value)
            if call.unbounded:
                codec.check_size(writes, node.name)
        except asyncio.CancelledError as error:
            task = attempt.task
            inline = task if attempt is self.inline else None  # others may cancel it for their own reasons
            if attempt.unwanted:
                if inline is not None and inline.uncancel() > attempt.base:
                    raise
                return None
            if inline is not None and inline.cancelling() > attempt.base:
                raise
            return self._failed(attempt, error, begun, context)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a node raises is how its attempt ended
            return self._failed(attempt, error, begun, context)
        finally:
            if around is not None:
                with suppress(ValueError):  # it is taken down from elsewhere, with its event loop
                    CURRENT.reset(around)
        duration = round((self._monotonic() - begun) * 1e9) / 1e9  # no clock tells more
        if context is None:
            return AttemptSucceeded(command.visit, command.attempt, writes, duration)
        if context.usage is not None and context.usage.cost_usd is None and not self._unpriced:
            self._warn_of_unpriced(context.usage)
        notes = facts_as_json(context.notes) if context.notes else context.notes
        marks = marks_as_json(context.marks)
        if not context.sent:
            return AttemptSucceeded(command.visit, command.attempt, writes, duration, context.usage, notes, marks)
        told = (notes, marks, context.sent, self._kept_anew(context))
        return AttemptSucceeded(command.visit, command.attempt, writes, duration, context.usage, *told)

    def _warn_of_unpriced(self, usage: Usage) -> None:
        """Tell once that a limit on cost cannot hold, because nobody knows what a request costs."""
        limit = dict(self._stepper.bounds).get("cost_usd")
        if limit is None:
            return
        self._unpriced = True
        _log.warning(
            "run %s: the limit of %g USD cannot hold: the price of model %s is not known, and counts as nothing;"
            " limit tokens as well",
            self._run,
            limit,
            usage.model or "(unnamed)",
        )

    def _failed(self, attempt: Attempt, error: BaseException, begun: float, context: Context | None) -> AttemptFailed:
        command = attempt.command
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next  # our own frame would keep the whole run alive
        self.failure = error
        _log.debug("run %s: attempt %d of visit %s failed", self._run, command.attempt, command.visit, exc_info=error)
        duration = round((self._monotonic() - begun) * 1e9) / 1e9  # no clock tells more
        if context is None:
            return AttemptFailed(command.visit, command.attempt, recorded(error), duration)
        marks = marks_as_json(context.marks)
        told = (marks, context.sent, self._kept_anew(context))
        return AttemptFailed(command.visit, command.attempt, recorded(error), duration, context.usage, *told)

    def _kept_anew(self, context: Context) -> dict[str, Json]:
        """Return what an attempt has kept and no attempt before it has put on record."""
        if not context.kept:
            return {}
        if self._kept is None:
            self._kept = set()
        kept = {name: value for name, value in context.kept.items() if name not in self._kept}
        self._kept.update(kept)
        return kept

    async def _in_time(
        self,
        attempt: Attempt,
        call: Call,
        arguments: dict[str, Any],
        timeout_s: float,
    ) -> Any:  # noqa: ANN401 - what the node returns
        """Call the node, and cancel it when its time is over."""
        task = attempt.task

        def expire() -> None:
            if task is not None and not attempt.unwanted:
                attempt.expired = True
                task.cancel()

        alarm = self._clock.call_later(timeout_s, expire)
        try:
            value = await (call.fn(**arguments) if call.is_async else _in_thread(call, arguments))
        except asyncio.CancelledError:
            if attempt.expired and not attempt.unwanted and task is not None and task.uncancel() <= attempt.base:
                raise _timeout(attempt.command, timeout_s) from None
            raise
        except BaseException:
            if attempt.expired and task is not None:
                task.uncancel()
            raise
        finally:
            alarm.cancel()
        if attempt.expired and task is not None:
            task.uncancel()  # it ended in time to say so, and need not be cancelled any more
        return value

    def _context(self, attempt: Attempt) -> Context:
        command = attempt.command
        visit, node = command.visit, command.node
        return Context(
            self._run,
            visit,
            node.name,
            command.attempt,
            key=partial(idempotency_key, self._run, node.name, visit),
            emit=partial(self._emit, visit, node) if self._subscribers else _to_nobody,
            cancelled=partial(_is_over, attempt),
            resources=self._resources,
            policies=(*self._policies, *command.policies),
            retract=partial(self._retract, visit, node) if self._subscribers else None,
            opened=self.opened,
            clock=self._clock,
        )

    def _emit(self, visit: str, node: Node, text: str) -> None:
        self._subscribers.emit(Delta(visit, node.name, text))

    def _retract(self, visit: str, node: Node) -> None:
        self._subscribers.emit(Delta(visit, node.name, "", anew=True))


async def _in_thread(call: Call, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - what the node returns
    value: Any = await NODE_THREADS.call(partial(call.fn, **arguments))
    # A function that is not declared async may still return a coroutine: a partial, a wrapper without annotations.
    return await cast("Awaitable[Any]", value) if isinstance(value, CoroutineType) else value


def _timeout(command: StartAttempt, timeout_s: float) -> NodeTimeout:
    node = command.node.name
    message = (
        f"attempt {command.attempt} of node {node!r} (visit {command.visit}) took longer than its {timeout_s:g} s; "
        "give it more time (timeout=…) or let it do less"
    )
    return NodeTimeout(message, node=node, visit=command.visit, timeout_s=timeout_s)


def _is_over(attempt: Attempt) -> bool:
    return attempt.unwanted or attempt.expired


def _to_nobody(_text: str) -> None:
    """Nobody listens."""


def idempotency_key(run: str, node: str, visit: str) -> str:
    """Return the key of a visit's effect: the same for all its attempts, another in every run."""
    return hashlib.sha256(f"{run}\n{node}\n{visit}".encode()).hexdigest()[:32]
