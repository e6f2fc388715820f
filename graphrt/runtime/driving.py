"""What all that drives a run shares: a store, a lease on the run, its driver, and where that is found meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel

from graphrt.errors import GraphrtError
from graphrt.inputs import Input
from graphrt.ports import Lease, Store
from graphrt.runtime.clock import SYSTEM_CLOCK
from graphrt.runtime.driver import Driver
from graphrt.runtime.early import Coming
from graphrt.runtime.listeners import Listener, Subscriber, Subscribers, Watcher, onlookers
from graphrt.runtime.options import (
    Surroundings,
    check_store,
    check_values,
)
from graphrt.runtime.result import Result
from graphrt.stepper import Stepper
from graphrt.stores import open_store
from graphrt.trace import Record, Trace

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T")

_MOST_LOGGED: Final = 1000
"""Characters of a failure that are logged at most; the trace has more."""
_failures = logging.getLogger("graphrt.runtime.failures")
"""Tells of each run that fails, once: whoever looks at nothing but the log shall see it."""
LIVE: dict[tuple[int, str], Driver] = {}
"""Drivers of this process, by the identity of their store and the run."""


async def done_in(place: Store | str | Path, work: Callable[[Store], Awaitable[T]], *, create: bool = False) -> T:
    """Do something in a store; one that a text names is opened for this alone, and closed again."""
    check_store(place)
    if not isinstance(place, (str, Path)):
        return await work(place)
    store = open_store(place, create=create)
    try:
        return await work(store)
    finally:
        store.close()


async def begin(
    stepper: Stepper,
    store: Store,
    past: Trace,
    given: Input,
    watchers: Sequence[Watcher],
    around: Surroundings,
) -> Result[Any]:
    """Feed the first input of a run before anything is stored: it may be refused."""
    header = past.header
    events, commands = stepper.feed(header.created, given)
    with Coming(store, header.run) as coming:
        created = store.create(header)
        lease = created if isinstance(created, Lease) else await owned(store, created, new=True)
        try:
            driver = driver_of(stepper, store, lease, watchers, around, past)
            driver.note(Record(len(past.records), header.created, given, events), commands)
            coming.hand_over(driver)
            return await drive(driver, store, None)
        finally:
            done = store.release(lease)
            if done is not None:
                await done


def driver_of(
    stepper: Stepper, store: Store, lease: Lease, watchers: Sequence[Watcher], around: Surroundings, past: Trace
) -> Driver:
    """Return the driver of a run that is owned; `past` is what is on record of it."""
    resources, policies = tuple(around.get("resources", ())), tuple(around.get("policies", ()))
    if resources or policies:
        check_values({"resources": resources, "policies": policies})  # an iterator is looked through only here
    on_event = around.get("on_event", ())
    listeners = cast("Sequence[Listener]", on_event if isinstance(on_event, Sequence) else (on_event,))
    return Driver(
        stepper,
        store,
        lease,
        clock=around.get("clock", SYSTEM_CLOCK),
        resources={type(each): each for each in resources},
        policies=policies,
        subscribers=Subscribers(
            [*watchers, *map(Subscriber, listeners)], onlookers(around.get("observers", ()), past, stepper.graph)
        ),
        stay_s=around.get("stay_s", 0.0),
    )


async def drive(driver: Driver, store: Store, given: Input | None) -> Result[Any]:
    """Drive a run until it ends or waits; meanwhile `answer` and `cancel` find it."""
    key = (id(store), driver.run)
    LIVE[key] = driver
    store.watch(driver.lease, driver.look_into_inbox)
    try:
        await driver.drive(given)
    finally:
        if LIVE.get(key) is driver:
            del LIVE[key]
        await driver.opened.close()
        await driver.subscribers.close()
    stepper = driver.stepper
    result = Result(stepper, store, stepper.graph.state_type, driver.failure)
    if result.status == "failed":
        _failures.warning("%s", _in_a_line(str(result.not_completed())))
    return result


def _in_a_line(text: str) -> str:
    """Return foreign text as a log may hold it: one line of bounded length that can be encoded."""
    line = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return line if len(line) <= _MOST_LOGGED else f"{line[:_MOST_LOGGED]}…"


async def owned(store: Store, waiting: Lease | Awaitable[Lease], *, new: bool = False) -> Lease:
    """Wait for a lease; one that comes for nobody, since who waits is cancelled, is given back, a `new` run removed."""
    if isinstance(waiting, Lease):
        return waiting
    coming = asyncio.ensure_future(waiting)
    try:
        return await coming
    except asyncio.CancelledError:
        if coming.done() and not coming.cancelled() and coming.exception() is None:
            await ready(store.release(coming.result()))
            if new:
                with contextlib.suppress(GraphrtError):  # somebody else has begun it meanwhile
                    await ready(store.delete([coming.result().run]))
        raise


async def ready(value: Any) -> Any:  # noqa: ANN401 - what a store returns: the thing itself, or an awaitable of it
    """Return what a store returned, once it is there."""
    return await cast("Awaitable[Any]", value) if isinstance(value, Awaitable) else value
