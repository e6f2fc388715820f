"""Fewer nodes for the same picture."""

from __future__ import annotations

from msgspec.structs import replace

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


def _chain(length: int) -> Picture:
    nodes = tuple(PNode(f"n{i}", "task", f"step {i}") for i in range(length))
    edges = tuple(PEdge(f"n{i}", f"n{i + 1}") for i in range(length - 1))
    return Picture("chain", nodes=nodes, edges=edges)


def test_a_very_long_chain_becomes_one_node() -> None:
    """Where no two nodes play the same part nothing can be drawn as one, and the picture says how large it is."""
    assert len(collapsed(_chain(10_000), 500).nodes) == 1


def test_long_chains_beside_each_other_become_one() -> None:
    """Parts that are told apart only by how far they are from an end are found too, however long it takes to see."""
    one = _chain(400)
    nodes = tuple(replace(n, id=f"{n.id} {k}") for k in range(20) for n in one.nodes)
    edges = tuple(replace(e, source=f"{e.source} {k}", target=f"{e.target} {k}") for k in range(20) for e in one.edges)
    small = collapsed(Picture("chains", nodes=nodes, edges=edges), 500)
    assert len(small.nodes) == 400
    assert {n.subtitle for n in small.nodes} == {"and 19 more like it"}
