"""An open trace file that this process owns: locked, written at its end, cut back where a write failed or a crash was.

What a crash leaves of an unfinished line was never acknowledged: taking the file up says so in the log and cuts it off.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from graphrt import codec
from graphrt.errors import RunLocked, StoreFault, TraceInvalid, UseError
from graphrt.stores.lock import is_at, lock
from graphrt.stores.trace_files import contents, fault, is_unbegun

_log = logging.getLogger("graphrt.stores")
_NO_FILE: Final = -1


class OpenFile:
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
        """Lock it for this process alone.

        Raises:
            RunLocked: another process has it.
        """
        if not lock(self.handle):
            raise driven(run, self.path)

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
        """Cut it back to so many bytes."""
        if not self.handle.closed:
            self.handle.truncate(size)
            self.size = size

    def close(self) -> None:
        """Close it, which ends the lock."""
        self.handle.close()


def new_file(path: Path, run: str) -> OpenFile:
    """Make and lock the file of a run; one that was cut off before its first record makes room."""
    while True:
        file = _opened(path)
        locked = lock(file.handle)
        if locked and not file.is_there():  # it was deleted before we had the lock
            file.close()
            continue
        if locked and is_unbegun(path):  # whoever made the file may be second to lock it, when much is in it
            file.truncate(0)
            return file
        file.close()
        message = f"{path} exists already; give the new run another id"
        raise UseError(message, run=run, path=str(path))


def _opened(path: Path) -> OpenFile:
    """Open the file at a path, which is made if need be."""
    try:
        with suppress(FileExistsError):
            return OpenFile(path, path.open("xb+", buffering=0))
        return OpenFile(path, path.open("rb+", buffering=0))
    except OSError as error:
        raise fault("write", path, error) from error


def end_of(file: OpenFile, run: str) -> tuple[int, str]:
    """Return the next number and the last hash; mend what a crash left of the last line."""
    data = contents(file.path)
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


def driven(run: str, path: Path) -> RunLocked:
    """Say that another process drives a run."""
    message = f"run {run!r} ({path}) is being driven by another process; wait for it, or cancel it there"
    return RunLocked(message, run=run)


def sync_folder(folder: Path) -> None:
    """Make a new name durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
