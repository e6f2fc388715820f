"""Every format: all that is in the picture is in the file, the same bytes each time, whatever the texts hold."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import time
import unicodedata
import zlib
from html import unescape
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import graphrt_viz
from graphrt_viz import FORMATS, FormatError, digest_in, render, save
from graphrt_viz.exporters import dot, mermaid
from graphrt_viz.exporters.dot import Direction
from graphrt_viz.layout import run_dot
from graphrt_viz.picture import PEdge, Picture, PNode, from_json
from graphrt_viz.theme import AUTO, DARK, LIGHT, THEMES, ThemeName
from graphrt_viz.wording import shorten, visible
from tests.viz.exemplars import FLOW, REMARKED, RUN, TOPOLOGIES, large, nasty_pictures, topology

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = {"flow": FLOW, "run": RUN, "remarked": REMARKED} | {name: topology(name) for name in TOPOLOGIES}
NASTY = nasty_pictures()
DRAWN = [f.name for f in FORMATS.values() if f.export is not None]
"""The formats that write pictures."""


def _bytes(picture: Picture, form: str, theme: ThemeName = "light", direction: Direction = "TB") -> bytes:
    content = render(picture, form, theme=theme, direction=direction)
    return content if isinstance(content, bytes) else content.encode()


def _text(picture: Picture, form: str) -> str:
    content = render(picture, form)
    assert isinstance(content, str)
    return content


def _laid(picture: Picture) -> dict[str, dict[str, object]]:
    """Return what Graphviz understood of the DOT form: its objects and edges by id."""
    laid = json.loads(run_dot(_text(picture, "dot"), "json", nodes=len(picture.nodes)))
    return {o["id"]: o for part in ("objects", "edges") for o in laid.get(part, ()) if "id" in o}


@pytest.mark.parametrize("form", DRAWN)
@pytest.mark.parametrize("name", PICTURES)
def test_every_file_carries_the_digest(name: str, form: str) -> None:
    """A committed file can be compared with today's definition without drawing anything."""
    assert digest_in(_bytes(PICTURES[name], form)) == PICTURES[name].digest


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_options_change_the_drawing_and_not_the_digest(theme: ThemeName, direction: Direction) -> None:
    """Theme and direction are how, not what: the file is another, its digest the same."""
    content = _bytes(FLOW, "svg", theme=theme, direction=direction)
    assert digest_in(content) == FLOW.digest
    assert (content == _bytes(FLOW, "svg")) == (theme == "light" and direction == "TB")


@pytest.mark.parametrize("name", PICTURES)
def test_dot_holds_every_node_and_edge_once(name: str) -> None:
    """Graphviz finds as many nodes and edges as the picture has, parallel ones included, with the right ends."""
    picture = PICTURES[name]
    found = _laid(picture)
    assert {k for k in found if k.startswith("n")} == {f"n{i + 1}" for i in range(len(picture.nodes))}
    assert {k for k in found if k.startswith("e")} == {f"e{i + 1}" for i in range(len(picture.edges))}


@pytest.mark.parametrize("name", PICTURES)
def test_svg_holds_every_text(name: str) -> None:
    """Each node's group has its name, each edge's group its guard and its number, in words one can search for."""
    picture = PICTURES[name]
    root = ET.fromstring(_text(picture, "svg"))
    groups = {g.get("id", ""): "".join(t.text or "" for t in g.iter(f"{SVG}text")) for g in root.iter(f"{SVG}g")}
    for i, node in enumerate(picture.nodes, 1):
        for word in shorten(node.name, 24).rstrip("…").split() if node.kind != "start" else ():
            assert word in groups[f"n{i}"]
    for i, edge in enumerate(picture.edges, 1):
        for word in shorten(edge.guard, 30).rstrip("…").split():
            assert word in groups[f"e{i}"]
        if edge.number is not None:
            assert str(edge.number) in groups[f"e{i}"]


@pytest.mark.parametrize("name", PICTURES)
def test_text_holds_every_edge(name: str) -> None:
    """The plain text has a line for each edge with its guard, and a line for each node and frame."""
    picture = PICTURES[name]
    lines = _text(picture, "text").splitlines()
    arrows = [line for line in lines if re.search("[▶▷]", line)]
    assert len(arrows) == len(picture.edges)
    for node in picture.nodes:
        assert any(visible(node.name) in line for line in lines)
    for edge in picture.edges:
        assert any(visible(edge.guard) in line and visible(edge.on) in line for line in arrows)


