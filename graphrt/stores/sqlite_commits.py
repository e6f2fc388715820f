"""What is written to the SQLite file: batches in transactions, and what the owner of runs looks after between them.

One connection writes. A batch is one transaction, in which a refused job has changed nothing; where the file fails, the
whole batch fails, and whoever waits is told. Called by the writer, one call at a time.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from graphrt.errors import GraphrtError, RunLocked, RunNotFound, StoreFault
from graphrt.ports import Lease, RunStatus, check_run_id
from graphrt.stores.sqlite_file import begin, fault_of
from graphrt.stores.writer import Batch, Job, Writer

_LOG_BYTES = 4 * 1024 * 1024
"""When so much was written to the log, about, it is copied into the file."""
_COMMIT_BYTES = 3 * 4096
"""What a commit writes to the log beside the records: pages that change a little."""
_POLL_S = 0.25
_ROW = """
    select no, epoch, owner, until, next_seq, cast(last_hash as blob), hash from runs join ends using (no) where run = ?
"""
_RENEW = "update ends set until = ? where owner = ?"
RELEASE = "update ends set owner = null where no = ? and epoch = ? and owner = ?"
_REQUESTED = "select distinct run from requests join ends using (no) join runs using (no) where owner = ?"
_APPEND = """
    update ends set next_seq = ?, last_hash = ?, updated = ?
    where no = ? and epoch = ? and next_seq = ? and owner = ?
