"""What moves on the screen while a run goes on, and the lines above it: nothing is wider than the terminal."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest
from rich.cells import cell_len
from rich.console import Console

from graphrt.cli.following import Following
from graphrt.cli.live import LiveRegion
from graphrt.cli.progress import Lines, Silent
from graphrt.graph import Graph
from graphrt.inputs import AttemptFailed, AttemptStarted, TimerFired
from graphrt.recorded import error_info
from graphrt.runtime import Delta
from graphrt.trace import Trace
from tests.cli.flows import research, support
from tests.cli.scenes import cancelled, completed, failed, resumed, suspended
from tests.cli.staged import Make, Stage

Region: TypeAlias = Callable[..., list[str]]


def followed(trace: Trace, graph: Graph) -> Following:
    """Return what is known of a run once all its records are there."""
    following = Following(graph, Silent())
    following.begin(trace.header)
    following.take(trace.records)
    return following


class Clock:
    """It is ten seconds after the last record; the region has been there for two."""

    def __init__(self, following: Following) -> None:
        self.now = following.account.ended + 10

    def time(self) -> float:
        """Return the time of day."""
        return self.now

    def monotonic(self) -> float:
        """Return seconds since the region was begun."""
        return 2.0


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Region:
    """Draw what moves, with a clock that stands still."""

    def rows(following: Following, width: int = 80, height: int = 24) -> list[str]:
        monkeypatch.setattr("graphrt.cli.live.time", Clock(following))
        live = LiveRegion(io.StringIO())
        live._screen = Console(file=io.StringIO(), width=width, height=height)
        live._run = following
        drawn = [str(row) for row in live._region().renderables]
        assert all(cell_len(row) < width for row in drawn)
        return drawn

    return rows


def test_what_is_live_is_shown_with_its_words(region: Region) -> None:
    """A visit that works shows its attempt and the end of what it says; control characters are shown, not sent."""
    stage = Stage(support.flow.freeze(), {"triage": ({"topic": "other"},)}).start({"message": "hello"}, most=1)
    stage.feed(AttemptStarted("1", 1))
    following = followed(stage.trace, stage.graph)
    for word in ("Dear\x07 customer,", *(f"word {k}," for k in range(60)), "\nthe end"):
        asyncio.run(following.hear(Delta("1", "draft", f"{word} ")))
    rows = region(following)
    assert rows[0] == "⠋ draft  10.0 s"
    assert rows[1].startswith("    …")
    assert rows[-2].endswith("word 59, the end")
    assert len(rows) == 5
    assert rows[-1] == "  2 visits · 120 tokens · $0.0003 · 2.0 s   Ctrl-C stops"


def test_text_of_a_visit_that_has_ended_is_not_kept() -> None:
    """A piece that comes late changes nothing."""
    stage = Stage(support.flow.freeze(), {"triage": ({"topic": "other"},)}).start({"message": "hello"}, most=1)
    following = followed(stage.trace, stage.graph)
    asyncio.run(following.hear(Delta("0", "triage", "late")))
    assert following.texts == {}


def test_a_retry_shows_what_went_wrong_and_which_attempt_it_is(region: Region) -> None:
    """While it waits, when it goes on; then how many attempts there are."""
    stage = Stage(support.flow.freeze(), {"triage": ({"topic": "billing"},)}).start({"message": "charged"}, most=1)
    stage.feed(AttemptStarted("1", 1))
    stage.feed(AttemptFailed("1", 1, error_info(ConnectionError("the ledger is away"))))
    assert region(followed(stage.trace, stage.graph))[0] == (
        "↻ invoice  again in 0.0 s · attempt 1 failed: ConnectionError: the ledger is a…"
    )
    stage.feed(TimerFired("1", "retry"))
    stage.feed(AttemptStarted("1", 2))
    assert region(followed(stage.trace, stage.graph))[0] == "⠋ invoice  10.0 s · attempt 2 of 2"


@pytest.mark.parametrize(("height", "shown"), [(24, 8), (9, 5), (5, 1)])
def test_many_live_visits_leave_room_for_the_lines_above(region: Region, height: int, shown: int) -> None:
    """Some are shown, the others counted; the region never fills the screen."""
    stage = Stage(research.flow.freeze(), {"search": ({"answer": "yes"},)})
    stage.start({"questions": [f"why {k}?" for k in range(12)]}, most=1)
    rows = region(followed(stage.trace, stage.graph), height=height)
    assert rows[-2] == f"  … and {12 - shown} more"
    assert len(rows) == shown + 2


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
@pytest.mark.parametrize("make", [suspended, completed, failed, cancelled, resumed])
def test_no_line_is_wider_than_the_terminal(make: Make, width: int) -> None:
    """What a visit wrote is cut, then why it went where it went; what went wrong is wrapped and told whole."""
    trace = make()
    for wide, narrow in zip(lines(trace), lines(trace, width), strict=True):
        assert len(wide) == 1
        assert all(cell_len(row) <= width for row in narrow)
        trouble = re.search(r"(?:RuntimeError|ConnectionError|attempt \d was).*", wide[0])
        if trouble is not None:
            assert "".join(trouble[0].split()) in "".join("".join(narrow).split())


def lines(trace: Trace, width: int | None = None) -> Iterator[list[str]]:
    """Yield the rows of each line of a run."""
    following = Following(support.flow.freeze(), Silent())
    following.begin(trace.header)
    told = Lines(following)
    for record in trace.records:
        following.take([record])
        for one in told.of(record):
            yield [row.plain for row in one.rows(width)]


def test_a_run_that_goes_on_knows_what_came_before() -> None:
    """Visits of earlier sessions count: the second visit of a node is called so, and totals are those of the run."""
    trace = completed()
    following = Following(support.flow.freeze(), Silent())
    following.begin(trace.header, trace.records[:9])
    following.take(trace.records[9:])
    assert following.resumed
    assert following.account.status == "completed"
    assert following.account.visits["4"].name == "draft #2"
    assert following.live == {}
