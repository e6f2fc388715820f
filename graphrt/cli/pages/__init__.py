"""What can be shown of a step: a page each, a file each. The plain screen and the app show the same lines.

A page is a function of the walk, the step and a width; it returns lines, none of them wider. `Pages` keeps those that
were made last, since a screen is drawn more often than it changes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from graphrt.cli.pages import diff, messages, picture, state, step, why

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.text import Text

    from graphrt.cli.steps import Step, Walk

Name: TypeAlias = Literal["step", "why", "diff", "state", "messages", "picture"]
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class Page:
    """One way to look at a step."""

    key: str
    """Opens and closes it; empty for the page that is there without asking."""
    says: str
    lines: Callable[[Walk, Step, int], list[Text]]
    focus: Callable[[list[Text]], int] = lambda _: 0
    """Which line is to be seen first of all."""
    takes_time: bool = False
    """Whether it looks at the whole run up to the step, so that a long run is felt."""


PAGES: Final[Mapping[Name, Page]] = {
    "step": Page("", "all of the step", step.lines),
    "why": Page("w", "why the visit was left as it was", why.lines, takes_time=True),
    "diff": Page("d", "what the step changed in the state", diff.lines),
    "state": Page("s", "the whole state after the step", state.lines),
    "messages": Page("m", "what was said to models and tools, the latest at the end", messages.lines, messages.focus),
    "picture": Page("v", "the picture of the run up to here", picture.lines, picture.focus, takes_time=True),
}
BY_KEY: Final[Mapping[str, Name]] = {page.key: name for name, page in PAGES.items() if page.key}


class Pages:
    """The pages of one run."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self._made: OrderedDict[tuple[Name, int, int], list[Text]] = OrderedDict()

    def lines(self, name: Name, step: Step, width: int) -> list[Text]:
        """Return a page, all of it."""
        known = self.known(name, step, width)
        return known if known is not None else self.keep(name, step, width, PAGES[name].lines(self.walk, step, width))

    def known(self, name: Name, step: Step, width: int) -> list[Text] | None:
        """Return a page if it was made of late."""
        return self._made.get((name, step.number, width))

    def keep(self, name: Name, step: Step, width: int, lines: list[Text]) -> list[Text]:
        """Keep a page that was made, and return it."""
        self._made[name, step.number, width] = lines
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        return lines
