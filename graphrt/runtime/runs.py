"""Begin a run, take one up again, branch one off; to wait for its result, or to iterate over what happens.

These functions join a stepper, a store and a driver; what happens in between is theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import zlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, Unpack

from pydantic import BaseModel

from graphrt.errors import GraphChanged, InputRefused, RunLocked, WrongInput
from graphrt.fields import encode_state
from graphrt.graph import Graph
from graphrt.inputs import Forked, Json, Limits, Resumed, Started
from graphrt.ports import RunInfo, Store, check_run_id, new_run_id
from graphrt.replay import branch_off, fold
from graphrt.runtime.calls import calls_of
from graphrt.runtime.clock import SYSTEM_CLOCK
from graphrt.runtime.driving import begin, done_in, drive, driver_of, owned, ready
from graphrt.runtime.listeners import Watcher
from graphrt.runtime.options import (
    ForkOptions,
    Options,
    ResumeOptions,
    Surroundings,
    check_options,
    check_store,
    check_values,
)
from graphrt.runtime.result import Result
from graphrt.runtime.stream import RunStream
from graphrt.stepper import Stepper
from graphrt.stores.memory import MemoryStore
from graphrt.trace import Header, Trace
from graphrt.values import ValueRefused

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T")


async def run(graph: Graph, state: S, **options: Unpack[Options]) -> Result[S]:
    """Run a graph from an initial state to its end, or until only questions are left.

    Raises:
        InputRefused: the state does not fit; nothing was recorded.
        UseError: the run id is in use or is none, an option is unknown or wrong, or the graph has no code.
        StoreFault: the store cannot be written; the run stopped where it was and can be resumed.
        asyncio.CancelledError: the task that awaits this was cancelled; the run is recorded as cancelled.
    """
    check_options("run", options, Options)
    return await _start(graph, state, (), options)


def stream(graph: Graph, state: S, **options: Unpack[Options]) -> RunStream[S]:
    """As `run`, to iterate over: events and text deltas as they come. `stream.result` is there at the end.

    The run begins with the first iteration; `stream(…).begin()` lets it begin at once, for whoever iterates later.
    """
    check_options("stream", options, Options)
    return RunStream(lambda queue: _start(graph, state, (queue,), options), f"flow {graph.name!r}")


def run_sync(graph: Graph, state: S, **options: Unpack[Options]) -> Result[S]:
    """As `run`, for code that is not asynchronous; also in a notebook, where an event loop runs already."""
    check_options("run_sync", options, Options)
    return wait_for(lambda: _start(graph, state, (), options))


def wait_for(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end: in this thread, or in one of its own if this one has a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    outcome: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(asyncio.run(make()))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=work, name="graphrt-run", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return outcome[0]


async def resume(
    store: Store | str | Path,
    run_id: str,
    graph: Graph,
    *,
    limits: Limits | None = None,
    by: str | None = None,
    allow_changed: bool = False,
    **around: Unpack[Surroundings],
) -> Result[Any]:
    """Take a run up again: after a crash, a suspension, a failure or a cancellation.

    What is recorded is never done again. Answers and cancellations that were left in the store are taken first.

    Args:
        store: where its trace is kept; of a text, what `open_store` opens.
        run_id: which run.
        graph: its definition, with code.
        limits: new bounds; None keeps the old ones.
        by: who resumes it, for the record.
        allow_changed: go on under another definition than the recorded one; the past is then as it was recorded.
        around: as for `run`; listeners hear what happens from here on.

    Raises:
        RunNotFound: the store has no such run.
        RunLocked: somebody drives it already.
        GraphChanged: it was recorded under another definition.
        WrongInput: it has completed, or nothing of it is on record.
        TraceInvalid: its trace is altered, or does not fit the definition.
    """
    check_options("resume", around, ResumeOptions)
    check_values({"limits": limits})
    options = ResumeOptions(limits=limits, by=by, allow_changed=allow_changed, **around)
    return await _driven_in(store, lambda opened: _resume(opened, run_id, graph, (), options))


def stream_resume(
    store: Store | str | Path, run_id: str, graph: Graph, **options: Unpack[ResumeOptions]
) -> RunStream[Any]:
    """As `resume`, to iterate over: what happens from here on. `stream.result` is there at the end.

    It begins as `stream` does. What keeps the run from being resumed is raised to whoever iterates, as by `resume`.
    """
    check_options("stream_resume", options, ResumeOptions)
    check_store(store)
    return RunStream(
        lambda queue: _driven_in(store, lambda opened: _resume(opened, run_id, graph, (queue,), options)),
        f"run {run_id}",
    )


async def _resume(
    store: Store, run_id: str, graph: Graph, watchers: Sequence[Watcher], options: ResumeOptions
) -> Result[Any]:
    lease = await owned(store, store.acquire(run_id))
    try:
        trace = store.trace(run_id)
        if not trace.records:
            message = f"run {run_id} was cut off before its beginning was on record; nothing was done: start it anew"
            raise WrongInput(message, run=run_id)
        recorded = _digest(trace)
        if recorded != graph.digest and not options.get("allow_changed"):
            message = (
                f"run {run_id} was recorded under definition {recorded}, flow {graph.name!r} now is {graph.digest}; "
                "resume it with the old code, or allow the change (allow_changed=True)"
            )
            raise GraphChanged(message, run=run_id, recorded=recorded, now=graph.digest)
        driver = driver_of(fold(trace, graph), store, lease, watchers, options, trace)
        driver.look_into_inbox()
        now = (None, None) if recorded == graph.digest else (graph.digest, graph.json)
        given = Resumed(options.get("by"), now[0], options.get("limits"), now[1])
        return await drive(driver, store, given)
    finally:
        await ready(store.release(lease))


async def fork(
    store: Store | str | Path,
    run_id: str,
    visit: str,
    graph: Graph,
    *,
    change: Mapping[str, object] | None = None,
    new_id: str | None = None,
    target: str | None = None,
    **around: Unpack[Surroundings],
) -> Result[Any]:
    """Begin a new run from the middle of an old one: up to `visit` it is the old run's past, from there on it is live.

    `store` is where both are kept: a store, or a text that `open_store` opens. `change` replaces fields of the state
    that the visit sees. Idempotency keys of the new run are its own.

    Raises:
        RunNotFound: the store has no such run.
        UseError: it has no such visit.
        InputRefused: a changed value does not fit its field.
    """
    check_options("fork", around, Surroundings)
    options = ForkOptions(change=change, new_id=new_id, target=target, **around)
    return await _driven_in(store, lambda opened: _fork(opened, run_id, visit, graph, (), options))


def stream_fork(
    store: Store | str | Path, run_id: str, visit: str, graph: Graph, **options: Unpack[ForkOptions]
) -> RunStream[Any]:
    """As `fork`, to iterate over: what happens in the new run. `stream.result` is there at the end.

    It begins as `stream` does. What keeps the run from being forked is raised to whoever iterates, as by `fork`.
    """
    check_options("stream_fork", options, ForkOptions)
    check_store(store)
    return RunStream(
        lambda queue: _driven_in(store, lambda opened: _fork(opened, run_id, visit, graph, (queue,), options)),
        f"a fork of run {run_id}",
    )


async def _fork(
    store: Store, run_id: str, visit: str, graph: Graph, watchers: Sequence[Watcher], options: ForkOptions
) -> Result[Any]:
    trace = store.trace(run_id)
    calls_of(graph)
    share = branch_off(trace, visit)
    stepper = fold(trace, graph, upto=share)
    edited: dict[str, Json] = {}
    for name, value in (options.get("change") or {}).items():
        field = graph.field.get(name)
        try:
            edited[name] = value if field is None else field.encode_whole(value)
        except ValueRefused as error:
            raise InputRefused(str(error), **error.facts) from error
    child = check_run_id(options.get("new_id") or new_run_id())
    header = Header(
        child,
        graph.name,
        graph.digest,
        graph.json,
        options.get("clock", SYSTEM_CLOCK).now(),
        target=options.get("target") or trace.header.target,
        parent=run_id,
        parent_seq=share,
    )
    past = Trace(header, trace.records[:share])
    return await begin(stepper, store, past, Forked(child, run_id, visit, edited), watchers, options)


async def resume_due(
    store: Store | str | Path,
    load: Callable[[RunInfo], Graph],
    **around: Unpack[Surroundings],
) -> list[Result[Any]]:
    """Resume the suspended runs of which a deadline has passed; `load` finds the graph of each.

    Runs that somebody else takes up at the same time are left to them. `store` is a store, or a text that `open_store`
    opens.
    """
    check_options("resume_due", around, Surroundings)
    around["resources"] = tuple(around.get("resources", ()))
    around["policies"] = tuple(around.get("policies", ()))
    results = await done_in(store, lambda opened: _resume_due(opened, load, around))
    return [result.kept_in(store) for result in results] if isinstance(store, (str, Path)) else results


async def _resume_due(store: Store, load: Callable[[RunInfo], Graph], around: Surroundings) -> list[Result[Any]]:
    results: list[Result[Any]] = []
    for info in store.runs(status="suspended", due_before=around.get("clock", SYSTEM_CLOCK).now()):
        with contextlib.suppress(RunLocked):
            results.append(await resume(store, info.run, load(info), **around))
    return results


# -- what they share --------------------------------------------------------------------------------------------------


async def _start(graph: Graph, state: S, watchers: Sequence[Watcher], options: Options) -> Result[S]:
    store = options.get("store")
    if isinstance(store, (str, Path)):
        within = partial(_start, graph, state, watchers)
        return await _driven_in(store, lambda opened: within({**options, "store": opened}), create=True)
    given_id, seed = options.get("run_id"), options.get("seed")
    run_id = new_run_id() if given_id is None else check_run_id(given_id)
    if store is None:
        store = MemoryStore()
    calls_of(graph)
    first = Started(
        run_id,
        _encoded(graph, state),
        zlib.crc32(run_id.encode()) if seed is None else seed,
        options.get("limits") or graph.limits,
    )
    created = options.get("clock", SYSTEM_CLOCK).now()
    header = Header(run_id, graph.name, graph.digest, graph.json, created, target=options.get("target"))
    return await begin(Stepper(graph), store, Trace(header), first, watchers, options)


async def _driven_in(
    place: Store | str | Path, drive: Callable[[Store], Awaitable[Result[S]]], *, create: bool = False
) -> Result[S]:
    """Drive a run in a store; from one that a text names, its result reads the trace when it is asked for it."""

    async def work(store: Store) -> Result[S]:
        result = await drive(store)
        if isinstance(place, (str, Path)) and not isinstance(store, MemoryStore):
            return result.kept_in(place)
        return result

    return await done_in(place, work, create=create)


def _encoded(graph: Graph, state: BaseModel) -> dict[str, Json]:
    expected = graph.state_type
    if expected is not None and not isinstance(state, expected):
        message = f"flow {graph.name!r} begins with a {expected.__name__}, got {type(state).__name__}"
        raise InputRefused(message, expected=expected.__name__, found=type(state).__name__)
    try:
        return encode_state(graph.fields, state)
    except ValueRefused as error:
        raise InputRefused(f"flow {graph.name!r} cannot begin: {error}", **error.facts) from error


def _digest(trace: Trace) -> str:
    """Return the digest of the definition that a run was last driven under."""
    changed = [r.input.digest for r in trace.records if isinstance(r.input, Resumed) and r.input.digest is not None]
    return changed[-1] if changed else trace.header.digest
