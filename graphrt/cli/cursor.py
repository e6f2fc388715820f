"""Where a person stands in a run, and how they get elsewhere. Knows no screen and no keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from graphrt.cli.which import which_visit
from graphrt.errors import UseError
from graphrt.events import Routed, VisitStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from graphrt.cli.steps import Step, Walk

_UNSOUGHT: Final = frozenset({"type", "duration_s", "due", "seed", "usage", "lineage", "detail"})
"""What stands in a record, and is not told as it stands there."""


class Cursor:
    """A place among the steps of a run."""

    def __init__(self, walk: Walk, at: int = 0) -> None:
        """Begin at the step with the index `at`."""
        self.walk = walk
        self.index = at
        self.note = ""
        """Why the last move led nowhere."""
        self._sought = ""

    @property
    def step(self) -> Step:
        """The present step."""
        return self.walk.steps[self.index]

    def to(self, index: int) -> None:
        """Go to the step with an index, or as far as there are steps."""
        last = len(self.walk.steps) - 1
        if index < 0:
            self.note = "this is the first step"
        elif index > last:
            self.note = "this is the last step"
        self.index = max(0, min(index, last))

    def by(self, steps: int) -> None:
        """Go so many steps on, or back."""
        self.to(self.index + steps)

    def last(self) -> None:
        """Go to the last step."""
        self.to(len(self.walk.steps) - 1)

    def go(self, where: str) -> None:
        """Go to the step with a number, as pictures have it (`6`, `2.1`, `7/2`), else to that of a visit."""
        where = where.strip()
        found = self.walk.at_step(where) if where else None
        if found is not None:
            self.to(found.number - 1)
            return
        if where.isdecimal():
            self.note = f"there is no step {where}; the steps are 1 to {self.walk.told.step}"
            return
        try:
            visit = which_visit(self.walk.told, where.removeprefix("@")) if where else None
        except UseError as error:
            self.note = error.message
            return
        if visit is not None:
            self.to(self.walk.step_of(visit).number - 1)

    def search(self, text: str) -> None:
        """Go to the next step that has a text; without one, to the next that has what was searched last."""
        self._sought = text.strip() or self._sought
        if not self._sought:
            return
        wanted = self._sought.casefold()
        if not self._find(lambda step: wanted in self._text_of(step), 1):
            self.note = f"no other step has {self._sought!r}"

    def failure(self, way: int) -> None:
        """Go to the next step in which something went wrong, or the one before (-1)."""
        if not self._find(lambda step: step.failed, way):
            self.note = "nothing else went wrong" if self.step.failed else "nothing went wrong"

    def _find(self, fits: Callable[[Step], bool], way: int) -> bool:
        """Go to the nearest other step that fits, round the end if need be."""
        steps = self.walk.steps
        for k in range(1, len(steps)):
            index = (self.index + way * k) % len(steps)
            if fits(steps[index]):
                self.to(index)
                return True
        return False

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
