"""`graphrt cancel`: stop a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from graphrt.cli.arguments import DEFAULT_STORE, StoredRun, StoreOption

if TYPE_CHECKING:
    from graphrt.ports import Store

EXAMPLES = (
    "graphrt cancel latest",
    "graphrt cancel 4fz --by ada --reason 'the customer called'",
)

_LOOK_S: Final = 0.1


def cancel(
    run: StoredRun,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="WHO", help="Who stops it, for the record.")] = None,
    wait_s: Annotated[
        float,
        typer.Option(
            "--wait",
            metavar="S",
            min=0,
            help="How many seconds to wait for the process that drives it.",
            show_default="10",
        ),
    ] = 10.0,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Stop a run; it can be resumed later.

    One that nobody drives is cancelled at once. One that another process drives is asked to stop: its live nodes are
    cancelled, and each that was is on record. Exit code 0 if it has stopped, 1 if not in time; it stops later then.
    """
    import asyncio

    from graphrt import runtime
    from graphrt.cli import exits
    from graphrt.cli.outcome import again
    from graphrt.cli.screen import say
    from graphrt.cli.stopping import told
    from graphrt.cli.which import opened, stored_run, unrecorded
    from graphrt.errors import UseError

    with opened(store) as open_:
        info = open_.info(stored_run(open_, run))
        ident, status = info.run, str(info.status)
        if status not in {"running", "suspended"}:
            raise UseError(f"run {ident} is {status} already; there is nothing to cancel", run=ident)
        if not info.records and not info.live:
            raise UseError(unrecorded(info, store), run=ident)
        with told(f"`{again('runs', store)}` tells whether run {ident} is cancelled"):
            status = asyncio.run(runtime.cancel(open_, ident, by=by, reason=reason))
            if status in {"running", "suspended"}:
                status = _after(open_, ident, wait_s)
    if status == "cancelled":
        say(f"run {ident} is cancelled")
        return exits.OK
    if status in {"running", "suspended"}:
        say(f"the process that drives run {ident} was asked to stop it, and has not yet")
        return exits.FOUND
    say(f"run {ident} {status} before it could be cancelled")
    return exits.FOUND


def _after(store: Store, run: str, wait_s: float) -> str:
    """Return the status of a run that was asked to stop, once it has or the time is over."""
    until = time.monotonic() + wait_s
    while (status := store.info(run).status) in {"running", "suspended"} and time.monotonic() < until:
        time.sleep(_LOOK_S)
    return status
