"""Remarks on a picture: they stand at what they are about, in every format, and change nothing else."""

from __future__ import annotations

import re
from html import unescape

import pytest
from msgspec.structs import replace
from pydantic import BaseModel

from graphrt import Flow, let
from graphrt_viz import FORMATS, picture_of, render
from graphrt_viz.picture import Picture, Remark
from graphrt_viz.remarks import Place, remarked
from tests.viz.exemplars import FLOW, REMARKED

BINARY = {"png", "pdf"}


class Text(BaseModel):
    text: str = ""


def same(text: str) -> str:
    """Return what came in."""
    return text


def nested() -> Flow[Text]:
    """Return a flow with a flow inside, whose first node is retried."""
    inner = Flow("inner", Text)
    first = inner.task(name="first", retry=2, writes=inner.state.text)(same)
    second = inner.task(name="a/b", writes=inner.state.text)(same)
    inner.edge(first, second)
    outer = Flow("outer", Text)
    sub = outer.subflow("sub", inner, inputs=let(inner.state.text).be(outer.state.text))
    outer.edge(sub, outer.end("done"))
    return outer


def everything(picture: Picture) -> dict[str, tuple[str, ...]]:
    """Return the codes at every part of a picture that has some."""
    parts = {"": picture.remarks}
    parts |= {n.id: n.remarks for n in picture.nodes}
    parts |= {c.id: c.remarks for c in picture.clusters}
    parts |= {f"{e.source} -> {e.target}{' retry' if e.retry else ''}": e.remarks for e in picture.edges}
    return {key: tuple(r.code for r in remarks) for key, remarks in parts.items() if remarks}


def test_a_remark_stands_where_it_belongs() -> None:
    """The whole, a node, a node of a flow inside, its edge beside a retry loop: each has its own remark."""
    places = {
        "A": Place(),
        "B": Place(("sub",)),
        "C": Place(("sub",), 0),
        "D": Place(("sub", "first")),
        "E": Place(("sub", "first"), 0),
        "F": Place(("sub", "a/b")),
    }
    picture = remarked(picture_of(nested().freeze()), [(p, Remark(code, "error")) for code, p in places.items()])
    assert everything(picture) == {
        "": ("A",),
        "sub": ("B",),
        "sub -> done": ("C",),
        "sub/first": ("D",),
        "sub/first -> sub/a~1b": ("E",),
        "sub/a~1b": ("F",),
    }


def test_what_is_not_drawn_is_remarked_on_around_it() -> None:
    """A remark on something inside a closed node stands at that node, one on an edge inside it too; none is lost."""
    closed = picture_of(nested().freeze(), opened="none")
    places = [Place(("sub", "first")), Place(("sub", "first"), 0), Place(("sub", "gone"), 3), Place(("gone",))]
    picture = remarked(closed, [(p, Remark(str(i), "warning")) for i, p in enumerate(places)])
    assert everything(picture) == {"": ("3",), "sub": ("0", "1", "2")}


def test_a_picture_without_remarks_keeps_its_digest() -> None:
    """Committed pictures stay up to date; one with remarks is another picture, which is not."""
    plain = picture_of(nested().freeze())
    assert remarked(plain, []).digest == plain.digest
    assert remarked(plain, [(Place(), Remark("A", "error"))]).digest != plain.digest


@pytest.mark.parametrize(
    "form", [f.name for f in FORMATS.values() if f.export is not None and f.name not in {"png", "pdf"}]
)
def test_every_format_shows_code_and_severity(form: str) -> None:
    """Each format that is text says of each part its codes and severities, at least as many as fit on a badge."""
    content = unescape(str(render(REMARKED, form, theme="light")))
    joined = re.sub(r"<[^>]+>|\s+", " ", content) if form in {"svg", "html"} else content
    for code, severity in (("GR201", "error"), ("GR401", "warning"), ("GR203", "error"), ("GR101", "error")):
        assert code in joined
        assert f"{code} {severity}" in joined or f'"{severity}"' in joined


def test_what_was_remarked_is_told_in_full() -> None:
    """The words stand in the file as well: below the text, in the tooltips of the drawing, in comments of diagrams."""
    words = "no edge of 'triage' matches"
    for form in ("text", "svg", "dot", "json", "mermaid", "mermaid-state", "plantuml", "markdown"):
        assert words in unescape(str(render(REMARKED, form))), form


def test_a_node_with_many_remarks_says_how_many_are_not_shown() -> None:
    """Three badges fit; of four, two are shown and the rest is counted."""
    drawn = str(render(REMARKED, "svg"))
    assert ">+2<" in drawn
    assert ">GR402 warning<" not in drawn


def test_marks_of_remarks_do_not_hide_what_a_picture_showed() -> None:
    """Every text of the bare picture is in the remarked one."""
    bare = set(re.findall(r"<text[^>]*>([^<]*)<", str(render(replace(FLOW, subtitle="x"), "svg"))))
    assert bare <= set(re.findall(r"<text[^>]*>([^<]*)<", str(render(replace(REMARKED, subtitle="x"), "svg"))))
