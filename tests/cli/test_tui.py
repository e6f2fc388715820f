"""`graphrt replay` as an app: it shows what the plain screen shows, and goes where its keys go, whatever the run."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, cast

import pytest
from pydantic import BaseModel
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Input

from graphrt import Agent, Flow, append
from graphrt.cli import pages
from graphrt.cli.stepping import Stepping, help_lines
from graphrt.cli.steps import Walk, walk
from graphrt.cli.tui import Help, Lines, Replay, Steps
from graphrt.cli.walking import BY_KEY, MOVES
from graphrt.testing import ScriptedModel, Turn
from graphrt.trace import Trace
from tests.cli import scenes
from tests.cli.calling import Program
from tests.cli.flows import clerk
from tests.cli.processes import OnTerminal
from tests.cli.test_replay import SCENES

DATA = Path(__file__).parents[1] / "viz" / "data"


class Seen:
    """The app, and what is to be seen of it."""

    def __init__(self, pilot: Pilot[None]) -> None:
        assert isinstance(pilot.app, Replay)
        self.app = pilot.app
        self._pilot = pilot

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until all is shown."""
        await self._pilot.press(*keys)
        await self.settle()

    async def settle(self) -> None:
        """Wait until all is shown, also what is made apart."""
        await self._pilot.pause()
        await asyncio.sleep(0.06)  # what takes time is begun a moment after the key
        await self._pilot.pause()
        await cast("Any", self.app.workers).wait_for_complete()
        await self._pilot.pause()

    async def click(self, widget: str, row: int) -> None:
        """Click a line."""
        await self._pilot.click(widget, offset=(5, row))
        await self.settle()

    async def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        await self._pilot.resize_terminal(width, height)
        await self.settle()

    @property
    def number(self) -> int:
        """The number of the step."""
        return self.app.cursor.step.number

    def ground(self) -> float | None:
        """How light the ground is that the text stands on, from 0 to 1; None for the terminal's own."""
        colour = self.app.screen.background_colors[1]
        return None if colour.ansi is not None else colour.brightness

    def has_help(self) -> bool:
        """Whether the keys are shown above all."""
        return isinstance(self.app.screen, Help)

    def page(self, name: str = "page") -> str:
        """All lines of a pane."""
        return "\n".join(row.plain for row in self.app.query_one(f"#{name}", Lines).rows)

    def rows(self) -> list[str]:
        """What the terminal shows, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]


@asynccontextmanager
async def opened(walked: Walk, size: tuple[int, int] = (80, 24), at: int = 0) -> AsyncGenerator[Seen]:
    """Open the app on a terminal that is not there."""
    async with Replay(walked, at).run_test(size=size) as pilot:
        seen = Seen(pilot)
        await seen.settle()
        yield seen


def seen(trace: Trace, see: Callable[[Seen], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    """Open the app on a run, and look."""

    async def main() -> None:
        async with opened(walk(trace), size) as found:
            await see(found)

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
@pytest.mark.parametrize("scene", ["suspended", "researched"])
def test_it_shows_what_the_plain_screen_shows(scene: str, size: tuple[int, int]) -> None:
    """Every page of every step is the same, line by line, as on the plain screen of that width."""
    trace = SCENES[scene]()

    async def see(found: Seen) -> None:
        plain = Stepping(walk(trace))
        width = found.app.query_one("#page", Lines).size.width - 1
        for _ in plain.walk.steps[::2]:
            for key in ("escape", *pages.BY_KEY):
                plain.do(key)
                await found.press(key)
                assert found.page() == "\n".join(row.plain for row in plain.lines(width)), (plain.step.number, key)
            await found.press("escape", "right", "right")
            for key in ("escape", "right", "right"):
                plain.do(key)
        assert f"moment {len(plain.walk.steps)} of {len(plain.walk.steps)}" in found.rows()[0]

    seen(trace, see, size)


@pytest.mark.parametrize("key", [key for move in MOVES for key in move.keys if key != "tab"])
def test_keys_lead_where_they_lead_on_the_plain_screen(key: str) -> None:
    """Each key goes to the same step, from the beginning, the middle and the end."""
    trace = scenes.suspended()

    async def main() -> None:
        for at in (0, 4, 8):
            plain = Stepping(walk(trace), at)
            plain.do(key)
            async with opened(walk(trace), at=at) as found:
                await found.press(key)
                assert (found.number, found.app.cursor.note) == (plain.step.number, plain.note)
                assert not plain.note or plain.note in found.rows()[-1]

    asyncio.run(main())


def test_every_key_of_the_help_does_something() -> None:
    """What the help lists is what there is: each move, each page."""
    told = "\n".join(row.plain for row in help_lines(100))
    names = {"right": "→", "left": "←"}
    for move in MOVES:
        assert names.get(move.keys[0], move.keys[0]) in told
    for key in pages.BY_KEY:
        assert f"  {key} " in told
    assert len(BY_KEY) == sum(len(move.keys) for move in MOVES)
    assert not set(BY_KEY) & set(pages.BY_KEY)


def test_search_and_go_are_typed_at_the_bottom() -> None:
    """`/` and `g` open a line to type in, enter goes there, escape gives it up; keys are letters meanwhile."""

    async def see(found: Seen) -> None:
        await found.press("slash", "M", "a", "r", "c", "h")
        assert found.rows()[-1].startswith("/March")
        await found.press("enter")
        assert found.number == 5
        await found.press("g", *"review #2".replace(" ", "_"))
        found.app.query_one(Input).value = "review #2"
        await found.press("enter")
        assert found.number == 9
        await found.press("g", "2", "escape")
        assert found.number == 9
        await found.press("g", "9", "9", "enter")
        assert "there is no step 99; the steps are 1 to 8" in found.rows()[-1]
        await found.press("slash", "q", "q", "enter")
        assert "no other step has 'qq'" in found.rows()[-1]
        await found.press("left")
        assert found.rows()[-1].startswith("← → step")

    seen(scenes.suspended(), see)


def test_help_is_over_the_page_and_goes_with_any_key() -> None:
    """`?` lists all keys in 80 cells; the next key only closes it."""

    async def see(found: Seen) -> None:
        await found.press("question_mark")
        assert found.has_help()
        shown = "\n".join(found.rows())
        for says in ("the next failure, the one before", "these keys; quit", "colours: the terminal's own"):
            assert says in shown
        await found.press("right")
        assert not found.has_help()
        assert found.number == 1

    seen(scenes.suspended(), see)


def test_a_wide_terminal_has_state_and_picture_beside_the_page() -> None:
    """From 110 columns on they are there, and go when the terminal becomes narrow."""

    async def see(found: Seen) -> None:
        await found.press("end")
        assert "• score" in found.page("state")
        assert "◀ here" in found.page("picture")
        assert any("◀ here" in row for row in found.rows())
        await found.resize(80, 24)
        assert not any(" picture " in row for row in found.rows())
        await found.resize(110, 30)
        assert any(" picture " in row for row in found.rows())
        assert all(cell_len(row) == 110 for row in found.rows())

    seen(scenes.suspended(), see, (120, 40))


def test_a_click_goes_to_a_step() -> None:
    """The mouse may be used in the list."""

    async def see(found: Seen) -> None:
        await found.click("#steps", 3)
        assert found.number == 4

    seen(scenes.suspended(), see)


def test_a_long_page_scrolls() -> None:
    """Keys and the bar move the page, not the list; another step begins at its top."""

    async def see(found: Seen) -> None:
        await found.press("g", "7", "enter")
        top = found.rows()[9:]
        await found.press("down", "j")
        assert found.rows()[9:] != top
        await found.press("pagedown", "pageup", "up", "k")
        assert found.rows()[9:] == top

    seen(scenes.suspended(), see, (80, 16))


def test_messages_are_told_as_a_conversation() -> None:
    """Who says what, which calls are made and what they return; what the step added is marked."""
    model = ScriptedModel([Turn.call("find", number="A-1"), "It is on its way."])
    trace = clerk.flow.run_sync(clerk.Message(message="hello"), resources=[model], target="clerk.py:flow").trace
    walked = walk(trace)
    told = ["\n".join(row.plain for row in pages.PAGES["messages"].lines(walked, s, 80)) for s in walked.steps]
    last = next(page for page in reversed(told) if "inside" in page)
    assert "messages inside " in last
    assert "assistant" in last
    for said in ("instructions", "  │ calls find", "  │   number  A-1", "find gave back", "  │ It is on its way."):
        assert said in last
    assert any("• assistant" in page or "• user" in page for page in told)


def test_an_agent_that_keeps_no_messages_is_told_as_well() -> None:
    """Its instructions, what it read and what it answered: that is all that was said."""

    class Poem(BaseModel):
        subject: str = "rain"
        poem: str = ""

    flow = Flow("poem", Poem)
    flow.start(flow.agent("write", Agent("Write two lines."), reads=flow.state.subject, writes=flow.state.poem))
    walked = walk(flow.run_sync(Poem(), resources=[ScriptedModel(["It rains\nagain"])]).trace)
    page = next(
        "\n".join(row.plain for row in pages.PAGES["messages"].lines(walked, s, 80)) for s in walked.steps if s.visit
    )
    said = ["  instructions", "  │ Write two lines.", "  read", "  │ subject  rain"]
    assert page.splitlines() == [*said, "• answer", "  │ output  It rains", "  │   again"]


def test_what_only_looks_like_messages_is_told_too() -> None:
    """Objects with a role and a text of whatever type are shown as they are."""

    class Odd(BaseModel):
        said: list[dict[str, Any]] = []

    flow = Flow("odd", Odd)

    @flow.task(writes=flow.state.said)
    def say() -> list[dict[str, Any]]:
        parts = [{"kind": "image", "url": "x"}, {"text": "two"}]
        return [{"role": 1, "text": 5}, {"role": "user", "content": parts, "tool_calls": "none"}]

    walked = walk(flow.run_sync(Odd()).trace)
    page = pages.PAGES["messages"].lines(walked, walked.steps[-1], 40)
    assert [row.plain for row in page] == ["said", "• 1", "  │ 5", "• user", "  │ [image]", "  │ two"]


class Words(BaseModel):
    """Holds whatever is written."""

    text: str = ""
    log: Annotated[list[str], append] = []
    n: int = 0


def labels() -> list[str]:
    """Return texts that break programs: control and invisible characters, wide ones, markup, quotes."""
    nasty = [
        "\x1b[2J\x1b[31mred\x07",
        "a\u202eb\u200bc",
        "[bold]not[/bold]",
        "日本語のとても長い文字列" * 6,
        "👩‍👩‍👧‍👦 é ﷽",
    ]
    extra: list[str] = json.loads((DATA / "labels_extra.json").read_text("utf-8"))
    blns: list[str] = json.loads((DATA / "blns.json").read_text("utf-8"))
    return [*nasty, *extra[::3], *blns[::40]]


def nasty_run() -> Trace:
    """Return a run in which nodes, errors and values are such texts."""
    flow = Flow("words", Words)
    names = iter(labels())

    def say(text: str) -> Callable[[], str]:
        def node() -> str:
            return text

        return node

    made: list[Any] = []
    for name in names:
        probe = Flow("probe", Words)
        probe.task(writes=probe.state.text, name=name)(say(name))
        if not probe.check() and name not in [m.name for m in made]:
            made.append(flow.task(writes=flow.state.text, name=name)(say(name)))
    for one, two in itertools.pairwise(made):
        flow.edge(one, two)
    return flow.run_sync(Words(), run_id="nasty").trace


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (130, 30), (30, 10)])
def test_whatever_a_run_says_stays_in_its_place(size: tuple[int, int]) -> None:
    """No control character reaches the terminal, markup is text, and each line is as wide as the terminal."""

    async def see(found: Seen) -> None:
        keys = itertools.cycle(("escape", "w", "d", "s", "m", "v"))
        for k, key in zip(range(len(found.app.walk.steps)), keys, strict=False):
            await found._pilot.press(key, "right")
            if k % 6 == 5:
                await found.settle()
            await found._pilot.pause()
            rows = found.rows()
            assert len(rows) == size[1]
            assert {cell_len(row) for row in rows} == {size[0]}
            assert not set("".join(rows)) & set("\x1b\x07\r\n\u202e\u200b")

    seen(nasty_run(), see, size)


def test_colours_follow_the_terminal_or_not() -> None:
    """It begins on the terminal's own ground; `t` goes through dark, light and back, and changes no text."""

    async def see(found: Seen) -> None:
        rows = found.rows()
        grounds = [found.ground()]
        for _ in range(3):
            await found.press("t")
            grounds.append(found.ground())
            assert found.rows() == rows
        own, dark, light, again = grounds
        assert own is again is None
        assert dark is not None
        assert light is not None
        assert dark < 0.2
        assert light > 0.8

    seen(scenes.suspended(), see)


