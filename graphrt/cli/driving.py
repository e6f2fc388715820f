"""Driving a run from the command line: an event loop, what is shown meanwhile, Ctrl-C, and what is told at the end.

Ctrl-C leaves the run as it is on record, so that it can be resumed; a second one ends the process at once. Standard
output is for the result: what nodes print goes to standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar, cast

from graphrt.cli import exits
from graphrt.cli.following import Following, Watched
from graphrt.cli.logs import tell_failures_ourselves
from graphrt.cli.otel import NOWHERE, Spans
from graphrt.cli.screen import Lasting, silence
from graphrt.cli.stopping import Terminated
from graphrt.errors import EnvironmentFault
from graphrt.runtime import leave

if TYPE_CHECKING:
    from collections.abc import Generator

    from graphrt.cli.following import Display
    from graphrt.cli.surroundings import Around
    from graphrt.graph import Graph
    from graphrt.ports import Store
    from graphrt.runtime import Result
    from graphrt.runtime.options import Surroundings

T = TypeVar("T")
Go = Callable[["Store", "Surroundings"], Coroutine[Any, Any, "Result[Any]"]]
"""Begins or resumes a run: given the store in which it must drive it, and what the run finds around it."""

_SHOW_CURSOR: Final = b"\x1b[?25h"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is to be driven and shown."""

    store: str
    """Path of the store, for the commands that are proposed at the end."""
    events: bool = False
    """Whether standard output is for events, one line of JSON each."""
    as_json: bool = False
    """Whether the result is told as JSON."""
    quiet: bool = False
    """Whether to show no progress."""
    depth: int = 0
    """How deep to look into nodes with a graph inside."""
    compact: bool = False
    """Whether JSON is one line, for whoever reads several."""
    spans: Spans = NOWHERE
    """Where spans of the run go."""
    stay_s: float = 0.0
    """How long to wait for answers, once only questions are open."""
    done: str | None = None
    """What the command has done already, and how to go on: told if the run cannot begin or is stopped before."""


def drive(go: Go, graph: Graph, store: Store, around: Around, manner: Manner) -> int:
    """Drive a run of `graph` to its end, show it meanwhile, tell how it ended; return the exit code.

    What is `around` the run is closed after it.

    Raises:
        GraphrtError: it could not begin, or go on.
    """
    from graphrt.cli.outcome import tell

    tell_failures_ourselves()
    out = Lasting(sys.stdout)
    display = _display(manner, out)
    following = Following(graph, display)
    watched = Watched(store, following)
    stop = _Stop(following, watched, display, manner)

    def begin() -> Coroutine[Any, Any, Result[Any]]:
        return _surrounded(go, watched, following, around, manner)

    try:
        try:
            with contextlib.redirect_stdout(Lasting.over(sys.stderr)), stop.on_signals():
                result = _run(stop.heed(begin), hurry=lambda: stop.asked)
        finally:
            display.end()
            if following.begun:
                run = following.account.run
                manner.spans.end(run, lambda: store.trace(run))
    except EnvironmentFault as error:
        if following.begun:
            return _broken(following, error, manner.store)
        if manner.done is None:
            raise
        return _not_begun(error, manner.done)
    if result is None:
        return stop.told()
    if manner.events and out.trouble is not None:
        _untold("the events could not all be written", out.trouble, following, manner.store)
    if manner.events and (not manner.as_json or out.trouble is not None):
        return exits.OF_STATUS[result.status]
    if not manner.quiet and not manner.events:
        Lasting(sys.stderr).write("\n")
    try:
        return tell(
            result, following.account, graph, store=manner.store, as_json=manner.as_json, compact=manner.compact
        )
    except OSError as error:
        silence(sys.stdout)
        if not isinstance(error, BrokenPipeError):  # else whoever read the result has enough of it
            _untold("the result could not be printed", error, following, manner.store)
        return exits.OF_STATUS[result.status]


async def _surrounded(go: Go, watched: Watched, following: Following, around: Around, manner: Manner) -> Result[Any]:
    """Drive a run with what is around it, and close that however the run ends."""
    surroundings: Surroundings = {
        "on_event": following.hear,
        "stay_s": manner.stay_s,
        "resources": around.resources,
        "policies": around.policies,
        "observers": manner.spans.observers,
    }
    try:
        return await go(watched, surroundings)
    finally:
        await around.aclose()


