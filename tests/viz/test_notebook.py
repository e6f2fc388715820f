"""Flows and pictures in a notebook, and pictures as PDF."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pydantic import BaseModel

from graphrt.flow import Flow
from graphrt_viz import PictureError, digest_in, layout, picture_of, render
from graphrt_viz.picture import Picture, PNode
from tests.viz.exemplars import FLOW, nasty_pictures
from tests.viz.runs import SUPPORT


class Poem(BaseModel):
    text: str = ""


def _flow() -> Flow[Poem]:
    flow = Flow("poem", Poem)

    @flow.task(writes=flow.state.text)
    async def write() -> str:
        return "rain"

    return flow


def _bundle(thing: Any) -> dict[str, str]:
    found: dict[str, str] = thing._repr_mimebundle_()
    return found


def test_a_notebook_shows_a_picture() -> None:
    """As SVG that follows its colours, and as text for a notebook that shows none."""
    bundle = _bundle(picture_of(SUPPORT))
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert ET.fromstring(bundle["image/svg+xml"]).tag.endswith("svg")
    assert "prefers-color-scheme" in bundle["image/svg+xml"]


def test_a_wide_picture_fits_into_a_cell() -> None:
    """Notebooks cut off what is wider than a cell; the drawing is made smaller as a whole."""
    nodes = tuple(PNode(str(k), "task", f"a long name of number {k}") for k in range(12))
    root = ET.fromstring(_bundle(Picture("wide", "", nodes))["image/svg+xml"])
    width, height = (float(root.attrib[name].removesuffix("pt")) for name in ("width", "height"))
    _, _, across, down = (float(n) for n in root.attrib["viewBox"].split())
    assert width == 660
    assert across > 660
    assert abs(width / height - across / down) < 0.05


def test_a_notebook_shows_a_flow() -> None:
    """The flow asks whatever is registered for showing; the visualiser is."""
    assert [p.value for p in entry_points(group="graphrt.display")] == ["graphrt_viz.notebook:display"]
    bundle = _bundle(_flow())
    assert "write" in bundle["image/svg+xml"]
    assert bundle["text/plain"].startswith("poem")


def test_a_notebook_shows_a_run() -> None:
    """A result on the last line of a cell is drawn as the run went, and so is its trace."""
    result = _flow().run_sync(Poem(), run_id="sung")
    bundle = _bundle(result)
    assert bundle == _bundle(result.trace)
    assert "run sung" in bundle["text/plain"]
    assert "write · task · visited" in bundle["text/plain"]
    assert ET.fromstring(bundle["image/svg+xml"]).tag.endswith("svg")


def test_a_flow_with_mistakes_shows_them() -> None:
    """What cannot be drawn is no reason for a notebook to show a traceback."""
    bundle = _bundle(Flow("empty", Poem))
    assert set(bundle) == {"text/plain"}
    assert "empty" in bundle["text/plain"]


def test_without_graphviz_there_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that cannot lay pictures out still shows them in words."""
    monkeypatch.setenv("GRAPHRT_DOT", "/nowhere/dot")
    layout.dot_program.cache_clear()
    try:
        assert set(_bundle(FLOW)) == {"text/plain"}
    finally:
        layout.dot_program.cache_clear()


def test_a_pdf_is_the_same_each_time_and_carries_the_digest() -> None:
    """Equal pictures give equal bytes on one machine; the digest stands among the keywords."""
    pytest.importorskip("typst")
    content = render(FLOW, "pdf")
    assert content.startswith(b"%PDF-")
    assert content == render(FLOW, "pdf")
    assert digest_in(content) == FLOW.digest


@pytest.mark.slow
def test_nasty_texts_come_out_of_pdf() -> None:
    """No string breaks it, and a picture larger than a page may be is made smaller."""
    pytest.importorskip("typst")
    for picture in nasty_pictures(60):
        assert render(picture, "pdf").startswith(b"%PDF-")
    wide = Picture("wide", nodes=tuple(PNode(f"n{i}", "task", f"node number {i}") for i in range(150)))
    assert render(wide, "pdf")


def test_without_its_extra_pdf_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message holds the command."""
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(PictureError, match=r"pip install 'graphrt\[pdf\]'"):
        render(FLOW, "pdf")
