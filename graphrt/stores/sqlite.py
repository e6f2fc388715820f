"""The default store: one SQLite file for many runs and several processes.

Write-ahead log with `synchronous=FULL`: what is acknowledged survives a power cut. One thread writes, in one
transaction for all that arrived meanwhile. With `synchronous=NORMAL` a commit waits for no disk, so it is made in the
event loop itself unless another process is writing. Records have their short form (`packing`), in rows sealed by the
hash of the row before, so damage that SQLite does not notice is named when it is read. Statements are made of fixed
parts, values bound.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from graphrt import codec
from graphrt.errors import RunLocked, StoreFault, TraceInvalid, UseError
from graphrt.packing import Row, hash_of, pack, unpack
from graphrt.ports import Lease, Request, RunInfo, RunStatus, check_run_id, check_unanswered
from graphrt.stores import owner as owners
from graphrt.stores.graph_texts import GraphTexts
from graphrt.stores.sqlite_commits import RELEASE, Append, Commits, End, missing, row_of
from graphrt.stores.sqlite_deleting import delete, forget
from graphrt.stores.sqlite_file import Synchronous, connect, empty_log, faults, prepare
from graphrt.stores.writer import DONE, Call, Writer
from graphrt.trace import Header, Record, Trace

_Head: TypeAlias = tuple[Header, int, bytes, int, bytes]
"""Header, number, seed of the chain, number of the next record, last hash."""

_PAGE = 500
_CREATE = """
    insert into runs (run, flow, digest, graph, header, hash, created, target, parent)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_BEGIN = """
    insert into ends (no, next_seq, last_hash, updated, epoch, owner, until, status)
    values (?, ?, ?, ?, 1, ?, ?, 'running')
"""
_INFO = """
    select no, run, flow, digest, status, owner, until, created, updated, next_seq, due, target, parent,
        (select count(*) from requests where requests.no = runs.no)
    from runs join ends using (no)
"""
_REQUESTS = "select id, cast(body as blob) from requests where no = ? order by id"
_OWNED = "select run, owner, until from runs join ends using (no) where owner is not null"
_WANTED = {
    "flow": "flow = :flow",
    "status": "status = :status",
    "parent": "parent = :parent",
    "due_before": "due <= :due_before",
    "before": "no < (select no from runs where run = :before)",
}
"""What each condition of a list is in SQL."""


