"""`graphrt runs`: the list of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

import typer

from graphrt.cli.arguments import DEFAULT_STORE, JsonOption, StoreOption, complete_runs, line_of

if TYPE_CHECKING:
    from graphrt.cli.screen import Part
    from graphrt.ports import RunInfo

EXAMPLES = (
    "graphrt runs",
    "graphrt runs --flow support --status failed",
    "graphrt runs --json | jq -r '.[].run'",
)


def _flows(ctx: typer.Context, incomplete: str) -> list[str]:
    from graphrt.cli.completion import flows

    return flows(line_of(ctx), incomplete)


def _statuses(incomplete: str) -> list[str]:
    from graphrt.ports import RunStatus

    return [status for status in get_args(RunStatus) if status.startswith(incomplete)]


def runs(
    flow: Annotated[
        str | None,
        typer.Option("--flow", metavar="NAME", help="Only runs of this flow.", autocompletion=_flows),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="Only runs that are: running, suspended, completed, failed, cancelled.",
            autocompletion=_statuses,
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option("--parent", metavar="RUN", help="Only forks of this run.", autocompletion=complete_runs),
    ] = None,
    due: Annotated[bool, typer.Option("--due", help="Only runs with a question whose deadline has passed.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0 for all.")] = 20,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """List the runs of the store, newest first.

    A run that was running when its process died is shown as `cut off`: `graphrt resume` takes it up.
    """
    import time

    import msgspec

    from graphrt.cli.screen import note, say, say_json, say_table
    from graphrt.cli.which import opened, which_run

    wanted = _status(status)
    with opened(store) as open_:
        found = open_.runs(
            flow=flow,
            status=wanted,  # type: ignore[arg-type]  # just checked
            parent=None if parent is None else which_run(open_, parent),
            due_before=time.time() if due else None,
            limit=limit + 1 if limit else None,
        )
    more = bool(limit) and len(found) > limit
    shown = found[:limit] if limit else found
    if as_json:
        say_json([msgspec.to_builtins(r) for r in shown])
        return 0
    if not shown:
        filtered = any((flow, status, parent, due))
        say("no run fits" if filtered else "the store has no runs yet; start one with `graphrt run TARGET`")
        return 0
    say_table(("RUN", "FLOW", "STATUS", "STARTED", "TOOK", ""), [_row(r, time.time()) for r in shown], right=(4,))
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


def _row(info: RunInfo, now: float) -> list[Part]:
    from graphrt.cli.telling import moment, status_text, took

    cut_off = info.status == "running" and not info.live
    notes: list[str] = []
    if info.due is not None and info.status in {"running", "suspended"}:
        notes.append(f"due {moment(info.due)}" if info.due > now else f"overdue since {moment(info.due)}")
    if info.parent is not None:
        notes.append(f"fork of {info.parent}")
    return [
        (info.run, "bold"),
        info.flow,
        status_text("cut off" if cut_off else info.status),
        moment(info.created),
        took(max(0.0, info.updated - info.created)),
        (" · ".join(notes), "dim"),
    ]
