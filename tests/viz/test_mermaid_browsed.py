"""Mermaid itself, in a browser: it reads every text that we write, draws each label as it was, and runs nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

import graphrt_viz
from graphrt_viz import picture_of_run, render
from graphrt_viz.exporters import mermaid
from graphrt_viz.picture import PEdge, Picture, PNode
from graphrt_viz.wording import shorten, visible
from tests.conftest import IN_CI
from tests.viz.browser import Open, browsed
from tests.viz.exemplars import ALL_TOPOLOGIES, FLOW, RUN, nasty_strings, topology
from tests.viz.test_overlay import BRANCHED, COMPLETED

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROGRAM = Path(graphrt_viz.__file__).parents[2] / "viz" / "web" / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"
Draw: TypeAlias = Callable[[str], dict[str, Any]]
"""Draws a text: the label of each node by `n1`, `n2` …, the labels of the edges in their order."""
_DRAW = """async (text) => {
  const { svg } = await mermaid.render("drawn", text);
  const holder = document.createElement("div");
  holder.innerHTML = svg;
  const nodes = {};
  for (const node of holder.querySelectorAll("g.node")) {
    nodes[node.id.replace(/^(drawn-)?flowchart-/, "").replace(/-\\d+$/, "")] = node.textContent;
  }
  return {
    nodes,
    edges: [...holder.querySelectorAll("g.edgeLabels > g.edgeLabel")].map((e) => e.textContent),
    live: holder.querySelectorAll("script,iframe,object,embed,image,img,a").length +
      [...holder.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => a.name.startsWith("on"))).length,
  };
}"""


@pytest.fixture
def draw(opened: Open) -> Draw:
    """Return a function that draws in a page which notices every request, every word in the console, every dialog."""
    if not PROGRAM.is_file():
        assert not IN_CI, "CI needs Mermaid; .ci/run installs it with `npm install` in viz/web"
        pytest.skip("needs Mermaid: npm install in viz/web")
    page = opened("<!doctype html><title>Mermaid</title><body></body>")
    page.add_script_tag(content=PROGRAM.read_text("utf-8"))
    page.evaluate("mermaid.initialize({ startOnLoad: false, securityLevel: 'strict' })")
    return lambda text: _drawn(page, text)


def _drawn(page: Page, text: str) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(_DRAW, text)
    assert found["live"] == 0
    return found


def _joined(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _same(picture: Picture, drawn: dict[str, Any]) -> None:
    """Check that nodes and edges have their labels, letter by letter but for white space."""
    nodes = {key: _joined(text) for key, text in drawn["nodes"].items()}
    assert len(nodes) == len(picture.nodes)
    for place, node in enumerate(picture.nodes, 1):
        if node.kind != "start":
            assert nodes[f"n{place}"].removesuffix(_joined(shorten(node.name, 80))) in {"", *_TAGS}, node.name
    edges = [_joined(text) for text in drawn["edges"] if text.strip()]
    assert edges == [_joined(text) for e in picture.edges if (text := shorten(_words(e), 160))]


_TAGS = {"TASK", "AGENT", "AGENT+TOOLS", "ROUTER", "ASK·WAITS", "SUBGRAPH"}


def _words(edge: PEdge) -> str:
    """Return what the edges of these pictures say: an answer, a guard, an item, or `otherwise`."""
    guard = f"[{edge.guard}]" if edge.guard and (edge.on or edge.each) else edge.guard
    words = [f"each {edge.each}" if edge.each else "", edge.on, guard]
    words.append("otherwise" if edge.otherwise and not edge.guard and not edge.on else "")
    return " ".join(text for text in words if text)


@browsed
def test_mermaid_draws_every_topology(draw: Draw) -> None:
    """All of them are read, each label comes back; the one that has too many edges is drawn collapsed."""
    for name in ALL_TOPOLOGIES:
        picture = topology(name)
        drawn = draw(render(picture, "mermaid"))
        if len(picture.edges) <= mermaid.MOST_EDGES:
            _same(picture, drawn)
        else:
            assert 1 < len(drawn["nodes"]) < len(picture.nodes)


@browsed
def test_mermaid_draws_every_nasty_label(draw: Draw) -> None:
    """Each string that has broken programs is a name and a guard; it comes back visible and runs nothing."""
    texts = [text for text in nasty_strings() if visible(text).strip()]
    for first in range(0, len(texts), 60):
        part = texts[first : first + 60]
        nodes = tuple(PNode(str(i), "task", text) for i, text in enumerate(part))
        edges = tuple(PEdge(str(i), str(i + 1), guard=text) for i, text in enumerate(part[1:]))
        picture = Picture(part[0], nodes=nodes, edges=edges)
        _same(picture, draw(render(picture, "mermaid")))


@browsed
def test_mermaid_draws_runs_and_state_diagrams(draw: Draw) -> None:
    """Marks, chips and frames are read too, in both kinds of diagram."""
    for picture in (FLOW, RUN, picture_of_run(COMPLETED), picture_of_run(BRANCHED, opened="all")):
        assert len(draw(render(picture, "mermaid"))["nodes"]) == len(picture.nodes)
        draw(render(picture, "mermaid-state"))
