"""The report: one HTML file with every view of a run, opened from a disk, asking nobody for anything.

The page has the drawings, the steps as data and one script, which is built from `viz/web` and shipped. A content policy
names the hashes of script and style and forbids all else: no other script runs and no request leaves. Texts reach the
page as data or as escaped text, never as markup.
"""

from __future__ import annotations

import dataclasses
import re
from html import escape
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from graphrt_viz.exporters import svg
from graphrt_viz.report_data import data_of
from graphrt_viz.report_page import page_of
from graphrt_viz.room import shared_room
from graphrt_viz.theme import AUTO
from graphrt_viz.views import timeline
from graphrt_viz.views.unrolled import unrolled
from graphrt_viz.wording import lines_visible

if TYPE_CHECKING:
    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import Picture
    from graphrt_viz.steps import Chronicle
    from graphrt_viz.theme import Theme
    from graphrt_viz.views.difference import RunsCompared

_PAINT: Final = dataclasses.replace(AUTO, dark=None)
"""Colours of the drawings, which the style sheet of the page turns into dark ones; they bring none of their own."""
MOST_UNROLLED: Final = 200
"""Visits up to which a report draws them unrolled."""
_MOST_DRAWN_TWICE: Final = 300
"""Nodes up to which the definition is drawn beside the run, for stepping through it."""


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return a page with one picture that can be moved and enlarged.

    Raises:
        LayoutError: Graphviz is missing or refuses.
    """
    return page_of(picture, theme, [_view("flow", "Picture", svg.export(picture, _PAINT, direction, room))], None, "")


def tell(chronicle: Chronicle, theme: Theme) -> str:
    """Return the report of one run.

    Raises:
        LayoutError: Graphviz is missing or refuses.
    """
    return report(chronicle, theme)


def report(
    chronicle: Chronicle, theme: Theme, *, heat: Picture | None = None, difference: RunsCompared | None = None
) -> str:
    """Return the report of a run, if asked with what many runs did and with what differs from another.

    Args:
        chronicle: the run.
        theme: what the page begins with; the reader can change it.
        heat: a picture of many runs.
        difference: the run compared with another.

    Raises:
        LayoutError: Graphviz is missing or refuses.
    """
    views = [_flow(chronicle), _view("timeline", "Timeline", timeline.to_svg(chronicle, _PAINT))]
    visits = {s.visit for s in chronicle.steps if s.what != "arrival"}
    apart: list[tuple[str, int]] = []
    if 0 < len(visits) <= MOST_UNROLLED:
        picture = unrolled(chronicle)
        views.append(_view("unrolled", "Unrolled", svg.export(picture, _PAINT)))
        latest = {s.visit: i for i, s in enumerate(chronicle.steps) if s.what != "arrival"}
        keys = [(f"n{i}", n.id) for i, n in enumerate(picture.nodes, 1)]
        keys += [(f"c{i}", c.id) for i, c in enumerate(picture.clusters, 1)]
        apart = [(key, latest[visit]) for key, visit in keys if visit in latest]
    if difference is not None:
        said = f'<pre class="said">{escape(lines_visible(chr(10).join(difference.lines)))}</pre>'
        views.append(_view("difference", "Difference", svg.export(difference.picture, _PAINT), said))
    if heat is not None:
        views.append(_view("heat", "Many runs", svg.export(heat, _PAINT)))
    return page_of(chronicle.picture, theme, views, chronicle, data_of(chronicle, apart))


# ---- drawings


def _flow(chronicle: Chronicle) -> tuple[str, str, str]:
    """Return the run on its definition, and below it the bare definition in the same places for stepping through."""
    run = chronicle.picture
    if len(run.nodes) > _MOST_DRAWN_TWICE:
        return _view("flow", "Flow", svg.export(run, _PAINT))
    bare = _bare(run)
    room = shared_room([run, bare])
    whole = svg.export(run, _PAINT, "TB", room).replace("<svg ", '<svg class="asrun" ', 1)
    steps = svg.export(bare, _PAINT, "TB", room).replace("<svg ", '<svg class="definition" ', 1)
    return _view("flow", "Flow", steps + whole)


def _bare(run: Picture) -> Picture:
    """Return the definition of a run: its picture without marks."""
    return replace(
        run,
        nodes=tuple(replace(n, mark=None) for n in run.nodes),
        edges=tuple(replace(e, mark=None) for e in run.edges),
        clusters=tuple(replace(c, mark=None) for c in run.clusters),
        shows="flow",
    )


def _view(name: str, title: str, drawn: str, said: str = "") -> tuple[str, str, str]:
    """Return the name of a view, its title, and its section: a drawing, and words above it.

    Ids become data, for several drawings have the same.
    """
    drawn = re.sub(r'<(g|rect|circle) id="([a-z]\d+)"', r'<\1 data-k="\2"', drawn)
    hidden = "" if name == "flow" else " hidden"
    head = f'<section class="view" data-view="{name}" role="tabpanel" aria-labelledby="tab-{name}"{hidden}>'
    return name, title, f'{head}<h2>{title}</h2>{said}<div class="sheet">{drawn}</div></section>'
