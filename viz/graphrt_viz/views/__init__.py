"""The ways to look at a run, one file each, found by name.

A view makes another picture of the run, which every format draws, or it writes some formats by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from graphrt_viz.errors import FormatError
from graphrt_viz.views import states, timeline
from graphrt_viz.views.unrolled import unrolled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphrt_viz.picture import Picture
    from graphrt_viz.steps import Chronicle
    from graphrt_viz.theme import Theme

Write: TypeAlias = "Callable[[Chronicle, Theme], str | bytes]"


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at a run."""

    name: str
    about: str
    """One line for those who choose."""
    draw: Callable[[Chronicle], Picture] | None = None
    """Makes the picture; None if the view writes its formats by itself."""
    writes: Mapping[str, Write] = field(default_factory=dict[str, "Write"])
    """By the name of the format."""


VIEWS: Final[Mapping[str, View]] = MappingProxyType(
    {
        v.name: v
        for v in (
            View("run", "the run on its definition", lambda chronicle: chronicle.picture),
            View("unrolled", "the visits by their causes, each loop drawn out", unrolled),
            View(
                "timeline",
                "when each step took place, a lane for each branch",
                writes={
                    "svg": timeline.to_svg,
                    "png": timeline.to_png,
                    "pdf": timeline.to_pdf,
                    "text": timeline.to_text,
                },
            ),
            View(
                "states",
                "the state at each step, with what changed",
                writes={"text": states.to_text, "markdown": states.to_markdown, "json": states.to_json},
            ),
        )
    }
)


def view_named(name: str) -> View:
    """Return a view by its name.

    Raises:
        FormatError: there is none of that name.
    """
    if name not in VIEWS:
        raise FormatError(f"view {name!r} is unknown; choose one of {', '.join(VIEWS)}")
    return VIEWS[name]
