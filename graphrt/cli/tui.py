"""`graphrt replay` as an app of its own, where the library of the extra `tui` is installed.

What it shows and what the keys do is what the plain screen shows and does; the app adds lists and panes that scroll
each for itself, and the mouse. Only what is in sight is made, and what takes time is made apart, once a person stands
still: a run of any length opens and moves alike.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from rich.cells import cell_len
from rich.text import Text
from textual import on, work
from textual.app import App
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.message import Message
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input, Static

from graphrt.cli import pages
from graphrt.cli.cursor import Cursor
from graphrt.cli.pages import PAGES, Pages
from graphrt.cli.screen import line
from graphrt.cli.stepping import WIDE, centred, cut, foot, help_lines, list_row, title, widths
from graphrt.cli.stopping import Terminated
from graphrt.cli.walking import BY_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from textual import events
    from textual.app import ComposeResult

    from graphrt.cli.steps import Step, Walk

_SOON_S: Final = 0.05
"""How long a step must be stood on before pages that take time are made."""
_THEMES: Final = ("ansi-dark", "textual-dark", "textual-light")
"""The terminal's own colours; dark and light ones that are the same on every terminal that has many."""
_KEYS: Final = {"slash": "/", "question_mark": "?"}
_HELP_WIDTH: Final = 74
_FEW_STEPS: Final = 12


class Lines(ScrollView, can_focus=False):
    """Lines of text that can be scrolled; only those in sight are drawn."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.rows: Sequence[Text] = ()

    def show(self, rows: Sequence[Text], focus: int = 0) -> None:
        """Show other lines, with one of them in sight."""
        self.rows = rows
        self.sized(len(rows), focus)

    def sized(self, rows: int, focus: int) -> None:
        """Make room for so many lines, and bring one into sight."""
        self.virtual_size = Size(self.room.width, rows)
        self.scroll_to(y=centred(focus, rows, self.room.height), animate=False, force=True, immediate=True)
        self.refresh()

    @property
    def room(self) -> Size:
        """What is in sight, without the bar at its side."""
        return self.scrollable_content_region.size

    def row(self, number: int) -> Text:
        """Return a line."""
        return self.rows[number] if number < len(self.rows) else Text("")

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is in sight."""
        width = self.room.width
        row = cut(self.row(self.scroll_offset.y + y), width)
        strip = Strip(row.render(cast("Any", self).app.console), cell_len(row.plain))
        return strip.apply_style(self.rich_style).adjust_cell_length(width, self.rich_style)


