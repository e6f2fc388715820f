"""Replies in this process: the least recently used go first, and none is older than it may be."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphrt.ports import Clock


class MemoryReplies:
    """At most `size` replies and `most_bytes` of text, each for `ttl_s` seconds of a clock that never jumps."""

    def __init__(self, *, size: int, most_bytes: int, ttl_s: float | None, clock: Clock) -> None:
        self.size = size
        self.most_bytes = most_bytes
        self.ttl_s = ttl_s
        self.bytes = 0
        """Bytes of the replies that are kept."""
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> bytes | None:
        """Return the reply of this key; None if there is none, or none that is young enough."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if self.ttl_s is not None and self._clock.monotonic() - found[0] >= self.ttl_s:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return found[1]

    def put(self, key: str, reply: bytes) -> None:
        """Keep a reply; what was not used for longest makes room."""
        with self._lock:
            if key in self._kept:
                self._drop(key)
            if len(reply) > self.most_bytes:
                return
            self._kept[key] = (self._clock.monotonic(), reply)
            self.bytes += len(reply)
            while len(self._kept) > self.size or self.bytes > self.most_bytes:
                self._drop(next(iter(self._kept)))

    def drop(self, key: str) -> None:
        """Forget the reply of this key, if there is one."""
        with self._lock:
            if key in self._kept:
                self._drop(key)

    def close(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self.bytes = 0

    def _drop(self, key: str) -> None:
        self.bytes -= len(self._kept.pop(key)[1])
