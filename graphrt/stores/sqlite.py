"""The default store: one SQLite file for many runs and several processes.

Write-ahead log with `synchronous=FULL`: what is acknowledged survives a power cut. One thread writes, in one
transaction for all that arrived meanwhile. With `synchronous=NORMAL` a commit waits for no disk, so it is made in the
event loop itself unless another process is writing. Records have their short form (`packing`), sealed by the hash of
the one before, so damage that SQLite does not notice is named when it is read. Statements are fixed, values bound.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeGuard

import msgspec

from graphrt import codec
from graphrt.errors import GraphrtError, RunLocked, RunNotFound, StoreFault, TraceInvalid, UseError
from graphrt.packing import hash_of, pack, unpack
from graphrt.ports import Lease, Request, RunInfo, RunStatus, check_run_id
from graphrt.stores import owner as owners
from graphrt.stores.writer import Batch, Job, Writer
from graphrt.trace import Header, Record, Trace

APPLICATION_ID = 0x67727274
"""Marks the file as ours (`grrt`)."""

MIGRATIONS = (
    "",  # the first schema had whole lines of exported traces; no release wrote it, and none reads it
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
        hash text not null,         -- of the line of its header in an exported trace: the seed of the chain
        created real not null,      -- seconds since the epoch
        updated real not null,
        status text not null,       -- running, suspended, completed, failed, cancelled
        due real,                   -- earliest deadline of its open questions
        target text,
        parent text,                -- the run that it was forked from
        next_seq integer not null,  -- number of the next record
        last_hash blob not null,    -- hash of the last record
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
        line text not null,         -- its short form
        hash blob not null          -- of the record before and of `line`
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

_OLDEST = 2
_BUSY_S = 10.0
_PAUSE_S = 0.01
_LOG_BYTES = 4 * 1024 * 1024
"""When so much was written to the log, about, it is copied into the file."""
_COMMIT_BYTES = 3 * 4096
"""What a commit writes to the log beside the records: pages that change a little."""
_POLL_S = 0.25
_PAGE = 500
_ROW = "select no, epoch, owner, until, next_seq, cast(last_hash as blob), hash from runs where run = ?"
_RENEW = "update runs set until = ? where owner = ?"
_RELEASE = "update runs set owner = null where no = ? and epoch = ? and owner = ?"
_REQUESTED = "select distinct run from requests join runs using (no) where owner = ?"
_APPEND = """
    update runs set next_seq = ?, last_hash = ?, updated = ?, until = ?
    where no = ? and epoch = ? and next_seq = ? and owner = ?
