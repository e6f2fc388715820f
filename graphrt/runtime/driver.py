"""The loop that performs what a run asks for: it calls nodes, keeps records, waits, and stops.

The stepper decides everything. The driver feeds it what happened and performs its commands in this order: feed all that
has happened, feed that the next attempts start, hand the records to the store and wait until they are durable, tell the
listeners, then call the nodes. So no effect begins before its attempt is on record, and everything between two waits
costs the store one append.

A lone attempt runs inline, without a task; `attempts` performs several beside each other.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from heapq import heappop, heappush
from typing import Any, Final

from graphrt.commands import CancelAttempt, Command, StartAttempt, StartTimer
from graphrt.errors import GraphrtError, UseError
from graphrt.events import RunSuspended
from graphrt.inputs import AttemptStarted, Cancelled, Input, TimerFired
from graphrt.ports import Clock, Lease, Request, Store, Wake
from graphrt.runtime.attempts import Attempt, Attempts
from graphrt.runtime.listeners import Subscribers
from graphrt.runtime.opened import Opened
from graphrt.stepper import Stepper
from graphrt.trace import Record

RECHECK_S: Final = 60.0
"""A longer wait is divided, to notice that the time of day was set."""

IN_A_ROW: Final = 100
"""After so many attempts inline others have their turn: nodes that never wait would keep the loop to themselves."""

_log = logging.getLogger("graphrt.runtime")


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
        "_attempts",
        "_batch",
        "_begun",
        "_clock",
        "_due",
        "_left",
        "_look_into_inbox",
        "_loop",
        "_monotonic",
        "_now",
        "_posts",
        "_queued",
        "_ready",
        "_seq",
        "_stay_s",
        "_stays_until",
        "_store",
        "_taken",
        "_task",
        "_told",
        "_try",
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
        self._store = store
        self.lease = lease
        self._clock = clock
        self._now = clock.now
        self._monotonic = clock.monotonic
        self.subscribers = subscribers
        self._stay_s = stay_s
        self._stays_until: float | None = None
        self._attempts = attempts = Attempts(
            lease.run, stepper, clock=clock, resources=resources, policies=policies, subscribers=subscribers
        )
        self._try = attempts.perform if not subscribers.onlookers else attempts.perform_seen
        self._seq = lease.next_seq
        self._batch: list[Record] = []
        self._ready: list[StartAttempt] = []
        """Attempts that are commanded …"""
        self._begun: list[StartAttempt] = []
        """… and those whose start is noted, but which are not called yet."""
        self._due: list[tuple[float, str, str]] = []
        self._loop = asyncio.get_running_loop()
        self._alarm: Wake | None = None
        self._posts: list[_Post] = []
        self._told: list[concurrent.futures.Future[None]] = []
        self._look_into_inbox = False
        self._task: asyncio.Task[Any] | None = None
        self._left = False
        """Whether to stop without an end on record."""
        self._queued = 0
        self._taken = 0

    @property
    def failure(self) -> BaseException | None:
        """The exception behind the last failed attempt."""
        return self._attempts.failure

    @property
    def opened(self) -> Opened:
        """What nodes have opened."""
        return self._attempts.opened

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
        attempts = self._attempts
        attempts.wake()
        if attempts.inline is not None and not attempts.inline.unwanted and self._is_to_stop():
            attempts.give_way()

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
            await self._attempts.stop()
        except asyncio.CancelledError:
            await self._give_up()
            raise
        except (KeyboardInterrupt, SystemExit):
            self._attempts.abandon()
            raise
        except BaseException:
            await self._attempts.stop()
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
            elif type(command) is CancelAttempt and not self._attempts.cancel(command):
                self._take_back(command)
            # CancelTimer: the stepper forgot the timer; `_fire_timers` drops what it does not know.

    async def _perform_commands(self) -> None:
        stepper, attempts = self.stepper, self._attempts
        watched = bool(self.subscribers or self.subscribers.onlookers)
        inline = 0
        while True:
            if self._left:
                raise asyncio.CancelledError  # a node has kept the cancellation of this task to itself
            if attempts.ended:
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
            if len(begun) == 1 and not attempts.live and not stepper.timers and not stepper.questions:
                task = self._task
                attempts.inline = attempt = Attempt(begun[0], task, task.cancelling() if task is not None else 0)
                try:
                    outcome = await self._try(attempt)
                finally:
                    attempts.inline = None
                if outcome is not None:
                    self.feed(outcome)
                inline += 1
                if inline % IN_A_ROW == 0:
                    await asyncio.sleep(0)
                continue
            if begun:
                attempts.begin(begun)
            if not attempts.ended:
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

    def _take_ended(self) -> None:
        for outcome in self._attempts.take_ended():
            self.feed(outcome)

    def _take_back(self, command: CancelAttempt) -> None:
        """Forget an attempt that was commanded and has not been called."""
        unwanted = (command.visit, command.attempt)
        self._ready = [r for r in self._ready if (r.visit, r.attempt) != unwanted]
        self._begun = [b for b in self._begun if (b.visit, b.attempt) != unwanted]

    def _append(self, batch: list[Record]) -> Awaitable[None] | None:
        """Hand records to the store; return what to wait for until they are durable, if they are not at once."""
        stepper = self.stepper
        status = stepper.status
        due = min(stepper.timers.values(), default=None) if status == "suspended" else None
        if status == "completed":
            self.lease.parting = not self._attempts.live  # those that still run may have to clean up
        return self._store.append(self.lease, batch, status, due)  # type: ignore[arg-type]  # a fed stepper is not new

    def _tell_of(self, batch: list[Record]) -> None:
        """Tell whoever listens or waits what is durable now.

        Listeners hear of a suspension only if it lasts: not if what ends it, an answer that was left in the store say,
        is durable in the same moment. Whoever sees records sees all of it.
        """
        for onlooker in self.subscribers.onlookers:
            onlooker.put(batch)
        if self.subscribers:
            for record in batch:
                events = record.events
                if events and type(events[-1]) is RunSuspended and record is not batch[-1]:
                    events = events[:-1]
                if events:
                    self.subscribers.publish(events)
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
        delay = self._due[0][0] - self._now() if self._due else None
        if self.stepper.status == "suspended" and self._stays_until is not None:
            rest = self._stays_until - self._monotonic()
            delay = rest if delay is None else min(delay, rest)
        elif delay is None and not self._attempts.live and not self._posts:
            message = f"run {self.run} is running, but nothing of it is live; this is a mistake of graphrt: report it"
            raise RuntimeError(message)
        if delay is not None:
            self._alarm = self._clock.call_later(max(0.0, min(delay, RECHECK_S)), self._poke)
        try:
            await self._attempts.change()
        finally:
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

    # -- the end ------------------------------------------------------------------------------------------------------

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
        await self._attempts.stop()


def _tell(waiting: concurrent.futures.Future[None], error: Exception | None = None) -> None:
    """Tell the outcome of a request to whoever asked, if they still wait for it."""
    if not waiting.set_running_or_notify_cancel():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)
