"""Walking through a run on a screen: what is shown, and what each key does to it. Knows no terminal.

The screen has a list of steps around the present one, and below it a page: all of the step, why its visit was left as
it was, the state, or the picture of the run up to here. A wide screen has state and picture beside the page.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, cast

import msgspec
from rich.cells import cell_len
from rich.text import Text

from graphrt.account import account
from graphrt.cli.screen import framed, json_text, line, wrapped
from graphrt.cli.step_lines import detail, row
from graphrt.cli.telling import status_text
from graphrt.cli.which import which_visit
from graphrt.errors import UseError
from graphrt.events import Routed, VisitStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from graphrt.cli.steps import Step, Walk
    from graphrt_viz.picture import Picture

Page: TypeAlias = Literal["step", "why", "state", "picture", "help"]

WIDE: Final = 110
"""Columns from which on state and picture stand beside the page."""
_HERE: Final = "◀ here"
_LONG_VALUE: Final = 2_000
_UNSOUGHT: Final = frozenset({"type", "duration_s", "due", "seed", "usage", "lineage", "detail"})
"""What stands in a record, and is not told as it stands there."""
_PAGES: Final[Mapping[str, Page]] = {"w": "why", "s": "state", "d": "picture", "?": "help", "h": "help"}
_HELP: Final = (
    ("enter  n  →", "the next step"),
    ("p  b  ←", "the step before"),
    ("g 12", "go to step 12; `g review #2` or `g @4` to the step of a visit"),
    ("home  end", "the first step, the last"),
    ("/text", "the next step that has the text; `/` alone searches again"),
    ("f  F", "the next failure, the one before"),
    ("w", "why the visit was left as it was"),
    ("s", "the whole state after the step"),
    ("d", "the picture of the run up to here"),
    ("↑ ↓  j k", "move the page; a screenful with page up, page down"),
    ("esc", "back to the step"),
    ("q", "quit"),
)


class Stepping:
    """Where a person stands in a run, and which page is open."""

    def __init__(self, walk: Walk, at: int = 0) -> None:
        """Begin at the step with the index `at`."""
        self.walk = walk
        self.index = at
        self.page: Page = "step"
        self.scroll = 0
        self.note = ""
        """Said at the bottom, once."""
        self._sought = ""
        self._most_scroll = 0
        self._screenful = 1
        self._pictures: dict[int, Picture] = {}
        self._name_width = min(24, max((cell_len(s.name) for s in walk.steps), default=0))

    @property
    def step(self) -> Step:
        """The present step."""
        return self.walk.steps[self.index]

    # -- keys ---------------------------------------------------------------------------------------------------------

    def do(self, command: str) -> bool:
        """Do what a command says; return whether to go on."""
        self.note = ""
        command = command.strip()
        if command == "q":
            return False
        if command.startswith("/"):
            self._search(command[1:])
        elif command == "g" or command.startswith("g "):
            self._go_to(command[1:].strip())
        elif command in _PAGES:
            page = _PAGES[command]
            self._open("step" if self.page == page else page)
        elif (act := self._ACTS.get(command)) is not None:
            act(self)
        else:
            self.note = f"{command!r} does nothing; ? lists the keys"
        return True

    def _open(self, page: Page) -> None:
        self.page, self.scroll = page, 0

    def _move(self, index: int) -> None:
        last = len(self.walk.steps) - 1
        if index < 0:
            self.note = "this is the first step"
        elif index > last:
            self.note = "this is the last step"
        self.index = max(0, min(index, last))
        self.scroll = 0

    def _next(self) -> None:
        self._move(self.index + 1)

    def _back(self) -> None:
        self._move(self.index - 1)

    def _first(self) -> None:
        self._move(0)

    def _last(self) -> None:
        self._move(len(self.walk.steps) - 1)

    def _scroll_by(self, lines: int) -> None:
        self.scroll = max(0, min(self.scroll + lines, self._most_scroll))

    def _up(self) -> None:
        self._scroll_by(-1)

    def _down(self) -> None:
        self._scroll_by(1)

    def _page_up(self) -> None:
        self._scroll_by(-self._screenful)

    def _page_down(self) -> None:
        self._scroll_by(self._screenful)

    def _close(self) -> None:
        self._open("step")

    def _go_to(self, where: str) -> None:
        """Go to the step of a number, else of a visit."""
        if where.isdecimal():
            number = int(where)
            if 1 <= number <= len(self.walk.steps):
                self._move(number - 1)
            else:
                self.note = f"there is no step {number}; the steps are 1 to {len(self.walk.steps)}"
            return
        try:
            visit = which_visit(self.walk.told, where.removeprefix("@")) if where else None
        except UseError as error:
            self.note = error.message
            return
        if visit is not None:
            self._move(self.walk.step_of(visit).number - 1)

    def _search(self, text: str) -> None:
        self._sought = text.strip() or self._sought
        if not self._sought:
            return
        wanted = self._sought.casefold()
        if not self._find(lambda step: wanted in self._text_of(step), 1):
            self.note = f"no other step has {self._sought!r}"

    def _text_of(self, step: Step) -> str:
        """Return the words and values of a step, without what only makes them a page: many are looked through."""
        told = self.walk.told
        parts = [step.name, *step.live, *_leaves(msgspec.to_builtins((step.record.input, step.record.events)))]
        for event in step.record.events:
            if isinstance(event, VisitStarted):
                parts.append(told.visits[event.visit].name)
            elif isinstance(event, Routed):
                parts += [part for edge in step.edges(told, event) for part in (edge.target, edge.trigger)]
        return "\n".join(parts).casefold()

    def _next_failure(self) -> None:
        if not self._find(lambda step: step.failed, 1):
            self.note = "nothing else went wrong" if self.step.failed else "nothing went wrong"

    def _last_failure(self) -> None:
        if not self._find(lambda step: step.failed, -1):
            self.note = "nothing else went wrong" if self.step.failed else "nothing went wrong"

    def _find(self, fits: Callable[[Step], bool], way: int) -> bool:
        """Go to the nearest other step that fits, round the end if need be."""
        steps = self.walk.steps
        for k in range(1, len(steps)):
            index = (self.index + way * k) % len(steps)
            if fits(steps[index]):
                self._move(index)
                return True
        return False

    _ACTS: ClassVar[Mapping[str, Callable[[Any], None]]] = {
        "": _next,
        "n": _next,
        "right": _next,
        "p": _back,
        "b": _back,
        "left": _back,
        "home": _first,
        "end": _last,
        "G": _last,
        "f": _next_failure,
        "F": _last_failure,
        "up": _up,
        "k": _up,
        "down": _down,
        "j": _down,
        "page up": _page_up,
        "page down": _page_down,
        "escape": _close,
    }

    # -- pages --------------------------------------------------------------------------------------------------------

    def lines(self, width: int) -> list[Text]:
        """Return the open page, all of it."""
        rows: Sequence[Text]
        match self.page:
            case "step":
                rows = [t for part in detail(self.step, self.walk, width) for t in wrapped(part, width)]
            case "why":
                rows = self._why(width)
            case "state":
                rows = self._state(width)
            case "picture":
                rows = self._picture(width)
            case "help":
                rows = [t for keys, says in _HELP for t in wrapped(line((f"  {keys:<12}  ", "bold"), says), width)]
        return list(rows)

    def _why(self, width: int) -> list[Text]:
        from graphrt.cli.commands.why import reasons

        visit = self.step.visit
        if visit is None:
            return [line(("no visit ended in this step", "dim"))]
        told = account(self.walk.until(self.step))
        return [t for part in reasons(told, told.visits[visit.id], width) for t in wrapped(line(part), width)]

    def _state(self, width: int) -> list[Text]:
        """Return the fields of the state after the step; what it changed is marked."""
        if not self.step.levels:
            return [line(("the state is not known here", "dim"))]
        level = self.step.levels[0]
        changed = {c.field for c in level.changes()}
        state = self.step.state()
        widest = min(20, max((cell_len(n) for n in state), default=0))
        rows: list[Text] = []
        if level.around:
            rows.append(line((f"inside {self.walk.told.visits[level.around].name}", "dim")))
        for name, value in state.items():
            text = json_text(value, indent=None)
            if len(text) > _LONG_VALUE:
                text = f"{text[:_LONG_VALUE]}… ({len(text)} characters)"
            mark, style = ("•", "bold yellow") if name in changed else (" ", "bold")
            head = line((f"{mark} {name}", style), " " * max(0, widest - cell_len(name)), "  ")
            rows += wrapped(line(head, text), width)
        return rows

    def _picture(self, width: int) -> list[Text]:
        """Return the picture of the run up to here, with a mark where the step is."""
        from graphrt_viz import render

        rows: list[Text] = []
        for text in render(self._drawn(), "text").splitlines()[1:-2]:
            reached = _HERE in text or "═▶" in text or "visited" in text.replace("not visited", "")
            style = "bold yellow" if _HERE in text else "" if reached else "dim"
            rows += framed(text, width, style)
        while rows and not rows[0].plain.strip():
            rows.pop(0)
        return rows

    def _drawn(self) -> Picture:
        known = self._pictures.get(self.index)
        if known is None:
            from graphrt_viz import picture_of_run

            whole = picture_of_run(self.walk.trace, until=self.step.record.seq + 1)
            known = self._pictures[self.index] = _marked(whole, self.step)
        return known

    # -- the screen ---------------------------------------------------------------------------------------------------

    def screen(self, width: int, height: int, asked: str | None = None) -> list[Text]:
        """Return exactly `height` lines of at most `width` cells; `asked` is what is being typed at the bottom."""
        wide = width >= WIDE
        left = width * 56 // 100 if wide else width
        rows = [self._title(width)]
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
        return [_cut(r, width) for r in rows[:height]]

    def _title(self, width: int) -> Text:
        told = self.walk.told
        where = f"step {self.step.number} of {len(self.walk.steps)}"
        right = cell_len(where)
        text = line("replay ", (told.run, "bold"), " of ", (told.flow, "bold"), "  ", status_text(told.status))
        text.truncate(max(0, width - right - 2), overflow="ellipsis")
        text.append(" " * max(2, width - cell_len(text.plain) - right))
        text.append(where)
        return text

    def _list(self, width: int, height: int) -> list[Text]:
        """Return the steps around the present one."""
        steps = self.walk.steps
        first = max(0, min(self.index - height // 2, len(steps) - height))
        digits = len(str(len(steps)))
        out: list[Text] = []
        for step in steps[first : first + height]:
            number, at, name, what, more = row(step, self.walk)
            here = step is self.step
            cells = line(
                ("▶ " if here else "  ", "bold cyan"),
                " " * (digits - len(str(step.number))),
                number,
                "  ",
                _padded(line(at), 8, right=True),
                "  ",
                _padded(line((str(name), "bold" if here else "")), self._name_width),
                "  ",
                what,
                "  ",
                line(more) if isinstance(more, tuple) else line((more if isinstance(more, str) else more.plain, "dim")),
            )
            if here:
                cells.stylize("reverse", 0, 2)
            out.append(_cut(cells, width))
        return out + [Text("") for _ in range(height - len(out))]

    def _window(self, page: list[Text], room: int) -> list[Text]:
        """Return the part of a page that fits; the picture is moved to its mark."""
        self._screenful = max(1, room - 1)
        self._most_scroll = max(0, len(page) - room)
        start = min(self.scroll, self._most_scroll)
        if self.page == "picture" and self.scroll == 0:
            start = self.scroll = _centred(page, room)
        shown = page[start : start + room]
        return shown + [Text("") for _ in range(room - len(shown))]

    def _more(self, lines: int, room: int) -> str:
        below = lines - min(self.scroll, self._most_scroll) - room
        return f"{below} more {'line' if below == 1 else 'lines'} ↓" if below > 0 else "↑" if self.scroll else ""

    def _beside(self, width: int, height: int) -> list[Text]:
        """Return state and picture, one below the other."""
        state = [_rule("state", width), *self._state(width)]
        most = max(height // 3, height - 2 - len(self._picture(width)))
        if len(state) > most:
            state = [*state[: most - 1], line((f"… {len(state) - most + 1} more lines: s", "dim"))]
        room = height - len(state) - 1
        picture = self._picture(width)
        start = _centred(picture, room)
        rows = [*state, _rule("picture", width), *picture[start : start + room]]
        return rows + [Text("") for _ in range(height - len(rows))]

    def _bottom(self, asked: str | None) -> Text:
        if asked is not None:
            return line((asked, "bold"), ("█", "dim"))
        if self.note:
            return line((self.note, "yellow"))
        keys = [("enter", "next"), ("p", "back"), ("g", "go"), ("/", "find"), ("f", "fail")]
        keys += [("w", "why"), ("s", "state"), ("d", "picture"), ("?", ""), ("q", "quit")]
        text = Text(no_wrap=True)
        for key, says in keys:
            text.append(key, "bold")
            text.append(f" {says}  " if says else "  ", "dim")
        text.rstrip()
        return text


def _leaves(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield the texts and numbers in a JSON value, as far as somebody may look for them."""
    if isinstance(value, dict):
        for name, part in cast("dict[str, Any]", value).items():
            if name not in _UNSOUGHT:
                yield from _leaves(part)
    elif isinstance(value, (list, tuple)):
        for part in cast("Sequence[Any]", value):
            yield from _leaves(part)
    elif value is not None:
        yield str(value)