def test_mermaid_draws_every_label() -> None:
    """A renderer of Mermaid draws all names and guards, unchanged."""
    pictures = list(PICTURES.values())
    for picture, drawn in zip(pictures, mermaid_words(*(_text(p, "mermaid") for p in pictures)), strict=True):
        for node in picture.nodes:
            if node.kind != "start":
                assert _joined(shorten(node.name, 24).rstrip("…")) in drawn
        for edge in picture.edges:
            assert _joined(edge.guard[:60]) in drawn


def mermaid_words(*sources: str) -> list[str]:
    """Return the words that a Mermaid renderer draws for each text; in a process of its own, for it leaves a thread."""
    script = (
        "import json, sys; from mermaid_render.api import mermaid_to_svg\n"
        "json.dump([mermaid_to_svg(s).decode() for s in json.load(sys.stdin)], sys.stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(sources).encode(), capture_output=True, check=True
    )
    return [_joined("".join(unescape(t) for t in re.findall(r">([^<>]+)<", svg))) for svg in json.loads(done.stdout)]


def _joined(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_json_is_the_picture() -> None:
    """A program reads the picture back from the JSON format."""
    assert from_json(json.loads(_text(RUN, "json"))) == RUN


def test_png_is_whole_and_twice_the_size() -> None:
    """Every chunk has its checksum, and the picture has 144 dots an inch."""
    png = _bytes(FLOW, "png")
    place, kinds = 8, list[bytes]()
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert struct.unpack(">I", png[place + 8 + length : place + 12 + length])[0] == zlib.crc32(kind + body)
        kinds.append(kind)
        place += 12 + length
    assert (kinds[0], kinds[1], kinds[-1]) == (b"IHDR", b"tEXt", b"IEND")
    width = float(ET.fromstring(_text(FLOW, "svg")).get("width", "").removesuffix("pt"))
    assert abs(struct.unpack(">I", png[16:20])[0] - 2 * width) <= 4


def test_the_bytes_do_not_depend_on_the_hash_seed() -> None:
    """Other processes with other hash seeds write the same files, byte for byte: every format, every view of a run."""
    script = """
import hashlib
from graphrt_viz import render
from tests.viz.exemplars import RUN, topology
from tests.viz.test_overlay import BRANCHED
drawn = [(p, f, None) for f in FORMS for p in (RUN, topology("asl-quorum"))]
drawn += [(BRANCHED, "html", None), (BRANCHED, "perfetto", None)]
drawn += [(BRANCHED, "svg", "timeline"), (BRANCHED, "json", "states")]
for target, form, view in drawn:
    content = render(target, form, view=view)
    print(form, view, hashlib.sha256(content if isinstance(content, bytes) else content.encode()).hexdigest())
"""
    root = Path(graphrt_viz.__file__).parents[2]
    seen: list[bytes] = []
    for seed in ("1", "4711"):
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(root), str(root / "viz")])}
        command = [sys.executable, "-c", f"FORMS = {DRAWN!r}\n{script}"]
        seen.append(subprocess.run(command, env=env, capture_output=True, check=True, cwd=root).stdout)
    assert seen[0] == seen[1]
    assert seen[0].count(b"\n") == 2 * len(DRAWN) + 4


@pytest.mark.parametrize("form", [f for f in DRAWN if f not in {"png", "pdf"}])
def test_no_text_breaks_a_format(form: str) -> None:
    """Strings that broken programs before give files without control characters, in which nothing has gone missing."""
    for picture in NASTY:
        content = _text(picture, form)
        assert not {c for c in content if unicodedata.category(c) in {"Cc", "Cs"} and c != "\n"}
        if form == "svg":
            root = ET.fromstring(content)
            assert {g.get("id") for g in root.iter(f"{SVG}g")} >= {f"n{i + 1}" for i in range(len(picture.nodes))}
        if form == "dot":
            found = _laid(picture)
            assert len(found) == len(picture.nodes) + len(picture.edges) + len(picture.clusters)
        if form == "json":
            assert from_json(json.loads(content)) == picture


