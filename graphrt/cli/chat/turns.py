"""One turn driven from the command line: an event loop for all of them, and what a signal does meanwhile.

Ctrl-C cancels the turn, which is recorded as cancelled; a second one ends the process at once. The polite kill leaves
the turn as it is on record, so that the next `graphrt chat` can go on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from graphrt.cli import exits
from graphrt.cli.logs import tell_failures_ourselves
from graphrt.cli.screen import Lasting
from graphrt.cli.stopping import Terminated
from graphrt.runtime import leave

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from types import FrameType

    from graphrt.chat import ChatRuntime

T = TypeVar("T")
_SHOW_CURSOR: Final = b"\x1b[?25h\r\n"


class Turns:
    """The event loop of a conversation. Used as `with`, it is closed at the end."""

    def __init__(self, runtime: ChatRuntime) -> None:
        self.stopped = False
        """Whether a person has stopped the last turn."""
        self._runtime = runtime
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[Any] | None = None
        self._terminal: list[Any] | None = None
        self._terminated = False
        tell_failures_ourselves()

    def __enter__(self) -> Self:
        asyncio.set_event_loop(self._loop)
        self._before = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._before)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the event loop, while signals stop it rather than the process.

        What nodes print goes to standard error: standard output is for what is said.

        Raises:
            CancelledError: it was stopped before there was a turn to be cancelled.
            Terminated: the process was asked to end; the turn was left.
        """
        self.stopped = False
        with (
            self._on_interrupt(),
            _without_echo() as self._terminal,
            contextlib.redirect_stdout(Lasting.over(sys.stderr)),
        ):
            task = self._loop.create_task(work)
            self._task = task
            try:
                done = self._loop.run_until_complete(task)
            except asyncio.CancelledError:
                self._end_if_asked()
                raise
            finally:
                self._task = None
        self._end_if_asked()
        return done

    def _end_if_asked(self) -> None:
        """Raise once that the process was asked to end: what follows is closing, which goes to its own end."""
        if self._terminated:
            self._terminated = False
            raise Terminated

    @contextlib.contextmanager
    def _on_interrupt(self) -> Generator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Take Ctrl-C, whatever the main thread is doing."""
        if self.stopped:
            self._end_now()
        self.stopped = True
        if not self._runtime.cancel() and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        """Take the polite kill."""
        self._terminated = True
        if self._task is None:
            raise Terminated
        self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        runs = self._runtime.runs
        if (not runs or not leave(self._runtime.store, runs[-1])) and self._task is not None:
            self._task.cancel()

    def _end_now(self) -> None:
        with contextlib.suppress(OSError):
            os.write(2, _SHOW_CURSOR + b"stopped at once; the turn was cut off\r\n" if os.isatty(2) else b"")
        _restore(self._terminal)
        os._exit(exits.INTERRUPTED)


@contextlib.contextmanager
def _without_echo() -> Generator[list[Any] | None]:
    """Let keys that are pressed during a turn not be shown in the middle of it; they are there at the next prompt."""
    try:
        import termios
    except ImportError:
        yield None
        return
    try:
        before = termios.tcgetattr(sys.stdin.fileno())
        quiet = [*before]
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, quiet)
    except (termios.error, OSError, ValueError):  # no terminal
        yield None
        return
    try:
        yield before
    finally:
        _restore(before)


def _restore(terminal: list[Any] | None) -> None:
    if terminal is None:
        return
    import termios

    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, terminal)