def _display(manner: Manner, out: Lasting) -> Display:
    from graphrt.cli.progress import EventLines, Plain, Silent
    from graphrt.cli.screen import interactive

    if manner.events:
        return EventLines(cast("IO[str]", out))
    if manner.quiet:
        return Silent()
    if interactive(sys.stderr):
        from graphrt.cli.live import LiveRegion

        return LiveRegion(Lasting.over(sys.stderr), manner.depth)
    return Plain(Lasting.over(sys.stderr), manner.depth)


def _untold(what: str, error: OSError, following: Following, store: str) -> None:
    """Tell that a run was not told of as it was asked for, and where it can be seen: it is on record all the same."""
    from graphrt.cli.outcome import again
    from graphrt.cli.screen import complain

    told = following.account
    reason = f"{what}: {error.strerror or error}; run {told.run} is {told.status} all the same"
    complain(reason if store.startswith("memory:") else f"{reason}, see it with: {again(f'show {told.run}', store)}")


def _broken(following: Following, error: EnvironmentFault, store: str) -> int:
    """Tell that the surroundings failed in the middle of a run."""
    from graphrt.cli.outcome import again
    from graphrt.cli.screen import complain, say

    complain(error.message)
    run = following.account.run
    say(f"run {run} stopped where it was; go on with: {again(f'resume {run}', store)}", file=sys.stderr)
    return exits.FOUND


def _not_begun(error: EnvironmentFault, done: str) -> int:
    """Tell that the surroundings kept a run from going on, and what was done before."""
    from graphrt.cli.screen import complain, say

    complain(error.message)
    say(done, file=sys.stderr)
    return exits.FOUND


# -- the event loop ---------------------------------------------------------------------------------------------------


def _run(work: Coroutine[Any, Any, T], *, hurry: Callable[[], bool]) -> T:
    """Run a coroutine to its end; if there is reason to hurry then, wait for no thread that is still busy."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left and not hurry():
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        if not hurry():
            loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


class _Stop:
    """Ctrl-C, and the polite kill: the first leaves the run, the second ends the process."""

    def __init__(self, following: Following, watched: Watched, display: Display, manner: Manner) -> None:
        from graphrt.cli.outcome import again

        self.asked = False
        """Whether a person wants it to stop."""
        self._again = again  # a signal comes in the middle of anything, and must import nothing
        self._following = following
        self._watched = watched
        self._display = display
        self._store = manner.store
        self._done = manner.done
        self._signal = signal.SIGINT
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    @contextlib.contextmanager
    def on_signals(self) -> Generator[None]:
        """Take the signals; Python lets only the main thread have them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {s: signal.signal(s, self._take) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def heed(self, go: Callable[[], Coroutine[Any, Any, T]]) -> T | None:
        """Do something until it ends, or until it is asked to stop: then return None."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        try:
            return await go()
        except asyncio.CancelledError:
            if not self.asked:
                raise
            return None

    def told(self) -> int:
        """Tell what was left, and how to go on; return the exit code."""
        from graphrt.cli.outcome import again
        from graphrt.cli.screen import say

        code = 128 + self._signal
        why = "Ctrl-C" if self._signal == signal.SIGINT else self._signal.name
        if not self._following.begun:
            say(
                f"stopped by {why}; {self._done}" if self._done else f"stopped by {why} before the run began",
                file=sys.stderr,
            )
            return code
        told = self._following.account
        say(f"stopped by {why}; go on with: {again(f'resume {told.run}', self._store)}", file=sys.stderr)
        for visit in self._following.live.values():
            if visit.status == "running" and visit.attempts:
                say(f"  in doubt: attempt {len(visit.attempts)} of {visit.name} (visit {visit.id})", file=sys.stderr)
        return code

    def _take(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal, whatever the main thread is doing: write to no buffer and wait for no lock."""
        if self.asked:
            self._end_now()
        self.asked = True
        self._signal = signal.Signals(number)
        if self._loop is None:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self._display.stopping()
        self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        run = self._watched.run
        if run is not None and leave(self._watched, run):
            return
        if not self._following.begun and self._task is not None:
            self._task.cancel()
        # Else it has just ended, and nothing is left to be stopped.

    def _end_now(self) -> None:
        end = b""
        if self._following.begun:
            resume = self._again(f"resume {self._following.account.run}", self._store)
            end = f"stopped at once; go on with: {resume}\n".encode()
        with contextlib.suppress(OSError):
            if os.isatty(2):
                end = _SHOW_CURSOR + b"\r\n" + end
            os.write(2, end)
        os._exit(128 + self._signal)
