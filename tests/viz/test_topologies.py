"""Flows of other projects, as they are and not as we would like them: everything in them is drawn, and can be read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest

from graphrt_viz import digest_in, render
from graphrt_viz.exporters import dot, mermaid
from graphrt_viz.exporters.dot import MANY
from graphrt_viz.layout import run_dot
from graphrt_viz.theme import LIGHT
from graphrt_viz.wording import visible
from tests.viz.exemplars import ALL_TOPOLOGIES, topology
from tests.viz.measure import measured
from tests.viz.test_exporters import SVG, mermaid_words

MOST_CROSSED_LABELS = 2
"""Labels of one picture that an edge may run through: the renderer knows no better in the most tangled one."""


def test_all_of_them_are_there() -> None:
    """Forty-six flows, from four nodes to more than five hundred."""
    assert len(ALL_TOPOLOGIES) == 46
    sizes = [len(topology(name).nodes) for name in ALL_TOPOLOGIES]
    assert min(sizes) == 4
    assert max(sizes) > 500


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("name", ALL_TOPOLOGIES)
def test_nothing_lies_on_anything_else(name: str, direction: dot.Direction) -> None:
    """No node and no label overlaps another, no text leaves its node, and hardly an edge runs through a label."""
    found = measured(topology(name), direction)
    assert found.overlaps() == []
    assert found.loose_texts() == []
    assert len(found.crossed_labels()) <= MOST_CROSSED_LABELS


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("name", [n for n in ALL_TOPOLOGIES if len(topology(n).nodes) <= MANY])
def test_a_label_stands_at_its_own_edge(name: str, direction: dot.Direction) -> None:
    """None lies nearer to another edge than to the one that it is about, or somebody reads it at the wrong one."""
    assert measured(topology(name), direction).misleading_labels() == []


def _ends(text: str, program: str | None, nodes: int) -> tuple[set[str], dict[str, tuple[str, str]]]:
    """Return the nodes and edges that a Graphviz finds in a DOT text: ours, or the program given."""
    if program is None:
        laid = json.loads(run_dot(text, "json", nodes=nodes))
    else:
        flags = ["-Tjson", "-q", "-Gnslimit=0.1", "-Gnslimit1=0.1", "-Gmclimit=0.1"]
        laid = json.loads(
            subprocess.run([program, *flags], input=text.encode(), capture_output=True, check=True).stdout
        )
    ids = {o["_gvid"]: o.get("id", "") for o in laid["objects"]}
    drawn = [e for e in laid.get("edges", ()) if e.get("style") != "invis"]
    edges = {e["id"]: (ids[e["tail"]], ids[e["head"]]) for e in drawn}
    return {i for i in ids.values() if i.startswith("n")}, edges


@pytest.mark.parametrize("name", ALL_TOPOLOGIES)
def test_dot_leads_every_edge_from_its_source_to_its_target(name: str) -> None:
    """The renderer that we bring, and Graphviz itself where it is installed, find each node and each edge once.

    What keeps the middle of a fork free is never drawn.
    """
    picture = topology(name)
    text = dot.plan(picture, LIGHT).text
    ids = {n.id: f"n{i}" for i, n in enumerate(picture.nodes, 1)}
    ends = {f"e{i}": (ids[e.source], ids[e.target]) for i, e in enumerate(picture.edges, 1)}
    for program in (None, *([found] if (found := shutil.which("dot")) else [])):
        assert _ends(text, program, len(ids)) == (set(ids.values()), ends)


@pytest.mark.parametrize("name", ALL_TOPOLOGIES)
def test_labels_come_back_equal(name: str) -> None:
    """The words of each node in the SVG, put together, are its name; so are the guards of edges, up to their cut."""
    picture = topology(name)
    content = render(picture, "svg")
    assert isinstance(content, str)
    groups = {
        g.get("id", ""): "".join(t.text or "" for t in g.iter(f"{SVG}text"))
        for g in ET.fromstring(content).iter(f"{SVG}g")
    }
    for i, node in enumerate(picture.nodes, 1):
        if node.kind != "start":
            _same_but_for_a_cut(visible(node.name), groups[f"n{i}"])
    for i, edge in enumerate(picture.edges, 1):
        _same_but_for_a_cut(visible(edge.guard), groups[f"e{i}"])
    assert len([key for key in groups if re.fullmatch(r"[ne]\d+", key)]) == len(picture.nodes) + len(picture.edges)


def _same_but_for_a_cut(said: str, shown: str) -> None:
    """Check that what was said is shown, whole or up to an ellipsis."""
    said, shown = re.sub(r"\s", "", said), re.sub(r"\s", "", shown)
    assert said in shown or ("…" in shown and said[:24] in shown)


def test_mermaid_draws_every_name() -> None:
    """A renderer of Mermaid accepts each of them and draws its names, but for the one with too many edges."""
    pictures = [p for name in ALL_TOPOLOGIES if len((p := topology(name)).edges) <= mermaid.MOST_EDGES]
    assert len(pictures) == 45
    sources = [render(p, "mermaid") for p in pictures]
    for picture, drawn in zip(pictures, mermaid_words(*sources), strict=True):
        missing = [n.name for n in picture.nodes if n.kind != "start" and re.sub(r"\s", "", n.name)[:24] not in drawn]
        assert missing == []


def test_what_mermaid_cannot_draw_is_collapsed_and_says_so() -> None:
    """The largest has more edges than Mermaid draws: parts that are alike become one, with their number."""
    picture = topology("wf-soykb-546")
    content = render(picture, "mermaid")
    assert digest_in(content.encode()) == picture.digest
    assert "more like it" in content
    assert "%% collapsed: 546 nodes and 1 344 edges shown as " in content
    assert "for Mermaid draws at most 500 edges; svg, dot and text show all" in content
    assert content.count("-->") <= mermaid.MOST_EDGES
