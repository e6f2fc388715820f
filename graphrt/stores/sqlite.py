"""The default store: one SQLite file for many runs and several processes.

Write-ahead log with `synchronous=FULL`: what is acknowledged survives a power cut. One thread writes, in one
transaction for all that arrived meanwhile. A record's line is the line of an exported trace, sealed by the hash of the
one before, so damage that SQLite does not notice is named when it is read. All statements are fixed, values bound.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeGuard

import msgspec

from graphrt import codec
from graphrt.errors import GraphrtError, RunLocked, RunNotFound, StoreFault, TraceInvalid, UseError
from graphrt.ports import Lease, Request, RunInfo, RunStatus, check_run_id
from graphrt.stores import owner as owners
from graphrt.stores.writer import Job, Writer
from graphrt.trace import Header, Record, Trace

APPLICATION_ID = 0x67727274
"""Marks the file as ours (`grrt`)."""

MIGRATIONS = (
    """
    create table graphs (           -- each definition once
        key text primary key,       -- SHA-256 of `json`
        json text not null          -- the JSON form of the graph
    ) without rowid;
    create table runs (
        no integer primary key,     -- names the run in the other tables, greater for newer runs
        run text not null unique,   -- its id
        flow text not null,
        digest text not null,       -- of its graph
        graph text not null references graphs (key),
        header text not null,       -- its header as JSON, without the graph
        hash text not null,         -- of its header line: the seed of the chain
        created real not null,      -- seconds since the epoch
        updated real not null,
        status text not null,       -- running, suspended, completed, failed, cancelled
        due real,                   -- earliest deadline of its open questions
        target text,
        parent text,                -- the run that it was forked from
        next_seq integer not null,  -- number of the next record
        last_hash text not null,    -- hash of the last line
        epoch integer not null,     -- counts the owners
        owner text,                 -- who may append, or null
        until real not null         -- until when, unless renewed
    );
    create index runs_by_flow on runs (flow, no);
    create index runs_by_status on runs (status, no);
    create index runs_by_parent on runs (parent, no) where parent is not null;
    create index runs_by_due on runs (due) where due is not null;
    create table records (          -- in the order of arrival: a commit of many runs writes few pages
        no integer not null references runs (no),
        seq integer not null,
        line text not null          -- as in an exported trace
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

_BUSY_S = 10.0
_PAUSE_S = 0.01
_POLL_S = 0.25
_PAGE = 500
_ROW = "select no, epoch, owner, until, next_seq, last_hash from runs where run = ?"
_RENEW = "update runs set until = ? where owner = ?"
_RELEASE = "update runs set owner = null where no = ? and epoch = ? and owner = ?"
_REQUESTED = "select distinct run from requests join runs using (no) where owner = ?"
_APPEND = """
    update runs set next_seq = ?, last_hash = ?, updated = ?, status = ?, due = ?, until = ?
    where no = ? and epoch = ? and next_seq = ? and owner = ?
"""
_INFO = """
    select no, run, flow, digest, status, owner, until, created, updated, next_seq, due, target, parent from runs
"""
_LIST = """
    where (:flow is null or flow = :flow) and (:status is null or status = :status)
        and (:parent is null or parent = :parent) and (:due_before is null or due <= :due_before)
        and (:before is null or no < (select no from runs where run = :before))
    order by no desc limit :limit
"""


class SqliteStore:
    """Keeps traces in one SQLite file; several processes may use it at the same time."""

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: Literal["full", "normal"] = "full",
        create: bool = True,
        lease_s: float = owners.LEASE_S,
    ) -> None:
        """Open the file, and make it with its folder if `create`.

        `synchronous="normal"` is several times as fast and survives a crash of the process, but not of the machine: the
        last seconds may be missing then. `lease_s` is how long a silent owner keeps its runs.

        Raises:
            StoreFault: it cannot be opened, is no store of graphrt, or is one of a later release.
        """
        self.path = Path(path)
        self._synchronous = synchronous
        self._lease_s = lease_s
        self._owner = owners.new_owner()
        self._reading = threading.Lock()
        self._watched: dict[str, Callable[[], object]] = {}
        self._owned: set[int] = set()
        self._released: set[tuple[int, int]] = set()
        """Number and epoch of runs that were given up, and whose rows do not say so yet."""
        self._posted = False
        self._renewed = self._polled = time.monotonic()
        self._poll_s = min(_POLL_S, lease_s / 4)
        self._seen = -1
        self._graphs: dict[int, tuple[dict[str, Any], str, str]] = {}
        self._closed = False
        with self._faults("open"):
            if not create and not self.path.exists():
                message = f"there is no store at {self.path}; run a flow first, or name another store"
                raise StoreFault(message, store=str(self.path))
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writing = self._connect()
            try:
                self._prepare(self._writing)
                self._reader = self._connect()
            except BaseException:
                self._writing.close()
                raise
        self._writer = Writer(
            str(self.path),
            self._commit,
            idle=self._look_after,
            every_s=self._poll_s,
            finish=self._writing.close,
        )

    # Writing

    def create(self, header: Header) -> Awaitable[Lease]:
        """Begin a trace and own it."""
        check_run_id(header.run)
        _, digest = codec.encode_header(header)
        text, key = self._graph_text(header.graph)
        small = codec.encode_header(msgspec.structs.replace(header, graph={}))[0].decode()
        base = header.parent_seq or 0

        def action() -> Lease:
            db = self._writing
            if not self._make_room(db, header.run):
                message = f"the store {self.path} already has a run {header.run!r}; give the new run another id"
                raise UseError(message, run=header.run)
            if header.parent is not None and self._row(db, header.parent)[4] < base:
                message = f"run {header.parent!r} has fewer than {base} records; fork it at one that it has"
                raise UseError(message, run=header.parent, records=base)
            db.execute("insert or ignore into graphs values (?, ?)", (key, text))
            row = (header.run, _plain(header.flow), header.digest, key, small, digest, header.created, header.created)
            lead = (_plain(header.target), header.parent, base, digest, self._owner, time.time() + self._lease_s)
            cursor = db.execute(
                "insert into runs (run, flow, digest, graph, header, hash, created, updated, status,"
                " target, parent, next_seq, last_hash, epoch, owner, until)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, 1, ?, ?)",
                (*row, *lead),
            )
            return self._own(_lease(header.run, 1, base, digest, cursor.lastrowid))

        return self._submit(action)

    def acquire(self, run: str) -> Awaitable[Lease]:
        """Own an existing run, if nobody does or its owner is dead or silent for too long."""

        def action() -> Lease:
            db = self._writing
            no, epoch, owner, until, seq, last = self._row(db, run)
            if _lives(owner, until):
                message = f"run {run!r} is being driven by {owners.process_of(owner)}; wait for it, or cancel it"
                raise RunLocked(message, run=run, owner=owner, until=until)
            self._check_end(db, run, no, seq, last)
            db.execute(
                "update runs set epoch = ?, owner = ?, until = ? where no = ?",
                (epoch + 1, self._owner, time.time() + self._lease_s, no),
            )
            return self._own(_lease(run, epoch + 1, seq, last, no))

        return self._submit(action)

    def append(
        self,
        lease: Lease,
        records: Sequence[Record],
        status: RunStatus,
        due: float | None = None,
    ) -> Awaitable[None]:
        """Add records behind the last one, all or none."""
        first = lease.next_seq
        no = lease.extra
        last = lease.hash
        rows: list[tuple[object, int, str]] = []
        for record in records:
            line, last = codec.encode_record(record, last)
            rows.append((no, record.seq, line.decode()))
        lease.hash = last
        lease.next_seq = after = first + len(rows)
        at = records[-1].at if records else time.time()

        def action() -> None:
            db = self._writing
            until = time.time() + self._lease_s
            values = (after, last, at, status, due, until, no, lease.epoch, first, self._owner)
            if lease.lost or db.execute(_APPEND, values).rowcount != 1:
                lease.lost = True
                raise self._not_appended(lease)
            db.executemany("insert into records values (?, ?, ?)", rows)

        return self._submit(action)

    def release(self, lease: Lease) -> Awaitable[None]:
        """Give the run up; others may acquire it at once."""

        def action() -> None:
            lease.lost = True
            self._watched.pop(lease.run, None)
            self._owned.discard(lease.extra)
            self._writing.execute(_RELEASE, (lease.extra, lease.epoch, self._owner))

        def undone() -> None:
            lease.lost = True
            self._watched.pop(lease.run, None)
            self._owned.discard(lease.extra)
            self._released.add((lease.extra, lease.epoch))

        return self._writer.submit(Job(action, undone))

    def post(self, run: str, request: Request) -> Awaitable[None]:
        """Leave a request for whoever owns the run, or will."""
        body = codec.encode_input(request).decode()

        def action() -> None:
            no = self._row(self._writing, run)[0]
            self._writing.execute("insert into requests (no, body) values (?, ?)", (no, body))
            self._posted = True

        return self._submit(action)

    def discard(self, lease: Lease, number: int) -> Awaitable[None]:
        """Forget the requests up to `number`."""

        def action() -> None:
            self._writing.execute("delete from requests where no = ? and id <= ?", (lease.extra, number))

        return self._submit(action)

    def watch(self, lease: Lease, wake: Callable[[], object]) -> None:
        """Call `wake` soon after something was posted for the run, by whatever process."""
        self._watched[lease.run] = wake
        self._posted = True  # What came since the run was acquired has woken nobody.

    # Reading

    def requests(self, lease: Lease) -> list[tuple[int, Request]]:
        """Return what was posted and not discarded, oldest first."""
        rows = self._read("select id, cast(body as blob) from requests where no = ? order by id", (lease.extra,))
        return [(number, codec.decode_input(body)) for number, body in rows]  # type: ignore[misc]  # only requests are posted

    def header(self, run: str) -> Header:
        """Return the header of a run."""
        return self._head(run)[0]

    def records(self, run: str, start: int = 0) -> Iterator[Record]:
        """Return the records from number `start` on; of a fork, its share of the parent's first."""
        header, no, last, end, final = self._head(run)
        base = header.parent_seq or 0
        if header.parent is not None and start < base:
            for record in self.records(header.parent, start):
                if record.seq >= base:
                    break
                yield record
        seq = max(start, base)
        if seq > base:
            before = self._read("select cast(line as blob) from records where no = ? and seq = ?", (no, seq - 1))
            last = codec.hash_of(before[0][0]) if before else ""
        while seq < end:
            page = self._read(
                "select seq, cast(line as blob) from records where no = ? and seq between ? and ? order by seq limit ?",
                (no, seq, end - 1, _PAGE),
            )
            for found, line in page or [(end, b"")]:
                if found != seq:
                    message = f"run {run!r} in {self.path} should have {end} records; record {seq} is missing"
                    raise TraceInvalid(message, kind="gap", run=run, expected=seq)
                record, last = codec.decode_record(line, last, number=seq - base + 2, seq=seq)
                yield record
                seq += 1
        if start < end and last != final:
            raise self._altered_end(run, end - 1, last, final)

    def trace(self, run: str) -> Trace:
        """Return header and records."""
        return Trace(self.header(run), list(self.records(run)))

    def info(self, run: str) -> RunInfo:
        """Return the run's line of the list."""
        rows = self._read(_INFO + "where run = ?", (check_run_id(run),))
        if not rows:
            raise self._missing(run)
        return _info(rows[0])

    def runs(
        self,
        *,
        flow: str | None = None,
        status: RunStatus | None = None,
        parent: str | None = None,
        due_before: float | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[RunInfo]:
        """Return runs, newest first."""
        if before is not None:
            self.info(before)
        values: dict[str, object] = {
            "flow": _plain(flow),
            "status": status,
            "parent": parent,
            "due_before": due_before,
            "before": before,
            "limit": -1 if limit is None else limit,
        }
        return [_info(row) for row in self._read(_INFO + _LIST, values)]

    def close(self) -> None:
        """Finish what was handed in, then close the file."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        with self._reading:
            self._reader.close()
        self._writing.close()

    # The file

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        db.execute(f"pragma synchronous = {'full' if self._synchronous == 'full' else 'normal'}")
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Bring the schema up to date, or refuse a file that is not ours."""
        db.execute("begin")  # the three belong together: another process may be making the file
        (version,) = db.execute("pragma user_version").fetchone()
        (application,) = db.execute("pragma application_id").fetchone()
        (tables,) = db.execute("select count(*) from sqlite_master").fetchone()
        db.execute("commit")
        if application != APPLICATION_ID and tables:
            message = f"{self.path} is a SQLite file of another program; name another file"
            raise StoreFault(message, store=str(self.path))
        if version > len(MIGRATIONS):
            message = f"{self.path} has schema {version}, this release knows {len(MIGRATIONS)}; use the later release"
            raise StoreFault(message, store=str(self.path), found=version, expected=len(MIGRATIONS))
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
            db.execute("rollback")
            raise

    def _submit(self, action: Callable[[], Any]) -> Awaitable[Any]:
        return self._writer.submit(Job(action))

    def _commit(self, batch: Sequence[Job[Any]]) -> None:
        """Perform a batch in one transaction. A refused job has changed nothing; a fault of the file fails them all."""
        db = self._writing
        try:
            with self._faults("write"):
                db.execute("begin immediate")
                if self._released:  # by a batch that could not be committed
                    self._give_up_released()
                for job in batch:
                    try:
                        job.perform()
                    except GraphrtError as error:
                        job.error = error
                db.execute("commit")
            self._released.clear()
        except BaseException as error:  # noqa: BLE001 - whoever waits must be told, whatever it is
            for job in batch:
                job.error = error
                if job.undone is not None:
                    job.undone()
            with suppress(sqlite3.Error):
                if db.in_transaction:
                    db.execute("rollback")
        self._writer.ticking = bool(self._owned)
        self._look_after()

    def _look_after(self) -> None:
        """Renew the leases in time; see whether something was posted, here or by another process."""
        now = time.monotonic()
        try:
            if self._owned and now - self._renewed >= self._lease_s / 3:
                self._give_up_released()
                self._released.clear()
                self._writing.execute(_RENEW, (time.time() + self._lease_s, self._owner))
                self._renewed = now
            if self._posted or (self._watched and now - self._polled >= self._poll_s):
                self._polled = now
                (seen,) = self._writing.execute("pragma data_version").fetchone()
                if seen != self._seen or self._posted:
                    self._seen = seen
                    self._posted = False
                    self._wake()
        except (sqlite3.Error, UnicodeError):
            return  # the next batch meets the same fault, and has somebody to tell

    def _give_up_released(self) -> None:
        for no, epoch in self._released:
            self._writing.execute(_RELEASE, (no, epoch, self._owner))

    def _not_appended(self, lease: Lease) -> RunLocked | StoreFault:
        """Say why a run does not stand where its owner believes."""
        _, epoch, owner, *_ = self._row(self._writing, lease.run)
        if epoch == lease.epoch and owner == self._owner:
            message = f"run {lease.run!r}: records before these could not be written to {self.path}; nothing was added"
            return StoreFault(message, store=str(self.path), run=lease.run)
        message = f"run {lease.run!r} was given up or taken over by another process; nothing was added"
        return RunLocked(message, run=lease.run)

    def _wake(self) -> None:
        for (run,) in self._writing.execute(_REQUESTED, (self._owner,)).fetchall():
            wake = self._watched.get(run)
            if wake is not None:
                wake()

    def _own(self, lease: Lease) -> Lease:
        self._owned.add(lease.extra)
        return lease

    def _check_end(self, db: sqlite3.Connection, run: str, no: int, seq: int, last: str) -> None:
        """See that the last record is the one that the run's row tells of."""
        row = db.execute(
            "select seq, cast(line as blob) from records where no = ? order by seq desc limit 1", (no,)
        ).fetchone()
        if row is not None and (row[0] != seq - 1 or codec.hash_of(row[1]) != last):
            raise self._altered_end(run, row[0], codec.hash_of(row[1]), last)

    def _altered_end(self, run: str, seq: int, found: str, expected: str) -> TraceInvalid:
        message = (
            f"run {run!r} in {self.path} was altered: its last record is {seq} ({found}), expected one with the hash"
            f" {expected}"
        )
        return TraceInvalid(message, kind="altered", run=run, seq=seq, found=found, expected=expected)

    def _graph_text(self, graph: dict[str, Any]) -> tuple[str, str]:
        """Return the JSON of a graph and its key; the same object is encoded once."""
        kept = self._graphs.get(id(graph))
        if kept is None or kept[0] is not graph:
            text = codec.encode_json(graph)
            kept = (graph, text.decode(), hashlib.sha256(text).hexdigest())
            if len(self._graphs) >= _PAGE:
                self._graphs.clear()
            self._graphs[id(graph)] = kept
        return kept[1], kept[2]

    def _head(self, run: str) -> tuple[Header, int, str, int, str]:
        """Return the header, the run's number, its header line's hash, the next record's number and the last hash."""
        rows = self._read(
            "select no, cast(header as blob), cast(json as blob), hash, next_seq, last_hash"
            " from runs left join graphs on key = graph where run = ?",
            (check_run_id(run),),
        )
        if not rows:
            raise self._missing(run)
        no, line, graph, digest, end, last = rows[0]
        try:
            header = codec.decode_header(line)[0]
            if graph is not None:
                header = msgspec.structs.replace(header, graph=codec.decode_json(graph))
        except TraceInvalid as error:
            if error.facts.get("kind") == "version":
                raise
            message = f"the header of run {run!r} in {self.path} was altered: {error.message}"
            raise TraceInvalid(message, kind="altered", run=run) from error
        found = codec.encode_header(header)[1]
        if found != digest:
            message = f"the header of run {run!r} in {self.path} was altered: its hash is {found}, expected {digest}"
            raise TraceInvalid(message, kind="altered", run=run, found=found, expected=digest)
        return header, no, digest, end, last

    def _make_room(self, db: sqlite3.Connection, run: str) -> bool:
        """See that there is no run of this id; one that was cut off before its first record makes room."""
        row = db.execute("select no, owner, until from runs where run = ?", (run,)).fetchone()
        if row is None:
            return True
        no, owner, until = row
        if _lives(owner, until) or db.execute("select 1 from records where no = ?", (no,)).fetchone():
            return False
        db.execute("delete from requests where no = ?", (no,))
        db.execute("delete from runs where no = ?", (no,))
        return True

    def _row(self, db: sqlite3.Connection, run: str) -> tuple[Any, ...]:
        """Return number, epoch, owner, until, next number and last hash of a run."""
        row: tuple[Any, ...] | None = db.execute(_ROW, (check_run_id(run),)).fetchone()
        if row is None:
            raise self._missing(run)
        return row

    def _missing(self, run: str) -> RunNotFound:
        message = f"the store {self.path} has no run {run!r}"
        return RunNotFound(message, run=run, store=str(self.path))

    def _read(self, sql: str, values: tuple[object, ...] | dict[str, object]) -> list[Any]:
        with self._reading, self._faults("read"):
            return self._reader.execute(sql, values).fetchall()

    @contextmanager
    def _faults(self, what: str) -> Generator[None]:
        """Turn what SQLite and the system say into one sentence."""
        try:
            yield
        except sqlite3.ProgrammingError as error:
            message = f"cannot {what} {self.path}: the store was closed"
            raise StoreFault(message, store=str(self.path)) from error
        except (sqlite3.Error, OSError) as error:
            text = str(error)
            hint = next((h for part, h in _HINTS if part in text), "")
            message = f"cannot {what} {self.path}: {text}{hint}"
            raise StoreFault(message, store=str(self.path), reason=text) from error
        except UnicodeDecodeError as error:  # what SQLite says of a schema whose text is damaged is no text either
            text = error.object.decode("utf-8", "replace")
            message = f"cannot {what} {self.path}: {text}; the file is damaged: use a copy"
            raise StoreFault(message, store=str(self.path), reason=text) from error


_HINTS = (
    ("unable to open", "; is it a folder, or may this user not write there?"),
    ("readonly", "; this user may not write there"),
    ("database is locked", f"; another process has been writing for more than {_BUSY_S:.0f} s"),
    ("disk is full", "; free some space, then resume the run"),
    ("disk I/O error", "; the disk failed or is full; resume the run when it is sound"),
    ("malformed", "; the file is damaged: use a copy"),
    ("not a database", "; it is some other file, or damaged"),
)


def _plain(text: str | None) -> str | None:
    """Return text that SQLite takes; the name of a file may hold what is no character."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


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


def _statements(script: str) -> list[str]:
    """Split a script that has no semicolon inside a statement."""
    return [part for part in script.split(";") if part.strip()]


def _info(row: tuple[Any, ...]) -> RunInfo:
    _, run, flow, digest, status, owner, until, created, updated, records, due, target, parent = row
    live = _lives(owner, until)
    return RunInfo(run, flow, digest, status, live, created, updated, records, due, target, parent)


def _lives(owner: str | None, until: float) -> TypeGuard[str]:
    """Say whether a run has an owner whose lease has not run out, and who has not ended."""
    return owner is not None and until > time.time() and not owners.is_dead(owner)


def _lease(run: str, epoch: int, next_seq: int, last_hash: str, no: int | None) -> Lease:
    lease = Lease(run, epoch, next_seq, last_hash)
    lease.extra = no
    return lease
