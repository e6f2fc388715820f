"""Markdown, PlantUML and Mermaid's state diagram: read by the programs that people read them with."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from graphrt_viz import render
from graphrt_viz.exporters import markdown, mermaid
from graphrt_viz.picture import Picture
from graphrt_viz.wording import shorten, visible
from tests.viz.exemplars import ALL_TOPOLOGIES, FLOW, RUN, nasty_pictures, nasty_strings, topology
from tests.viz.test_exporters import mermaid_words

PICTURES = [FLOW, RUN, *(p for name in ALL_TOPOLOGIES if len((p := topology(name)).edges) <= mermaid.MOST_EDGES)]


def _joined(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _names(picture: Picture) -> list[str]:
    """Return the names that must be seen: of all nodes but bare dots and bars."""
    return [_joined(shorten(n.name, 80)) for n in picture.nodes if n.name and n.kind != "start"]


def _tables(content: str) -> list[list[list[str]]]:
    """Return the tables of a Markdown text: rows of cells, as a reader sees them."""
    tables: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(content):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and tables and token.level > 2:
            children = token.children or []
            assert {c.type for c in children} <= {"text", "text_special"}
            tables[-1][-1].append("".join(c.content for c in children))
    return tables


def test_markdown_lists_every_node_and_edge() -> None:
    """One row for each node but the dot it starts at, one for each edge; guards, numbers and reasons stand in them."""
    nodes, edges = _tables(render(RUN, "markdown"))
    assert [row[0] for row in nodes[1:]] == [n.name or n.kind for n in RUN.nodes if n.kind != "start"]
    assert len(edges) - 1 == len(RUN.edges)
    assert edges[2] == [
        "triage",
        "oncall_brief",
        '1 priority == "urgent"',
        "",
        "no",
        'false: priority = "normal"',
    ]
    assert nodes[3][nodes[0].index("What happened")] == "attempt 1 failed: refund: HTTP 502"


def test_markdown_reads_nothing_into_a_name() -> None:
    """Every string comes back from a Markdown reader as its visible form: no link, no emphasis, no HTML, no new row."""
    for text in nasty_strings():
        content = markdown.table(["Name"], [[markdown.plain(text)]])
        (rows,) = _tables(content)
        assert rows[1] == [visible(text)] or rows[1][0].strip() == visible(text).strip()


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.title)
def test_markdown_holds_every_topology(picture: Picture) -> None:
    """As many rows as there are nodes and frames, and edges."""
    content = render(picture, "markdown")
    found = _tables(content)
    assert len(found[0]) - 1 == sum(n.kind != "start" for n in picture.nodes) + len(picture.clusters)
    assert sum(len(t) - 1 for t in found[1:]) == len(picture.edges)


def test_mermaid_draws_every_name_as_a_state() -> None:
    """A renderer of Mermaid accepts the state diagram of each flow and of each nasty string, and shows all names."""
    pictures = [*PICTURES, *nasty_pictures()]
    for picture, drawn in zip(pictures, mermaid_words(*(render(p, "mermaid-state") for p in pictures)), strict=True):
        # This renderer decodes what looks like an HTML entity once more, which Mermaid itself does not.
        names = [name for name in _names(picture) if not re.search(r"&#?\w+;", name)]
        assert [name for name in names if name not in drawn] == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("plantuml") is None, reason="needs plantuml on the PATH (apt-get install plantuml)")
def test_plantuml_draws_every_name(tmp_path: Path) -> None:
    """PlantUML finds no error in any flow or nasty string, and shows all names as they are."""
    pictures = [FLOW, RUN, *map(topology, ALL_TOPOLOGIES[:6]), *nasty_pictures(30)]
    files = [tmp_path / f"{i:03}.puml" for i in range(len(pictures))]
    for file, picture in zip(files, pictures, strict=True):
        file.write_text(render(picture, "plantuml"), "utf-8")
    done = subprocess.run(
        ["plantuml", "-charset", "UTF-8", "-tsvg", *map(str, files)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    for file, picture in zip(files, pictures, strict=True):
        drawn = file.with_suffix(".svg").read_text("utf-8")
        words = _joined(unescape("".join(re.findall(r"<text[^>]*>([^<]*)</text>", drawn))))
        assert [name for name in _names(picture) if name not in words] == []


def test_plantuml_has_every_edge() -> None:
    """One arrow for each edge, dashed where a run did not go, with the reason; dots stand in their own frame."""
    for picture in (FLOW, RUN, topology("asl-quorum")):
        content = render(picture, "plantuml")
        assert len(re.findall(r"(?m)^\s*\S+ -\S*> \S+", content)) == len(picture.edges)
    assert "false<U+003A> attempts <U+003D> 2" in render(RUN, "plantuml")
