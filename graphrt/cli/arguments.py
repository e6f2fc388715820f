"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

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


def _run_ids(incomplete: str) -> list[tuple[str, str]]:
    """Complete the id of a run from the store of the working directory."""
    import os

    from graphrt.errors import GraphrtError
    from graphrt.stores import open_store

    try:
        store = open_store(os.environ.get("GRAPHRT_STORE", DEFAULT_STORE), create=False)
    except GraphrtError:
        return []
    try:
        found = store.runs(limit=50)
    finally:
        store.close()
    known = [("latest", "the newest run"), *((r.run, f"{r.flow}, {r.status}") for r in found)]
    return [k for k in known if k[0].startswith(incomplete)]


RunArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's id or the beginning of it, 'latest', or a trace file.",
        autocompletion=_run_ids,
        show_default=False,
    ),
]
