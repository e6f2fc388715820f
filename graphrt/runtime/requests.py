"""What is asked of a run from outside, wherever it is driven, or where nobody drives it: an answer, that it stops."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final, cast

import msgspec

from graphrt.errors import RunLocked, RunNotFound, UseError
from graphrt.graph import Graph
from graphrt.inputs import Answered, Cancelled
from graphrt.ports import RunStatus, Store, already_answered
from graphrt.replay import fold
from graphrt.runtime.clock import SYSTEM_CLOCK
from graphrt.runtime.driving import LIVE, done_in, owned, ready
from graphrt.runtime.early import stopped
from graphrt.trace import Record

_TRIES: Final = 5
"""How often an answer is checked anew because the run has gone on meanwhile."""


async def answer(
    store: Store | str | Path,
    run_id: str,
    visit: str,
    value: object,
    *,
    graph: Graph | None = None,
    by: str | None = None,
) -> Answered:
    """Answer the question of a waiting visit; return the answer that counts.

    A run that is being driven takes the answer at once; otherwise the store keeps it for the next `resume`. Of several
    answers the first one counts, whoever gives them. The same answer again changes nothing, so that a caller may try
    again: then the first one is returned, with who gave it and when. `store` is a store, or a text that `open_store`
    opens. `graph` is needed only where the recorded definition is not enough to read the trace (reducers of one's own).

    Raises:
        AnswerRefused: the answer does not fit; the question stays open.
        AlreadyAnswered: the question was answered otherwise before.
        WrongInput: the run has ended.
        RunNotFound: the store has no such run.
    """
    return await done_in(store, lambda opened: _answer(opened, run_id, Answered(visit, value, by), graph))


async def _answer(store: Store, run_id: str, given: Answered, graph: Graph | None) -> Answered:
    driver = LIVE.get((id(store), run_id))
    try:
        if driver is not None:
            await asyncio.wrap_future(driver.post(given))
        else:
            given = msgspec.structs.replace(given, at=SYSTEM_CLOCK.now())
            await _leave_answer(store, run_id, given, graph)
    except RunNotFound:
        raise
    except UseError as refused:
        earlier = refused.facts.get("earlier") or _taken_answer(store, run_id, given.visit, graph)
        if earlier is None:
            raise
        if earlier.answer == given.answer:
            return cast("Answered", earlier)
        raise already_answered(run_id, earlier) from refused
    return given


async def _leave_answer(store: Store, run_id: str, given: Answered, graph: Graph | None) -> None:
    """Keep an answer in the store, if it fits the run as it stands at that moment."""
    for _ in range(_TRIES):
        trace = store.trace(run_id)
        fold(trace, graph).feed(0.0, given)  # in a copy: raises if the answer does not fit
        if await ready(store.post(run_id, given, seen=len(trace.records))):
            return
    await ready(store.post(run_id, given))  # whoever drives it is too busy for us to look in between


def _taken_answer(store: Store, run_id: str, visit: str, graph: Graph | None) -> Answered | None:
    """Return the last answer to a question that is not open any more, with when it was given or taken."""
    trace = store.trace(run_id)
    if visit in fold(trace, graph).questions:
        return None
    for record in reversed(trace.records):
        given = record.input
        if isinstance(given, Answered) and given.visit == visit:
            return given if given.at is not None else msgspec.structs.replace(given, at=record.at)
    return None


async def cancel(
    store: Store | str | Path,
    run_id: str,
    *,
    graph: Graph | None = None,
    by: str | None = None,
    reason: str | None = None,
) -> RunStatus:
    """Stop a run; return its status then.

    A run that this process drives in this very store has stopped when this returns. One that a task of this process is
    about to begin there is recorded as cancelled before a node has started, and its `Result` says so. One that another
    process drives is asked to stop, which shows in the store soon after. One that nobody drives is recorded as
    cancelled. `store` is a store, or a text that `open_store` opens; that is a store of its own, as another process
    has it.

    Raises:
        WrongInput: it has ended already.
        RunNotFound: the store has no such run.
    """
    given = Cancelled(by, reason)

    async def work(store: Store) -> RunStatus:
        with contextlib.suppress(RunNotFound):
            return await _cancel(store, run_id, given, graph)
        if await stopped(store, run_id, given):
            return "cancelled"
        return await _cancel(store, run_id, given, graph)

    return await done_in(store, work)


async def _cancel(store: Store, run_id: str, given: Cancelled, graph: Graph | None) -> RunStatus:
    driver = LIVE.get((id(store), run_id))
    if driver is not None:
        await asyncio.wrap_future(driver.post(given))
        return driver.stepper.status if driver.stepper.status != "new" else "running"
    try:
        lease = await owned(store, store.acquire(run_id))
    except RunLocked:
        await ready(store.post(run_id, given))
        return store.info(run_id).status
    try:
        stepper = fold(store.trace(run_id), graph)
        at = SYSTEM_CLOCK.now()
        record = Record(lease.next_seq, at, given, stepper.feed(at, given)[0])
        await ready(store.append(lease, [record], "cancelled"))
    finally:
        await ready(store.release(lease))
    return "cancelled"


def leave(store: Store, run_id: str) -> bool:
    """Stop driving a run of this process without an end on record, as a crash would, but in order; say if it was one.

    What is on record stays; attempts under way are cancelled, and are in doubt when the run is taken up again. Whoever
    awaits the run gets a CancelledError. Called in the event loop that drives the run.
    """
    driver = LIVE.get((id(store), run_id))
    if driver is None:
        return False
    driver.leave()
    return True
