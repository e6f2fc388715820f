"""The report: one HTML file with every view of a run, opened from a disk, asking nobody for anything.

The page has the drawings, the steps as data and one script, which is built from `viz/web` and shipped. A content policy
names the hashes of script and style and forbids all else: no other script runs and no request leaves. Texts reach the
page as data or as escaped text, never as markup.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
import re
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from graphrt_viz.exporters import svg
from graphrt_viz.room import shared_room
from graphrt_viz.theme import AUTO, DARK, LIGHT, colours
from graphrt_viz.views import timeline
from graphrt_viz.views.unrolled import unrolled
from graphrt_viz.wording import lines_visible, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt_viz.chronicle import Chronicle, Step
    from graphrt_viz.exporters.dot import Direction
    from graphrt_viz.looks import Room
    from graphrt_viz.picture import Picture
    from graphrt_viz.theme import Theme
    from graphrt_viz.views.difference import RunsCompared

_PAINT: Final = dataclasses.replace(AUTO, dark=None)
"""Colours of the drawings, which the style sheet of the page turns into dark ones; they bring none of their own."""
MOST_UNROLLED: Final = 200
"""Visits up to which a report draws them unrolled."""
_MOST_DRAWN_TWICE: Final = 300
"""Nodes up to which the definition is drawn beside the run, for stepping through it."""
_MOST_DATA: Final = 3_000_000
"""Characters of steps, beyond which values of the state are cut shorter."""
_VALUE_LIMITS: Final = (2000, 400, 120, 40)


def export(picture: Picture, theme: Theme, direction: Direction = "TB", room: Room | None = None) -> str:
    """Return a page with one picture that can be moved and enlarged.

    Raises:
        LayoutError: Graphviz is missing or refuses.
    """
    drawn = _view("flow", svg.export(picture, _PAINT, direction, room))
    return _page(picture, theme, [("flow", "Picture", drawn)], None, "")


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
    views = [("flow", "Flow", _flow(chronicle))]
    views.append(("timeline", "Timeline", _view("timeline", timeline.to_svg(chronicle, _PAINT))))
    visits = {s.visit for s in chronicle.steps if s.what != "arrival"}
    apart: list[tuple[str, int]] = []
    if 0 < len(visits) <= MOST_UNROLLED:
        picture = unrolled(chronicle)
        views.append(("unrolled", "Unrolled", _view("unrolled", svg.export(picture, _PAINT))))
        latest = {s.visit: i for i, s in enumerate(chronicle.steps) if s.what != "arrival"}
        keys = [(f"n{i}", n.id) for i, n in enumerate(picture.nodes, 1)]
        keys += [(f"c{i}", c.id) for i, c in enumerate(picture.clusters, 1)]
        apart = [(key, latest[visit]) for key, visit in keys if visit in latest]
    if difference is not None:
        said = f'<pre class="said">{escape(lines_visible(chr(10).join(difference.lines)))}</pre>'
        drawn = _view("difference", svg.export(difference.picture, _PAINT), said)
        views.append(("difference", "Difference", drawn))
    if heat is not None:
        views.append(("heat", "Many runs", _view("heat", svg.export(heat, _PAINT))))
    return _page(chronicle.picture, theme, views, chronicle, _data(chronicle, apart))


# ---- drawings


def _flow(chronicle: Chronicle) -> str:
    """Return the run on its definition, and below it the bare definition in the same places for stepping through."""
    run = chronicle.picture
    if len(run.nodes) > _MOST_DRAWN_TWICE:
        return _view("flow", svg.export(run, _PAINT))
    bare = _bare(run)
    room = shared_room([run, bare])
    whole = svg.export(run, _PAINT, "TB", room).replace("<svg ", '<svg class="asrun" ', 1)
    steps = svg.export(bare, _PAINT, "TB", room).replace("<svg ", '<svg class="definition" ', 1)
    return _view("flow", steps + whole)


def _bare(run: Picture) -> Picture:
    """Return the definition of a run: its picture without marks."""
    return replace(
        run,
        nodes=tuple(replace(n, mark=None) for n in run.nodes),
        edges=tuple(replace(e, mark=None) for e in run.edges),
        clusters=tuple(replace(c, mark=None) for c in run.clusters),
        shows="flow",
    )


def _view(name: str, drawn: str, said: str = "") -> str:
    """Return a section with a drawing, and words above it; ids become data, for several drawings have the same."""
    drawn = re.sub(r'<(g|rect|circle) id="([a-z]\d+)"', r'<\1 data-k="\2"', drawn)
    hidden = "" if name == "flow" else " hidden"
    head = f'<section class="view" data-view="{name}" role="tabpanel" aria-labelledby="tab-{name}"{hidden}>'
    return f'{head}{said}<div class="sheet">{drawn}</div></section>'


# ---- data


class _Texts:
    """A table of texts, each kept once."""

    def __init__(self) -> None:
        self.listed: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.listed)
            self.listed.append(text)
        return self._places[text]


def _data(chronicle: Chronicle, apart: Sequence[tuple[str, int]]) -> str:
    """Return the steps as JSON for the script; where there are very many, values of the state are cut shorter."""
    text = ""
    for most in _VALUE_LIMITS:
        text = json.dumps(_form(chronicle, apart, most), ensure_ascii=False, separators=(",", ":"))
        if len(text) <= _MOST_DATA:
            break
    # An HTML reader looks for the end of the element in the text itself, so no angle bracket may stand in it.
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return text.encode("utf-8", "backslashreplace").decode()


def _form(chronicle: Chronicle, apart: Sequence[tuple[str, int]], most: int) -> dict[str, Any]:
    texts = _Texts()
    picture = chronicle.picture
    nodes = [(f"n{i}", n.id, n.name) for i, n in enumerate(picture.nodes, 1)]
    nodes += [(f"c{i}", c.id, c.name) for i, c in enumerate(picture.clusters, 1)]
    place = {ident: i for i, (_, ident, _) in enumerate(nodes)}
    loops = {e.source: i for i, e in enumerate(picture.edges) if e.retry}
    steps = [_step(s, place, loops, texts, most) for s in chronicle.steps]
    return {
        "version": 1,
        "flow": chronicle.flow,
        "run": chronicle.run,
        "status": chronicle.status,
        "facts": picture.subtitle,
        "states": chronicle.has_states,
        "texts": texts.listed,
        "nodes": [(key, visible(name)) for key, _, name in nodes],
        "steps": steps,
        "unrolled": list(apart),
    }


def _step(step: Step, place: dict[str, int], loops: dict[str, int], texts: _Texts, most: int) -> dict[str, Any]:
    """Return a step under short keys, without what is as usual; `viz/web/src/data.ts` says what they mean."""
    exits = [
        (-1 if x.edge is None else x.edge, *(texts.place(t) for t in (x.target, x.condition, x.result, x.reason)))
        for x in step.exits
    ]
    form: dict[str, Any] = {
        "l": step.label,
        "w": step.what,
        "v": step.visit,
        "n": place.get(step.shown, -1),
        "m": texts.place(visible(step.name)),
        "k": texts.place(step.kind),
        "s": texts.place(step.status),
        "a": _seconds(step.started),
        "e": None if step.ended is None else _seconds(step.ended),
        "t": step.attempt if step.attempt > 1 else None,
        "T": step.attempts if step.attempts > 1 else None,
        "r": 1 if step.retried else None,
        "lp": loops.get(step.shown) if step.retried else None,
        "b": None if step.busy_s is None else _seconds(step.busy_s),
        "o": step.outcome,
        "x": step.error,
        "tk": step.tokens,
        "c": step.cost_usd,
        "mk": " · ".join(step.marks),
        "md": texts.place(step.model) if step.model else None,
        "it": _cut(step.item, most),
        "q": step.question,
        "by": step.by,
        "via": list(dict.fromkeys(step.via)),
        "ex": exits,
        "cs": list(step.causes),
        "p": step.base,
        "en": {name: _cut(value, most) for name, value in step.entered.items()},
        "wr": {name: _cut(value, most) for name, value in step.wrote.items()},
        "df": texts.place(step.definition) if step.definition else None,
        "ad": {name: _cut(value, most) for name, value in step.added.items()},
    }
    return {key: value for key, value in form.items() if value not in (None, "", [], {})}


def _seconds(value: float) -> float:
    rounded = round(value, 4)
    return int(rounded) if rounded.is_integer() else rounded


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


# ---- the page


@functools.cache
def _built(name: str) -> str:
    """Return what `viz/web` is built to."""
    return (files("graphrt_viz") / "web" / name).read_text("utf-8")


@functools.cache
def _style() -> str:
    """Return the style sheet of the page: the colours of both themes, and how the drawings become dark."""
    light, dark = (";".join(f"--{name.replace('.', '-')}:{c}" for name, c in colours(t)) for t in (LIGHT, DARK))
    asked, liked = 'html[data-theme="dark"]', 'html[data-theme="auto"]'
    return (
        f":root{{{light}}}{asked}{{{dark}}}{svg.recoloured(AUTO, asked + ' ')}"
        f"@media screen and (prefers-color-scheme:dark){{{liked}{{{dark}}}{svg.recoloured(AUTO, liked + ' ')}}}"
        f"{_built('report.css')}"
    )


def _hashed(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _page(
    picture: Picture, theme: Theme, views: Sequence[tuple[str, str, str]], chronicle: Chronicle | None, data: str
) -> str:
    title, facts = _text(picture.title), _text(picture.subtitle)
    style, script = _style(), _built("report.js")
    policy = (
        f"default-src 'none'; script-src 'sha256-{_hashed(script)}'; style-src 'sha256-{_hashed(style)}';"
        " base-uri 'none'; form-action 'none'"
    )
    tabs = "".join(
        f'<button type="button" role="tab" id="tab-{name}" data-view="{name}"'
        f' aria-selected="{"true" if i == 0 else "false"}">{label}</button>'
        for i, (name, label, _) in enumerate(views)
    )
    side, panel, foot = "", "", ""
    if chronicle is not None:
        side = _SIDE
        panel = '<aside id="panel" aria-label="The step" aria-live="polite" tabindex="0"></aside>'
        foot = '<footer id="scrubber" aria-label="Steps of the run"></footer>'
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en" data-theme="{theme.name}">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="generator" content="graphrt-picture sha256:{picture.digest}">',
            f"<title>{title}</title>",
            f"<style>{style}</style>",
            "</head>",
            '<body class="whole">' if chronicle is not None else '<body class="whole still">',
            f'<header><h1>{title}</h1><span class="facts">{facts}</span>',
            f'<div role="tablist" aria-label="Views">{tabs if len(views) > 1 else ""}</div>',
            f'<button type="button" id="theme" title="Colours">{_THEMES[theme.name]}</button>',
            '<button type="button" id="help" title="Keys">?</button></header>',
            side,
            f"<main>{''.join(drawn for _, _, drawn in views)}</main>",
            panel,
            foot,
            '<div id="keys" role="dialog" aria-label="Keys" hidden></div>',
            "<noscript><p>To step through the run, this page needs its script.</p></noscript>",
            f'<script type="application/json" id="data">{data}</script>' if data else "",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


_THEMES: Final = {"auto": "as system", "light": "light", "dark": "dark"}
_SIDE: Final = (
    '<nav id="side" aria-label="Steps"><label><span class="muted">Steps</span>'
    '<input id="search" type="search" placeholder="search ( / )" autocomplete="off"></label>'
    '<div id="found" role="status"></div><div id="steps"></div></nav>'
)


def _text(text: str) -> str:
    return escape(visible(text))
