"""The part of the screen that moves while a run goes on: what is live, what it says, how far it is.

Lines of visits that have ended scroll away above it. It is drawn a few times a second by a thread of its own, so that
the clock goes on while a node is busy; when it ends it leaves nothing behind.
"""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.console import Group
from rich.live import Live
from rich.text import Text

from graphrt.cli.progress import Lines, Told, name_of
from graphrt.cli.screen import brief_json, console, line
from graphrt.cli.telling import bill, error_text, moment, sign_of, tokens_of, took
from graphrt_viz.wording import plural, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.cli.following import Following
    from graphrt.runtime import Delta
    from graphrt.told import VisitAccount
    from graphrt.trace import Record

_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PER_SECOND: Final = 10
_MOST_ROWS: Final = 8
"""Live visits that are shown at most."""
_SPOKEN: Final = 3
"""Rows of streamed text of a visit that is live alone."""
_INDENT: Final = 4


class LiveRegion:
    """Shows a run on a terminal."""

    def __init__(self, file: IO[str], depth: int = 0) -> None:
        """Draw on the terminal behind `file`."""
        self._screen = console(file)
        self._depth = depth
        self._run: Following | None = None
        self._lines: Lines | None = None
        self._live: Live | None = None
        self._began = 0.0
        self._stopping = False

    def begin(self, run: Following) -> None:
        """Say which run it is, and begin to draw."""
        self._run = run
        self._lines = Lines(run, self._depth)
        self._began = time.monotonic()
        self._print(self._lines.head())
        self._live = Live(
            console=self._screen,
            get_renderable=self._region,
            refresh_per_second=_PER_SECOND,
            transient=True,
            vertical_overflow="crop",
        )
        self._live.start(refresh=True)

    def record(self, record: Record) -> None:
        """Print what a record tells, above what moves."""
        if self._lines is not None:
            self._print(self._lines.of(record))

    def text(self, piece: Delta) -> None:
        """Nothing: the next drawing shows it."""

    def stopping(self) -> None:
        """Show that it is asked to stop, from the next drawing on."""
        self._stopping = True

    def end(self) -> None:
        """Take away what moves."""
        if self._live is not None:
            self._live.stop()

    def _print(self, lines: Iterator[Told]) -> None:
        for one in lines:
            for row in one.rows(self._screen.width):
                self._screen.print(row, no_wrap=True, crop=True)

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _region(self) -> Group:
        run = self._run
        assert run is not None, "drawing begins with the run"
        height, width = self._screen.height, self._screen.width
        with run.lock:
            shown = _leaves(run)
            some = shown[: max(1, min(_MOST_ROWS, height - 4))]
            names = [name_of(visit, run) for visit in some]
            label = max(map(cell_len, names), default=0)
            rows: list[Text] = []
            for visit, name in zip(some, names, strict=True):
                rows.append(self._visit(run, visit, f"{name}{'':{label - cell_len(name)}}"))
                rows += self._end_of(run.texts.get(visit.id, ""), _SPOKEN if len(shown) == 1 else 1)
            rows = rows[: max(1, height - 4)]
            if len(shown) > len(some):
                rows.append(line((f"  … and {len(shown) - len(some)} more", "dim")))
            rows.append(self._foot(run))
        for row in rows:
            row.truncate(width - 1, overflow="ellipsis")
        return Group(*rows)

    def _visit(self, run: Following, visit: VisitAccount, name: str) -> Text:
        sign, style = sign_of(visit.status)
        if visit.status == "running":
            sign = _FRAMES[int(time.monotonic() * _PER_SECOND) % len(_FRAMES)]
        return line((f"{sign} ", style), (name, "bold"), "  ", (" · ".join(_facts(run, visit)), "dim"))

    def _end_of(self, said: str, most: int) -> Iterator[Text]:
        """Yield the last rows of a streamed text."""
        width = max(10, self._screen.width - _INDENT - 1)
        shown = visible(" ".join(said.split()))
        if cell_len(shown) > width * most:
            shown = "…" + shown[-(width * most - width // 4) :]
        for row in Text(shown, style="italic").wrap(self._screen, width)[-most:] if shown else ():
            row.rstrip()
            yield Text.assemble(" " * _INDENT, row, no_wrap=True)

    def _foot(self, run: Following) -> Text:
        told = run.account
        totals = told.totals
        parts = [plural(totals.visits, "visit")]
        if totals.retries:
            parts.append("1 retry" if totals.retries == 1 else f"{totals.retries} retries")
        parts += [*bill(told), _seconds(time.monotonic() - self._began)]
        end = "stopping; Ctrl-C again stops at once" if self._stopping else "Ctrl-C stops"
        return line(("  " + " · ".join(parts), "dim"), ("   " + end, "yellow" if self._stopping else "dim"))


def _leaves(run: Following) -> list[VisitAccount]:
    """Return the live visits that have no live one inside, as they began."""
    around = {ident.rpartition("/")[0] for ident in run.live}
    return [visit for ident, visit in run.live.items() if ident not in around]


def _facts(run: Following, visit: VisitAccount) -> Iterator[str]:
    """Yield what there is to say of a live visit."""
    now = time.time()
    last = visit.attempts[-1] if visit.attempts else None
    if visit.status == "waiting":
        answers = f" ({', '.join(visit.answers)})" if visit.answers else ""
        yield f"{visit.question}{answers}"
        if visit.due is not None:
            yield f"until {moment(visit.due)}"
    elif visit.status == "paused" and last is not None and last.error is not None:
        yield f"again in {_seconds(run.due.get(visit.id, now) - now)}"
        yield f"attempt {last.number} failed: {error_text(last.error)}"
    else:
        yield _seconds(now - (last.started if last is not None else visit.started))
        if len(visit.attempts) > 1:
            retry = visit.node.retry
            yield f"attempt {len(visit.attempts)}" + (f" of {retry.attempts}" if retry is not None else "")
        if spent := tokens_of(visit.spent):
            yield f"{spent} tokens"
        if visit.item is not None:
            yield brief_json(visit.item, 40)


def _seconds(span: float) -> str:
    """Return a span of time that is drawn again and again: always as wide, until it is long."""
    return f"{max(0.0, span):.1f} s" if span < 60 else took(span)
