"""Committed pictures: a change in how anything is drawn shows in the diff of these files, and is looked at there.

To draw them again: `GRAPHRT_REDRAW=1 python -m pytest tests/viz/test_golden.py`, then look at every file that changed.
"""

from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

from graphrt_viz import picture_of, picture_of_run, render
from graphrt_viz.exporters.dot import Direction
from graphrt_viz.picture import Picture
from graphrt_viz.theme import ThemeName
from tests.viz.exemplars import FLOW, GOLDEN, REMARKED, RUN
from tests.viz.runs import RESEARCH, RESEARCH_RESULTS, trace_of

BRANCHED = trace_of(RESEARCH, RESEARCH_RESULTS)
_OPTIONS: dict[str, tuple[ThemeName, Direction]] = {
    "light": ("light", "TB"),
    "dark": ("dark", "TB"),
    "right": ("light", "LR"),
}
FILES: dict[str, tuple[Picture, str, str]] = {
    "support-flow.dot": (FLOW, "dot", "light"),
    "support-flow.mmd": (FLOW, "mermaid", "light"),
    "support-flow.txt": (FLOW, "text", "light"),
    "support-flow.svg": (FLOW, "svg", "light"),
    "support-flow-dark.svg": (FLOW, "svg", "dark"),
    "support-remarks.mmd": (REMARKED, "mermaid", "light"),
    "support-remarks.txt": (REMARKED, "text", "light"),
    "support-remarks.svg": (REMARKED, "svg", "light"),
    "support-run.dot": (RUN, "dot", "light"),
    "support-run.mmd": (RUN, "mermaid", "light"),
    "support-run.txt": (RUN, "text", "light"),
    "support-run.json": (RUN, "json", "light"),
    "support-run.svg": (RUN, "svg", "light"),
    "support-run-dark.svg": (RUN, "svg", "dark"),
    "research-flow-right.svg": (replace(picture_of(RESEARCH), subtitle="a definition"), "svg", "right"),
    "research-run.svg": (picture_of_run(BRANCHED, opened="all"), "svg", "light"),
    "research-run.txt": (picture_of_run(BRANCHED), "text", "light"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_committed_picture_is_what_is_drawn_today(name: str) -> None:
    """Byte for byte: formats are stable from run to run, from machine to machine, and over the years."""
    picture, form, options = FILES[name]
    theme, direction = _OPTIONS[options]
    content = render(picture, form, theme=theme, direction=direction)
    path = GOLDEN / name
    if os.environ.get("GRAPHRT_REDRAW"):
        path.write_text(str(content))
    assert content == path.read_text()


def test_no_committed_picture_is_left_over() -> None:
    """Each file in the folder is one that is compared."""
    assert {p.name for p in GOLDEN.iterdir()} == set(FILES)