"""
_INSERT = "insert into records values (?, ?, ?, ?)"
_MARK = "update ends set status = ?, due = ?, owner = ? where no = ?"
"""Apart from `_APPEND`: SQLite writes the indexes of a column anew whenever it is set, changed or not."""


class End:
    """Where a run that is owned ends."""

    __slots__ = ("given_up", "hash", "mark", "no")

    def __init__(self, no: int, last: bytes) -> None:
        self.given_up = False
        """Whether the run was given up with the record of its end."""
        self.no = no
        """The number of the run in the file."""
        self.hash = last
        """Of the last row that was handed in."""
        self.mark: tuple[RunStatus, float | None] | None = None
        """What its row says of status and deadline, if that is known."""


class Append(Job[None]):
    """Rows of records to add to a run; those that follow each other are added together (`Commits._append_all`)."""

    __slots__ = ("completes", "lease", "mark", "rows", "size", "values")

    def __init__(
        self,
        lease: Lease,
        values: tuple[object, ...],
        mark: tuple[object, ...] | None,
        rows: Sequence[tuple[int, int, str, bytes]],
        size: int,
        *,
        completes: bool,
    ) -> None:
        super().__init__()
        self.lease = lease
        self.values = values
        """For `_APPEND`."""
        self.mark = mark
        """For `_MARK`, if status or deadline are others than before."""
        self.completes = completes
        """Whether the run has completed with these rows."""
        self.rows = rows
        self.size = size


class Commits:
    """The connection that writes, and the runs whose leases it keeps."""

    def __init__(self, db: sqlite3.Connection, path: Path, owner: str, lease_s: float) -> None:
        """Take over the connection."""
        self.db = db
        self._path = path
        self._owner = owner
        self._lease_s = lease_s
        self.owned: set[int] = set()
        """Numbers of the runs that are owned here."""
        self.watched: dict[str, Callable[[], object]] = {}
        """Whom to call when something was posted for a run."""
        self.posted = False
        """Whether something may have been posted that nobody was told of."""
        self._completed: list[Lease] = []
        """Leases on runs whose end is in the batch: nothing comes after it, so their rows name no owner any more."""
        self.released: set[tuple[int, int]] = set()
        """Number and epoch of runs that were given up, and whose rows do not say so yet."""
        self._logged = 0
        """Bytes that went to the log since it was copied into the file, about."""
        self._renewed = self._polled = time.monotonic()
        self._seen = -1
        self.poll_s = min(_POLL_S, lease_s / 4)
        """How often to look after the runs."""
        self.writer: Writer
        """Whoever calls, set once it is made: it has to know whether there is something to look after."""
        db.execute("pragma busy_timeout = 0")  # `begin` waits, where waiting is right
        db.execute("pragma wal_autocheckpoint = 0")  # `tidy` does it, when nobody waits

    def forget(self, lease: Lease) -> None:
        """A run is not owned any more."""
        lease.lost = True
        self.watched.pop(lease.run, None)
        self.owned.discard(lease.extra.no)

    def give_up_all(self) -> None:
        """Give up every run that is owned: the store is closed, and drives nothing any more."""
        if self.owned:
            self.owned.clear()
            with suppress(sqlite3.Error):  # then their leases end by themselves
                self.db.execute("update ends set owner = null where owner = ?", (self._owner,))

    def commit(self, batch: Batch) -> None:
        """Perform a batch in one transaction. A refused job has changed nothing; a fault of the file fails them all."""
        self._transact(batch, lambda: not all(job.is_revoked for job in batch))

    def commit_at_once(self, batch: Batch) -> bool:
        """Perform a batch unless another process is writing."""
        return self._transact(batch, lambda: False)

    def _transact(self, batch: Batch, is_worth_waiting: Callable[[], bool]) -> bool:
        db = self.db
        try:
            if not begin(db, is_worth_waiting):
                return False
            if self.released:  # by a batch that could not be committed
                self._give_up_released()
            self._perform(batch)
            db.execute("commit")
            self.released.clear()
            for lease in self._completed:
                self.forget(lease)
                lease.extra.given_up = True
        except BaseException as error:  # noqa: BLE001 - whoever waits must be told, whatever it is
            told = fault_of(error, self._path, "write")
            for job in batch:
                job.error = told
                job.undo()
            with suppress(sqlite3.Error):
                if db.in_transaction:
                    db.execute("rollback")
        self._completed.clear()
        self._logged += _COMMIT_BYTES
        self.writer.untidy = self._logged >= _LOG_BYTES
        self.writer.ticking = bool(self.owned)
        self.look_after()
        return True

    def _perform(self, batch: Batch) -> None:
        """Do all jobs in their order; appends that follow each other are one statement for all."""
        appends: list[Append] = []
        for job in batch:
            if isinstance(job, Append):
                appends.append(job)
                continue
            if appends:
                self._append_all(appends)
                appends = []
            if job.is_revoked:
                continue
            try:
                job.perform()
            except GraphrtError as error:
                job.error = error
        if appends:
            self._append_all(appends)

    def _append_all(self, appends: list[Append]) -> None:
        """Move the ends of runs and add their records; where a run does not stand as its owner believes, do nothing."""
        db = self.db
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
            self._completed += [a.lease for a in good if a.completes]
        self._logged += sum([a.size for a in good])

    def _moved(self, append: Append, *, again: bool) -> bool:
        """Move the end of one run, if that is to be done; note the error if that cannot be."""
        lease = append.lease
        if not lease.lost and (not again or self.db.execute(_APPEND, append.values).rowcount == 1):
            return True
        lease.lost = True
        append.error = self._not_appended(lease)
        return False

    def tidy(self) -> None:
        """Copy the log into the file, as far as nobody reads it; it begins anew then."""
        self._logged = 0
        self.writer.untidy = False
        with suppress(sqlite3.Error):  # the next batch meets the same fault, and has somebody to tell
            self.db.execute("pragma wal_checkpoint(passive)")

    def log_is_long(self) -> None:
        """Have the log copied into the file soon: much was written to it, how much is not known."""
        self._logged = _LOG_BYTES

    def look_after(self) -> None:
        """Renew the leases in time; see whether something was posted, here or by another process."""
        now = time.monotonic()
        try:
            if self.owned and now - self._renewed >= self._lease_s / 3:
                self._give_up_released()
                self.released.clear()
                self.db.execute(_RENEW, (time.time() + self._lease_s, self._owner))
                self._renewed = now
            if self.posted or (self.watched and now - self._polled >= self.poll_s):
                self._polled = now
                (seen,) = self.db.execute("pragma data_version").fetchone()
                if seen != self._seen or self.posted:
                    self._seen = seen
                    self.posted = False
                    self._wake()
        except (sqlite3.Error, UnicodeError):
            return  # the next batch meets the same fault, and has somebody to tell

    def _give_up_released(self) -> None:
        for no, epoch in self.released:
            self.db.execute(RELEASE, (no, epoch, self._owner))

    def _not_appended(self, lease: Lease) -> RunLocked | StoreFault:
        """Say why a run does not stand where its owner believes."""
        row = self.db.execute("select epoch, owner from ends where no = ?", (lease.extra.no,)).fetchone()
        if row is None:
            message = f"run {lease.run!r} was given up, and has been deleted since; nothing was added"
            return RunLocked(message, run=lease.run)
        epoch, owner = row
        if epoch == lease.epoch and owner == self._owner:
            message = f"run {lease.run!r}: records before these could not be written to {self._path}; nothing was added"
            return StoreFault(message, store=str(self._path), run=lease.run)
        message = f"run {lease.run!r} was given up or taken over by another process; nothing was added"
        return RunLocked(message, run=lease.run)

    def _wake(self) -> None:
        for (run,) in self.db.execute(_REQUESTED, (self._owner,)).fetchall():
            wake = self.watched.get(run)
            if wake is not None:
                wake()


def row_of(db: sqlite3.Connection, run: str, path: Path) -> tuple[Any, ...]:
    """Return number, epoch, owner, until, next number, last hash and the header line's hash of a run.

    Raises:
        RunNotFound: the file has no such run.
    """
    row: tuple[Any, ...] | None = db.execute(_ROW, (check_run_id(run),)).fetchone()
    if row is None:
        raise missing(run, path)
    return row


def missing(run: str, path: Path) -> RunNotFound:
    """Say that there is no such run."""
    return RunNotFound(f"the store {path} has no run {run!r}", run=run, store=str(path))
