"""Fewer nodes for the same picture."""

from __future__ import annotations

from graphrt_viz.collapse import collapsed
from graphrt_viz.picture import PEdge, Picture, PNode
from tests.viz.exemplars import FLOW, large, topology


def _pipelines(number: int) -> Picture:
    """Return that many equal chains of three between a start and an end."""
    nodes, edges = [PNode("start", "start"), PNode("end", "end", "end")], list[PEdge]()
    for i in range(number):
        nodes += [PNode(f"{step}{i}", "task", f"{step} {i}") for step in ("align", "sort", "call")]
        edges += [PEdge("start", f"align{i}"), PEdge(f"align{i}", f"sort{i}")]
        edges += [PEdge(f"sort{i}", f"call{i}"), PEdge(f"call{i}", "end")]
    return Picture("genomes", nodes=tuple(nodes), edges=tuple(edges))


def test_a_picture_within_the_limit_is_left_alone() -> None:
    """Nothing is hidden without need."""
    assert collapsed(FLOW, len(FLOW.edges)) is FLOW


def test_parts_that_are_alike_become_one_with_their_number() -> None:
    """A hundred equal pipelines become one, and each node says how many it stands for."""
    small = collapsed(_pipelines(100), 20)
    assert [n.name for n in small.nodes] == ["", "end", "align 0", "sort 0", "call 0"]
    assert small.nodes[2].subtitle == "and 99 more like it"
    assert len(small.edges) == 4
    assert small.subtitle == "collapsed: 302 nodes shown as 5"


def test_frames_are_closed_before_anything_is_merged() -> None:
    """What stands inside a frame becomes one node with the frame's name; the rest is untouched."""
    picture = topology("asl-quorum")
    small = collapsed(picture, len(picture.edges) - 1)
    assert not small.clusters
    assert [n.id for n in small.nodes if n.kind == "subgraph"] == [c.id for c in picture.clusters]
    assert {n.id for n in small.nodes} >= {n.id for n in picture.nodes if n.cluster is None}


def test_a_picture_that_cannot_be_made_small_says_how_large_it_is() -> None:
    """The last resort is one node with the numbers: too little, but true."""
    small = collapsed(large(700), 100)
    assert len(small.nodes) == 1
    assert small.nodes[0].subtitle.startswith("700 nodes and ")


def test_the_same_picture_collapses_in_the_same_way() -> None:
    """The result follows from the picture alone."""
    assert collapsed(_pipelines(30), 10) == collapsed(_pipelines(30), 10)


def test_a_very_long_chain_is_given_up_in_time() -> None:
    """Where no two nodes play the same part, and finding out would take for ever, it becomes one node that says so."""
    nodes = tuple(PNode(f"n{i}", "task", f"step {i}") for i in range(10_000))
    edges = tuple(PEdge(f"n{i}", f"n{i + 1}") for i in range(9_999))
    assert len(collapsed(Picture("chain", nodes=nodes, edges=edges), 500).nodes) == 1
