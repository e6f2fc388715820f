"""The page of a report: its skeleton, and a policy that lets its own script run and nothing else.

Texts come escaped or as data; the script and its style sheet are built from `viz/web` and shipped.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from graphrt_viz.exporters import svg
from graphrt_viz.theme import AUTO, DARK, LIGHT, colours
from graphrt_viz.wording import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphrt_viz.picture import Picture
    from graphrt_viz.steps import Chronicle
    from graphrt_viz.theme import Theme


def page_of(
    picture: Picture, theme: Theme, views: Sequence[tuple[str, str, str]], chronicle: Chronicle | None, data: str
) -> str:
    """Return a page with drawings in tabs; of a run also with its steps, what is known of each, and a bar to scrub.

    Args:
        picture: what the page is about.
        theme: what the page begins with.
        views: the name of each drawing, what its tab says, and its section.
        chronicle: the run, if it is one.
        data: its steps as JSON.
    """
    run = chronicle is not None
    style, script = _style(), _built("report.js")
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en" data-theme="{theme.name}">',
            *_head(picture, chronicle, style, script),
            f'<body class="whole{"" if run else " still"}" data-pane="picture">',
            *_header(picture, theme, views, chronicle),
            *([_SIDE] if run else []),
            f"<main>{''.join(drawn for _, _, drawn in views)}</main>",
            *([_PANEL] if run else []),
            '<dialog id="keys" aria-labelledby="keys-title"></dialog>',
            "<noscript><p>To step through the run, this page needs its script.</p></noscript>",
            f'<script type="application/json" id="data">{data}</script>' if data else "",
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _head(picture: Picture, chronicle: Chronicle | None, style: str, script: str) -> Iterator[str]:
    title = picture.title if chronicle is None else f"{picture.title} · run {chronicle.run} · {picture.status}"
    policy = (
        f"default-src 'none'; script-src 'sha256-{_hashed(script)}'; style-src 'sha256-{_hashed(style)}';"
        " base-uri 'none'; form-action 'none'"
    )
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta name="generator" content="graphrt-picture sha256:{picture.digest}">'
    yield f"<title>{_text(title)}</title>"
    yield f"<style>{style}</style>"
    yield "</head>"


def _header(
    picture: Picture, theme: Theme, views: Sequence[tuple[str, str, str]], chronicle: Chronicle | None
) -> Iterator[str]:
    facts, pill = picture.subtitle, ""
    if chronicle is not None:
        facts = facts.replace(f" · {picture.status}", "", 1)
        pill = f'<span class="status {_text(chronicle.status).replace(" ", "-")}">{_text(picture.status)}</span>'
    tabs = "".join(
        f'<button type="button" role="tab" id="tab-{name}" data-view="{name}"'
        f' aria-selected="{"false" if i else "true"}" tabindex="{"-1" if i else "0"}">{label}</button>'
        for i, (name, label, _) in enumerate(views)
    )
    yield f'<header><div class="what"><h1 dir="auto">{_text(picture.title)}</h1>{pill}'
    yield f'<span class="facts">{_text(facts)}</span></div>'
    yield f'<div role="tablist" aria-label="Views">{tabs if len(views) > 1 else ""}</div>'
    yield f'<div class="tools"><button type="button" id="theme" title="Colours (t)">{_THEMES[theme.name]}</button>'
    yield '<button type="button" id="help" title="Keys (?)" aria-label="Keys">?</button></div></header>'


_THEMES: Final = {"auto": "Auto", "light": "Light", "dark": "Dark"}


def _split(what: str, variable: str) -> str:
    """Return a line that gives one side more room when it is moved."""
    return (
        f'<div class="split" data-of="{variable}" role="separator" tabindex="0" aria-orientation="vertical"'
        f' aria-label="Width of {what}"></div>'
    )


_SIDE: Final = (
    '<nav id="side" aria-label="Steps"><label class="find"><span class="hidden">Search the steps</span>'
    '<input id="search" type="search" placeholder="Search steps" autocomplete="off" spellcheck="false"><kbd>/</kbd>'
    '</label><div id="found" role="status"></div><div id="steps"></div></nav>' + _split("the list", "--side")
)
_PANEL: Final = (
    _split("the step", "--panel") + '<aside id="panel" aria-label="The step" tabindex="0"></aside>'
    '<footer id="scrubber" aria-label="Steps of the run"></footer>'
    '<nav id="panes" aria-label="What is shown"><button type="button" data-pane="picture">Picture</button>'
    '<button type="button" data-pane="step">Step</button><button type="button" data-pane="list">List</button></nav>'
    '<div id="said" class="hidden" role="status"></div>'
)


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
        f":root{{{light}}}@media screen{{{asked}{{{dark}}}{svg.recoloured(AUTO, asked + ' ')}}}"
        f"@media screen and (prefers-color-scheme:dark){{{liked}{{{dark}}}{svg.recoloured(AUTO, liked + ' ')}}}"
        f"{_built('report.css')}"
    )


def _hashed(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(text: str) -> str:
    return escape(visible(text))
