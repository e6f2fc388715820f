"""The loop that performs what a run asks for: it calls nodes, keeps records, waits, and stops.

The stepper decides everything. The driver feeds it what happened and performs its commands in this order: feed all that
has happened, feed that the next attempts start, hand the records to the store and wait until they are durable, tell the
listeners, then call the nodes. So no effect begins before its attempt is on record, and everything between two waits
costs the store one append.

A lone attempt runs inline, without a task; several run in tasks of their own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import logging
from collections.abc import Awaitable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from heapq import heappop, heappush
from types import CoroutineType
from typing import Any, Final, cast

import msgspec

from graphrt import codec
from graphrt.commands import CancelAttempt, Command, StartAttempt, StartTimer
from graphrt.context import CURRENT, Context
from graphrt.errors import GraphrtError, NodeTimeout, UseError
from graphrt.graph import Node
from graphrt.inputs import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Cancelled,
    ErrorInfo,
    Input,
    Json,
    Mark,
    TimerFired,
    Usage,
)
from graphrt.ports import Clock, Lease, Request, Store, Wake
from graphrt.recorded import error_info
from graphrt.runtime.calls import Call, calls_of
from graphrt.runtime.listeners import Delta, Subscribers
from graphrt.runtime.threads import NODE_THREADS
from graphrt.stepper import Stepper
from graphrt.trace import Record
from graphrt.values import brief

MOST_TEXT: Final = 20_000
"""Characters of an error's message that are recorded at most."""
GRACE_S: Final = 5.0
"""How long a run that ends waits for cancelled nodes to clean up behind themselves."""
RECHECK_S: Final = 60.0
"""A longer wait is divided, to notice that the time of day was set."""

_log = logging.getLogger("graphrt.runtime")


class Attempt(msgspec.Struct, eq=False):
    """An attempt that is under way."""

    command: StartAttempt
    task: asyncio.Task[Any] | None = None
    base: int = 0
    """How many cancellations of its task are not ours."""
    unwanted: bool = False
    """Whether the run has cancelled it."""
    expired: bool = False
    """Whether it ran out of time."""


class _Post:
    """A request, who waits for its outcome, and its number in the inbox (0 if it did not come through it)."""

    __slots__ = ("number", "request", "told")

    def __init__(self, request: Request, told: concurrent.futures.Future[None] | None, number: int) -> None:
        self.request = request
        self.told = told
        self.number = number


