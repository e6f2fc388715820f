"""Deleting runs from the SQLite file. All of it happens inside a transaction of whoever calls.

A run is named by a number in the other tables, and by whoever reads or owns it. SQLite gives none twice, so a reader
in the middle of a run that is deleted, or an owner who was silent for too long, never meets another run in its place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from graphrt.errors import RunLocked
from graphrt.ports import in_use
from graphrt.stores import owner as owners
from graphrt.stores.sqlite_commits import row_of


def delete(db: sqlite3.Connection, runs: Sequence[str], path: Path) -> None:
    """Delete runs.

    Raises:
        RunNotFound: there is no such run; nothing was changed.
        RunLocked: somebody owns one of them; nothing was changed.
        UseError: another run is a fork of one of them; nothing was changed.
    """
    numbers: dict[str, int] = {}
    for run in runs:
        numbers[run], _, owner, until, *_ = row_of(db, run, path)
        if owners.lives(owner, until):
            message = f"run {run!r} is being driven by {owners.process_of(owner)}; wait for it, or cancel it"
            raise RunLocked(message, run=run, owner=owner, until=until)
    for run in numbers:
        for (fork,) in db.execute("select run from runs where parent = ?", (run,)):
            if fork not in numbers:
                raise in_use(run, fork)
    forget(db, list(numbers.values()))


def forget(db: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Remove all that there is of some runs, and the definitions that no other run has."""
    rows = [(no,) for no in numbers]
    graphs = {key for row in rows for (key,) in db.execute("select graph from runs where no = ?", row)}
    for table in ("requests", "records", "ends", "runs"):
        db.executemany(f"delete from {table} where no = ?", rows)  # noqa: S608 - names that stand above
    unused = "delete from graphs where key = ? and not exists (select 1 from runs where graph = key)"
    db.executemany(unused, [(key,) for key in sorted(graphs)])
