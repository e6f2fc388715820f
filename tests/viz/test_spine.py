"""The longest way through a picture, and its loops."""

from __future__ import annotations

import networkx as nx
import pytest

from graphrt_viz.exporters import dot, svg
from graphrt_viz.picture import PCluster, PEdge, Picture, PNode
from graphrt_viz.spine import spine
from graphrt_viz.theme import LIGHT
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


def _forked(branches: int) -> Picture:
    """Return a fork of so many branches that meet again, with a node before and one behind."""
    names = [f"b{i}" for i in range(branches)]
    nodes = [PNode("//", "start"), PNode("fork", "task", "fork"), *(PNode(n, "task", n) for n in names)]
    edges = [PEdge("//", "fork"), *(PEdge("fork", n, fork=True) for n in names), *(PEdge(n, "join") for n in names)]
    return Picture(
        "p", nodes=(*nodes, PNode("join", "join"), PNode("done", "end")), edges=(*edges, PEdge("join", "done"))
    )


def test_a_fork_of_several_branches_stands_in_their_middle() -> None:
    """Straight above its first branch, it would send all others off to one side; with two there is no middle."""
    assert spine(_forked(4)).apart == {"b0"}
    assert spine(_forked(2)).apart == frozenset()
    planned = dot.plan(_forked(4), LIGHT)
    laid = {o["id"]: float(o["pos"].split(",")[0]) for o in svg.laid_out(planned, 8)["objects"]}
    place = {name: laid[planned.ids[name]] for name in ("fork", "join", "b0", "b1", "b2", "b3")}
    assert place["b1"] < place["fork"] < place["b2"]
    assert place["b1"] < place["join"] < place["b2"]


def test_a_frame_on_a_loop_stands_below_what_leads_to_it() -> None:
    """Its ways back are drawn upwards, the way into it downwards: not the other way round, as Graphviz would choose."""
    nodes = (
        PNode("plan", "task", "plan"),
        PNode("mend", "task", "mend"),
        PNode("//", "start"),
        PNode("first", "task", "first", cluster="frame"),
        PNode("last", "task", "last", cluster="frame"),
    )
    ways = (
        ("//", "plan"),
        ("plan", "frame"),
        ("first", "last"),
        ("frame", "mend"),
        ("mend", "plan"),
        ("frame", "plan"),
    )
    picture = Picture("p", nodes=nodes, edges=tuple(PEdge(*w) for w in ways), clusters=(PCluster("frame", "frame"),))
    planned = dot.plan(picture, LIGHT)
    high = {o["id"]: float(o["pos"].split(",")[1]) for o in svg.laid_out(planned, 4)["objects"] if "pos" in o}
    plan, mend, start, first, last = (high[planned.ids[n.id]] for n in nodes)
    assert start > plan > first > last > mend


def test_what_follows_a_frame_stands_below_its_last_node() -> None:
    """Also where the longest way through the frame leads through another one: not beside what is inside that."""
    nodes = (
        PNode("first", "task", "first", cluster="outer"),
        PNode("deep", "task", "deep", cluster="inner"),
        PNode("last", "task", "last", cluster="outer"),
        PNode("after", "task", "after"),
    )
    edges = (PEdge("first", "inner"), PEdge("inner", "last"), PEdge("outer", "after"))
    frames = (PCluster("outer", "outer"), PCluster("inner", "inner", parent="outer"))
    planned = dot.plan(Picture("p", nodes=nodes, edges=edges, clusters=frames), LIGHT)
    high = {o["id"]: float(o["pos"].split(",")[1]) for o in svg.laid_out(planned, 4)["objects"] if "pos" in o}
    first, deep, last, after = (high[planned.ids[n.id]] for n in nodes)
    assert first > deep > last > after
