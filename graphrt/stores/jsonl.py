"""Traces as JSON-lines files: one file a run, in a folder or alone; readable by people, made to be sent around.

A lease is a lock of the operating system on the file: it ends with its process, and nobody can take it before. An
append writes whole lines and waits until the disk has them. What a crash leaves of an unfinished line was never
acknowledged: `acquire` says so in the log and cuts it off.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from graphrt import codec
from graphrt.errors import GraphrtError, RunLocked, RunNotFound, StoreFault, TraceInvalid, UseError
from graphrt.events import VisitCancelled, VisitCompleted, VisitFailed, VisitWaiting
from graphrt.ports import Lease, Request, RunInfo, RunStatus, check_run_id, in_use, status_after
from graphrt.stores import inbox
from graphrt.stores.lock import is_at, is_held, lock
from graphrt.stores.writer import Job, Writer
from graphrt.trace import Header, Record, Trace

SUFFIX: Final = ".jsonl"
MAX_FILE: Final = 2 * 1024**3
"""Bytes of one trace file that are read at most."""

_log = logging.getLogger("graphrt.stores")
_POLL_S = 0.25
_NO_FILE: Final = -1
_BEGIN: Final = b'{"version":'
"""How the header of every trace begins."""


# Whole files


def read_trace(path: str | Path) -> Trace:
    """Read a trace file that stands alone; the parent's part of a forked run is looked for beside it.

    Raises:
        UseError: it cannot be read.
        TraceInvalid: it is torn, altered, of an unknown version, or no trace.
    """
    path = Path(path)
    trace = codec.decode_trace(_contents(path))
    base = trace.header.parent_seq or 0
    if not trace.header.parent or (trace.records and trace.records[0].seq == 0) or not base:
        return trace
    beside = path.with_name(trace.header.parent + SUFFIX)
    try:
        before = read_trace(beside).records[:base]
    except UseError as error:
        message = f"{path} has only its own part of a forked run; its parent {trace.header.parent!r} is needed: {error}"
        raise TraceInvalid(message, kind="parent", parent=trace.header.parent) from error
    return Trace(trace.header, [*before, *trace.records])


def write_trace(path: str | Path, trace: Trace) -> None:
    """Write a whole trace to a file, which appears complete or not at all.

    Raises:
        StoreFault: it cannot be written.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(codec.encode_trace(trace))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise _fault("write", path, error) from error


def _contents(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            message = f"{path} has {size} bytes, more than the {MAX_FILE} that are read"
            raise TraceInvalid(message, kind="too big", size=size, limit=MAX_FILE)
        return path.read_bytes()
    except FileNotFoundError as error:
        message = f"there is no trace file {path}"
        raise RunNotFound(message, path=str(path)) from error
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}"
        raise UseError(message, path=str(path)) from error


def _fault(what: str, path: Path, error: OSError) -> StoreFault:
    message = f"cannot {what} {path}: {error.strerror or error}; the run can be resumed once that is mended"
    return StoreFault(message, store=str(path), reason=str(error))


# The store


