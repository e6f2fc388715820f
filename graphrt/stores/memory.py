"""A store that keeps records as they are, in this process; nothing is encoded and nothing outlives the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import cast

import msgspec

from graphrt.errors import RunLocked, RunNotFound, UseError
from graphrt.ports import Lease, Request, RunInfo, RunStatus, check_run_id, check_unanswered, in_use
from graphrt.trace import Header, Record, Trace


class _Run(msgspec.Struct, eq=False):
    header: Header
    base: int
    """Records of the parent that stand before its own."""
    records: list[Record] = msgspec.field(default_factory=list[Record])
    status: RunStatus = "running"
    due: float | None = None
    epoch: int = 1
    owned: bool = True
    requests: list[tuple[int, Request]] | None = None
    posted: int = 0
    wake: Callable[[], object] | None = None

    def stands_as(self, lease: Lease) -> bool:
        """Say whether it ends, and is owned, as the lease says."""
        return self.owned and self.epoch == lease.epoch and self.base + len(self.records) == lease.next_seq


class MemoryStore:
    """Keeps traces in memory. An owner is only replaced when it releases its run: there is no other process."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}

    def create(self, header: Header) -> Lease:
        """Begin a trace and own it."""
        kept = self._runs.get(check_run_id(header.run))
        if kept is not None and (kept.owned or kept.records):
            message = f"the store already has a run {header.run!r}; give the new run another id"
            raise UseError(message, run=header.run)
        base = 0
        if header.parent is not None:
            base = header.parent_seq or 0
            if self.info(header.parent).records < base:
                message = f"run {header.parent!r} has fewer than {base} records; fork it at one that it has"
                raise UseError(message, run=header.parent, records=base)
        self._runs.pop(header.run, None)  # one that never began makes room
        self._runs[header.run] = _Run(header, base)
        return Lease(header.run, 1, base)

    def acquire(self, run: str) -> Lease:
        """Own an existing run."""
        kept = self._run(run)
        if kept.owned:
            message = f"run {run!r} is being driven in this process; wait for it or cancel it"
            raise RunLocked(message, run=run)
        kept.owned = True
        kept.epoch += 1
        return Lease(run, kept.epoch, kept.base + len(kept.records))

    def append(self, lease: Lease, records: Sequence[Record], status: RunStatus, due: float | None = None) -> None:
        """Add records behind the last one."""
        kept = self._runs.get(lease.run)
        if kept is None or lease.lost or not kept.stands_as(lease):
            lease.lost = True
            message = f"run {lease.run!r} was taken over; nothing was added"
            raise RunLocked(message, run=lease.run)
        kept.records.extend(records)
        kept.status = status
        kept.due = due
        lease.next_seq += len(records)

    def release(self, lease: Lease) -> None:
        """Give the run up."""
        kept = self._runs.get(lease.run)
        if kept is not None and kept.epoch == lease.epoch and not lease.lost:
            kept.owned = False
            kept.wake = None
        lease.lost = True

    def post(self, run: str, request: Request, *, seen: int | None = None) -> bool:
        """Leave a request for whoever owns the run, or will."""
        kept = self._run(run)
        check_unanswered(run, request, [posted for _, posted in kept.requests or ()])
        if seen not in {None, kept.base + len(kept.records)}:
            return False
        kept.posted += 1
        kept.requests = [*(kept.requests or ()), (kept.posted, request)]
        if kept.wake is not None:
            kept.wake()
        return True

    def requests(self, lease: Lease) -> list[tuple[int, Request]]:
        """Return what was posted and not discarded."""
        return list(self._run(lease.run).requests or ())

    def discard(self, lease: Lease, number: int) -> None:
        """Forget the requests up to `number`."""
        kept = self._run(lease.run)
        kept.requests = [r for r in kept.requests or () if r[0] > number] or None

    def watch(self, lease: Lease, wake: Callable[[], object]) -> None:
        """Call `wake` when something is posted for the run, or was."""
        kept = self._run(lease.run)
        kept.wake = wake
        if kept.requests:
            wake()

    def header(self, run: str) -> Header:
        """Return the header of a run."""
        return self._run(run).header

    def records(self, run: str, start: int = 0) -> Iterator[Record]:
        """Return the records from number `start` on; of a fork, its share of the parent's first."""
        kept = self._run(run)
        if start < kept.base and kept.header.parent is not None:
            yield from islice(self.records(kept.header.parent, start), kept.base - start)
        yield from kept.records[max(0, start - kept.base) :]

    def trace(self, run: str) -> Trace:
        """Return header and records."""
        return Trace(self.header(run), list(self.records(run)))

    def info(self, run: str) -> RunInfo:
        """Return the run's line of the list."""
        kept = self._run(run)
        header = kept.header
        return RunInfo(
            run=run,
            flow=header.flow,
            digest=header.digest,
            status=kept.status,
            live=kept.owned,
            created=header.created,
            updated=kept.records[-1].at if kept.records else header.created,
            records=kept.base + len(kept.records),
            due=kept.due,
            target=header.target,
            parent=header.parent,
            requests=len(kept.requests or ()),
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
        """Return runs, newest first."""

        def fits(info: RunInfo) -> bool:
            return (
                (flow is None or info.flow == flow)
                and (status is None or info.status == status)
                and (parent is None or info.parent == parent)
                and (due_before is None or (info.due is not None and info.due <= due_before))
            )

        names = list(reversed(self._runs))
        if before is not None:
            self._run(before)
            names = names[names.index(before) + 1 :]
        return list(islice((info for info in map(self.info, names) if fits(info)), limit))

    def delete(self, runs: Sequence[str]) -> None:
        """Forget runs."""
        for run in runs:
            if self._run(run).owned:
                message = f"run {run!r} is being driven in this process; wait for it or cancel it"
                raise RunLocked(message, run=run)
        for run, kept in self._runs.items():
            if kept.header.parent in runs and run not in runs:
                raise in_use(cast("str", kept.header.parent), run)
        for run in runs:
            self._runs.pop(run, None)

    def compact(self) -> None:
        """Do nothing: what was deleted takes no room."""

    def close(self) -> None:
        """Keep everything: another part of the process may still want to read it."""

    def _run(self, run: str) -> _Run:
        kept = self._runs.get(run)
        if kept is None:
            message = f"the store has no run {run!r}"
            raise RunNotFound(message, run=run)
        return kept