@pytest.mark.slow
def test_a_long_run_moves_as_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 10,000 steps a key costs about what it costs with 20, at the end too, as what takes time is put off."""
    monkeypatch.setattr("graphrt.cli.tui._SOON_S", 600.0)

    async def cost(trace: Trace) -> float:
        async with opened(walk(trace), (130, 40)) as found:
            await found.press("end")
            began = time.process_time()
            for _ in range(3):
                await found._pilot.press(*["left"] * 5)
            return time.process_time() - began

    short, long = asyncio.run(cost(scenes.long_run(10))), asyncio.run(cost(scenes.long_run(5000)))
    assert long < 3 * short


# -- on a terminal ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", ["xterm-256color", "xterm", "screen", "linux"])
def test_it_runs_on_a_terminal_and_gives_it_back(
    program: Program, terminal: Callable[..., OnTerminal], term: str
) -> None:
    """Keys work without enter, on another screen than the one with the history, which comes back at the end."""
    file = program.file("run.jsonl", scenes.suspended())
    walked = terminal("replay", str(file), term=term)
    walked.until("quit")
    walked.press("\x1b[C")
    walked.until("(visit 0)")
    walked.press("n")
    walked.until("the ledger is away")
    walked.press("q")
    assert walked.code() == 0
    assert walked.seen.count("\x1b[?1049h") == walked.seen.count("\x1b[?1049l") == 1
    # NO_COLOR is set for these tests: bold and reverse remain, no colour is named.
    assert not re.search(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9\d)[;m]", walked.seen)


def test_ctrl_c_ends_it_as_any_program(program: Program, terminal: Callable[..., OnTerminal]) -> None:
    """Ctrl-C ends the walk with 130 and gives the terminal back."""
    walked = terminal("replay", str(program.file("run.jsonl", scenes.suspended())))
    walked.until("quit")
    walked.press("\x03")
    assert walked.code() == 130
    assert "\x1b[?1049l" in walked.seen
    assert "Traceback" not in walked.seen


def test_steps_that_are_not_in_sight_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening and moving makes rows of the list for what is in sight only."""
    made: list[int] = []
    row = Steps.row

    def counting(self: Steps, number: int) -> Any:
        made.append(number)
        return row(self, number)

    monkeypatch.setattr(Steps, "row", counting)

    async def see(found: Seen) -> None:
        await found.press("end", "left")

    seen(scenes.long_run(300), see)
    assert len(set(made)) < 60
