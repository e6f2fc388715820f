"""The file of the SQLite store: its schema, how it is opened and brought up to date, and what its faults mean.

Knows nothing of runs: what stands in the tables is the affair of `sqlite` and `sqlite_commits`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from graphrt.errors import StoreFault

Synchronous: TypeAlias = Literal["full", "normal"]

APPLICATION_ID = 0x67727274
"""Marks the file as ours (`grrt`)."""

MIGRATIONS = (
    "",  # the first three schemas had a row for each record; no release wrote them, and none reads them
    "",
    "",
    """
    create table graphs (           -- each definition once
        key text primary key,       -- SHA-256 of `json`
        json text not null          -- the JSON form of the graph
    ) without rowid;
    create table runs (             -- what a run began with, and keeps
        no integer primary key autoincrement,  -- names the run in the other tables, greater for newer ones, given once
        run text not null unique,   -- its id
        flow text not null,
        digest text not null,       -- of its graph
        graph text not null references graphs (key),
        header text not null,       -- its header as JSON, without the graph
        hash text not null,         -- of the line of its header in an exported trace: the seed of the chain
        created real not null,      -- seconds since the epoch
        target text,
        parent text                 -- the run that it was forked from
    );
    create index runs_by_flow on runs (flow, no);
    create index runs_by_parent on runs (parent, no) where parent is not null;
    create table ends (             -- where each run stands: apart, because every append writes it anew
        no integer primary key references runs (no),
        next_seq integer not null,  -- number of the next record
        last_hash blob not null,    -- hash of the last row of records
        updated real not null,      -- when the last record was made
        epoch integer not null,     -- counts the owners
        owner text,                 -- who may append, or null
        until real not null,        -- until when, unless renewed
        status text not null,       -- running, suspended, completed, failed, cancelled
        due real                    -- earliest deadline of its open questions
    );
    create index ends_by_status on ends (status, no);
    create index ends_by_due on ends (due) where due is not null;
    create table records (          -- in the order of arrival: a commit of many runs writes few pages
        no integer not null references runs (no),
        seq integer not null,       -- number of the first record of `lines`
        lines text not null,        -- the short forms of records that were added together, a line each
        hash blob not null          -- of the row before and of `lines`
    );
    create unique index records_by_run on records (no, seq);
    create table requests (         -- what was asked of a run that another process drives
        id integer primary key autoincrement,
        no integer not null references runs (no),
        body text not null          -- the input as JSON
    );
    create index requests_by_run on requests (no, id);
    """,
)
"""Statements that lead from each version of the schema to the next; the version stands in `user_version`."""

_OLDEST = 4
_BUSY_S = 10.0
_PAUSE_S = 0.01

_HINTS = (
    ("unable to open", "; is it a folder, or may this user not write there?"),
    ("readonly", "; this user may not write there"),
    ("database is locked", f"; another process has been writing for more than {_BUSY_S:.0f} s"),
    ("disk is full", "; free some space, then go on"),
    ("disk I/O error", "; the disk failed or is full: go on when it is sound"),
    ("malformed", "; the file is damaged: use a copy"),
    ("not a database", "; it is some other file, or damaged"),
)


def connect(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """Open the file, whatever it holds."""
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    db.execute(f"pragma synchronous = {'full' if synchronous == 'full' else 'normal'}")
    return db


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date.

    Raises:
        StoreFault: the file is of another program, of a later release, or of code that was never released.
    """
    db.execute("begin")  # the three belong together: another process may be making the file
    (version,) = db.execute("pragma user_version").fetchone()
    (application,) = db.execute("pragma application_id").fetchone()
    (tables,) = db.execute("select count(*) from sqlite_master").fetchone()
    db.execute("commit")
    if application != APPLICATION_ID and tables:
        message = f"{path} is a SQLite file of another program; name another file"
        raise StoreFault(message, store=str(path))
    if version > len(MIGRATIONS):
        message = f"{path} has schema {version}, this release knows {len(MIGRATIONS)}; use the later release"
        raise StoreFault(message, store=str(path), found=version, expected=len(MIGRATIONS))
    if 0 < version < _OLDEST:
        message = (
            f"{path} has schema {version}, which was never released; this release reads {_OLDEST} and later:"
            " export its runs with the code that wrote it, or begin another file"
        )
        raise StoreFault(message, store=str(path), found=version, expected=_OLDEST)
    _write_ahead(db)
    if version == len(MIGRATIONS):
        return
    db.execute("begin immediate")
    try:
        (version,) = db.execute("pragma user_version").fetchone()
        for step in MIGRATIONS[version:]:
            for statement in _statements(step):
                db.execute(statement)
        db.execute(f"pragma application_id = {APPLICATION_ID}")
        db.execute(f"pragma user_version = {len(MIGRATIONS)}")
        db.execute("commit")
    except BaseException:
        if db.in_transaction:  # a full disk has ended it
            db.execute("rollback")
        raise


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, once nobody else is making the file: SQLite itself does not wait for that."""
    patience = time.monotonic() + _BUSY_S
    while True:
        try:
            db.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def begin(db: sqlite3.Connection, is_worth_it: Callable[[], bool]) -> bool:
    """Begin a transaction; while another process is writing, wait for it as long as that is worth it; say if it began.

    Raises:
        sqlite3.Error: the other one has been writing for too long, or the file fails.
    """
    patience = time.monotonic() + _BUSY_S
    pause = _PAUSE_S / 10
    while True:
        try:
            db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            if not is_worth_it():
                return False
            if time.monotonic() > patience:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 5 * _PAUSE_S)
        else:
            return True


def empty_log(db: sqlite3.Connection) -> None:
    """Copy the write-ahead log into the file, which gets its size by that; some time later, if somebody reads now."""
    patience = time.monotonic() + _BUSY_S / 10
    while db.execute("pragma wal_checkpoint(truncate)").fetchone()[0] and time.monotonic() < patience:
        time.sleep(_PAUSE_S)


def _statements(script: str) -> list[str]:
    """Split a script that has no semicolon inside a statement."""
    return [part for part in script.split(";") if part.strip()]


@contextmanager
def faults(path: Path, what: str) -> Generator[None]:
    """Turn what SQLite and the system say into one sentence."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise fault_of(error, path, what) from error


def fault_of(error: BaseException, path: Path, what: str) -> BaseException:
    """Return that sentence, or the error itself if it is none of theirs; `what` was being done to the file."""
    if isinstance(error, sqlite3.ProgrammingError):
        fault = StoreFault(f"cannot {what} {path}: the store was closed", store=str(path))
    elif isinstance(error, UnicodeDecodeError):  # what SQLite says of a schema whose text is damaged is no text either
        text = error.object.decode("utf-8", "replace")
        message = f"cannot {what} {path}: {text}; the file is damaged: use a copy"
        fault = StoreFault(message, store=str(path), reason=text)
    elif isinstance(error, (sqlite3.Error, OSError)):
        text = str(error)
        hint = next((h for part, h in _HINTS if part in text), "")
        fault = StoreFault(f"cannot {what} {path}: {text}{hint}", store=str(path), reason=text)
    else:
        return error
    fault.__cause__ = error
    return fault
