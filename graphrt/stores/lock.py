"""Locks of the operating system on open files: they end with the process that holds them, however it ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Protocol

from graphrt.errors import StoreFault

_TRIES = 5
_PAUSE_S = 0.02


class HasFileno(Protocol):
    """An open file."""

    def fileno(self) -> int:
        """Return the number by which the system knows it."""
        ...


def is_at(file: HasFileno, path: Path) -> bool:
    """Say whether an open file is the one that has this name now, and not one that was removed meanwhile."""
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def lock(file: HasFileno) -> bool:
        """Lock the file for this process alone; False if another has it."""
        raise _unknown(file)

    def hold(file: HasFileno) -> None:
        """Lock the file for this process alone, as soon as it is free."""
        raise _unknown(file)

    def _unknown(file: HasFileno) -> StoreFault:
        message = "trace files that are being written need the file locks of a POSIX system; use a SQLite store"
        return StoreFault(message, file=file.fileno())

    def is_held(file: HasFileno) -> bool:
        """Say whether somebody has locked the file."""
        del file
        return False

else:
    import fcntl

    def lock(file: HasFileno) -> bool:
        """Lock the file for this process alone; False if another has it."""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE_S)  # whoever only looks (`is_held`) is gone in no time
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            return True
        return False

    def hold(file: HasFileno) -> None:
        """Lock the file for this process alone, as soon as it is free."""
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)

    def is_held(file: HasFileno) -> bool:
        """Say whether somebody has locked the file."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
        return False
