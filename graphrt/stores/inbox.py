"""Requests to a run that another process drives: a file beside its trace, one a line, gone with the last of them.

Whoever changes the file holds a lock on it, so that nothing is lost which is posted while something else is discarded.
A request that was dealt with is struck out by a single byte, so that a crash leaves the others as they are.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from graphrt import codec
from graphrt.errors import TraceInvalid
from graphrt.inputs import Input
from graphrt.stores.lock import hold, is_at

_STRUCK: Final = b"-"

_log = logging.getLogger("graphrt.stores")


def path_of(trace: Path) -> Path:
    """Return the file of the requests to the run whose trace is at `trace`."""
    return trace.with_name(f"{trace.stem}.requests")


def post(path: Path, line: bytes, may: Callable[[], bool]) -> bool:
    """Add a request, durably, if that may be; what a crash left of an unfinished one before it is cut off from it.

    Nobody else adds or removes requests while `may` is asked.

    Raises:
        OSError: it cannot be written.
    """
    with _locked(path, "ab+") as file:
        if not may():
            return False
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return True


def read(path: Path) -> list[tuple[int, Input]]:
    """Return the requests that were not struck out, each with the number of its line."""
    try:
        lines, _ = codec.split_lines(path.read_bytes())
    except FileNotFoundError:
        return []
    found: list[tuple[int, Input]] = []
    for number, line in enumerate(lines, 1):
        if line.startswith(_STRUCK):
            continue
        try:
            found.append((number, codec.decode_input(line)))
        except TraceInvalid as error:
            _log.warning("%s: request %d is left out: %s", path, number, error)
    return found


def strike(path: Path, upto: int) -> int:
    """Forget the requests up to line `upto`; return how many lines the file had if it was removed with them, else 0.

    Raises:
        OSError: it cannot be written.
    """
    with suppress(FileNotFoundError), _locked(path, "rb+") as file:
        lines, _ = codec.split_lines(file.read())
        if len(lines) <= upto:
            path.unlink()
            return len(lines)
        place = 0
        for line in lines[:upto]:
            if line:
                file.seek(place)
                file.write(_STRUCK)
            place += len(line) + 1
    return 0


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes whenever something is posted; None if there is nothing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def _locked(path: Path, mode: str) -> Generator[BinaryIO]:
    """Open the file and hold its lock; it is the file of that name, not one that was removed meanwhile."""
    while True:
        with path.open(mode) as file:
            hold(file)
            if is_at(file, path):
                yield file  # type: ignore[misc]  # the modes are binary
                return