def _marked(picture: Picture, step: Step) -> Picture:
    """Mark the node of a step in a picture, or the nearest one around it that is drawn.

    Crossings are counted, not numbered: the numbers of a picture are not those of the steps.
    """
    from graphrt_viz.extract import step_into

    counted = (replace(x, mark=replace(x.mark, steps=())) if x.mark is not None else x for x in picture.edges)
    picture = replace(picture, edges=tuple(counted))

    if step.visit is None:
        return picture
    idents: list[str] = []
    for name in step.visit.path:
        idents.append(step_into(idents[-1] if idents else "", name))
    here = _HERE + (f", {step.visit.name}" if step.visit.number > 1 else "")
    for ident in reversed(idents):
        if any(n.id == ident for n in picture.nodes):
            nodes = tuple(replace(n, subtitle=here) if n.id == ident else n for n in picture.nodes)
            return replace(picture, nodes=nodes)
        if any(c.id == ident for c in picture.clusters):
            clusters = tuple(
                replace(c, tag=f"{c.tag or 'subgraph'} {here}") if c.id == ident else c for c in picture.clusters
            )
            return replace(picture, clusters=clusters)
    return picture


def _centred(page: list[Text], room: int) -> int:
    """Return where to begin so that the marked line stands in the middle."""
    marked = next((k for k, text in enumerate(page) if _HERE in text.plain), 0)
    return max(0, min(marked - room // 2, len(page) - room))


def _rule(title: str, width: int) -> Text:
    said = f"── {title} " if title else ""
    return line((said + "─" * max(0, width - cell_len(said)), "dim"))


def _padded(text: Text, width: int, *, right: bool = False) -> Text:
    text = _cut(text, width)
    space = " " * (width - cell_len(text.plain))
    return line(space, text) if right else line(text, space)


def _cut(text: Text, width: int) -> Text:
    if cell_len(text.plain) > width:
        text = text.copy()
        text.truncate(width, overflow="ellipsis")
    return text


def _beside(left: list[Text], width: int, right: list[Text]) -> list[Text]:
    """Put two columns beside each other."""
    return [line(_padded(one, width), (" │ ", "dim"), other) for one, other in zip(left, right, strict=True)]