"""
_INSERT = "insert into records values (?, ?, ?, ?)"
_MARK = "update runs set status = ?, due = ? where no = ?"
"""Apart from `_APPEND`: SQLite writes the indexes of a column anew whenever it is set, changed or not."""
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
        self._logged = 0
        """Bytes that went to the log since it was copied into the file, about."""
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
                self._writing.execute("pragma busy_timeout = 0")  # `_begin` waits, where waiting is right
                self._writing.execute("pragma wal_autocheckpoint = 0")  # `_tidy` does it, when nobody waits
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
            tidy=self._tidy,
            at_once=self._commit_at_once if synchronous == "normal" else None,
        )

    # Writing

    def create(self, header: Header) -> Awaitable[Lease]:
        """Begin a trace and own it."""
        check_run_id(header.run)
        _, digest = codec.encode_header(header)
        text, key = self._graph_text(header.graph)
        small = codec.encode_header(msgspec.structs.replace(header, graph={}))[0].decode()
        base = header.parent_seq or 0
        seed = digest.encode("ascii")

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
            lead = (_plain(header.target), header.parent, base, seed, self._owner, time.time() + self._lease_s)
            cursor = db.execute(
                "insert into runs (run, flow, digest, graph, header, hash, created, updated, status,"
                " target, parent, next_seq, last_hash, epoch, owner, until)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, 1, ?, ?)",
                (*row, *lead),
            )
            return self._own(_lease(header.run, 1, base, seed, cursor.lastrowid))

        return self._submit(action)

    def acquire(self, run: str) -> Awaitable[Lease]:
        """Own an existing run, if nobody does or its owner is dead or silent for too long."""

        def action() -> Lease:
            db = self._writing
            no, epoch, owner, until, seq, last, seed = self._row(db, run)
            if _lives(owner, until):
                message = f"run {run!r} is being driven by {owners.process_of(owner)}; wait for it, or cancel it"
                raise RunLocked(message, run=run, owner=owner, until=until)
            self._check_end(db, run, no, seq, last, seed)
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
        end: _End = lease.extra
        no, last = end.no, end.hash
        rows: list[tuple[int, int, str, bytes]] = []
        size = 0
        for record in records:
            body, last = pack(record, last)
            size += len(body)
            rows.append((no, record.seq, body.decode(), last))
        end.hash = last
        lease.next_seq = after = first + len(rows)
        at = records[-1].at if records else time.time()
        values = (after, last, at, time.time() + self._lease_s, no, lease.epoch, first, self._owner)
        mark = None
        if end.mark != (status, due):
            end.mark = (status, due)
            mark = (status, due, no)
        return self._writer.submit(_Append(lease, values, mark, rows, size), alone=len(self._owned) == 1)

    def release(self, lease: Lease) -> Awaitable[None]:
        """Give the run up; others may acquire it at once."""

        def action() -> None:
            lease.lost = True
            self._watched.pop(lease.run, None)
            self._owned.discard(lease.extra.no)
            self._writing.execute(_RELEASE, (lease.extra.no, lease.epoch, self._owner))

        def undone() -> None:
            lease.lost = True
            self._watched.pop(lease.run, None)
            self._owned.discard(lease.extra.no)
            self._released.add((lease.extra.no, lease.epoch))

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
            self._writing.execute("delete from requests where no = ? and id <= ?", (lease.extra.no, number))

        return self._submit(action)

    def watch(self, lease: Lease, wake: Callable[[], object]) -> None:
        """Call `wake` soon after something was posted for the run, by whatever process."""
        self._watched[lease.run] = wake
        self._posted = True  # What came since the run was acquired has woken nobody.

    # Reading

    def requests(self, lease: Lease) -> list[tuple[int, Request]]:
        """Return what was posted and not discarded, oldest first."""
        rows = self._read("select id, cast(body as blob) from requests where no = ? order by id", (lease.extra.no,))
        return [(number, codec.decode_input(body)) for number, body in rows]  # type: ignore[misc]  # only requests are posted

    def header(self, run: str) -> Header:
        """Return the header of a run."""
        return self._head(run)[0]

    def records(self, run: str, start: int = 0) -> Iterator[Record]:
        """Return the records from number `start` on; of a fork, its share of the parent's first."""
        header, no, seed, end, final = self._head(run)
        base = header.parent_seq or 0
        if header.parent is not None and start < base:
            for record in self.records(header.parent, start):
                if record.seq >= base:
                    break
                yield record
        seq = max(start, base)
        last = seed if seq == base else self._hash_before(no, seq)
        while seq < end:
            page = self._read(
                "select seq, cast(line as blob), cast(hash as blob) from records"
                " where no = ? and seq between ? and ? order by seq limit ?",
                (no, seq, end - 1, _PAGE),
            )
            for found, line, digest in page or [(end, b"", b"")]:
                if found != seq:
                    message = f"run {run!r} in {self.path} should have {end} records; record {seq} is missing"
                    raise TraceInvalid(message, kind="gap", run=run, expected=seq)
                yield unpack(line, digest, last, seq)
                last = digest
                seq += 1
        if start < end and last != final:
            raise self._altered_end(run, end - 1, last, final)

    def _hash_before(self, no: int, seq: int) -> bytes:
        rows = self._read("select cast(hash as blob) from records where no = ? and seq = ?", (no, seq - 1))
        return rows[0][0] if rows else b""

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
        if 0 < version < _OLDEST:
            message = (
                f"{self.path} has schema {version}, which was never released; this release reads {_OLDEST} and later:"
                " export its runs with the code that wrote it, or begin another file"
            )
            raise StoreFault(message, store=str(self.path), found=version, expected=_OLDEST)
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

    def _commit(self, batch: Batch) -> None:
        """Perform a batch in one transaction. A refused job has changed nothing; a fault of the file fails them all."""
        self._transact(batch, waiting=True)

    def _commit_at_once(self, batch: Batch) -> bool:
        """Perform a batch unless another process is writing."""
        return self._transact(batch, waiting=False)

    def _transact(self, batch: Batch, *, waiting: bool) -> bool:
        db = self._writing
        try:
            with self._faults("write"):
                if not _begin(db, waiting=waiting):
                    return False
                if self._released:  # by a batch that could not be committed
                    self._give_up_released()
                self._perform(batch)
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
        self._logged += _COMMIT_BYTES
        self._writer.untidy = self._logged >= _LOG_BYTES
        self._writer.ticking = bool(self._owned)
        self._look_after()
        return True

    def _perform(self, batch: Batch) -> None:
        """Do all jobs in their order; appends that follow each other are one statement for all."""
        appends: list[_Append] = []
        for job in batch:
            if isinstance(job, _Append):
                appends.append(job)
                continue
            if appends:
                self._append_all(appends)
                appends = []
            try:
                job.perform()
            except GraphrtError as error:
                job.error = error
        if appends:
            self._append_all(appends)

    def _append_all(self, appends: list[_Append]) -> None:
        """Move the ends of runs and add their records; where a run does not stand as its owner believes, do nothing."""
        db = self._writing
        good = [a for a in appends if not a.lease.lost]
        if len(good) > 1:
            db.execute("savepoint ends")
            moved = db.executemany(_APPEND, [a.values for a in good]).rowcount
            if moved != len(good):
                db.execute("rollback to ends")
            db.execute("release ends")
        else:
            moved = 0
        if moved != len(good) or len(good) != len(appends):
            good = [a for a in appends if self._moved(a, again=moved != len(good))]
        db.executemany(_INSERT, chain.from_iterable([a.rows for a in good]))
        marks = [a.mark for a in good if a.mark is not None]
        if marks:
            db.executemany(_MARK, marks)
        self._logged += sum([a.size for a in good])

    def _moved(self, append: _Append, *, again: bool) -> bool:
        """Move the end of one run, if that is to be done; note the error if that cannot be."""
        lease = append.lease
        if not lease.lost and (not again or self._writing.execute(_APPEND, append.values).rowcount == 1):
            return True
        lease.lost = True
        append.error = self._not_appended(lease)
        return False

    def _tidy(self) -> None:
        """Copy the log into the file, as far as nobody reads it; it begins anew then."""
        self._logged = 0
        self._writer.untidy = False
        with suppress(sqlite3.Error):  # the next batch meets the same fault, and has somebody to tell
            self._writing.execute("pragma wal_checkpoint(passive)")

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
        self._owned.add(lease.extra.no)
        return lease

    def _check_end(self, db: sqlite3.Connection, run: str, no: int, seq: int, last: bytes, seed: str) -> None:
        """See that the last record is the one that the run's row tells of."""
        rows = db.execute(
            "select seq, cast(line as blob), cast(hash as blob) from records where no = ? order by seq desc limit 2",
            (no,),
        ).fetchall()
        if not rows:
            return
        found, line, _ = rows[0]
        digest = hash_of(rows[1][2] if len(rows) > 1 else seed.encode(), line)
        if found != seq - 1 or digest != last:
            raise self._altered_end(run, found, digest, last)

    def _altered_end(self, run: str, seq: int, found: bytes, expected: bytes) -> TraceInvalid:
        message = (
            f"run {run!r} in {self.path} was altered: its last record is {seq} ({found.hex()}), expected one with the"
            f" hash {expected.hex()}"
        )
        return TraceInvalid(message, kind="altered", run=run, seq=seq, found=found.hex(), expected=expected.hex())

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

    def _head(self, run: str) -> tuple[Header, int, bytes, int, bytes]:
        """Return the header, the run's number, the seed of its chain, the next record's number and the last hash."""
        rows = self._read(
            "select no, cast(header as blob), cast(json as blob), hash, next_seq, cast(last_hash as blob)"
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
        return header, no, found.encode("ascii"), end, last

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
        """Return number, epoch, owner, until, next number, last hash and the header line's hash of a run."""
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


def _begin(db: sqlite3.Connection, *, waiting: bool) -> bool:
    """Begin a transaction; while another process is writing, wait for it, or say that one would have to."""
    patience = time.monotonic() + _BUSY_S
    pause = _PAUSE_S / 10
    while True:
        try:
            db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            if not waiting:
                return False
            if time.monotonic() > patience:
                raise
            time.sleep(pause)
            pause = min(2 * pause, 5 * _PAUSE_S)
        else:
            return True


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


class _End:
    """Where a run that is owned ends."""

    __slots__ = ("hash", "mark", "no")

    def __init__(self, no: int, last: bytes) -> None:
        self.no = no
        """The number of the run in the file."""
        self.hash = last
        """Of the last record that was handed in."""
        self.mark: tuple[RunStatus, float | None] | None = None
        """What its row says of status and deadline, if that is known."""


class _Append(Job[None]):
    """Records to add to a run."""

    __slots__ = ("lease", "mark", "rows", "size", "values")

    def __init__(
        self,
        lease: Lease,
        values: tuple[object, ...],
        mark: tuple[object, ...] | None,
        rows: list[tuple[int, int, str, bytes]],
        size: int,
    ) -> None:
        super().__init__(_nothing)
        self.lease = lease
        self.values = values
        """For `_APPEND`."""
        self.mark = mark
        """For `_MARK`, if status or deadline are others than before."""
        self.rows = rows
        self.size = size


def _nothing() -> None:
    """Appends are performed together."""


def _lease(run: str, epoch: int, next_seq: int, last: bytes, no: int | None) -> Lease:
    assert no is not None, "SQLite numbers every row"
    lease = Lease(run, epoch, next_seq)
    lease.extra = _End(no, last)
    return lease