def test_nasty_texts_come_out_as_they_went_in() -> None:
    """What the SVG shows for a name is the visible form of the name: no escape of DOT or HTML is read into it."""
    for picture in NASTY:
        root = ET.fromstring(_text(picture, "svg"))
        groups = {g.get("id", ""): g for g in root.iter(f"{SVG}g")}
        for i, node in enumerate(picture.nodes, 1):
            if node.kind in {"start", "join"} or not 0 < len(visible(node.name)) <= 20:
                continue
            shown = _joined("".join(t.text or "" for t in groups[f"n{i}"].iter(f"{SVG}text")))
            assert _joined(visible(node.name)) in shown


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::graphrt_viz.errors.GlyphsMissing")  # it is about breaking, not about beauty
def test_nasty_texts_come_out_of_png() -> None:
    """The renderer of PNG accepts every text too."""
    for picture in NASTY[::4]:
        assert _bytes(picture, "png").startswith(b"\x89PNG")


def test_mermaid_draws_nasty_names() -> None:
    """Each string comes through a Mermaid renderer as its visible form, as a name and as the label of an edge.

    Left out is what looks like an HTML entity: this renderer decodes it once more, which Mermaid itself does not.
    """
    sources: list[str] = []
    expected: list[list[str]] = []
    for picture in NASTY:
        names = [n.name for n in picture.nodes[1:] if n.name.strip() and n.name.isascii() and len(visible(n.name)) < 60]
        names = [name for name in names if not re.search(r"&#?\w+;", name)]
        nodes = tuple(PNode(str(i), "task", name) for i, name in enumerate(names))
        edges = tuple(PEdge(str(i), str(i + 1), guard=name) for i, name in enumerate(names[1:]))
        sources.append(_text(Picture("names", nodes=nodes, edges=edges), "mermaid"))
        expected.append([_joined(visible(name)) for name in names])
    for names, drawn in zip(expected, mermaid_words(*sources), strict=True):
        assert [name for name in names if name not in drawn] == []


def test_mermaid_ids_and_labels_keep_to_the_safe_letters() -> None:
    """Ids are n1, n2 … only, and no label holds ASCII beyond the letters, digits and signs known to be harmless."""
    for picture in NASTY:
        text = re.sub(r"(?m)^%%.*$", "", _text(picture, "mermaid"))
        for label in re.findall(r'"(.*)"', text):
            assert label
            assert not re.search(r"[^A-Za-z0-9 =.,!?/()'+\-\u00a0-\U0010ffff]", re.sub(r"#\d+;|<w?br/>", "", label))


def test_mermaid_takes_no_backslash_for_the_end_of_a_line() -> None:
    """It would, however the two are written; a place where the line may break stands between them."""
    assert mermaid.safe("C:\\new") == "C#58;#92;<wbr/>new"
    (drawn,) = mermaid_words(render(Picture("p", nodes=(PNode("a", "task", "a\nb"),)), "mermaid"))
    assert drawn == "TASKa\\nb"


def test_mermaid_collapses_what_it_could_not_draw() -> None:
    """With more edges than Mermaid draws the file holds fewer, says so, and still carries the picture's digest."""
    picture = large(700)
    assert len(picture.edges) > mermaid.MOST_EDGES
    content = _text(picture, "mermaid")
    assert "COLLAPSED" in content
    assert "700 nodes" in content
    assert content.count("-->") <= mermaid.MOST_EDGES
    assert digest_in(content.encode()) == picture.digest


def test_no_link_and_no_script_gets_into_a_picture() -> None:
    """Whatever the texts say, the files hold no link, no image and no script element or attribute."""
    trap = 'javascript:alert(1)" onload="alert(1)" <script>alert(1)</script> <a href="x">'
    picture = Picture(
        trap, trap, (PNode("a", "task", trap, tooltip=trap),), (PEdge("a", "a", guard=trap, tooltip=trap),)
    )
    for element in ET.fromstring(_text(picture, "svg")).iter():
        assert element.tag.removeprefix(SVG) in {
            "svg",
            "title",
            "desc",
            "rect",
            "g",
            "path",
            "polygon",
            "ellipse",
            "text",
        }
        assert not [key for key in element.keys() if key.startswith("on") or "href" in key]  # noqa: SIM118 - an Element is no mapping
    for found in _laid(picture).values():
        assert not {key for key in found if key.lower() in {"url", "href", "image", "target"}}
        assert not re.findall(r"<[^>]*(?:HREF|SRC|IMG)", str(found.get("label", "")), re.IGNORECASE)


