"""The longest way through a picture, and its loops."""

from __future__ import annotations

import networkx as nx
import pytest

from graphrt_viz.picture import PEdge, Picture, PNode
from graphrt_viz.spine import spine
from tests.viz.exemplars import FLOW, TOPOLOGIES, large, topology


def test_the_spine_of_the_support_flow() -> None:
    """It goes the long way, past the question and the join, and leaves no ordinary way for an error edge."""
    assert spine(FLOW).nodes == ("start", "triage", "billing", "approve", "join", "reply", "done")
    assert {(FLOW.edges[i].source, FLOW.edges[i].target) for i in spine(FLOW).loops} == {
        ("billing", "billing"),
        ("approve", "billing"),
    }


@pytest.mark.parametrize("picture", [FLOW, large(50), large(400), *map(topology, TOPOLOGIES)])
def test_without_its_loops_a_picture_has_no_cycle(picture: Picture) -> None:
    """The loops are enough to break every cycle, and the spine is a path of edges that are none of them."""
    found = spine(picture)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(n.id for n in picture.nodes)
    graph.add_edges_from((e.source, e.target) for i, e in enumerate(picture.edges) if i not in found.loops)
    assert nx.is_directed_acyclic_graph(graph)
    assert not found.edges & found.loops
    assert len(set(found.nodes)) == len(found.nodes) == len(found.edges) + 1


def test_the_spine_is_the_longest_path_where_there_is_no_cycle() -> None:
    """On a picture without loops and error edges it is as long as the longest path from a start."""
    picture = Picture(
        "dag",
        nodes=tuple(PNode(c, "task", c) for c in "abcdef"),
        edges=(PEdge("a", "f"), PEdge("a", "b"), PEdge("b", "c"), PEdge("a", "c"), PEdge("c", "d"), PEdge("d", "f")),
    )
    assert spine(picture).nodes == ("a", "b", "c", "d", "f")


def test_an_error_edge_does_not_straighten_where_an_ordinary_one_leads_as_far() -> None:
    """The usual way is the straight one, also where the detour by an error is defined first."""
    picture = Picture(
        "detour",
        nodes=tuple(PNode(c, "task", c) for c in "abc"),
        edges=(PEdge("a", "b", error=True), PEdge("a", "c"), PEdge("b", "c")),
    )
    assert spine(picture).nodes == ("a", "c")


def test_an_empty_picture_has_an_empty_spine() -> None:
    """Nothing to straighten is no error."""
    assert spine(Picture("nothing")).nodes == ()


def test_a_picture_without_a_start_has_a_spine() -> None:
    """Where every node is entered, the search begins at the first."""
    ring = Picture("ring", nodes=(PNode("a", "task"), PNode("b", "task")), edges=(PEdge("a", "b"), PEdge("b", "a")))
    assert spine(ring).nodes == ("a", "b")
    assert spine(ring).loops == {1}
