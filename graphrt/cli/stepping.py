"""Walking through a run on a plain screen: lines that exactly fill a terminal. Knows no terminal itself.

The screen has a list of steps around the present one, and below it a page. A wide screen has state and picture beside
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from rich.cells import cell_len
from rich.text import Text

from graphrt.cli import pages
from graphrt.cli.cursor import Cursor
from graphrt.cli.pages import PAGES, Pages
from graphrt.cli.screen import line, wrapped
from graphrt.cli.step_lines import row
from graphrt.cli.telling import status_text
from graphrt.cli.walking import BY_KEY, FOOT, help_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt.cli.steps import Step, Walk

Page: TypeAlias = pages.Name | Literal["help"]

WIDE: Final = 110
"""Columns from which on state and picture stand beside the page."""
_MOST_NAME: Final = 24
_MOST_LABEL: Final = 12
_SCROLLS: Final[Mapping[str, int]] = {"up": -1, "k": -1, "down": 1, "j": 1}


class Stepping:
    """Where a person stands in a run, and which page is open."""

    def __init__(self, walk: Walk, at: int = 0) -> None:
        """Begin at the step with the index `at`."""
        self.walk = walk
        self.cursor = Cursor(walk, at)
        self.page: Page = "step"
        self.scroll = 0
        self._pages = Pages(walk)
        self._most_scroll = 0
        self._screenful = 1
        self._columns = widths(walk)

    @property
    def step(self) -> Step:
        """The present step."""
        return self.cursor.step

    @property
    def note(self) -> str:
        """Said at the bottom, once."""
        return self.cursor.note

    # -- keys ---------------------------------------------------------------------------------------------------------

    def do(self, command: str) -> bool:
        """Do what a key or a typed line says; return whether to go on."""
        cursor = self.cursor
        cursor.note = ""
        command = command.strip() or "enter"
        if command == "q":
            return False
        if command.startswith("/"):
            cursor.search(command[1:])
            self.scroll = 0
        elif command == "g" or command.startswith("g "):
            cursor.go(command[1:])
            self.scroll = 0
        elif (move := BY_KEY.get(command)) is not None:
            move.go(cursor)
            self.scroll = 0
        elif command in {"?", "h", *pages.BY_KEY}:
            page: Page = pages.BY_KEY.get(command, "help")
            self._open("step" if self.page == page else page)
        elif command == "escape":
            self._open("step")
        elif command in _SCROLLS:
            self._scroll_by(_SCROLLS[command])
        elif command in {"page up", "page down"}:
            self._scroll_by(self._screenful if command == "page down" else -self._screenful)
        else:
            cursor.note = f"{command!r} does nothing; ? lists the keys"
        return True

    def _open(self, page: Page) -> None:
        self.page, self.scroll = page, 0

    def _scroll_by(self, lines: int) -> None:
        self.scroll = max(0, min(self.scroll + lines, self._most_scroll))

    # -- the screen ---------------------------------------------------------------------------------------------------

    def lines(self, width: int) -> list[Text]:
        """Return the open page, all of it."""
        if self.page == "help":
            return help_lines(width)
        return self._pages.lines(self.page, self.step, width)

    def screen(self, width: int, height: int, asked: str | None = None) -> list[Text]:
        """Return exactly `height` lines of at most `width` cells; `asked` is what is being typed at the bottom."""
        wide = width >= WIDE
        left = width * 56 // 100 if wide else width
        rows = [title(self.walk, self.step, width)]
        listed = max(1, min(12, (height - 4) // 3, len(self.walk.steps)))
        room = max(1, height - listed - 4)
        body = [*self._list(left, listed), _rule(self.page, left)]
        page = self.lines(left)
        body += self._window(page, room)
        if wide:
            body = _beside(body, left, self._beside(width - left - 3, listed + 1 + room))
        rows += body
        rows.append(_rule(self._more(len(page), room), width))
        rows.append(self._bottom(asked))
        return [cut(r, width) for r in rows[:height]]

    def _list(self, width: int, height: int) -> list[Text]:
        """Return the steps around the present one."""
        steps = self.walk.steps
        first = max(0, min(self.cursor.index - height // 2, len(steps) - height))
        shown = steps[first : first + height]
        out = [cut(list_row(step, self.walk, self._columns, here=step is self.step), width) for step in shown]
        return out + [Text("") for _ in range(height - len(out))]

    def _window(self, page: list[Text], room: int) -> list[Text]:
        """Return the part of a page that fits; one that has a line to be seen first is moved there."""
        self._screenful = max(1, room - 1)
        self._most_scroll = max(0, len(page) - room)
        start = min(self.scroll, self._most_scroll)
        if self.page != "help" and self.scroll == 0:
            start = self.scroll = centred(PAGES[self.page].focus(page), len(page), room)
        shown = page[start : start + room]
        return shown + [Text("") for _ in range(room - len(shown))]

    def _more(self, lines: int, room: int) -> str:
        below = lines - min(self.scroll, self._most_scroll) - room
        return f"{below} more {'line' if below == 1 else 'lines'} ↓" if below > 0 else "↑" if self.scroll else ""

    def _beside(self, width: int, height: int) -> list[Text]:
        """Return state and picture, one below the other."""
        picture = self._pages.lines("picture", self.step, width)
        state = [_rule("state", width), *self._pages.lines("state", self.step, width)]
        most = max(height // 3, height - 2 - len(picture))
        if len(state) > most:
            state = [*state[: most - 1], line((f"… {len(state) - most + 1} more lines: s", "dim"))]
        room = height - len(state) - 1
        start = centred(PAGES["picture"].focus(picture), len(picture), room)
        rows = [*state, _rule("picture", width), *picture[start : start + room]]
        return rows + [Text("") for _ in range(height - len(rows))]

    def _bottom(self, asked: str | None) -> Text:
        if asked is not None:
            return line((asked, "bold"), ("█", "dim"))
        if self.note:
            return line((self.note, "yellow"))
        return foot()


def help_lines(width: int, *more: tuple[str, str]) -> list[Text]:
    """Return what each key does; `more` are those that only one screen has."""
    return [row for keys, says in help_rows(*more) for row in wrapped(line((f"  {keys:<15}  ", "bold"), says), width)]


def foot() -> Text:
    """Return the line below all: the keys that most need."""
    text = Text(no_wrap=True)
    for key, says in FOOT:
        text.append(key, "bold")
        text.append(f" {says}  " if says else "  ", "dim")
    text.rstrip()
    return text


def title(walk: Walk, step: Step, width: int) -> Text:
    """Return the line above all: which run it is, and which of its steps."""
    told = walk.told
    where = f"{step.place} of {len(walk.steps)}"
    right = cell_len(where)
    text = line("replay ", (told.run, "bold"), " of ", (told.flow, "bold"), "  ", status_text(told.standing))
    text.truncate(max(0, width - right - 2), overflow="ellipsis")
    text.append(" " * max(2, width - cell_len(text.plain) - right))
    text.append(where)
    return text


def widths(walk: Walk) -> tuple[int, int]:
    """Return how wide the numbers of steps and their names are in a list."""
    labels = max((cell_len(s.label) for s in walk.steps), default=0)
    names = max((cell_len(s.name) for s in walk.steps), default=0)
    return min(_MOST_LABEL, labels), min(_MOST_NAME, names)


def list_row(step: Step, walk: Walk, columns: tuple[int, int], *, here: bool) -> Text:
    """Return a step as a row of a list; `columns` are the widths of its number and its name."""
    labels, names = columns
    number, at, name, what, more = row(step, walk)
    cells = line(
        ("▶ " if here else "  ", "bold cyan"),
        _padded(line(number), labels, right=True),
        "  ",
        _padded(line(at), 8, right=True),
        "  ",
        _padded(line((str(name), "bold" if here else "")), names),
        "  ",
        what,
        "  ",
        line(more) if isinstance(more, tuple) else line((more if isinstance(more, str) else more.plain, "dim")),
    )
    if here:
        cells.stylize("reverse", 0, 2)
    return cells


def cut(text: Text, width: int) -> Text:
    """Return a line that is no wider than so many cells."""
    if cell_len(text.plain) > width:
        text = text.copy()
        text.truncate(width, overflow="ellipsis")
    return text


def centred(focus: int, size: int, room: int) -> int:
    """Return where to begin so that a line that is to be seen stands in the middle."""
    return max(0, min(focus - room // 2, size - room))


def _rule(title: str, width: int) -> Text:
    said = f"── {title} " if title else ""
    return line((said + "─" * max(0, width - cell_len(said)), "dim"))


def _padded(text: Text, width: int, *, right: bool = False) -> Text:
    text = cut(text, width)
    space = " " * (width - cell_len(text.plain))
    return line(space, text) if right else line(text, space)


def _beside(left: list[Text], width: int, right: list[Text]) -> list[Text]:
    """Put two columns beside each other."""
    return [line(_padded(one, width), (" │ ", "dim"), other) for one, other in zip(left, right, strict=True)]
