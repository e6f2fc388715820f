"""The longest way through a picture, and its loops."""

from __future__ import annotations

import networkx as nx
import pytest
from msgspec.structs import replace

from graphrt_viz.exporters import dot
from graphrt_viz.picture import PCluster, PEdge, Picture, PNode
from graphrt_viz.settling import laid_out
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


@pytest.mark.parametrize("branches", [2, 3, 4, 5])
def test_a_fork_and_its_join_stand_in_the_middle_of_the_branches(branches: int) -> None:
    """Above each other, as many branches on the left as on the right, and these in the order of the definition."""
    place = _places(_forked(branches))
    names = [f"b{i}" for i in range(branches)]
    assert [place[n][0] for n in names] == sorted(place[n][0] for n in names)
    middle = place["fork"][0]
    assert place["join"][0] == place["done"][0] == middle
    sides = [round(place[n][0] - middle) for n in names]
    assert all(abs(left + right) <= 1 for left, right in zip(sides, reversed(sides), strict=True))


def test_branches_keep_their_order_whatever_follows_them() -> None:
    """A way that leads back from behind the last branch would turn them round, for shorter edges."""
    picture = _forked(3)
    more = (PEdge("join", "mend"), PEdge("mend", "fork"), PEdge("b0", "b0b"), PEdge("b0b", "join"))
    nodes = (*picture.nodes, PNode("mend", "task", "mend"), PNode("b0b", "task", "second"))
    kept = tuple(e for e in picture.edges if (e.source, e.target) != ("b0", "join"))
    place = _places(replace(picture, nodes=nodes, edges=(*kept, *more)))
    assert place["b0"][0] < place["b1"][0] < place["b2"][0]


def test_branches_that_never_meet_are_not_held_together() -> None:
    """Where a branch leads to an end of its own, the longest way stays straight."""
    nodes = (PNode("a", "task", "a"), PNode("b", "task", "b"), PNode("c", "task", "c"), PNode("d", "end", "d"))
    edges = (PEdge("a", "b", fork=True), PEdge("a", "c", fork=True), PEdge("c", "d"))
    found = spine(Picture("p", nodes=nodes, edges=edges))
    assert (found.nodes, found.apart, found.centres) == (("a", "c", "d"), frozenset(), ())


def _places(picture: Picture) -> dict[str, tuple[float, float]]:
    """Return where the middle of each node stands, from the left and from below, by its id."""
    planned = dot.plan(picture, LIGHT)
    laid = laid_out(planned, len(picture.nodes))
    found = {o["id"]: o["pos"].split(",") for o in laid["objects"] if "pos" in o}
    return {n.id: (float(found[planned.ids[n.id]][0]), float(found[planned.ids[n.id]][1])) for n in picture.nodes}


def test_a_frame_stands_below_the_node_that_leads_to_it() -> None:
    """Also where other ways lead past it to what follows it; and what stands beside it stays where its way begins."""
    names = ("plan", "web", "files", "ledger", "answer")
    inside = ("write", "build", "review", "passed")
    nodes = (
        PNode("//", "start"),
        *(PNode(n, "task", n) for n in names),
        PNode("code//", "start", cluster="code"),
        *(PNode(n, "task", n, cluster="code") for n in inside),
    )
    ways = (
        *(("//", "plan"), ("plan", "web"), ("plan", "files"), ("plan", "code"), ("plan", "answer")),
        *(("web", "ledger"), ("files", "ledger"), ("code", "ledger"), ("code", "ledger")),
        *(("ledger", "plan"), ("ledger", "answer"), ("code//", "write"), ("write", "build"), ("build", "write")),
        *(("build", "review"), ("review", "write"), ("review", "passed")),
    )
    place = _places(
        Picture("p", nodes=nodes, edges=tuple(PEdge(*w) for w in ways), clusters=(PCluster("code", "code"),))
    )
    high = {name: y for name, (_, y) in place.items()}
    assert high["plan"] > high["code//"] > high["write"] > high["passed"] > high["ledger"] > high["answer"]
    assert high["web"] == high["files"] > high["write"]


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
    high = {o["id"]: float(o["pos"].split(",")[1]) for o in laid_out(planned, 4)["objects"] if "pos" in o}
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
    high = {o["id"]: float(o["pos"].split(",")[1]) for o in laid_out(planned, 4)["objects"] if "pos" in o}
    first, deep, last, after = (high[planned.ids[n.id]] for n in nodes)
    assert first > deep > last > after


def test_a_way_enters_a_frame_at_what_comes_first_in_it() -> None:
    """Where a frame has no dot, as in an unrolled run, the way into it leads to what no way inside leads to."""
    nodes = (
        PNode("start", "start"),
        PNode("deep", "task", "deep", cluster="inner"),
        PNode("after", "task", "after", cluster="outer"),
    )
    edges = (PEdge("start", "outer"), PEdge("inner", "after"))
    frames = (PCluster("outer", "outer"), PCluster("inner", "inner", parent="outer"))
    planned = dot.plan(Picture("p", nodes=nodes, edges=edges, clusters=frames), LIGHT)
    high = {o["id"]: float(o["pos"].split(",")[1]) for o in laid_out(planned, 3)["objects"] if "pos" in o}
    start, deep, after = (high[planned.ids[n.id]] for n in nodes)
    assert start > deep > after
