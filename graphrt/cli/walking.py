"""What a person can do while walking through a run: the one list behind the keys of every screen, and their help.

The keys are those of the report that `graphrt render` makes, as far as a terminal has what they are for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from graphrt.cli.pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphrt.cli.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Move:
    """A way to another step."""

    keys: tuple[str, ...]
    go: Callable[[Cursor], None]
    help: tuple[str, str] | None = None
    """Keys as people know them, and what they do; None where another move says it."""


MOVES: Final = (
    Move(("right", "enter", "space", "tab"), lambda c: c.by(1), ("→  enter  space", "the next step")),
    Move(("left", "p", "b", "backspace"), lambda c: c.by(-1), ("←  p  b", "the step before")),
    Move(("home",), lambda c: c.to(0), ("home  end", "the first step, the last")),
    Move(("end", "G"), lambda c: c.last()),
    Move(("n", "f"), lambda c: c.failure(1), ("n  N", "the next failure, the one before")),
    Move(("N", "F"), lambda c: c.failure(-1)),
)
BY_KEY: Final[Mapping[str, Move]] = {key: move for move in MOVES for key in move.keys}

FOOT: Final = (
    ("← →", "step"),
    ("/", "find"),
    ("n", "fail"),
    ("w", "why"),
    ("d", "diff"),
    ("s", "state"),
    ("m", "said"),
    ("v", "view"),
    ("?", ""),
    ("q", "quit"),
)
"""What stands at the bottom of a screen, in 80 cells."""


def help_rows(*more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what each key does, for people; `more` are those that only one screen has."""
    return (
        *(move.help for move in MOVES if move.help is not None),
        ("g", "go to a step as pictures number it, or to a visit: 12, review #2, @4"),
        ("/", "search a text; an empty one is the last one again"),
        *((page.key, page.says) for page in PAGES.values() if page.key),
        ("↑ ↓  j k", "move the page; a screenful with page up, page down"),
        *more,
        ("esc", "back to the step"),
        ("?  q", "these keys; quit"),
    )
