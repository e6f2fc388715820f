"""One turn at a time: whoever comes while a turn of the conversation is under way waits for it, in order.

Works over threads and event loops, as `invoke_sync` needs it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from weakref import WeakValueDictionary


class Turnstile:
    """Lets one in at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[Future[None]] = deque()

    def try_enter(self) -> bool:
        """Enter if nobody is inside."""
        with self._lock:
            free = not self._taken
            self._taken = True
            return free

    async def enter(self) -> None:
        """Enter, after all who came before."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            turn: Future[None] = Future()
            self._waiting.append(turn)
        try:
            await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            with self._lock:
                given_up = turn.cancelled() or turn.cancel()
            if not given_up:
                self.leave()  # it was let in at the same moment
            raise

    def leave(self) -> None:
        """Let the next one in."""
        with self._lock:
            while self._waiting:
                turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    turn.set_result(None)
                    return
            self._taken = False


_all: WeakValueDictionary[tuple[int, str], Turnstile] = WeakValueDictionary()
_making = threading.Lock()


def turnstile_of(store: object, conversation: str) -> Turnstile:
    """Return the turnstile that all runtimes of this process share for a conversation in a store."""
    with _making:
        key = (id(store), conversation)
        found = _all.get(key)
        if found is None:
            found = _all[key] = Turnstile()
        return found