class Driver:
    """Drives one run for as long as something of it is live in this process."""

    __slots__ = (
        "_alarm",
        "_batch",
        "_begun",
        "_calls",
        "_clock",
        "_due",
        "_ended",
        "_inline",
        "_left",
        "_live",
        "_look_into_inbox",
        "_loop",
        "_monotonic",
        "_now",
        "_policies",
        "_posts",
        "_queued",
        "_ready",
        "_resources",
        "_seq",
        "_stay_s",
        "_stays_until",
        "_store",
        "_taken",
        "_task",
        "_tasks",
        "_told",
        "_try",
        "_unpriced",
        "_waiter",
        "failure",
        "lease",
        "run",
        "stepper",
        "subscribers",
    )

    def __init__(
        self,
        stepper: Stepper,
        store: Store,
        lease: Lease,
        *,
        clock: Clock,
        resources: Mapping[type, Any],
        policies: tuple[Any, ...] = (),
        subscribers: Subscribers,
        stay_s: float = 0.0,
    ) -> None:
        """Take over a stepper and the lease on its run; `stay_s` is how long to wait while only questions are open."""
        self.stepper = stepper
        self.run = lease.run
        self.failure: BaseException | None = None
        """The exception behind the last failed attempt."""
        self._store = store
        self.lease = lease
        self._clock = clock
        self._now = clock.now
        self._monotonic = clock.monotonic
        self._resources = resources
        self._policies = policies
        self.subscribers = subscribers
        self._stay_s = stay_s
        self._stays_until: float | None = None
        self._calls = calls_of(stepper.graph)
        self._try = self._perform if not subscribers.onlookers else self._perform_seen
        self._seq = lease.next_seq
        self._batch: list[Record] = []
        self._ready: list[StartAttempt] = []
        """Attempts that are commanded …"""
        self._begun: list[StartAttempt] = []
        """… and those whose start is noted, but which are not called yet."""
        self._live: dict[str, Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: list[tuple[Attempt, Input | None]] = []
        self._due: list[tuple[float, str, str]] = []
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: Wake | None = None
        self._inline: Attempt | None = None
        self._posts: list[_Post] = []
        self._told: list[concurrent.futures.Future[None]] = []
        self._look_into_inbox = False
        self._task: asyncio.Task[Any] | None = None
        self._left = False
        """Whether to stop without an end on record."""
        self._queued = 0
        self._taken = 0
        self._unpriced = False
        """Whether it was told that the limit on cost cannot hold."""

    # -- from outside -------------------------------------------------------------------------------------------------

    def post(self, request: Request) -> concurrent.futures.Future[None]:
        """Ask something of the run, from any thread; the future ends when it is on record, or refused."""
        told: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._posts.append(_Post(request, told, 0))
        self._loop.call_soon_threadsafe(self._poke)
        return told

    def look_into_inbox(self) -> None:
        """Another process may have asked something; called from any thread."""
        with suppress(RuntimeError):  # the loop was closed: the request waits for the next owner
            self._loop.call_soon_threadsafe(self._poke_for_inbox)

    def leave(self) -> None:
        """Stop driving, and leave the run as its records stand; called in the event loop."""
        self._left = True
        if self._task is not None:
            self._task.cancel()

    def _poke_for_inbox(self) -> None:
        self._look_into_inbox = True
        self._poke()

    def _poke(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        inline = self._inline
        if inline is not None and inline.task is not None and not inline.unwanted and self._is_to_stop():
            inline.unwanted = True
            inline.task.cancel()

    def _is_to_stop(self) -> bool:
        """Say whether a cancellation waits to be fed: then an inline attempt has to give way."""
        if self._look_into_inbox:
            self._take_inbox()
        return any(isinstance(post.request, Cancelled) for post in self._posts)

    # -- the loop -----------------------------------------------------------------------------------------------------

    async def drive(self, first: Input | None) -> None:
        """Feed `first`, then perform commands until the run has ended, is suspended, or this task is cancelled.

        Raises:
            StoreFault: the store cannot be written. Nothing goes on then; the run can be resumed.
            RunLocked: another process has taken the run over.
            asyncio.CancelledError: this task was cancelled; the run is recorded as cancelled, unless it was left.
        """
        self._task = asyncio.current_task()
        try:
            if first is not None:
                self._look_into_inbox = True  # What was left in the store while nobody drove the run.
                self.feed(first)
            await self._perform_commands()
            await self._stop_attempts()
        except asyncio.CancelledError:
            await self._give_up()
            raise
        except (KeyboardInterrupt, SystemExit):
            for task in self._tasks:
                task.cancel()
            raise
        except BaseException:
            await self._stop_attempts()
            raise
        finally:
            if self._alarm is not None:
                self._alarm.cancel()
            self._refuse_posts()

    def feed(self, given: Input) -> None:
        """Take one input: note the record, keep the commands."""
        at = self._now()
        events, commands = self.stepper.feed(at, given)
        record = Record(self._seq, at, given, events)
        if commands:
            self.note(record, commands)
        else:
            self._batch.append(record)
            self._seq += 1

    def note(self, record: Record, commands: list[Command]) -> None:
        """Keep a record that is to be stored, and the commands that came with it."""
        self._batch.append(record)
        self._seq += 1
        for command in commands:
            if type(command) is StartAttempt:
                self._ready.append(command)
            elif type(command) is StartTimer:
                heappush(self._due, (command.due, command.visit, command.kind))
            elif type(command) is CancelAttempt:
                self._cancel_attempt(command)
            # CancelTimer: the stepper forgot the timer; `_fire_timers` drops what it does not know.

    async def _perform_commands(self) -> None:
        stepper = self.stepper
        watched = bool(self.subscribers or self.subscribers.onlookers)
        while True:
            if self._left:
                raise asyncio.CancelledError  # a node has kept the cancellation of this task to itself
            if self._ended:
                self._take_ended()
            if self._posts or self._look_into_inbox:
                self._take_posts()
            if self._due:
                self._fire_timers()
            if self._ready:
                self._begin_attempts()
            if self._batch:
                batch, self._batch = self._batch, []
                if (done := self._append(batch)) is not None:
                    await done
                if watched or self._told:
                    self._tell_of(batch)
            if self._taken:
                await self._discard_taken()
            if self._posts or self._look_into_inbox:
                continue  # asked while the store wrote: an attempt on record may be unwanted by now
            if stepper.status != "running" and not self._stays():
                return
            begun, self._begun = self._begun, []
            if len(begun) == 1 and not self._live and not stepper.timers and not stepper.questions:
                task = self._task
                self._inline = attempt = Attempt(begun[0], task, task.cancelling() if task is not None else 0)
                try:
                    outcome = await self._try(attempt)
                finally:
                    self._inline = None
                if outcome is not None:
                    self.feed(outcome)
                continue
            for command in begun:
                self._spawn(command)
            if not self._ended:
                await self._wait()

    def _begin_attempts(self) -> None:
        """Note that the attempts which are commanded start; they are called once that is on record."""
        ready, self._ready = self._ready, []
        take, batch, now = self.stepper.feed, self._batch, self._now
        for command in ready:
            given = AttemptStarted(command.visit, command.attempt)
            at = now()
            take(at, given)
            batch.append(Record(self._seq, at, given))  # nothing follows from it
            self._seq += 1
        self._begun += ready

    def _append(self, batch: list[Record]) -> Awaitable[None] | None:
        """Hand records to the store; return what to wait for until they are durable, if they are not at once."""
        stepper = self.stepper
        status = stepper.status
        due = min(stepper.timers.values(), default=None) if status == "suspended" else None
        return self._store.append(self.lease, batch, status, due)  # type: ignore[arg-type]  # a fed stepper is not new

    def _tell_of(self, batch: list[Record]) -> None:
        """Tell whoever listens or waits what is durable now."""
        for onlooker in self.subscribers.onlookers:
            onlooker.put(batch)
        if self.subscribers:
            for record in batch:
                if record.events:
                    self.subscribers.publish(record.events)
        if self._told:
            told, self._told = self._told, []
            for future in told:
                _tell(future)

    async def _discard_taken(self) -> None:
        """Forget requests whose outcome is on record."""
        number, self._taken = self._taken, 0
        done = self._store.discard(self.lease, number)
        if done is not None:
            await done

    def _stays(self) -> bool:
        """Say whether to wait on, though nothing but questions is open."""
        if self.stepper.status != "suspended":
            return False
        if self._due and self._due[0][0] <= self._now():
            return True
        if self._stays_until is None:
            self._stays_until = self._monotonic() + self._stay_s
        return self._monotonic() < self._stays_until

    async def _wait(self) -> None:
        """Wait until an attempt ends, a timer is due, somebody asks something, or it is no use to stay longer."""
        self._waiter = self._loop.create_future()
        delay = self._due[0][0] - self._now() if self._due else None
        if self.stepper.status == "suspended" and self._stays_until is not None:
            rest = self._stays_until - self._monotonic()
            delay = rest if delay is None else min(delay, rest)
        elif delay is None and not self._live and not self._posts:
            message = f"run {self.run} is running, but nothing of it is live; this is a mistake of graphrt: report it"
            raise RuntimeError(message)
        if delay is not None:
            self._alarm = self._clock.call_later(max(0.0, min(delay, RECHECK_S)), self._poke)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None

    def _fire_timers(self) -> None:
        due, timers = self._due, self.stepper.timers
        while due and (timers.get(due[0][1:]) != due[0][0] or due[0][0] <= self._now()):
            at, visit, kind = heappop(due)
            if timers.get((visit, kind)) == at:
                self.feed(TimerFired(visit, kind))

    # -- requests -----------------------------------------------------------------------------------------------------

    def _take_inbox(self) -> None:
        """Queue what other processes asked since we last looked."""
        self._look_into_inbox = False
        for number, request in self._store.requests(self.lease):
            if number > self._queued:
                self._queued = number
                self._posts.append(_Post(request, None, number))

    def _take_posts(self) -> None:
        if self._look_into_inbox:
            self._take_inbox()
        while self._posts:
            post = self._posts.pop(0)
            self._taken = max(self._taken, post.number)
            try:
                self.feed(post.request)
            except UseError as error:
                if post.told is not None:
                    _tell(post.told, error)
                else:
                    _log.warning("run %s: a request was refused: %s", self.run, error)
            else:
                if post.told is not None:
                    self._told.append(post.told)

    def _refuse_posts(self) -> None:
        """Nobody may wait for a driver that has gone, nor be told that what is not on record has been done."""
        for told in self._told:
            message = f"run {self.run} could not record the request, because it stopped before"
            _tell(told, UseError(message, run=self.run, status=self.stepper.status))
        self._told = []
        while self._posts:
            post = self._posts.pop(0)
            if post.told is not None:
                message = f"run {self.run} is {self.stepper.status} and takes no more requests"
                _tell(post.told, UseError(message, run=self.run, status=self.stepper.status))

    # -- attempts -----------------------------------------------------------------------------------------------------

    def _spawn(self, command: StartAttempt) -> None:
        attempt = Attempt(command)
        self._live[command.visit] = attempt
        attempt.task = task = self._loop.create_task(self._run_in_task(attempt))
        self._tasks.add(task)  # it takes itself out when it ends: a callback for each costs objects in a wide fan-out

    async def _run_in_task(self, attempt: Attempt) -> None:
        outcome = None
        try:
            if not attempt.unwanted:
                outcome = await self._try(attempt)
        finally:
            self._ended.append((attempt, outcome))
            if attempt.task is not None:
                self._tasks.discard(attempt.task)
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_result(None)

    def _take_ended(self) -> None:
        ended, self._ended = self._ended, []
        live, attempts = self._live, self.stepper.attempts
        ended.reverse()
        while ended:  # each is let go of before the next: they may be many
            attempt, outcome = ended.pop()
            command = attempt.command
            if live.get(command.visit) is attempt:
                del live[command.visit]
            if outcome is not None and attempts.get(command.visit) == command.attempt:
                self.feed(outcome)

    def _cancel_attempt(self, command: CancelAttempt) -> None:
        attempt = self._live.get(command.visit)
        if attempt is not None and attempt.command.attempt == command.attempt:
            attempt.unwanted = True
            if attempt.task is not None:
                attempt.task.cancel()
                attempt.task.add_done_callback(self._tasks.discard)  # one that never began takes nothing out
        else:
            unwanted = (command.visit, command.attempt)
            self._ready = [r for r in self._ready if (r.visit, r.attempt) != unwanted]
            self._begun = [b for b in self._begun if (b.visit, b.attempt) != unwanted]

    async def _perform_seen(self, attempt: Attempt) -> Input | None:
        """Do as `_perform`, within what each observer puts around an attempt."""
        command = attempt.command
        with ExitStack() as around:
            for onlooker in self.subscribers.onlookers:
                around.enter_context(onlooker.around(command.visit, command.attempt))
            return await self._perform(attempt)

    async def _perform(self, attempt: Attempt) -> Input | None:
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
            if attempt.unwanted:
                if task is not None and task is self._inline_task() and task.uncancel() > attempt.base:
                    raise
                return None
            if task is not None and task is self._inline_task() and task.cancelling() > attempt.base:
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
        notes = _as_json(context.notes) if context.notes else context.notes
        marks = _as_marks(context)
        return AttemptSucceeded(command.visit, command.attempt, writes, duration, context.usage, notes, marks)

    def _warn_of_unpriced(self, usage: Usage) -> None:
        """Tell once that a limit on cost cannot hold, because nobody knows what a request costs."""
        limit = dict(self.stepper.bounds).get("cost_usd")
        if limit is None:
            return
        self._unpriced = True
        _log.warning(
            "run %s: the limit of %g USD cannot hold: the price of model %s is not known, and counts as nothing;"
            " limit tokens as well",
            self.run,
            limit,
            usage.model or "(unnamed)",
        )

    def _inline_task(self) -> asyncio.Task[Any] | None:
        """Return the task that drives, if an attempt runs inline in it: others may cancel it for their own reasons."""
        return self._inline.task if self._inline is not None else None

    def _failed(self, attempt: Attempt, error: BaseException, begun: float, context: Context | None) -> AttemptFailed:
        command = attempt.command
        if error.__traceback__ is not None:
            error.__traceback__ = error.__traceback__.tb_next  # our own frame would keep the whole run alive
        self.failure = error
        _log.debug("run %s: attempt %d of visit %s failed", self.run, command.attempt, command.visit, exc_info=error)
        duration = round((self._monotonic() - begun) * 1e9) / 1e9  # no clock tells more
        if context is None:
            return AttemptFailed(command.visit, command.attempt, _recorded(error), duration)
        marks = _as_marks(context)
        return AttemptFailed(command.visit, command.attempt, _recorded(error), duration, context.usage, marks)

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
            self.run,
            visit,
            node.name,
            command.attempt,
            key=partial(idempotency_key, self.run, node.name, visit),
            emit=partial(self._emit, visit, node) if self.subscribers else _to_nobody,
            cancelled=partial(_is_over, attempt),
            resources=self._resources,
            policies=(*self._policies, *command.policies),
            retract=partial(self._retract, visit, node) if self.subscribers else None,
        )

    def _emit(self, visit: str, node: Node, text: str) -> None:
        self.subscribers.emit(Delta(visit, node.name, text))

    def _retract(self, visit: str, node: Node) -> None:
        self.subscribers.emit(Delta(visit, node.name, "", anew=True))

    # -- the end ------------------------------------------------------------------------------------------------------

    async def _stop_attempts(self) -> None:
        """Cancel what still runs and wait a little for it, so that no task is left behind."""
        tasks = [task for task in self._tasks if not task.done()]
        for attempt in self._live.values():
            if not attempt.unwanted and attempt.task is not None:
                attempt.unwanted = True
                attempt.task.cancel()
        if not tasks:
            return
        _, pending = await asyncio.wait(tasks, timeout=GRACE_S)
        if pending:
            _log.warning("run %s: %d cancelled nodes did not end within %g s", self.run, len(pending), GRACE_S)

    async def _give_up(self) -> None:
        """The task that drives was cancelled: record that (of a run that is left, what had ended), and stop all."""
        if self._left:
            self._take_ended()
        elif self.stepper.status in {"running", "suspended"}:
            self.feed(Cancelled(reason="the task that awaited the run was cancelled"))
        try:
            batch, self._batch = self._batch, []
            if batch and (done := self._append(batch)) is not None:
                await done
            self._tell_of(batch)
        except GraphrtError as error:
            _log.warning("run %s: its last records could not be stored: %s", self.run, error)
        await self._stop_attempts()


async def _in_thread(call: Call, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - what the node returns
    value: Any = await NODE_THREADS.call(partial(call.fn, **arguments))
    # A function that is not declared async may still return a coroutine: a partial, a wrapper without annotations.
    return await cast("Awaitable[Any]", value) if isinstance(value, CoroutineType) else value


def _recorded(error: BaseException) -> ErrorInfo:
    """Return an error as a trace keeps it, however badly it behaves when it is printed."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error that cannot be printed is an error all the same
        text = f"<{type(error).__name__} that cannot be printed>"
    if len(text) > MOST_TEXT:
        text = f"{text[:MOST_TEXT]}… ({len(text)} characters)"
    info = error_info(error, message=text)
    detail = _as_json(info.detail) if info.detail else info.detail
    return info if detail is info.detail else msgspec.structs.replace(info, detail=detail)


def _as_marks(context: Context) -> tuple[Mark, ...]:
    return tuple([msgspec.structs.replace(mark, facts=_as_json(mark.facts)) for mark in context.marks])


def _as_json(facts: dict[str, Any]) -> dict[str, Json]:
    """Return facts that a trace can hold: what has no JSON form is printed."""
    try:
        codec.encode_json(facts)
    except UseError:
        return {str(key): _value_as_json(value) for key, value in facts.items()}
    return facts


def _value_as_json(value: Any) -> Json:  # noqa: ANN401 - whatever a node reported
    try:
        codec.encode_json(value)
    except UseError:
        return brief(value)
    return value


def _timeout(command: StartAttempt, timeout_s: float) -> NodeTimeout:
    node = command.node.name
    message = (
        f"attempt {command.attempt} of node {node!r} (visit {command.visit}) took longer than its {timeout_s:g} s; "
        "give it more time (timeout=…) or let it do less"
    )
    return NodeTimeout(message, node=node, visit=command.visit, timeout_s=timeout_s)


def _tell(waiting: concurrent.futures.Future[None], error: Exception | None = None) -> None:
    """Tell the outcome of a request to whoever asked, if they still wait for it."""
    if not waiting.set_running_or_notify_cancel():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)


def _is_over(attempt: Attempt) -> bool:
    return attempt.unwanted or attempt.expired


def _to_nobody(_text: str) -> None:
    """Nobody listens."""


def idempotency_key(run: str, node: str, visit: str) -> str:
    """Return the key of a visit's effect: the same for all its attempts, another in every run."""
    return hashlib.sha256(f"{run}\n{node}\n{visit}".encode()).hexdigest()[:32]
