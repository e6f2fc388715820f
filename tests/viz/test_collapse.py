"""Fewer nodes for the same picture."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from graphrt.graph import Edge, Graph, Node
from graphrt_viz import picture_of_heat, picture_of_run, render
from graphrt_viz.collapse import collapsed
from graphrt_viz.merging import one_change, one_edge, one_node_mark
from graphrt_viz.picture import Change, EdgeMark, NodeMark, PEdge, Picture, PNode
from tests.viz.exemplars import FLOW, large, topology
from tests.viz.runs import FIELDS, trace_of


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


def _dispatcher(workers: int) -> Graph:
    """Return a router with that many answers, each with a worker of its own, and all workers lead to one end."""
    names = [f"w{i:03}" for i in range(workers)]
    router = Node(
        0,
        "router",
        "router",
        writes=("topic",),
        answers=tuple(names),
        edges=tuple(Edge(0, i + 1, i, on=n) for i, n in enumerate(names)),
    )
    tasks = (Node(i, n, "task", edges=(Edge(i, workers + 1, 0),)) for i, n in enumerate(names, 1))
    return Graph("dispatch", FIELDS, (router, *tasks, Node(workers + 1, "done", "end")))


def test_a_failure_is_not_hidden_behind_what_was_not_visited() -> None:
    """Of 260 workers drawn as one, the one that failed gives its name and its error, and the way to it is whole."""
    trace = trace_of(_dispatcher(260), {"router": {"topic": "w007"}, "w007": ValueError("no such account")})
    picture = picture_of_run(trace)
    small = collapsed(picture, 500)
    worker = next(n for n in small.nodes if n.name.startswith("w"))
    assert worker.name == "w007"
    assert worker.mark is not None
    assert (worker.mark.status, worker.mark.visits) == ("failed", 1)
    assert worker.mark.error == "ValueError: no such account"
    assert worker.notes == ("and 259 more like it, 1 of 260 visited",)
    (into,) = [e for e in small.edges if e.target == worker.id]
    assert (into.guard, into.mark) == ("260 edges", EdgeMark(1, ("2",)))
    text = render(picture, "mermaid")
    assert "and 259 more like it, 1 of 260 visited" in text
    assert "k_failed" in text


def test_sums_of_a_run_are_those_of_all_that_is_drawn_as_one() -> None:
    """Visits, attempts, times and tokens add up; a way that two edges took says how often, and no single step."""
    one = NodeMark("good", visits=2, attempts=3, took_s=1.5, tokens=10, outcome="yes")
    other = NodeMark("waiting", visits=1, took_s=2.0, waited_s=4.0)
    whole = one_node_mark([one, other])
    assert whole == NodeMark("waiting", visits=3, attempts=4, took_s=3.5, waited_s=4.0, tokens=10)
    alike = [PEdge("a", "b", on=on, mark=EdgeMark(1, (step,), "n = 1")) for on, step in (("x", "2"), ("y", "5"))]
    assert one_edge(alike, "a", "b").mark == EdgeMark(2)
    raised = PEdge("a", "b", on="z", mark=EdgeMark(reason="raised KeyError", raised=True))
    assert one_edge([*alike[:1], raised], "a", "b").mark == EdgeMark(1, ("2",), "n = 1", "raised KeyError", raised=True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (("", ""), ""),
        (("added", "added"), "added"),
        (("added", ""), "changed"),
        (("first", "neither"), "first"),
        (("first", "second"), "both"),
        (("both", "parted"), "parted"),
        (("neither", "neither"), "neither"),
    ],
)
def test_a_difference_is_not_hidden_by_what_is_alike(changes: tuple[Change, ...], expected: Change) -> None:
    """What is drawn as one differs if any of it does."""
    assert one_change(changes) == expected


def test_a_run_that_cannot_be_drawn_says_how_it_ended() -> None:
    """The last resort has the status, the error and the sums of all nodes."""
    trace = trace_of(_dispatcher(3), {"router": {"topic": "w002"}, "w002": ValueError("no such account")})
    (whole,) = collapsed(picture_of_run(trace), 0).nodes
    assert whole.mark is not None
    assert (whole.mark.status, whole.mark.visits, whole.mark.error) == ("failed", 2, "ValueError: no such account")


def test_many_runs_keep_their_hottest_node() -> None:
    """Of nodes that are drawn as one, the hottest gives its name and its numbers."""
    trace = trace_of(_dispatcher(260), {"router": {"topic": "w007"}, "w007": {}})
    small = collapsed(picture_of_heat([trace] * 2), 500)
    worker = next(n for n in small.nodes if n.name.startswith("w"))
    assert (worker.name, worker.level) == ("w007", 4)
    assert worker.notes == ("and 259 more like it", "×2 · in 100 % of runs", "p50 1.2 s · p95 1.2 s")
