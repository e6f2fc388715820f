"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, get_args

import typer

StoreOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="GRAPHRT_STORE",
        metavar="PATH",
        help="Where runs are kept: a SQLite file, or a folder of trace files (made of JSON lines) if it ends in '/'.",
    ),
]
DEFAULT_STORE = ".graphrt/runs.db"

JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def line_of(ctx: typer.Context) -> dict[str, Any]:
    """Return what stands on an unfinished line: a word behind which an option waits for its value is not parsed."""
    known = dict(ctx.params)
    if not known.get("run") and ctx.args:
        known["run"] = ctx.args[0]
    return known


def complete_runs(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete the id of a run."""
    from graphrt.cli.completion import runs

    return runs(line_of(ctx), incomplete)


def complete_flows(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a flow of which the store has runs."""
    from graphrt.cli.completion import flows

    return flows(line_of(ctx), incomplete)


def complete_statuses(incomplete: str) -> list[str]:
    """Complete how a run stands."""
    from graphrt.ports import RunStatus

    return [status for status in get_args(RunStatus) if status.startswith(incomplete)]


def complete_targets(incomplete: str) -> list[str]:
    """Complete a file, or a flow in a file."""
    from graphrt.cli.completion import targets

    return targets(incomplete)


def targets_or_runs(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete a flow or a run."""
    return [*complete_runs(ctx, incomplete), *((target, "") for target in complete_targets(incomplete))]


def _visits(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from graphrt.cli.completion import visits

    return visits(line_of(ctx), incomplete)


_RUN = typer.Argument(
    metavar="RUN",
    help="A run's id or the beginning of it, 'latest', or a trace file.",
    autocompletion=complete_runs,
    show_default=False,
)
RunArgument: TypeAlias = Annotated[str, _RUN]
OptionalRun: TypeAlias = Annotated[str | None, _RUN]

_STORED_RUN = typer.Argument(
    metavar="RUN",
    help="A run's id or the beginning of it, or 'latest'.",
    autocompletion=complete_runs,
    show_default=False,
)
OptionalStoredRun: TypeAlias = Annotated[str | None, _STORED_RUN]
StoredRun: TypeAlias = Annotated[str, _STORED_RUN]
"""For commands that change a run: a trace file is none of a store."""

VisitArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="VISIT",
        help="Its id, or its node as `show` names it: 4, 'review #2'; review is the last one of that node. By default "
        "where the run failed or waits, or the last one that was left.",
        autocompletion=_visits,
        show_default=False,
    ),
]

AtOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="VISIT",
        help="A visit: its id, or its node as `show` names it: 4, 'review #2'; review is the last one of that node.",
        autocompletion=_visits,
        show_default=False,
    ),
]
ForkAtOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="VISIT",
        help="A visit: its id, or its node as `show` names it: 4, 'review #2'; of a node that was visited several "
        "times, 'review #1' is the first.",
        autocompletion=_visits,
        show_default=False,
    ),
]
"""For the command that begins a run there: where a name alone could mean several visits, it is asked which."""

TargetArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="A flow: file.py, file.py:name or package.module:name.",
        autocompletion=complete_targets,
        show_default=False,
    ),
]

OriginOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="TARGET",
        help="Where the flow is now: file.py, file.py:name or package.module:name.",
        autocompletion=complete_targets,
        show_default="where the run began",
    ),
]
"""For commands that need the code behind a run; `graphrt.cli.origin` finds it."""
