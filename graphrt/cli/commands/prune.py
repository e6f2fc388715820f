"""`graphrt prune`: delete the runs that are old."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from graphrt.cli.arguments import DEFAULT_STORE, JsonOption, StoreOption, complete_flows, complete_statuses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.ports import RunStatus, Store
    from graphrt.stores.pruning import Pruning

EXAMPLES = (
    "graphrt prune --older-than 30d",
    "graphrt prune --older-than 30d --yes",
    "graphrt prune --older-than 12h --status failed --flow support --yes --compact",
)


def prune(
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            metavar="TIME",
            help="Runs that changed last so long ago: 30d, 12h, 1h30m.",
            show_default=False,
        ),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="Only runs that are: completed, failed, cancelled; suspended, running (cut off) only if it is named. "
            "May be given often.",
            show_default="completed, failed, cancelled",
            autocompletion=complete_statuses,
        ),
    ] = None,
    flow: Annotated[
        str | None,
        typer.Option("--flow", metavar="NAME", help="Only runs of this flow.", autocompletion=complete_flows),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete them, rather than tell which they are.")] = False,
    compact: Annotated[
        bool,
        typer.Option("--compact", help="Make a SQLite file smaller afterwards; nobody may drive a run meanwhile."),
    ] = False,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Delete the runs that are old; without --yes, tell which they are.

    What somebody drives stays, and so does what another run builds on: the parent of a fork that stays, the turns of a
    conversation of which one stays. What a crash leaves of it is whole: each run is there, or not.
    """
    import asyncio

    from graphrt.cli.outcome import again
    from graphrt.cli.stopping import told
    from graphrt.cli.which import opened
    from graphrt.errors import UseError
    from graphrt.stores.pruning import ENDED, Pruning, carry_out, to_prune

    if older_than is None and not compact:
        raise UseError("expected --older-than TIME, such as --older-than 30d; or --compact alone")
    statuses = _statuses(status) or ENDED
    age_s = None if older_than is None else _seconds(older_than)
    with opened(store) as open_:
        done = Pruning(())
        if age_s is not None:
            done = to_prune(open_, time.time() - age_s, status=statuses, flow=flow)
        if yes:
            with told(f"`{again('runs', store)}` tells what was deleted"):
                done = asyncio.run(carry_out(open_, done))
        if as_json:
            _tell_json(done, deleted=yes)
        elif age_s is not None:
            _tell(open_, done, store, deleted=yes, compact=compact)
        if compact and (yes or age_s is None):
            _compact(open_, store, quiet=as_json)
    return 0


def _seconds(text: str) -> float:
    from graphrt.errors import UseError
    from graphrt.freeze_nodes import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise UseError(f"--older-than: {error}") from None


def _statuses(given: Sequence[str] | None) -> tuple[RunStatus, ...]:
    from graphrt.errors import UseError
    from graphrt.ports import RunStatus

    known: tuple[RunStatus, ...] = get_args(RunStatus)
    for text in given or ():
        if text not in known:
            raise UseError(f"--status {text!r} is unknown; expected one of {', '.join(known)}")
    return tuple(each for each in known if each in (given or ()))


def _tell(store: Store, done: Pruning, path: str, *, deleted: bool, compact: bool) -> None:
    from graphrt.cli.deleting import free_note, named, reasons
    from graphrt.cli.screen import note, say, say_table
    from graphrt.cli.telling import moment, status_text

    if deleted:
        say(f"deleted {named(done.runs)}")
    elif not done.runs:
        say("no run is to go")
    else:
        rows = [(i.run, i.flow, status_text(i.status), moment(i.updated)) for i in done.runs]
        say_table(("RUN", "FLOW", "STATUS", "CHANGED"), rows)
        say(f"{named(done.runs)} would be deleted; nothing was: --yes does it")
    for reason in reasons(done.kept):
        note(reason)
    if deleted and not compact:
        free_note(store, path)


def _tell_json(done: Pruning, *, deleted: bool) -> None:
    import msgspec

    from graphrt.cli.screen import say_json

    say_json(
        {
            "deleted": deleted,
            "runs": [msgspec.to_builtins(info) for info in done.runs],
            "kept": [{"run": kept.info.run, "why": kept.why} for kept in done.kept],
        }
    )


def _compact(store: Store, path: str, *, quiet: bool) -> None:
    from graphrt.cli.deleting import megabytes
    from graphrt.cli.screen import say
    from graphrt.stores.sqlite import SqliteStore

    if not isinstance(store, SqliteStore):
        return
    before = store.path.stat().st_size
    store.compact()
    if not quiet:
        say(f"{path} had {megabytes(before)} and has {megabytes(store.path.stat().st_size)}")
