"""Traces as JSON-lines files: one file a run, in a folder or alone; readable by people, made to be sent around.

A lease is a lock of the operating system on the file: it ends with its process, and nobody can take it before. An
append writes whole lines and waits until the disk has them. What a crash leaves of an unfinished line was never
acknowledged: `acquire` says so in the log and cuts it off.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, cast

from graphrt import codec
from graphrt.errors import GraphrtError, RunLocked, RunNotFound, StoreFault, TraceInvalid, UseError
from graphrt.ports import Lease, Request, RunInfo, RunStatus, check_run_id, check_unanswered, in_use, status_after
from graphrt.stores import inbox
from graphrt.stores.graph_texts import GraphTexts
from graphrt.stores.jsonl_file import OpenFile, driven, end_of, new_file, sync_folder
from graphrt.stores.lock import is_at, is_held, lock
from graphrt.stores.trace_files import SUFFIX, contents, due_after, fault, header_of, is_unbegun, lineage
from graphrt.stores.writer import Call, Job, Writer
from graphrt.trace import Header, Record, Trace

_log = logging.getLogger("graphrt.stores")
_POLL_S = 0.25


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
                raise fault("make the folder", folder, error) from error
        elif not self.path.exists():
            message = f"there is no store at {self.path}; run a flow first, or name another store"
            raise StoreFault(message, store=str(self.path))
        self._graphs = GraphTexts()
        self._open: dict[str, OpenFile] = {}
        self._touched: list[OpenFile] = []
        """Files that the job at hand wrote to."""
        self._watched: dict[str, _Watch] = {}
        self._taking = threading.Lock()
        self._writer = Writer(
            str(self.path), self._commit, idle=self._look_after, every_s=_POLL_S, finish=self._close_files
        )

    def create(self, header: Header) -> Awaitable[Lease]:
        """Begin a trace and own it."""
        path = self._path(check_run_id(header.run))
        line, digest = codec.encode_header(header, self._graphs.of(header.graph).json)
        base = header.parent_seq or 0

        def action() -> Lease:
            if header.parent is not None and self.info(header.parent).records < base:
                message = f"run {header.parent!r} has fewer than {base} records; fork it at one that it has"
                raise UseError(message, run=header.parent, records=base)
            file = new_file(path, header.run)
            try:
                inbox.path_of(path).unlink(missing_ok=True)  # of a run of that name that is no more
                file.write(line + b"\n")
                file.sync()
                sync_folder(path.parent)
            except BaseException:
                file.close()
                path.unlink(missing_ok=True)
                raise
            return self._own(file, Lease(header.run, 1, base, digest))

        return self._writer.submit(Call(action, revocable=True, unwanted=self._drop))

    def acquire(self, run: str) -> Awaitable[Lease]:
        """Own an existing run; an incomplete last line is named in the log and cut off."""

        def action() -> Lease:
            path = self._existing(run)
            if run in self._open:
                message = f"run {run!r} is being driven in this process; wait for it or cancel it"
                raise RunLocked(message, run=run)
            try:
                file = OpenFile(path, path.open("rb+", buffering=0))
            except FileNotFoundError:
                raise self._missing(run) from None
            except OSError as error:
                raise fault("write", path, error) from error
            try:
                file.lock(run)
                seq, last = self._end(run, file)
            except BaseException:
                file.close()
                raise
            return self._own(file, Lease(run, 1, seq, last))

        return self._writer.submit(Call(action, revocable=True, unwanted=self.release))

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

        return self._writer.submit(Call(action))

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

        return self._writer.submit(Call(action))

    def post(self, run: str, request: Request, *, seen: int | None = None) -> Awaitable[bool]:
        """Leave a request for whoever owns the run, or will, in a file beside its trace."""
        line = codec.encode_input(request)

        def action() -> bool:
            path = inbox.path_of(self._existing(run))

            def may() -> bool:
                check_unanswered(run, request, [cast("Request", posted) for _, posted in inbox.read(path)])
                # Whoever took a request has appended what became of it before it was struck out.
                return seen is None or seen == len(self.trace(run).records)

            try:
                return inbox.post(path, line, may)
            except OSError as error:
                raise fault("write", path, error) from error

        return self._writer.submit(Call(action, revocable=True))

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
                raise fault("write", path, error) from error

        return self._writer.submit(Call(action))

    def delete(self, runs: Sequence[str]) -> Awaitable[None]:
        """Remove the files of runs, one after the other; a fork that was written with its parent's part needs none."""

        def action() -> None:
            for run in runs:
                self._existing(run)
                if self._is_locked(run):
                    raise driven(run, self._path(run))
            for path in self._files():
                fork, parent = lineage(path)
                if parent is not None and parent in runs and fork not in runs:
                    raise in_use(parent, fork)
            for run in runs:
                self._remove(run)
            sync_folder(self.path.parent if self._single else self.path)

        return self._writer.submit(Call(action, revocable=True))

    def compact(self) -> None:
        """Do nothing: a file that is removed gives its room back."""

    def watch(self, lease: Lease, wake: Callable[[], object]) -> None:
        """Call `wake` soon after something was posted for the run, by whatever process."""
        self._watched[lease.run] = _Watch(inbox.path_of(self._path(lease.run)), wake)

    # Reading

    def header(self, run: str) -> Header:
        """Return the header of a run."""
        return header_of(self._existing(run))

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
        lines, rest = codec.split_lines(contents(path))
        if not lines:
            message = f"{path} has no complete header; it is no trace, or was cut off as it began"
            raise TraceInvalid(message, kind="torn", line=1, run=run)
        if rest and run not in self._open:
            _log.warning("%s: line %d is incomplete (%d bytes); it is left out", path, len(lines) + 1, len(rest))
        return lines

    def _look(self, run: str) -> tuple[bool, Trace]:
        """Return whether somebody drives a run, and what is on record then."""
        try:
            return self._is_locked(run), self.trace(run)
        except TraceInvalid:
            if is_unbegun(self._existing(run)):  # it is being made, or nothing more came of it
                raise self._missing(run) from None
            raise

    def info(self, run: str) -> RunInfo:
        """Return the run's line of the list; reads its whole trace."""
        live, trace = self._look(run)
        status = status_after(trace.records)
        if status == "running" and not live:  # cut off, or begun between our two looks
            live, trace = self._look(run)
            status = status_after(trace.records)
        header, records = trace.header, trace.records
        return RunInfo(
            run=run,
            flow=header.flow,
            digest=header.digest,
            status=status,
            live=live,
            created=header.created,
            updated=records[-1].at if records else header.created,
            records=len(records),
            due=due_after(records) if status == "suspended" else None,
            target=header.target,
            parent=header.parent,
            requests=len(inbox.read(inbox.path_of(self._path(run)))),
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
                found.append(self.info(header_of(path).run if self._single else path.stem))
            except UseError as error:
                if path.exists():  # else it was deleted just now
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
        if not path.exists() or (self._single and header_of(path).run != run):
            raise self._missing(run)
        return path

    def _missing(self, run: str) -> RunNotFound:
        message = f"the store {self.path} has no run {run!r}"
        return RunNotFound(message, run=run, store=str(self.path))

    def _remove(self, run: str) -> None:
        """Remove a trace, then what was asked of it: a crash in between leaves nothing that anybody would read."""
        path = self._existing(run)
        try:
            with path.open("rb") as file:
                if not lock(file):
                    raise driven(run, path)
                if is_at(file, path):
                    path.unlink()
                    inbox.path_of(path).unlink(missing_ok=True)
        except FileNotFoundError:
            return  # somebody else has deleted it
        except OSError as error:
            raise fault("remove", path, error) from error

    def _own(self, file: OpenFile, lease: Lease) -> Lease:
        lease.extra = 0  # how many requests were forgotten with files that were removed
        self._open[lease.run] = file
        self._writer.ticking = True
        return lease

    def _end(self, run: str, file: OpenFile) -> tuple[int, str]:
        """Return the next number and the last hash of a run whose file is locked."""
        if not file.is_there():  # it was deleted before we had the lock
            raise self._missing(run)
        return end_of(file, run)

    def _is_locked(self, run: str) -> bool:
        if run in self._open:
            return True
        with suppress(OSError), self._path(run).open("rb") as file:
            return is_held(file)
        return False

    def _drop(self, lease: Lease) -> None:
        """Remove the file of a run that was begun for nobody: who asked for it was cancelled meanwhile."""

        def action() -> None:
            file = self._open.pop(lease.run, None)
            self._writer.ticking = bool(self._open)
            if file is not None:
                file.close()
                self._path(lease.run).unlink(missing_ok=True)

        _ = self._writer.submit(Call(action))  # nobody waits for that either

    def _commit(self, batch: Sequence[Job[Any]]) -> None:
        """Perform a batch, then sync each file once; a file that fails is cut back to where it was."""
        before = {file: file.size for file in self._open.values()}
        writers: dict[OpenFile, list[Job[Any]]] = {}
        for job in batch:
            self._touched.clear()
            if job.is_revoked:
                continue
            try:
                job.perform()
            except (GraphrtError, OSError) as error:
                job.error = fault("write", self.path, error) if isinstance(error, OSError) else error
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
                failed = fault("write", file.path, error)
                for job in jobs:
                    job.error = job.error or failed
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
