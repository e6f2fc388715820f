"""A process that drives one run to its end, and dies at a chosen moment.

    python driven.py '{"store": …}'     drives a run in this process
    python driven.py                    forks such a process for each line of options it reads, and says how each ended

The tests of this folder start it. What its nodes do to the world is a line in a file, written at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec
from pydantic import BaseModel

from graphrt import Context, Flow, Retry, append, let
from graphrt.errors import GraphrtError, RunLocked
from graphrt.graph import Graph, OnCrash
from graphrt.ports import Store
from graphrt.runtime import resume, run
from graphrt.stores import open_store
from graphrt.stores.jsonl_file import OpenFile
from graphrt.stores.owner import new_owner
from graphrt.stores.sqlite import SqliteStore

RUN: Final = "r"
LOCKED: Final = 3
FAULT: Final = 4
SUSPENDED: Final = 5
FAILED: Final = 6


class State(BaseModel):
    """What the run is about."""

    rounds: int = 0
    items: list[int] = [1, 2, 3]
    item: int = 0
    log: Annotated[list[str], append] = []
    inside: str = ""
    text: str = ""


class Inner(BaseModel):
    """What the flow inside is about."""

    text: str = ""


class Options(msgspec.Struct):
    """What a process is to do."""

    store: str
    effects: str
    on_crash: OnCrash = "retry"
    hold: str | None = None
    """The visit whose node says so on standard output, and then waits for the signal USR1."""
    die: int | None = None
    """At which of the moments that `moments` makes to die."""
    lease_s: float = 30.0
    user: int | None = None
    """As which user to run."""
    size: int = 0
    """Characters that each node adds to what it writes."""
    wait: bool = False
    """Whether to wait for a line on standard input before anything else."""
    again: bool = False
    """Whether to begin another run, whatever is there."""
    tell: bool = False
    """Whether to print the visit of each node that is called."""


def graph(options: Options) -> Graph:
    """Return a flow with a loop, a fork, a fan-out, a flow inside, a retry: each node leaves a mark in the world."""
    effects = os.open(options.effects, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def mark(ctx: Context) -> str:
        os.write(effects, f"{ctx.visit} {ctx.attempt} {ctx.idempotency_key}\n".encode())
        if options.tell:
            print(ctx.visit, flush=True)
        return f"{ctx.node}@{ctx.visit}" + "x" * options.size

    async def hold(ctx: Context) -> None:
        if options.hold == ctx.visit:
            released = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, released.set)
            print("holding", flush=True)
            await released.wait()

    def counted(ctx: Context, rounds: int) -> tuple[int, str]:
        text = mark(ctx)
        if options.hold == ctx.visit:
            print("holding", flush=True)
            threading.Event().wait()
        return rounds + 1, text

    async def plain(ctx: Context) -> str:
        text = mark(ctx)
        await hold(ctx)
        return text

    async def once_more(ctx: Context) -> str:
        text = mark(ctx)
        if ctx.attempt == 1:
            message = "the first attempt fails"
            raise ConnectionError(message)
        return text

    async def each(ctx: Context, item: int) -> str:
        return f"{mark(ctx)} of {item}"

    async def last(ctx: Context, log: list[str], inside: str) -> str:
        mark(ctx)
        return ", ".join(entry.rstrip("x") for entry in [*log, inside])

    inner = Flow("inner", Inner)
    one, two = (inner.task(writes=inner.state.text, name=name)(plain) for name in ("one", "two"))
    inner.edge(one, two)

    flow = Flow("driven", State)
    s = flow.state
    begin = flow.task(writes=(s.rounds, s.log), name="begin", on_crash=options.on_crash)(counted)
    left = flow.task(writes=s.log, name="left", on_crash=options.on_crash)(plain)
    right = flow.task(writes=s.log, name="right", retry=Retry(2, wait_s=0))(once_more)
    inside = flow.subflow("inside", inner, outputs=let(s.inside).be(inner.state.text))
    join = flow.join("join")
    flow.fork(begin, [left, right, inside])
    flow.edge([left, right, inside], join)
    work = flow.task(writes=s.log, name="work")(each)
    flow.each(join, work, item=s.item, of=s.items, at_once=2)
    gather = flow.join("gather")
    flow.edge(work, gather)
    flow.edge(gather, begin, when=s.rounds < 2)
    flow.edge(gather, flow.task(writes=s.text, name="last")(last))
    flow.start(begin)
    return flow.freeze()


def moments(store: Store, die: int) -> None:
    """Count what the store does to its file; die at number `die`."""
    left = die

    def tick(_statement: str = "") -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if isinstance(store, SqliteStore):
        store._writing.set_trace_callback(tick)  # before each statement
        return
    write, sync = OpenFile.write, OpenFile.sync

    def half_a_write(file: OpenFile, data: bytes) -> None:
        tick()
        before, half = file.size, len(data) // 2
        write(file, data[:half])
        tick()
        file.size = before
        write(file, data)
        tick()

    def synced(file: OpenFile) -> None:
        sync(file)
        tick()

    OpenFile.write = half_a_write  # type: ignore[assignment, method-assign]  # to die in the middle of it
    OpenFile.sync = synced  # type: ignore[assignment, method-assign]  # to die after it


async def drive(store: Store, options: Options) -> Literal["completed", "suspended", "failed", "cancelled"]:
    """Begin the run, or take it up where it is."""
    made = graph(options)
    if options.again:
        return (await run(made, State(), store=store)).status
    if any(info.run == RUN and info.records for info in store.runs()):
        if store.info(RUN).status == "completed":
            return "completed"
        return (await resume(store, RUN, made)).status
    return (await run(made, State(), store=store, run_id=RUN, seed=1)).status


def main(options: Options) -> int:
    """Drive; return how that ended."""
    if options.user is not None:
        os.setgroups([])
        os.setgid(options.user)
        os.setuid(options.user)
    try:
        if options.wait:
            print("ready", flush=True)
            sys.stdin.readline()
        kind, _, path = options.store.partition(":")
        store = SqliteStore(path, lease_s=options.lease_s) if kind == "sqlite" else open_store(options.store)
        if options.die is not None:
            moments(store, options.die)
        status = asyncio.run(drive(store, options))
        store.close()
    except RunLocked as error:
        print(error, flush=True)
        return LOCKED
    except GraphrtError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return FAULT
    print(status, flush=True)
    return {"completed": 0, "suspended": SUSPENDED}.get(status, FAILED)


def serve(perform: Callable[[Options], int]) -> None:
    """Fork a process for each line of options; print its exit code (negative: the signal that ended it)."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until this process ends
                code = perform(msgspec.json.decode(line, type=Options))
            except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(msgspec.convert(json.loads(sys.argv[1]), Options)))
    graph(Options("", os.devnull))  # loads once what each process needs, and another user may not be able to read
    new_owner()
    serve(main)