def test_every_text_keeps_to_its_width() -> None:
    """Each text in an SVG says how wide it may be, so that fonts of other widths cannot push it out of its box."""
    root = ET.fromstring(_text(RUN, "svg"))
    texts = list(root.iter(f"{SVG}text"))
    assert len(texts) > 40
    assert all(float(t.get("textLength", "0")) > 0 for t in texts)


def test_names_that_are_too_long_are_shortened_and_kept_in_the_tooltip() -> None:
    """A name of a thousand letters does not make a box of a thousand letters, and is not lost."""
    name = "long_" * 200
    root = ET.fromstring(_text(Picture("p", nodes=(PNode("a", "task", name),)), "svg"))
    assert float(root.get("width", "").removesuffix("pt")) < 500
    assert name in [t.text for t in root.iter(f"{SVG}title")]


@pytest.mark.slow
def test_large_pictures_are_drawn_in_seconds() -> None:
    """Two thousand nodes take seconds, not minutes: without the layout's limits nothing of the kind finishes."""
    began = time.monotonic()
    assert len(_text(large(2000), "svg")) > 1_000_000
    assert time.monotonic() - began < 60


def test_unknown_formats_and_directions_are_named() -> None:
    """The message says what was asked for and what there is."""
    with pytest.raises(FormatError, match=r"'docx' is unknown; choose one of svg, png, pdf, html, .*, json"):
        render(FLOW, "docx")
    with pytest.raises(FormatError, match="'up' is unknown"):
        render(FLOW, "svg", direction="up")  # type: ignore[call-overload]  # what the check is for


def test_a_file_is_written_in_the_format_of_its_ending(tmp_path: Path) -> None:
    """Saving chooses by ending, in any case, and refuses an ending that it does not know."""
    for form in map(FORMATS.__getitem__, DRAWN):
        for ending in form.endings:
            path = save(FLOW, tmp_path / f"picture{ending.upper()}", theme="light")
            assert path.read_bytes() == _bytes(FLOW, form.name)
    with pytest.raises(FormatError, match=r"no format has the ending '\.docx'"):
        save(FLOW, tmp_path / "picture.docx")


def test_an_empty_picture_can_be_drawn() -> None:
    """A graph without nodes is no reason to fail, in any format."""
    for form in DRAWN:
        assert _bytes(Picture(""), form)


def test_dot_is_drawn_by_graphviz_alone() -> None:
    """The DOT format needs nothing of ours: Graphviz draws it as it stands."""
    text = dot.export(FLOW, LIGHT)
    assert b"<svg" in run_dot(text, "svg", nodes=len(FLOW.nodes))


def test_one_svg_follows_its_reader() -> None:
    """With the theme `auto` the file is the light one, and a style sheet names for each of its colours the dark one."""
    content = render(RUN, "svg", theme="auto")
    (style,) = ET.fromstring(content).iter(f"{SVG}style")
    assert style.text is not None
    assert style.text.startswith("@media (prefers-color-scheme:dark){")
    used = set(re.findall(r'(?:fill|stroke)="(#\w{6})"', content.replace(style.text, "")))
    assert {c for c in used if f'[fill="{c}"]' not in style.text} == set()
    assert f'[fill="{AUTO.background}"]{{fill:{DARK.background}}}' in style.text


@pytest.mark.parametrize("form", [f.name for f in FORMATS.values() if f.themed and not f.follows])
def test_a_format_that_cannot_follow_its_reader_says_so(form: str) -> None:
    """The message names the formats that can, and the other choices."""
    with pytest.raises(FormatError, match=r"needs a format that follows its reader \(svg.*choose light or dark"):
        render(FLOW, form, theme="auto")
