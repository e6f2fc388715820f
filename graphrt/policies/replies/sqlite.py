"""Replies in a SQLite file, shared by processes and there again after a restart.

A cache may lose what it has, but must never be in the way: whatever is wrong with the file (altered, locked, of another
release, none of ours) is a miss, and is logged once. Ages are read from the time of day, for the file outlives the
clocks of processes; a reply from the future, as when that was set back, counts as too old.

    replies_1   one row a reply; a later form of the replies is another table, so an older file has nothing for us
        key     SHA-256 of the request, in hex
        made    seconds since the epoch
        used    the same, to a minute: the least recently used go first
        reply   the reply's JSON
        seal    first 16 hex digits of the SHA-256 of key and reply
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphrt.ports import Clock

T = TypeVar("T")

APPLICATION: Final = 0x67727463
"""Marks a file as ours: the letters `grtc`."""
_FRESH_S: Final = 60.0
_WAIT_S: Final = 2.0
"""How long to wait for another process that writes."""
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS replies_1 (
    key TEXT PRIMARY KEY, made REAL NOT NULL, used REAL NOT NULL, reply BLOB NOT NULL, seal TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS replies_1_used ON replies_1 (used);
"""

_log = logging.getLogger("graphrt.policies")


class NotOurs(sqlite3.DatabaseError):
    """The file is a database of somebody else."""


class SqliteReplies:
    """At most `size` replies in a file. Its methods block for a moment; call them in a thread."""

    def __init__(self, path: str | Path, *, size: int, ttl_s: float | None, clock: Clock) -> None:
        self.path = Path(path)
        self.size = size
        self.ttl_s = ttl_s
        self._clock = clock
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None
        self._closer: weakref.finalize[[], SqliteReplies] | None = None
        self._told = False
        self._useless = False

    def get(self, key: str) -> bytes | None:
        """Return the reply of this key; None if there is none that is whole and young enough."""
        return self._try(lambda file: self._found(file, key))

    def put(self, key: str, reply: bytes) -> None:
        """Keep a reply; what was not used for longest makes room."""
        self._try(lambda file: self._keep(file, key, reply))

    def drop(self, key: str) -> None:
        """Forget the reply of this key, if there is one."""
        self._try(lambda file: file.execute("DELETE FROM replies_1 WHERE key = ?", (key,)))

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        with self._lock:
            if self._closer is not None:
                self._closer()
            self._open = self._closer = None

    def _found(self, file: sqlite3.Connection, key: str) -> bytes | None:
        row = file.execute("SELECT made, used, reply, seal FROM replies_1 WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        made, used, reply, seal = row
        now = self._clock.now()
        is_whole = isinstance(reply, bytes) and seal == _seal(key, reply)
        if not is_whole or not 0 <= now - made < (self.ttl_s or float("inf")):
            file.execute("DELETE FROM replies_1 WHERE key = ?", (key,))
            return None
        if abs(now - used) > _FRESH_S:
            file.execute("UPDATE replies_1 SET used = ? WHERE key = ?", (now, key))
        return bytes(reply)

    def _keep(self, file: sqlite3.Connection, key: str, reply: bytes) -> None:
        now = self._clock.now()
        file.execute(
            "INSERT OR REPLACE INTO replies_1 (key, made, used, reply, seal) VALUES (?, ?, ?, ?, ?)",
            (key, now, now, reply, _seal(key, reply)),
        )
        (count,) = file.execute("SELECT count(*) FROM replies_1").fetchone()
        if count > self.size:
            file.execute(
                "DELETE FROM replies_1 WHERE key IN (SELECT key FROM replies_1 ORDER BY used, made LIMIT ?)",
                (count - self.size,),
            )

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        with self._lock:
            if self._useless:
                return None
            try:
                return work(self._connected())
            except (sqlite3.Error, OSError, ValueError, TypeError) as error:
                # A file that is locked may be free the next time; one that is broken stays so.
                self._useless = isinstance(error, sqlite3.DatabaseError) and not isinstance(
                    error, sqlite3.OperationalError
                )
                is_busy = "locked" in str(error) or "busy" in str(error)
                if not self._told and not is_busy:
                    self._told = True
                    _log.warning(
                        "the cache %s cannot be used (%s: %s); models are asked instead. If it is broken, delete it",
                        self.path,
                        type(error).__name__,
                        error,
                    )
                return None

    def _connected(self) -> sqlite3.Connection:
        if self._open is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
            try:
                _prepare(file)
            except BaseException:
                file.close()
                raise
            self._open = file
            self._closer = weakref.finalize(self, file.close)
        return self._open


def _prepare(file: sqlite3.Connection) -> None:
    (application,) = file.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION:
        (tables,) = file.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application or tables:
            raise NotOurs("it is a database of something else")
        file.execute(f"PRAGMA application_id = {APPLICATION}")
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = NORMAL")
    file.executescript(_LAYOUT)


def _seal(key: str, reply: bytes) -> str:
    return hashlib.sha256(key.encode() + reply).hexdigest()[:16]