class SqliteStore:
    """Keeps traces in one SQLite file; several processes may use it at the same time."""

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: Synchronous = "full",
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
        self._synchronous: Synchronous = synchronous
        self._lease_s = lease_s
        self._owner = owners.new_owner()
        self._reading = threading.Lock()
        self._graphs = GraphTexts()
        self._closed = False
        with faults(self.path, "open"):
            if not create and not self.path.exists():
                message = f"there is no store at {self.path}; run a flow first, or name another store"
                raise StoreFault(message, store=str(self.path))
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writing = connect(self.path, synchronous)
            try:
                prepare(self._writing, self.path)
                self._commits = commits = Commits(self._writing, self.path, self._owner, lease_s)
                self._reader = connect(self.path, synchronous)
            except BaseException:
                self._writing.close()
                raise
        self._writer = commits.writer = Writer(
            str(self.path),
            commits.commit,
            idle=commits.look_after,
            every_s=commits.poll_s,
            finish=commits.give_up_all,
            tidy=commits.tidy,
            at_once=commits.commit_at_once if synchronous == "normal" else None,
        )

    # Writing

    def create(self, header: Header) -> Awaitable[Lease]:
        """Begin a trace and own it."""
        check_run_id(header.run)
        graph, key = self._graphs.of(header.graph)
        digest = codec.encode_header(header, graph)[1]
        small = codec.encode_header(msgspec.structs.replace(header, graph={}))[0].decode()
        base = header.parent_seq or 0
        seed = digest.encode("ascii")

        def action() -> Lease:
            db = self._writing
            if not self._make_room(db, header.run):
                message = f"the store {self.path} already has a run {header.run!r}; give the new run another id"
                raise UseError(message, run=header.run)
            if header.parent is not None and row_of(db, header.parent, self.path)[4] < base:
                message = f"run {header.parent!r} has fewer than {base} records; fork it at one that it has"
                raise UseError(message, run=header.parent, records=base)
            if db.execute("select 1 from graphs where key = ?", (key,)).fetchone() is None:
                db.execute("insert into graphs values (?, ?)", (key, graph.decode()))
            flow, target = _plain(header.flow), _plain(header.target)
            row = (header.run, flow, header.digest, key, small, digest, header.created, target, header.parent)
            no = db.execute(_CREATE, row).lastrowid
            db.execute(_BEGIN, (no, base, seed, header.created, self._owner, time.time() + self._lease_s))
            return self._own(_lease(header.run, 1, base, seed, no))

        return self._writer.submit(Call(action, revocable=True, unwanted=self._drop))

    def acquire(self, run: str) -> Awaitable[Lease]:
        """Own an existing run, if nobody does or its owner is dead or silent for too long."""

        def action() -> Lease:
            db = self._writing
            no, epoch, owner, until, seq, last, seed = row_of(db, run, self.path)
            if owners.lives(owner, until):
                message = f"run {run!r} is being driven by {owners.process_of(owner)}; wait for it, or cancel it"
                raise RunLocked(message, run=run, owner=owner, until=until)
            self._check_end(db, run, no, seq, last, seed)
            db.execute(
                "update ends set epoch = ?, owner = ?, until = ? where no = ?",
                (epoch + 1, self._owner, time.time() + self._lease_s, no),
            )
            return self._own(_lease(run, epoch + 1, seq, last, no))

        return self._writer.submit(Call(action, revocable=True, unwanted=self.release))

    def append(
        self,
        lease: Lease,
        records: Sequence[Record],
        status: RunStatus,
        due: float | None = None,
    ) -> Awaitable[None]:
        """Add records behind the last one, all or none."""
        first = lease.next_seq
        end: End = lease.extra
        no = end.no
        rows: list[tuple[int, int, str, bytes]] = []
        size = 0
        for row in pack(records, end.hash):
            size += len(row.lines)
            end.hash = row.hash
            rows.append((no, row.seq, row.lines.decode(), row.hash))
        lease.next_seq = after = first + len(records)
        at = records[-1].at if records else time.time()
        values = (after, end.hash, at, no, lease.epoch, first, self._owner)
        completes = status == "completed" and lease.parting
        mark = None
        if end.mark != (status, due):
            end.mark = (status, due)
            mark = (status, due, None if completes else self._owner, no)
        job = Append(lease, values, mark, rows, size, completes=completes)
        return self._writer.submit(job, alone=len(self._commits.owned) == 1)

    def release(self, lease: Lease) -> Awaitable[None]:
        """Give the run up; others may acquire it at once. One that has completed was given up with its last record."""
        if lease.extra.given_up:
            return DONE
        commits = self._commits

        def action() -> None:
            commits.forget(lease)
            commits.db.execute(RELEASE, (lease.extra.no, lease.epoch, self._owner))

        def undone() -> None:
            commits.forget(lease)
            commits.released.add((lease.extra.no, lease.epoch))

        return self._writer.submit(Call(action, undone=undone))

    def post(self, run: str, request: Request, *, seen: int | None = None) -> Awaitable[bool]:
        """Leave a request for whoever owns the run, or will."""
        body = codec.encode_input(request).decode()

        def action() -> bool:
            no, _, _, _, records, *_ = row_of(self._writing, run, self.path)
            check_unanswered(run, request, [posted for _, posted in _requests(self._writing.execute(_REQUESTS, (no,)))])
            if seen not in {None, records}:
                return False
            self._writing.execute("insert into requests (no, body) values (?, ?)", (no, body))
            self._commits.posted = True
            return True

        return self._writer.submit(Call(action, revocable=True))

    def discard(self, lease: Lease, number: int) -> Awaitable[None]:
        """Forget the requests up to `number`."""

        def action() -> None:
            self._writing.execute("delete from requests where no = ? and id <= ?", (lease.extra.no, number))

        return self._writer.submit(Call(action))

    def delete(self, runs: Sequence[str]) -> Awaitable[None]:
        """Forget runs, all of them or none; the file keeps its size, and what they took is free for new ones."""

        def action() -> None:
            delete(self._writing, runs, self.path)
            self._commits.log_is_long()

        return self._writer.submit(Call(action, revocable=True))

    def compact(self) -> None:
        """Write the file anew without the room that is free in it; as long as that takes, nobody else can write."""
        with faults(self.path, "compact"), closing(connect(self.path, self._synchronous)) as db:
            for run, owner, until in db.execute(_OWNED):
                if owners.lives(owner, until):
                    message = f"{self.path} cannot be compacted while run {run!r} is being driven"
                    raise RunLocked(message, run=run, owner=owner)
            db.execute("vacuum")
            empty_log(db)

    def free_bytes(self) -> int:
        """Return how much of the file is free for new runs, in bytes."""
        ((pages,),), ((size,),) = self._read("pragma freelist_count", ()), self._read("pragma page_size", ())
        return int(pages) * int(size)

    def watch(self, lease: Lease, wake: Callable[[], object]) -> None:
        """Call `wake` soon after something was posted for the run, by whatever process."""
        self._commits.watched[lease.run] = wake
        self._commits.posted = True  # What came since the run was acquired has woken nobody.

    # Reading

    def requests(self, lease: Lease) -> list[tuple[int, Request]]:
        """Return what was posted and not discarded, oldest first."""
        return _requests(self._read(_REQUESTS, (lease.extra.no,)))

    def header(self, run: str) -> Header:
        """Return the header of a run."""
        return self._head(run)[0]

    def records(self, run: str, start: int = 0) -> Iterator[Record]:
        """Return the records from number `start` on; of a fork, its share of the parent's first."""
        yield from self._records(run, self._head(run), start)

    def _records(self, run: str, head: _Head, start: int) -> Iterator[Record]:
        """Return the records of the run that `head` is of, unless it is deleted meanwhile."""
        try:
            yield from self._read_records(run, head, start)
        except TraceInvalid:
            if not self._read("select 1 from runs where no = ?", (head[1],)):
                raise missing(run, self.path) from None
            raise

    def _read_records(self, run: str, head: _Head, start: int) -> Iterator[Record]:
        header, no, seed, end, final = head
        base = header.parent_seq or 0
        if header.parent is not None and start < base:
            for record in self.records(header.parent, start):
                if record.seq >= base:
                    break
                yield record
        if start >= end:
            return
        seq, last = self._row_with(no, start) if start > base else (base, seed)
        while seq < end:
            page = self._read(
                "select seq, cast(lines as blob), cast(hash as blob) from records"
                " where no = ? and seq between ? and ? order by seq limit ?",
                (no, seq, end - 1, _PAGE),
            )
            for found, lines, digest in page or [(end, b"", b"")]:
                if found != seq:
                    message = f"run {run!r} in {self.path} should have {end} records; record {seq} is missing"
                    raise TraceInvalid(message, kind="gap", run=run, expected=seq)
                read = unpack(Row(seq, lines, digest), last)
                yield from read if seq >= start else read[start - seq :]
                last = digest
                seq += len(read)
        if last != final or seq != end:
            raise self._altered_end(run, seq - 1, last, final)

    def _row_with(self, no: int, seq: int) -> tuple[int, bytes]:
        """Return the number at which the row with a record begins, and the hash of the row before."""
        rows = self._read(
            "select seq, cast(hash as blob) from records where no = ? and seq <= ? order by seq desc limit 2", (no, seq)
        )
        if len(rows) == 2:
            return rows[0][0], rows[1][1]
        header = self._read("select hash from runs where no = ?", (no,))
        return (rows[0][0] if rows else seq), header[0][0].encode("ascii")

    def trace(self, run: str) -> Trace:
        """Return header and records."""
        head = self._head(run)
        return Trace(head[0], list(self._records(run, head, 0)))

    def info(self, run: str) -> RunInfo:
        """Return the run's line of the list."""
        info = self._look(run)
        if info.status == "running" and not info.live:  # cut off, or brought to its end by who has gone since we read
            info = self._look(run)
        return info

    def _look(self, run: str) -> RunInfo:
        rows = self._read(_INFO + "where run = ?", (check_run_id(run),))
        if not rows:
            raise missing(run, self.path)
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
        asked = {
            "flow": _plain(flow),
            "status": status,
            "parent": parent,
            "due_before": due_before,
            "before": before,
        }
        wanted = [sql for name, sql in _WANTED.items() if asked[name] is not None]
        where = f"where {' and '.join(wanted)}" if wanted else ""
        values: dict[str, object] = {**asked, "limit": -1 if limit is None else limit}
        return [_info(row) for row in self._read(f"{_INFO} {where} order by no desc limit :limit", values)]

    def close(self) -> None:
        """Finish what was handed in, give up all runs, then close the file."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._commits.give_up_all()  # if no thread has
        with self._reading:
            self._reader.close()
        self._writing.close()

    # The file

    def _drop(self, lease: Lease) -> None:
        """Forget a run that was begun for nobody: who asked for it was cancelled meanwhile."""

        def action() -> None:
            self._commits.forget(lease)
            forget(self._writing, [lease.extra.no])

        _ = self._writer.submit(Call(action))  # nobody waits for that either

    def _own(self, lease: Lease) -> Lease:
        self._commits.owned.add(lease.extra.no)
        return lease

    def _check_end(self, db: sqlite3.Connection, run: str, no: int, seq: int, last: bytes, seed: str) -> None:
        """See that the last record is the one that the run's row tells of."""
        rows = db.execute(
            "select seq, cast(lines as blob), cast(hash as blob) from records where no = ? order by seq desc limit 2",
            (no,),
        ).fetchall()
        if not rows:
            return
        first, lines, _ = rows[0]
        found = first + lines.count(b"\n")
        digest = hash_of(rows[1][2] if len(rows) > 1 else seed.encode(), lines)
        if found != seq - 1 or digest != last:
            raise self._altered_end(run, found, digest, last)

    def _altered_end(self, run: str, seq: int, found: bytes, expected: bytes) -> TraceInvalid:
        message = (
            f"run {run!r} in {self.path} was altered: its last record is {seq} ({found.hex()}), expected one with the"
            f" hash {expected.hex()}"
        )
        return TraceInvalid(message, kind="altered", run=run, seq=seq, found=found.hex(), expected=expected.hex())

    def _head(self, run: str) -> _Head:
        """Return the header, the run's number, the seed of its chain, the next record's number and the last hash."""
        rows = self._read(
            "select no, cast(header as blob), cast(json as blob), hash, next_seq, cast(last_hash as blob)"
            " from runs join ends using (no) left join graphs on key = graph where run = ?",
            (check_run_id(run),),
        )
        if not rows:
            raise missing(run, self.path)
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
        found = codec.encode_header(header, graph)[1]
        if found != digest:
            message = f"the header of run {run!r} in {self.path} was altered: its hash is {found}, expected {digest}"
            raise TraceInvalid(message, kind="altered", run=run, found=found, expected=digest)
        return header, no, found.encode("ascii"), end, last

    def _make_room(self, db: sqlite3.Connection, run: str) -> bool:
        """See that there is no run of this id; one that was cut off before its first record makes room."""
        row = db.execute("select no, owner, until from runs join ends using (no) where run = ?", (run,)).fetchone()
        if row is None:
            return True
        no, owner, until = row
        if owners.lives(owner, until) or db.execute("select 1 from records where no = ?", (no,)).fetchone():
            return False
        forget(db, [no])
        return True

    def _read(self, sql: str, values: tuple[object, ...] | dict[str, object]) -> list[Any]:
        with self._reading, faults(self.path, "read"):
            return self._reader.execute(sql, values).fetchall()


def _plain(text: str | None) -> str | None:
    """Return text that SQLite takes; the name of a file may hold what is no character."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def _requests(rows: Iterable[tuple[int, bytes]]) -> list[tuple[int, Request]]:
    return [(number, codec.decode_input(body)) for number, body in rows]  # type: ignore[misc]  # only requests are posted


def _info(row: tuple[Any, ...]) -> RunInfo:
    _, run, flow, digest, status, owner, until, created, updated, records, due, target, parent, requests = row
    live = owners.lives(owner, until)
    return RunInfo(run, flow, digest, status, live, created, updated, records, due, target, parent, requests)


def _lease(run: str, epoch: int, next_seq: int, last: bytes, no: int | None) -> Lease:
    assert no is not None, "SQLite numbers every row"
    lease = Lease(run, epoch, next_seq)
    lease.extra = End(no, last)
    return lease
