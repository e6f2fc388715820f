"""Pictures of flows and of their runs, in many formats, the same bytes for the same picture.

It reads graphs, events and traces; it never runs a flow.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, overload

from graphrt.graph import Graph
from graphrt.trace import Trace
from graphrt_viz.chronicle import chronicle_of
from graphrt_viz.collapse import collapsed
from graphrt_viz.errors import FormatError, LayoutError, PictureError
from graphrt_viz.exporters import FORMATS, format_named, format_of, refuse_theme
from graphrt_viz.exporters.html import report
from graphrt_viz.extract import opened_to, picture_of
from graphrt_viz.overlay import picture_of_run
from graphrt_viz.picture import Picture, from_json, to_json
from graphrt_viz.room import shared_room
from graphrt_viz.theme import theme_named
from graphrt_viz.views import VIEWS, view_named
from graphrt_viz.views.difference import difference_of, difference_of_runs
from graphrt_viz.views.heat import picture_of_heat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt_viz.exporters import Format
    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.extract import Opened
    from graphrt_viz.looks import Room
    from graphrt_viz.theme import Theme, ThemeName
    from graphrt_viz.views import View
    from graphrt_viz.views.heat import Measure

__all__ = [
    "FORMATS",
    "VIEWS",
    "FormatError",
    "LayoutError",
    "Picture",
    "PictureError",
    "chronicle_of",
    "collapsed",
    "difference_of",
    "difference_of_runs",
    "digest_in",
    "from_json",
    "opened_to",
    "picture_of",
    "picture_of_heat",
    "picture_of_run",
    "render",
    "report_of",
    "save",
    "shared_room",
    "to_json",
]

_STAMP: Final = re.compile(rb"graphrt-picture sha256:([0-9a-f]{64})")
TextForm: TypeAlias = Literal[
    "svg", "html", "dot", "mermaid", "mermaid-state", "plantuml", "markdown", "perfetto", "text", "json"
]
"""The formats that are text."""
Target: TypeAlias = Picture | Graph | Trace
"""What can be drawn: a picture, a definition, or a run."""


@overload
def render(
    target: Target,
    form: TextForm = "svg",
    *,
    theme: ThemeName | None = None,
    direction: Direction = "TB",
    room: Room | None = None,
    view: str | None = None,
    opened: Opened = None,
    live: bool | None = None,
) -> str: ...
@overload
def render(
    target: Target,
    form: Literal["png", "pdf"],
    *,
    theme: ThemeName | None = None,
    direction: Direction = "TB",
    room: Room | None = None,
    view: str | None = None,
    opened: Opened = None,
    live: bool | None = None,
) -> bytes: ...
@overload
def render(
    target: Target,
    form: str,
    *,
    theme: ThemeName | None = None,
    direction: Direction = "TB",
    room: Room | None = None,
    view: str | None = None,
    opened: Opened = None,
    live: bool | None = None,
) -> str | bytes: ...
def render(
    target: Target,
    form: str = "svg",
    *,
    theme: ThemeName | None = None,
    direction: Direction = "TB",
    room: Room | None = None,
    view: str | None = None,
    opened: Opened = None,
    live: bool | None = None,
) -> str | bytes:
    """Return a picture in the format `form`: text, or bytes for `png` and `pdf`.

    Without a theme it is light, but for a report, which is as its reader prefers. `room` comes from `shared_room` and
    keeps things in place over several pictures of one graph. `view` is a way to look at a run (`VIEWS`); None for the
    format's own, which mostly is the run on its definition. `opened` says which nodes with a graph inside are drawn
    open: by default subgraphs, if there are not too many nodes in them. `live` says whether somebody drives a run that
    has not ended, which its trace cannot tell; one that nobody drives is drawn as cut off.

    Raises:
        FormatError: the format, theme, direction or view is unknown, or they do not go together.
        LayoutError: Graphviz is missing or refuses.
    """
    if direction not in {"TB", "LR"}:
        raise FormatError(f"direction {direction!r} is unknown; choose TB (downwards) or LR (to the right)")
    chosen = format_named(form)
    colours = theme_named(theme or ("auto" if form == "html" else "light"))
    refuse_theme(chosen, colours)
    seen = view_named(view) if view is not None else None
    return _written(target, chosen, colours, direction, room, seen, opened, live=live)


def _written(
    target: Target,
    form: Format,
    theme: Theme,
    direction: Direction,
    room: Room | None,
    view: View | None,
    opened: Opened,
    *,
    live: bool | None,
) -> str | bytes:
    if not isinstance(target, Trace):
        if view is not None:
            raise FormatError(f"view {view.name!r} shows a run; a definition has no visits and no times")
        if form.export is None:
            raise FormatError(f"format {form.name!r} writes a run; a definition has no times")
        return form.export(
            picture_of(target, opened=opened) if isinstance(target, Graph) else target, theme, direction, room
        )
    if view is None:
        if form.tell is not None:
            return form.tell(chronicle_of(target, opened=opened, live=live), theme)
        assert form.export is not None, "a format that does not write pictures writes runs"
        return form.export(picture_of_run(target, opened=opened, live=live), theme, direction, room)
    if view.draw is None:
        if form.name not in view.writes:
            known = ", ".join(view.writes)
            raise FormatError(f"view {view.name!r} cannot be written as {form.name}; choose one of {known}")
        return view.writes[form.name](chronicle_of(target, opened=opened, live=live), theme)
    if form.export is None:
        raise FormatError(f"format {form.name!r} has no views; leave the view out")
    return form.export(view.draw(chronicle_of(target, opened=opened, live=live)), theme, direction, room)


def report_of(
    runs: Sequence[Trace],
    *,
    theme: ThemeName = "auto",
    by: Measure = "time",
    opened: Opened = None,
    live: bool | None = None,
) -> str:
    """Return the report of the first of some runs, with what differs from the second and what all of them did.

    Args:
        runs: at least one.
        theme: what the page begins with; the reader can change it.
        by: what colours the picture of all runs.
        opened: which nodes with a graph inside are drawn open.
        live: whether somebody drives the first run now, if it has not ended.

    Raises:
        PictureError: there are no runs.
        LayoutError: Graphviz is missing or refuses.
    """
    if not runs:
        raise PictureError("no runs to report on; a report needs at least one")
    return report(
        chronicle_of(runs[0], opened=opened, live=live),
        theme_named(theme),
        difference=difference_of_runs(runs[0], runs[1], opened=opened) if len(runs) > 1 else None,
        heat=picture_of_heat(runs, by=by, opened=opened) if len(runs) > 1 else None,
    )


def save(
    target: Target,
    path: Path | str,
    *,
    theme: ThemeName | None = None,
    direction: Direction = "TB",
    room: Room | None = None,
    view: str | None = None,
    opened: Opened = None,
    live: bool | None = None,
) -> Path:
    """Write a picture to a file in the format that the file's ending stands for, and return its path.

    The file is complete or as it was.

    Raises:
        FormatError: the ending, theme, direction or view is unknown, or they do not go together.
        LayoutError: Graphviz is missing or refuses.
    """
    from graphrt.stores.whole_files import write_whole  # noqa: PLC0415 - whoever only draws needs no files

    file = Path(path)
    content = render(
        target, format_of(file).name, theme=theme, direction=direction, room=room, view=view, opened=opened, live=live
    )
    write_whole(file, content if isinstance(content, bytes) else content.encode())
    return file


def digest_in(content: bytes) -> str | None:
    """Return the digest of the picture that a rendered file was made from; None if it carries none.

    A committed picture is stale when this differs from `Picture.digest` of today's definition.
    """
    found = _STAMP.search(content)
    return found[1].decode() if found else None
