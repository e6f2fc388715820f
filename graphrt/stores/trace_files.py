"""Trace files as they lie on the disk: read and written as wholes, and what their first lines say of them.

Knows nothing of who drives a run: an open file that is owned is `jsonl_file`'s affair.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from graphrt import codec
from graphrt.errors import RunNotFound, StoreFault, TraceInvalid, UseError
from graphrt.events import VisitCancelled, VisitCompleted, VisitFailed, VisitWaiting
from graphrt.stores.whole_files import write_whole
from graphrt.trace import Header, Record, Trace

SUFFIX: Final = ".jsonl"
MAX_FILE: Final = 2 * 1024**3
"""Bytes of one trace file that are read at most."""
_BEGIN: Final = b'{"version":'
"""How the header of every trace begins."""


def read_trace(path: str | Path) -> Trace:
    """Read a trace file that stands alone; the parent's part of a forked run is looked for beside it.

    Raises:
        UseError: it cannot be read.
        TraceInvalid: it is torn, altered, of an unknown version, or no trace.
    """
    path = Path(path)
    data = contents(path)
    if data.startswith(_BEGIN) and b"\n" not in data:
        message = f"{path} was cut off as it began: its first line is incomplete, so it has nothing of a run"
        raise TraceInvalid(message, kind="torn", line=1)
    trace = codec.decode_trace(data)
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
    try:
        write_whole(path, codec.encode_trace(trace))
    except OSError as error:
        raise fault("write", path, error) from error


def contents(path: Path) -> bytes:
    """Return the bytes of a trace file.

    Raises:
        RunNotFound: there is none.
        UseError: it cannot be read.
        TraceInvalid: it is larger than any that is read.
    """
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


def header_of(path: Path) -> Header:
    """Return the header of a trace file, and read no more of it.

    Raises:
        UseError: it cannot be read.
        TraceInvalid: it is altered or of an unknown version.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(codec.MAX_LINE + 2)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}"
        raise UseError(message, path=str(path)) from error
    return codec.decode_header(line.removesuffix(b"\n"))[0]


def lineage(path: Path) -> tuple[str, str | None]:
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


def is_unbegun(path: Path) -> bool:
    """Say whether a file is a trace that was cut off before its first record: nothing of it was acknowledged."""
    lines, rest = codec.split_lines(contents(path))
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


def due_after(records: Sequence[Record]) -> float | None:
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


def fault(what: str, path: Path, error: OSError) -> StoreFault:
    """Return what the system says in one sentence; `what` was being done to the file."""
    message = f"cannot {what} {path}: {error.strerror or error}; go on once that is mended"
    return StoreFault(message, store=str(path), reason=str(error))
