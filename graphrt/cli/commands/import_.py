"""`graphrt import`: a trace file becomes a run of the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphrt.cli.arguments import DEFAULT_STORE, StoreOption

if TYPE_CHECKING:
    from graphrt.ports import Store
    from graphrt.trace import Trace

EXAMPLES = ("graphrt import bug.jsonl",)


def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Trace files, as `export` writes them.", show_default=False)
    ],
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Put trace files into the store. All are read first; if one is torn or altered, none is stored."""
    import asyncio

    from graphrt.cli import stopping
    from graphrt.cli.outcome import again
    from graphrt.cli.screen import say
    from graphrt.cli.which import opened
    from graphrt.errors import UseError
    from graphrt.replay import fold
    from graphrt.stores.trace_files import read_trace

    traces = [read_trace(file) for file in files]
    for trace in traces:
        fold(trace)
    with opened(store, create=True) as open_:
        # One that was cut off before its first record makes room, as for any new run.
        there = {r.run for r in open_.runs() if r.records or r.live}
        for file, trace in zip(files, traces, strict=True):
            if trace.header.run in there:
                raise UseError(f"{file}: the store {store} already has a run {trace.header.run}")
            there.add(trace.header.run)
        for trace in traces:
            with stopping.told(f"`{again('runs', store)}` tells what was imported"):
                asyncio.run(_put(open_, trace))
            say(f"imported run {trace.header.run} of {trace.header.flow}: {len(trace.records)} records")
    return 0


async def _put(store: Store, trace: Trace) -> None:
    """Store a whole trace, a fork with its parent's part."""
    import msgspec

    from graphrt.cli.waiting import settled
    from graphrt.ports import status_after
    from graphrt.replay import fold

    whole = msgspec.structs.replace(trace.header, parent=None, parent_seq=None)
    lease = await settled(store.create(whole))
    timers = fold(trace).timers
    due = min((at for (_, kind), at in timers.items() if kind == "deadline"), default=None)
    await settled(store.append(lease, trace.records, status_after(trace.records), due))
    await settled(store.release(lease))