class JsonlStore:
    """Keeps each run in a file of its own; holds one file open per run that is being driven."""

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        """Use a folder for many runs, or a file `*.jsonl` for one; the folder is made if `create`.

        Raises:
            StoreFault: the folder is missing or cannot be made.
        """
        self.path = Path(path)
        self._single = self.path.suffix == SUFFIX and not self.path.is_dir()
        folder = self.path.parent if self._single else self.path
        if create:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise _fault("make the folder", folder, error) from error
        elif not self.path.exists():
            message = f"there is no store at {self.path}; run a flow first, or name another store"
            raise StoreFault(message, store=str(self.path))
        self._open: dict[str, _File] = {}
        self._touched: list[_File] = []
        """Files that the job at hand wrote to."""
        self._watched: dict[str, _Watch] = {}
        self._taking = threading.Lock()
        self._writer = Writer(
            str(self.path), self._commit, idle=self._look_after, every_s=_POLL_S, finish=self._close_files
        )

    def create(self, header: Header) -> Awaitable[Lease]:
        """Begin a trace and own it."""
        path = self._path(check_run_id(header.run))
        line, digest = codec.encode_header(header)
        base = header.parent_seq or 0

        def action() -> Lease:
            if header.parent is not None and self.info(header.parent).records < base:
                message = f"run {header.parent!r} has fewer than {base} records; fork it at one that it has"
                raise UseError(message, run=header.parent, records=base)
            file = self._new_file(path, header.run)
            try:
                inbox.path_of(path).unlink(missing_ok=True)  # of a run of that name that is no more
                file.write(line + b"\n")
                file.sync()
                _sync_folder(path.parent)
            except BaseException:
                file.close()
                path.unlink(missing_ok=True)
                raise
            return self._own(file, Lease(header.run, 1, base, digest))

        return self._submit(action)

    def acquire(self, run: str) -> Awaitable[Lease]:
        """Own an existing run; an incomplete last line is named in the log and cut off."""

        def action() -> Lease:
            path = self._existing(run)
            if run in self._open:
                message = f"run {run!r} is being driven in this process; wait for it or cancel it"
                raise RunLocked(message, run=run)
            try:
                file = _File(path, path.open("rb+", buffering=0))
            except FileNotFoundError:
                raise self._missing(run) from None
            except OSError as error:
                raise _fault("write", path, error) from error
            try:
                file.lock(run)
                seq, last = self._end(run, file)
            except BaseException:
                file.close()
                raise
            return self._own(file, Lease(run, 1, seq, last))

        return self._submit(action)

    def append(
        self,
        lease: Lease,
        records: Sequence[Record],
        status: RunStatus,
        due: float | None = None,
    ) -> Awaitable[None]:
        """Add records behind the last one, all or none; status and deadline are read from the records when listing."""
        del status, due
        last = lease.hash
        lines: list[bytes] = []
        for record in records:
            line, last = codec.encode_record(record, last)
            lines += (line, b"\n")
        lease.hash = last
        lease.next_seq += len(records)
        data = b"".join(lines)

        def action() -> None:
            file = self._open.get(lease.run)
            if file is None or lease.lost:
                lease.lost = True
                message = f"run {lease.run!r} is not owned any more; nothing was added"
                raise RunLocked(message, run=lease.run)
            self._touched.append(file)
            file.write(data)

        return self._submit(action)

    def release(self, lease: Lease) -> Awaitable[None]:
        """Give the run up; others may acquire it at once."""

        def action() -> None:
            if lease.lost:
                return
            lease.lost = True
            self._watched.pop(lease.run, None)
            file = self._open.pop(lease.run, None)
            self._writer.ticking = bool(self._open)
            if file is not None:
                try:
                    if file.dirty:  # what was added in this very batch
                        file.sync()
                finally:
                    file.close()

        return self._submit(action)

    def post(self, run: str, request: Request) -> Awaitable[None]:
        """Leave a request for whoever owns the run, or will, in a file beside its trace."""
        line = codec.encode_input(request)

        def action() -> None:
            path = inbox.path_of(self._existing(run))
            try:
                inbox.post(path, line)
            except OSError as error:
                raise _fault("write", path, error) from error

        return self._submit(action)

    def requests(self, lease: Lease) -> list[tuple[int, Request]]:
        """Return what was posted and not discarded, oldest first; numbers go on when the file begins anew."""
        with self._taking:
            found = inbox.read(inbox.path_of(self._path(lease.run)))
            return [(lease.extra + number, cast("Request", request)) for number, request in found]

    def discard(self, lease: Lease, number: int) -> Awaitable[None]:
        """Forget the requests up to `number`: their lines are struck out, or the file is removed with its last one."""

        def action() -> None:
            path = inbox.path_of(self._path(lease.run))
            try:
                with self._taking:
                    lease.extra += inbox.strike(path, number - lease.extra)
            except OSError as error:
                raise _fault("write", path, error) from error

        return self._submit(action)

    def delete(self, runs: Sequence[str]) -> Awaitable[None]:
        """Remove the files of runs, one after the other; a fork that was written with its parent's part needs none."""

        def action() -> None:
            for run in runs:
                self._existing(run)
                if self._is_locked(run):
                    raise _driven(run, self._path(run))
            for path in self._files():
                fork, parent = self._lineage(path)
                if parent is not None and parent in runs and fork not in runs:
                    raise in_use(parent, fork)
            for run in runs:
                self._remove(run)
            _sync_folder(self.path.parent if self._single else self.path)

        return self._submit(action)

    def compact(self) -> None:
        """Do nothing: a file that is removed gives its room back."""

    def watch(self, lease: Lease, wake: Callable[[], object]) -> None:
        """Call `wake` soon after something was posted for the run, by whatever process."""
        self._watched[lease.run] = _Watch(inbox.path_of(self._path(lease.run)), wake)

    # Reading

    def header(self, run: str) -> Header:
        """Return the header of a run."""
        return self._header_of(self._existing(run))

    def records(self, run: str, start: int = 0) -> Iterator[Record]:
        """Return the records from number `start` on; of a fork, its share of the parent's first.

        An incomplete last line was never acknowledged; it is left out, and the log says so.
        """
        yield from self._records(self._lines(run), start)

    def _records(self, lines: Sequence[bytes], start: int) -> Iterator[Record]:
        """Return the records from number `start` on of the run that a file with these lines has."""
        header, last = codec.decode_header(lines[0])
        base = header.parent_seq or 0
        whole = len(lines) > 1 and codec.decode_record(lines[1], last, number=2)[0].seq == 0
        if header.parent is not None and not whole:
            yield from islice(self.records(header.parent, start), max(0, base - start))
        else:
            base = 0
        for number, line in enumerate(lines[1:], 2):
            record, last = codec.decode_record(line, last, number=number, seq=base + number - 2)
            if record.seq >= start:
                yield record

    def trace(self, run: str) -> Trace:
        """Return header and records."""
        lines = self._lines(run)
        return Trace(codec.decode_header(lines[0])[0], list(self._records(lines, 0)))

    def _lines(self, run: str) -> list[bytes]:
        """Return the whole lines of a run's file, read at once: it may be another run's in the next moment."""
        path = self._existing(run)
        lines, rest = codec.split_lines(_contents(path))
        if not lines:
            message = f"{path} has no complete header; it is no trace, or was cut off as it began"
            raise TraceInvalid(message, kind="torn", line=1, run=run)
        if rest and run not in self._open:
            _log.warning("%s: line %d is incomplete (%d bytes); it is left out", path, len(lines) + 1, len(rest))
        return lines

    def info(self, run: str) -> RunInfo:
        """Return the run's line of the list; reads its whole trace."""
        trace = self.trace(run)
        header, records = trace.header, trace.records
        status = status_after(records)
        return RunInfo(
            run=run,
            flow=header.flow,
            digest=header.digest,
            status=status,
            live=self._is_locked(run),
            created=header.created,
            updated=records[-1].at if records else header.created,
            records=len(records),
            due=_due_after(records) if status == "suspended" else None,
            target=header.target,
            parent=header.parent,
        )

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
        """Return runs, newest first. Files that are no sound traces are named in the log and left out."""
        found: list[RunInfo] = []
        for path in self._files():
            try:
                found.append(self.info(self._header_of(path).run if self._single else path.stem))
            except RunNotFound:
                continue  # it was deleted just now
            except UseError as error:
                _log.warning("%s is left out of the list: %s", path, error)
        found.sort(key=lambda i: (-i.created, i.run))
        if before is not None:
            place = next((n for n, i in enumerate(found) if i.run == before), None)
            if place is None:
                raise self._missing(before)
            found = found[place + 1 :]
        fitting = (
            i
            for i in found
            if (flow is None or i.flow == flow)
            and (status is None or i.status == status)
            and (parent is None or i.parent == parent)
            and (due_before is None or (i.due is not None and i.due <= due_before))
        )
        return list(islice(fitting, limit))

    def close(self) -> None:
        """Finish what was handed in, then close the files."""
        self._writer.close()
        self._close_files()

    # Inside

    def _path(self, run: str) -> Path:
        """Return the file of a run. Ids cannot hold dots or slashes, so it stays in the folder."""
        check_run_id(run)
        if self._single:
            return self.path
        path = self.path / f"{run}{SUFFIX}"
        if path.is_symlink():
            message = f"{path} is a link; traces are read from plain files only"
            raise UseError(message, path=str(path))
        return path

    def _files(self) -> list[Path]:
        if self._single:
            return [self.path] if self.path.exists() else []
        return sorted(self.path.glob(f"*{SUFFIX}"))

    def _existing(self, run: str) -> Path:
        """Return the file of a run that there is; a store of one file has the run that its header names."""
        path = self._path(run)
        if not path.exists() or (self._single and self._header_of(path).run != run):
            raise self._missing(run)
        return path

    def _missing(self, run: str) -> RunNotFound:
        message = f"the store {self.path} has no run {run!r}"
        return RunNotFound(message, run=run, store=str(self.path))

    def _header_of(self, path: Path) -> Header:
        try:
            with path.open("rb") as file:
                line = file.readline(codec.MAX_LINE + 2)
        except OSError as error:
            message = f"cannot read {path}: {error.strerror or error}"
            raise UseError(message, path=str(path)) from error
        return codec.decode_header(line.removesuffix(b"\n"))[0]

    def _lineage(self, path: Path) -> tuple[str, str | None]:
        """Return the run of a file, and the run whose records it needs before its own; of no sound trace, none."""
        try:
            with path.open("rb") as file:
                line, first = file.readline(codec.MAX_LINE + 2), file.readline(codec.MAX_LINE + 2)
            header, last = codec.decode_header(line.removesuffix(b"\n"))
            if header.parent is None:
                return header.run, None
            whole = first.endswith(b"\n") and codec.decode_record(first[:-1], last, number=2)[0].seq == 0
        except (OSError, TraceInvalid):
            return path.stem, None
        return header.run, None if whole else header.parent

    def _remove(self, run: str) -> None:
        """Remove a trace, then what was asked of it: a crash in between leaves nothing that anybody would read."""
        path = self._existing(run)
        try:
            with path.open("rb") as file:
                if not lock(file):
                    raise _driven(run, path)
                if is_at(file, path):
                    path.unlink()
                    inbox.path_of(path).unlink(missing_ok=True)
        except FileNotFoundError:
            return  # somebody else has deleted it
        except OSError as error:
            raise _fault("remove", path, error) from error

    def _new_file(self, path: Path, run: str) -> _File:
        """Make and lock the file of a run; one that was cut off before its first record makes room."""
        while True:
            file, is_new = self._opened(path)
            locked = lock(file.handle)
            if locked and not file.is_there():  # it was deleted before we had the lock
                file.close()
                continue
            if locked and (is_new or self._is_unbegun(path)):
                file.truncate(0)
                return file
            file.close()
            message = f"{path} exists already; give the new run another id"
            raise UseError(message, run=run, path=str(path))

    def _opened(self, path: Path) -> tuple[_File, bool]:
        """Open the file at a path, and say whether it was made by that."""
        try:
            with suppress(FileExistsError):
                return _File(path, path.open("xb+", buffering=0)), True
            return _File(path, path.open("rb+", buffering=0)), False
        except OSError as error:
            raise _fault("write", path, error) from error

    def _is_unbegun(self, path: Path) -> bool:
        """Say whether a file is a trace that was cut off before its first record: nothing of it was acknowledged."""
        lines, rest = codec.split_lines(_contents(path))
        if not lines:
            return rest.startswith(_BEGIN) or _BEGIN.startswith(rest)
        try:
            _, last = codec.decode_header(lines[0])
        except TraceInvalid:
            return False
        if len(lines) == 1 and rest:
            with suppress(TraceInvalid):
                codec.decode_record(rest, last)
                return False
        return len(lines) == 1

    def _own(self, file: _File, lease: Lease) -> Lease:
        lease.extra = 0  # how many requests were forgotten with files that were removed
        self._open[lease.run] = file
        self._writer.ticking = True
        return lease

    def _end(self, run: str, file: _File) -> tuple[int, str]:
        """Return the next number and the last hash; mend what a crash left of the last line."""
        if not file.is_there():  # it was deleted before we had the lock
            raise self._missing(run)
        data = _contents(file.path)
        lines, rest = codec.split_lines(data)
        if not lines:
            message = f"{file.path} has no complete header; it is no trace, or was cut off as it began: remove it"
            raise TraceInvalid(message, kind="torn", line=1, run=run)
        header, last = codec.decode_header(lines[0])
        seq = header.parent_seq or 0
        for number, line in enumerate(lines[1:], 2):
            record, last = codec.decode_record(line, last, number=number, seq=None if number == 2 else seq)
            seq = record.seq + 1
        if rest:
            try:
                record, last = codec.decode_record(rest, last, number=len(lines) + 1)
            except TraceInvalid:
                offset = len(data) - len(rest)
                _log.warning(
                    "%s: line %d is incomplete (%d bytes at %d); it was never acknowledged and is cut off",
                    file.path,
                    len(lines) + 1,
                    len(rest),
                    offset,
                )
                file.truncate(offset)
            else:
                seq = record.seq + 1
                file.size = len(data)
                file.write(b"\n")
            file.sync()
        else:
            file.size = len(data)
        return seq, last

    def _is_locked(self, run: str) -> bool:
        if run in self._open:
            return True
        with suppress(OSError), self._path(run).open("rb") as file:
            return is_held(file)
        return False

    def _submit(self, action: Callable[[], Any]) -> Awaitable[Any]:
        return self._writer.submit(Job(action))

    def _commit(self, batch: Sequence[Job[Any]]) -> None:
        """Perform a batch, then sync each file once; a file that fails is cut back to where it was."""
        before = {file: file.size for file in self._open.values()}
        writers: dict[_File, list[Job[Any]]] = {}
        for job in batch:
            self._touched.clear()
            try:
                job.perform()
            except (GraphrtError, OSError) as error:
                job.error = _fault("write", self.path, error) if isinstance(error, OSError) else error
            except BaseException as error:  # noqa: BLE001 - whoever waits must be told, whatever it is
                job.error = error
            for file in self._touched:
                writers.setdefault(file, []).append(job)
        for file, jobs in writers.items():
            if not file.dirty:
                continue
            try:
                file.sync()
            except OSError as error:
                fault = _fault("write", file.path, error)
                for job in jobs:
                    job.error = job.error or fault
                with suppress(OSError):
                    file.truncate(before[file])
        self._look_after()

    def _look_after(self) -> None:
        """See whether something was posted."""
        for watch in list(self._watched.values()):
            watch.look()

    def _close_files(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()


def _driven(run: str, path: Path) -> RunLocked:
    message = f"run {run!r} ({path}) is being driven by another process; wait for it, or cancel it there"
    return RunLocked(message, run=run)


class _Watch:
    """Who wants to know when something is posted for a run."""

    __slots__ = ("_path", "_seen", "_wake")

    def __init__(self, path: Path, wake: Callable[[], object]) -> None:
        self._path = path
        self._wake = wake
        self._seen: tuple[int, int, int] | None = None

    def look(self) -> None:
        stamp = inbox.stamp(self._path)
        if stamp != self._seen:
            self._seen = stamp
            if stamp is not None:
                self._wake()


class _File:
    """An open trace file that this process owns."""

    __slots__ = ("broken", "dirty", "handle", "path", "size")

    def __init__(self, path: Path, handle: BinaryIO | Any) -> None:  # noqa: ANN401 - unbuffered files have no public type
        self.path = path
        self.handle = handle
        self.size = 0
        self.dirty = False
        self.broken = False
        """Whether a write failed: what follows it would stand behind a hole."""

    def lock(self, run: str) -> None:
        if not lock(self.handle):
            raise _driven(run, self.path)

    def is_there(self) -> bool:
        """Say whether the file is still the one of its name."""
        return is_at(self.handle, self.path)

    def write(self, data: bytes) -> None:
        """Write all of it at the end, or cut back and raise."""
        if self.broken:
            message = f"{self.path} could not be written before; nothing was added, resume the run"
            raise StoreFault(message, store=str(self.path))
        self.dirty = True
        done = 0
        try:
            self.handle.seek(self.size)
            while done < len(data):
                done += self.handle.write(data[done:])
        except OSError:
            self.broken = True
            with suppress(OSError):
                self.truncate(self.size)
            raise
        self.size += done

    def sync(self) -> None:
        """Wait until the disk has what was written."""
        try:
            os.fsync(_NO_FILE if self.handle.closed else self.handle.fileno())
        except OSError:
            self.broken = True
            raise
        self.dirty = False

    def truncate(self, size: int) -> None:
        if not self.handle.closed:
            self.handle.truncate(size)
            self.size = size

    def close(self) -> None:
        self.handle.close()


def _sync_folder(folder: Path) -> None:
    """Make a new name durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _due_after(records: Sequence[Record]) -> float | None:
    """Return the earliest deadline of the questions that a trace leaves open."""
    due: dict[str, float] = {}
    for record in records:
        for event in record.events:
            if isinstance(event, VisitWaiting):
                if event.due is not None:
                    due[event.visit] = event.due
            elif isinstance(event, (VisitCompleted, VisitFailed, VisitCancelled)):
                due.pop(event.visit, None)
    return min(due.values(), default=None)
