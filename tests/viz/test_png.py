"""PNG with characters that the renderer's own fonts lack."""

from __future__ import annotations

import importlib
import re
from types import SimpleNamespace

import pytest

from graphrt_viz import digest_in, picture_of_run, render
from graphrt_viz.errors import GlyphsMissing, PictureError
from graphrt_viz.exporters import png, svg
from graphrt_viz.picture import Picture, PNode
from graphrt_viz.theme import LIGHT
from tests.viz.test_overlay import COMPLETED

LATIN = Picture("Grüße, Привет, Καλημέρα", "≤ 3 … × ·", (PNode("a", "task", "Müller"),))
JAPANESE = Picture("日本", nodes=(PNode("a", "task", "日本語"),))
HEAD = b"\x89PNG" + bytes(29)


def _install(monkeypatch: pytest.MonkeyPatch, fonts_have: str) -> None:
    """Put a renderer in resvg's place that knows the characters given, and draws all others as boxes."""

    def svg_to_bytes(*, svg_string: str, dpi: float, zoom: float = 1.0) -> bytes:
        assert dpi == 96.0
        text = svg_string.rpartition("</text>")[0].rpartition(">")[2]
        return HEAD + "".join(c if c in fonts_have else "box" for c in text if fonts_have).encode() + bytes(int(zoom))

    def give(name: str) -> SimpleNamespace:
        assert name == "resvg_py"
        return SimpleNamespace(svg_to_bytes=svg_to_bytes)

    monkeypatch.setattr(importlib, "import_module", give)


def _without_resvg(name: str) -> SimpleNamespace:
    raise ImportError(name)


def test_what_graphviz_can_draw_needs_no_other_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latin, Greek, Cyrillic and common signs come from the fonts that Graphviz carries, on every machine alike."""
    monkeypatch.setattr(importlib, "import_module", _without_resvg)
    assert digest_in(render(LATIN, "png")) == LATIN.digest


def test_boxes_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a renderer that has the characters the file is still written, and a warning names them."""
    monkeypatch.setattr(importlib, "import_module", _without_resvg)
    with pytest.warns(GlyphsMissing, match="日本語") as caught:
        png = render(JAPANESE, "png")
    assert png.startswith(b"\x89PNG")
    assert digest_in(png) == JAPANESE.digest
    assert len(caught) == 1


def test_the_fonts_of_the_machine_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renderer whose fonts have the characters draws the picture, and nothing is announced."""
    _install(monkeypatch, "a日本語")
    png = render(JAPANESE, "png")
    assert digest_in(png) == JAPANESE.digest
    assert len(png) < 1000


def test_only_the_characters_that_are_missing_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the fonts have some characters and lack others, the warning names those that they lack."""
    _install(monkeypatch, "a日本")
    with pytest.warns(GlyphsMissing, match="no font for '語'"):
        render(JAPANESE, "png")


def test_a_renderer_without_fonts_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that leaves out all text would make an empty picture: Graphviz draws instead, with boxes."""
    _install(monkeypatch, "")
    with pytest.warns(GlyphsMissing):
        png = render(JAPANESE, "png")
    assert len(png) > 1000


def test_a_timeline_is_drawn_without_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Graphviz does not lay out is drawn from its SVG, and carries the digest of the run's picture."""
    _install(monkeypatch, "a")
    assert digest_in(render(COMPLETED, "png", view="timeline")) == picture_of_run(COMPLETED).digest


@pytest.mark.parametrize("fonts", [None, ""])
def test_a_timeline_that_would_lose_its_texts_is_refused(monkeypatch: pytest.MonkeyPatch, fonts: str | None) -> None:
    """Without the renderer, or without a font, no file is written that looks whole and is not: what to do is said."""
    if fonts is None:
        monkeypatch.setattr(importlib, "import_module", _without_resvg)
    else:
        _install(monkeypatch, fonts)
    with pytest.raises(PictureError, match=r"pip install resvg-py.*or choose svg"):
        render(COMPLETED, "png", view="timeline")


def test_a_timeline_is_a_page_too() -> None:
    """As PDF it is what the SVG shows, with the digest among the keywords."""
    assert digest_in(render(COMPLETED, "pdf", view="timeline")) == picture_of_run(COMPLETED).digest


def test_each_run_of_another_script_has_fonts_of_its_own() -> None:
    """One foreign character changes no other: they stand side by side, each as wide as its share, none lost."""
    picture = Picture("p", nodes=(PNode("a", "task", "run 日本 🚀 now"), PNode("b", "task", "plain")))
    before = svg.export(picture, LIGHT)
    after = png.clothed(before)
    parts = re.findall(r'<text x="([\d.]+)"([^>]*)>(run|日本|🚀|now|plain)</text>', after)
    assert [word for _, _, word in parts] == ["run", "日本", "🚀", "now", "plain"]
    places = [float(x) for x, _, _ in parts[:4]]
    assert places == sorted(places)
    fonts = {word: paint for _, paint, word in parts}
    assert "Noto Sans CJK" in fonts["日本"]
    assert 'font-weight="bold"' in fonts["日本"]
    assert "Noto Color Emoji" in fonts["🚀"]
    assert "bold" not in fonts["🚀"]
    assert "textLength" not in fonts["🚀"]
    assert "font-family" not in fonts["run"] + fonts["plain"]
    whole = re.search(r'textLength="([\d.]+)"[^>]*>run 日本', before)
    assert whole is not None
    last = re.search(r'textLength="([\d.]+)"', fonts["now"])
    assert last is not None
    end = places[3] + float(last[1])
    assert end - places[0] == pytest.approx(float(whole[1]), abs=0.1)
