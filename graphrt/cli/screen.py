"""What reaches the terminal: text made safe, colours only where they are wanted, tables that fit.

Everything that is printed passes through `line`, which makes control characters visible: what a model wrote can neither
move the cursor nor hide what stands beside it.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from graphrt_viz.wording import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.inputs import Json

Part: TypeAlias = "str | tuple[str, str] | Text"
"""A piece of a line: text, or text and its style."""

_GAP: Final = 2
_NARROWEST: Final = 6
"""Cells of a column at least …"""
_NARROW: Final = 20
"""… and while another is wider than this …"""
_NARROW_LAST: Final = 28
"""… cells of the last column."""
_UNSEEN: Final = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""What JSON leaves as it is, but no terminal shows."""

_HANG: Final = re.compile(r" *\S+(?: \S+)* {2,}(?=\S)")
"""A label and the gap behind it, or the first cell of a row."""
_MOST_HANG: Final = 18
_RULER: Final = Console(file=io.StringIO(), width=80)
"""Measures text; nothing is printed on it."""

_colour = True


def set_colour(*, wanted: bool) -> None:
    """Say whether this process may colour what it prints."""
    global _colour  # noqa: PLW0603 - one switch for one process, set once by the program's entry
    _colour = wanted


def console(file: IO[str] | None = None) -> Console:
    """Return the console that writes to standard output, or to `file`."""
    stream = file if file is not None else sys.stdout
    colour = _colour and "NO_COLOR" not in os.environ
    return _Console(
        file=stream,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
        color_system="auto" if colour else None,
    )


class _Console(Console):
    """A console that leaves it to whoever writes what becomes of them when the reader is gone."""

    def on_broken_pipe(self) -> None:
        """Raise what happened, where the library would end the process."""
        raise  # noqa: PLE0704 - called while it is handled


class Lasting:
    """A stream that may come to an end before whoever writes to it: what is written then is lost, and they go on.

    Its reader goes away, its disk is full, its terminal is closed. All else is as in the stream inside.
    """

    def __init__(self, file: IO[str]) -> None:
        """Write to `file`, as long as it takes what is written."""
        self._file = file
        self.trouble: OSError | None = None
        """Why it takes no more; None also where its reader has had enough."""

    @classmethod
    def over(cls, file: IO[str]) -> IO[str]:
        """Return a stream that lasts."""
        return cast("IO[str]", cls(file))

    def write(self, text: str) -> int:
        """Write, if it still can be."""
        try:
            return self._file.write(text)
        except OSError as error:
            self._end(error)
            return len(text)

    def flush(self) -> None:
        """Send on what was written, if it still can be."""
        try:
            self._file.flush()
        except OSError as error:
            self._end(error)

    def _end(self, error: OSError) -> None:
        """Write no more: what came behind a hole would be worse than an end."""
        if self.trouble is None and not isinstance(error, BrokenPipeError):
            self.trouble = error
        silence(self._file)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._file, name)


