"""`graphrt runs`: the list of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, get_args

import typer

from graphrt.cli.arguments import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    complete_flows,
    complete_runs,
    complete_statuses,
)

if TYPE_CHECKING:
    from graphrt.cli.screen import Part
    from graphrt.ports import RunInfo, Store

_MANY: Final = 5_000
"""Records of a run that are read for the list at most."""

EXAMPLES = (
    "graphrt runs",
    "graphrt runs --flow support --status failed",
    "graphrt runs --json | jq -r '.[].run'",
)


def runs(
    flow: Annotated[
        str | None,
        typer.Option("--flow", metavar="NAME", help="Only runs of this flow.", autocompletion=complete_flows),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="Only runs that are: running, suspended, completed, failed, cancelled.",
            autocompletion=complete_statuses,
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option("--parent", metavar="RUN", help="Only forks of this run.", autocompletion=complete_runs),
    ] = None,
    due: Annotated[bool, typer.Option("--due", help="Only runs with a question whose deadline has passed.")] = False,
    answered: Annotated[
        bool, typer.Option("--answered", help="Only runs with an answer that waits for `graphrt resume`.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0 for all.")] = 20,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """List the runs of the store, newest first.

    A run that was running when its process died is shown as `cut off`: `graphrt resume` takes it up. What it TOOK is
    the time in which somebody drove it, without waits for answers, nor the time between a crash and what followed.
    """
    import time

    import msgspec

    from graphrt.cli.screen import note, say, say_json, say_table
    from graphrt.cli.which import opened, which_run

    wanted = "suspended" if answered and status is None else _status(status)
    with opened(store) as open_:
        found = open_.runs(
            flow=flow,
            status=wanted,  # type: ignore[arg-type]  # just checked
            parent=None if parent is None else which_run(open_, parent),
            due_before=time.time() if due else None,
            limit=limit + 1 if limit and not answered else None,
        )
        if answered:
            found = [r for r in found if _is_answered(r)]
        shown = found[:limit] if limit else found
        spans = [] if as_json else [_took(open_, r) for r in shown]
    more = bool(limit) and len(found) > limit
    if as_json:
        say_json([msgspec.to_builtins(r) for r in shown])
        return 0
    if not shown:
        filtered = any((flow, status, parent, due, answered))
        say("no run fits" if filtered else "the store has no runs yet; start one with `graphrt run TARGET`")
        return 0
    rows = [_row(r, span, time.time()) for r, span in zip(shown, spans, strict=True)]
    say_table(("RUN", "FLOW", "STATUS", "STARTED", "TOOK", ""), rows, right=(4,))
    if more:
        note(f"the newest {limit}; `--limit 0` lists all")
    return 0


def _status(text: str | None) -> str | None:
    from graphrt.errors import UseError
    from graphrt.ports import RunStatus

    known = get_args(RunStatus)
    if text is not None and text not in known:
        raise UseError(f"--status {text!r} is unknown; expected one of {', '.join(known)}")
    return text


def _took(store: Store, info: RunInfo) -> str:
    """Return for how long somebody drove a run; of one with many records, which are not read, what it is at most."""
    from graphrt.cli.telling import took
    from graphrt.cli.which import account_of
    from graphrt.errors import GraphrtError

    span = max(0.0, info.updated - info.created)
    if info.records > _MANY:
        return f"≤ {took(span)}"
    try:
        return took(account_of(store.trace(info.run)).totals.driven_s)
    except GraphrtError:  # `show` tells what is wrong with it
        return took(span)


def _is_answered(info: RunInfo) -> bool:
    """Say whether an answer waits until somebody goes on with the run."""
    return info.status == "suspended" and info.requests > 0 and not info.live


def _row(info: RunInfo, span: str, now: float) -> list[Part]:
    from graphrt.cli.telling import moment, status_text

    cut_off = info.status == "running" and not info.live
    notes: list[str] = []
    if info.due is not None and info.status in {"running", "suspended"}:
        notes.append(f"due {moment(info.due)}" if info.due > now else f"overdue since {moment(info.due)}")
    if _is_answered(info):
        notes.append("answered, not resumed")
    if info.parent is not None:
        notes.append(f"fork of {info.parent}")
    return [
        (info.run, "bold"),
        info.flow,
        status_text("cut off" if cut_off else info.status),
        moment(info.created),
        span,
        (" · ".join(notes), "dim"),
    ]