class Steps(Lines):
    """The list of all steps, with the present one in sight."""

    class Chosen(Message):
        """A step was clicked."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, walk: Walk) -> None:
        super().__init__("steps")
        self.walk = walk
        self.index = 0
        self._columns = widths(walk)

    def at(self, index: int) -> None:
        """Mark a step as the present one."""
        self.index = index
        self.sized(len(self.walk.steps), index)

    def row(self, number: int) -> Text:
        """Return a step."""
        if number >= len(self.walk.steps):
            return Text("")
        return list_row(self.walk.steps[number], self.walk, self._columns, here=number == self.index)

    def on_click(self, event: events.Click) -> None:
        """Go to the step that was clicked."""
        number = self.scroll_offset.y + event.y
        if number < len(self.walk.steps):
            self.post_message(self.Chosen(number))


class Help(ModalScreen[None]):
    """What each key does."""

    def compose(self) -> ComposeResult:
        """Show the keys."""
        rows = help_lines(_HELP_WIDTH, ("t", "colours: the terminal's own, dark, light"))
        shown = Static(Text("\n").join(rows), id="help")
        shown.border_title = " keys "
        yield shown

    def on_key(self, event: events.Key) -> None:
        """Close on any key."""
        event.stop()
        self.dismiss()  # type: ignore[unused-awaitable]  # it closes by itself; whoever waits in a handler waits for ever

    def on_click(self) -> None:
        """Close."""
        self.dismiss()  # type: ignore[unused-awaitable]  # as above


class Replay(App[None]):
    """Walks through one run."""

    TITLE = "graphrt replay"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    CSS = """
    #title, #foot, #ask { height: 1; }
    #ask { display: none; }
    #prompt { width: auto; text-style: bold; }
    #body, #left, #right, #page { height: 1fr; }
    #left { width: 56fr; }
    #right { width: 44fr; display: none; padding-left: 1; }
    Screen.wide #right { display: block; }
    #steps { height: 33%; min-height: 3; }
    #page, #state, #picture { border-top: solid $primary; border-title-color: $primary; }
    #state { height: 1fr; }
    #picture { height: 2fr; }
    Lines { scrollbar-size-vertical: 1; overflow-x: hidden; }
    Help { align: center middle; }
    #help { width: 80; max-width: 100%; height: auto; max-height: 100%; border: round $primary; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[Any]] = [Binding("ctrl+c", "interrupt", priority=True, show=False)]

    def __init__(self, walk: Walk, at: int = 0) -> None:
        super().__init__(ansi_color=True)  # what is green is the terminal's green, and NO_COLOR leaves its own colour
        self.theme = _THEMES[0]
        self.walk = walk
        self.cursor = Cursor(walk, at)
        self.page: pages.Name = "step"
        self.interrupted = self.terminated = False
        self._pages = Pages(walk)
        self._making = threading.Lock()
        """Held while a page that takes time is made: such pages read the run with one reader."""
        self._asked = ""
        """What the line that is being typed is for: `g` or `/`."""

    def compose(self) -> ComposeResult:
        """Lay the parts out."""
        yield Static(id="title")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield Steps(self.walk)
                yield Lines("page")
            with Vertical(id="right"):
                yield Lines("state")
                yield Lines("picture")
        yield Static(foot(), id="foot")
        with Horizontal(id="ask"):
            yield Static(id="prompt")
            yield Input(compact=True)

    def on_mount(self) -> None:
        """Give the parts their sizes and names."""
        self.query_one(Steps).styles.max_height = min(_FEW_STEPS, len(self.walk.steps))
        self.query_one("#state").border_title = " state "
        self.query_one("#picture").border_title = " picture "

    def on_resize(self, event: events.Resize) -> None:
        """Put state and picture beside the page where there is room for them."""
        self.screen_stack[0].set_class(event.size.width >= WIDE, "wide")
        self.call_after_refresh(self.fill)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Show the present step everywhere."""
        base, step = self.screen_stack[0], self.cursor.step
        base.query_one("#title", Static).update(title(self.walk, step, self.size.width))
        base.query_one(Steps).at(self.cursor.index)
        page = base.query_one("#page", Lines)
        page.border_title = f" {self.page} "
        self._show(page, self.page)
        if base.has_class("wide"):
            self._show(base.query_one("#state", Lines), "state")
            self._show(base.query_one("#picture", Lines), "picture")
        note = self.cursor.note
        base.query_one("#foot", Static).update(line((note, "yellow")) if note else foot())

    def _show(self, pane: Lines, name: pages.Name) -> None:
        step, width = self.cursor.step, pane.size.width - 1
        if width < 1:
            return
        known = self._pages.known(name, step, width)
        if known is None and PAGES[name].takes_time:
            self.set_timer(_SOON_S, lambda: self._make_soon(pane, name, step, width))
            return
        rows = known or self._pages.lines(name, step, width)
        pane.show(rows, PAGES[name].focus(rows))

    def _make_soon(self, pane: Lines, name: pages.Name, step: Step, width: int) -> None:
        if step is self.cursor.step:
            self._make(pane, name, step, width)

    @work(thread=True)
    def _make(self, pane: Lines, name: pages.Name, step: Step, width: int) -> None:
        with self._making:
            rows = PAGES[name].lines(self.walk, step, width)
        self.call_from_thread(self._made, pane, name, step, width, rows)

    def _made(self, pane: Lines, name: pages.Name, step: Step, width: int, rows: list[Text]) -> None:
        self._pages.keep(name, step, width, rows)
        if step is self.cursor.step and (pane.id != "page" or name == self.page):
            pane.show(rows, PAGES[name].focus(rows))

    # -- keys and mouse -----------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        """Do what a key says."""
        if self._asked:
            if event.key == "escape":
                self._ask_no_more()
            return
        key = _KEYS.get(event.key, event.key)
        page = self.screen_stack[0].query_one("#page", Lines)
        self.cursor.note = ""
        if (move := BY_KEY.get(key)) is not None:
            move.go(self.cursor)
        elif key in pages.BY_KEY or key == "escape":
            chosen = pages.BY_KEY.get(key, "step")
            self.page = "step" if self.page == chosen else chosen
        elif key in {"up", "k", "down", "j"}:
            page.scroll_relative(y=1 if key in {"down", "j"} else -1, animate=False)
            return
        elif key in {"pageup", "pagedown"}:
            page.scroll_relative(y=(1 if key == "pagedown" else -1) * max(1, page.size.height - 1), animate=False)
            return
        elif key in {"g", "/"}:
            self._ask(key)
            return
        else:
            self._others(key)
            return
        self.fill()

    def _others(self, key: str) -> None:
        if key == "q":
            self.exit()
        elif key in {"?", "h"}:
            self.push_screen(Help())  # type: ignore[unused-awaitable]  # it opens by itself
        elif key == "t":
            self.theme = _THEMES[(_THEMES.index(self.theme) + 1) % len(_THEMES)]
            self.ansi_color = self.theme == _THEMES[0]
            self.fill()

    def _ask(self, what: str) -> None:
        self._asked = what
        self.query_one("#prompt", Static).update("go to: " if what == "g" else "/")
        self.query_one("#foot").display = False
        self.query_one("#ask").display = True
        typed = self.query_one(Input)
        typed.value = ""
        typed.focus()

    def _ask_no_more(self) -> None:
        self._asked = ""
        self.query_one("#ask").display = False
        self.query_one("#foot").display = True
        self.set_focus(None)

    @on(Input.Submitted)
    def typed(self, event: Input.Submitted) -> None:
        """Go where the typed line says."""
        event.stop()
        act = self.cursor.go if self._asked == "g" else self.cursor.search
        self._ask_no_more()
        act(event.value)
        self.fill()

    @on(Steps.Chosen)
    def chosen(self, event: Steps.Chosen) -> None:
        """Go to a step that was clicked."""
        self.cursor.note = ""
        self.cursor.to(event.index)
        self.fill()

    def action_interrupt(self) -> None:
        """End as a program that got Ctrl-C."""
        self.interrupted = True
        self.exit()

    def terminate(self) -> None:
        """End as a program that was asked to."""
        self.terminated = True
        self.exit()


def play_app(walk: Walk, at: int = 0) -> None:
    """Let a person walk through a run until they quit.

    Raises:
        KeyboardInterrupt: they pressed Ctrl-C.
        Terminated: the process was asked to end. The terminal is given back before.
    """
    app = Replay(walk, at)
    asyncio.run(_played(app))
    if app.terminated:
        raise Terminated
    if app.interrupted:
        raise KeyboardInterrupt


async def _played(app: Replay) -> None:
    """Run the app; the polite kill ends it as `q` does, for what ends it otherwise leaves the terminal as it is."""
    loop = asyncio.get_running_loop()

    def terminate(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(app.terminate)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        await app.run_async()
    finally:
        signal.signal(signal.SIGTERM, before)