def silence(file: IO[str]) -> None:
    """Lead nowhere what is written to a stream that takes no more, and what of it is still buffered."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, file.fileno())
    except (OSError, ValueError):
        pass  # it is no file of the system
    finally:
        os.close(nowhere)


def interactive(file: IO[str] | None = None) -> bool:
    """Say if a person can be shown things that move: a terminal that can place its cursor."""
    screen = console(file)
    return screen.is_terminal and not screen.is_dumb_terminal


def line(*parts: Part) -> Text:
    """Return one line of safe text."""
    text = Text(no_wrap=True)
    for part in parts:
        if isinstance(part, Text):
            text.append_text(part)
        elif isinstance(part, str):
            text.append(visible(part))
        else:
            text.append(visible(part[0]), part[1])
    return text


def say(*lines: Part, file: IO[str] | None = None) -> None:
    """Print lines. A terminal wraps them at words, a file gets each in one piece.

    Whatever is said on standard error is said besides: that it cannot be changes nothing.

    Raises:
        OSError: they cannot be printed, on any other stream.
    """
    screen = console(Lasting.over(file) if file is not None and file is sys.stderr else file)
    if not screen.is_terminal:
        screen.file.write("".join(f"{line(one).plain}\n" for one in lines))
        screen.file.flush()
        return
    for one in lines:
        for part in wrapped(line(one), screen.width):
            screen.print(part, soft_wrap=True)


def wrapped(text: Text, width: int) -> list[Text]:
    """Wrap at words; what goes on in a further line stands below the text of the first, beside its label."""
    if cell_len(text.plain) <= width:
        return [text]
    found = _HANG.match(text.plain)
    indent = found.end() if found is not None and found.end() <= _MOST_HANG else 0
    indent = indent or len(text.plain) - len(text.plain.lstrip(" "))
    if indent > width // 2:
        indent = 0
    rest = text[indent:]
    rest.no_wrap = False
    rows = rest.wrap(_RULER, width - indent)
    for row in rows:
        row.rstrip()
    return [line(text[:indent] if k == 0 else " " * indent, row) for k, row in enumerate(rows)]


def framed(text: str, width: int, style: str = "") -> list[Text]:
    """Wrap a line of a text picture: what goes on in a further line stays inside the frames drawn at the left."""
    frame = text[: len(text) - len(text.lstrip("│ "))]
    rest = line((text[len(frame) :], style))
    if cell_len(text) <= width:
        return [line((frame, "dim"), rest)]
    first, *more = wrapped(rest, max(20, width - cell_len(frame) - 2))
    return [line((frame, "dim"), first), *(line((f"{frame}  ", "dim"), part) for part in more)]


def say_table(
    heads: Sequence[str], rows: Sequence[Sequence[Part]], *, right: Sequence[int] = (), file: IO[str] | None = None
) -> None:
    """Print a table. `right` names the columns of numbers. The last column is cut at the edge of a terminal."""
    screen = console(file)
    for row in table(heads, rows, right=right, width=screen.width if screen.is_terminal else None):
        screen.print(row, soft_wrap=True)


def table(
    heads: Sequence[str], rows: Sequence[Sequence[Part]], *, right: Sequence[int] = (), width: int | None = None
) -> list[Text]:
    """Return the lines of a table, each no wider than `width` cells."""
    cells = [[line((h, "dim")) for h in heads]] if any(heads) else []
    cells += [[line(c) for c in row] for row in rows]
    widths = [max((cell_len(row[k].plain) for row in cells), default=0) for k in range(len(heads))]
    if width is not None:
        widths = _fitted(widths, width)
    out: list[Text] = []
    for row in cells:
        text = Text(no_wrap=True)
        for k, cell in enumerate(row):
            if widths[k] == 0:
                continue
            if cell_len(cell.plain) > widths[k]:
                cell.truncate(widths[k], overflow="ellipsis")
            room = widths[k] - cell_len(cell.plain)
            if k in right:
                text.append(" " * room)
            text.append_text(cell)
            text.append(" " * (_GAP + (0 if k in right else room)))
        text.rstrip()
        out.append(text)
    return out


def _fitted(widths: list[int], width: int) -> list[int]:
    """Narrow columns until a row fits: the last one first, and once it is as narrow as the others are, the widest."""
    widths = list(widths)
    last = len(widths) - 1
    used = [w for w in widths if w]
    surplus = sum(used) + _GAP * (len(used) - 1) - width
    while surplus > 0:
        others = max((w for w in widths[:last]), default=0)
        narrowest = _NARROW_LAST if others > _NARROW else _NARROWEST
        widest = last if widths[last] > narrowest else max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            break
        cut = min(surplus, widths[widest] - narrowest) if widest == last else 1
        widths[widest] -= max(1, cut)
        surplus -= max(1, cut)
    return widths


def json_text(value: Json, *, indent: int | None = 2) -> str:
    """Return JSON in which nothing is invisible."""
    return _UNSEEN.sub(_escaped, json.dumps(value, ensure_ascii=False, indent=indent))


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def say_json(value: Json, *, indent: int | None = 2) -> None:
    """Print JSON for a program: never coloured, never wrapped."""
    write(json_text(value, indent=indent) + "\n")


def write(text: str) -> None:
    """Write text as it is to standard output, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def complain(message: str) -> None:
    """Tell on standard error why a command cannot be done."""
    first, *more = message.split("\n")
    say(line(("graphrt: ", "bold red"), first), *more, file=sys.stderr)


def note(message: str) -> None:
    """Tell something on standard error that is not the result."""
    say(line((message, "dim")), file=sys.stderr)


def brief_json(value: Any, most: int = 60) -> str:  # noqa: ANN401 - any JSON value
    """Return a JSON value in one line of at most `most` characters."""
    text = visible(json_text(value, indent=None))
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
