"""A graph as a picture: everything of the definition that can be drawn is in it."""

from __future__ import annotations

import msgspec
import pytest

from graphrt.graph import Edge, Graph, Node, Retry, graph_from_json
from graphrt_viz import opened_to, picture_of
from graphrt_viz.extract import Opened, edge_of, start_of, step_into
from graphrt_viz.picture import PEdge
from tests.viz.runs import FIELDS, RESEARCH, SUPPORT, compared


def _edges(graph: Graph, source: str) -> list[PEdge]:
    return [e for e in picture_of(graph).edges if e.source == source]


def test_every_node_and_edge_of_a_graph_is_in_its_picture() -> None:
    """One node for each, one edge for each, and the dot where it starts."""
    picture = picture_of(SUPPORT)
    assert [n.name for n in picture.nodes] == ["", *(n.name for n in SUPPORT.nodes)]
    drawn = [(e.source, e.target) for e in picture.edges if not e.retry and e.source != start_of("")]
    assert drawn == [(n.name, SUPPORT.nodes[e.target].name) for n in SUPPORT.nodes for e in n.edges]
    assert (picture.edges[0].source, picture.edges[0].target) == (start_of(""), "triage")


def test_each_kind_of_node_has_its_own_kind_in_the_picture() -> None:
    """Agents with tools and failing ends are told apart from those without."""
    kinds = {n.name: n.kind for n in picture_of(SUPPORT).nodes}
    assert kinds["triage"] == "router"
    assert kinds["invoice"] == "task"
    assert kinds["draft"] == "tool_agent"
    assert kinds["review"] == "agent"
    assert kinds["approve"] == "ask"
    assert kinds["sent"] == "end"
    assert kinds["gave up"] == "failure_end"
    assert {n.kind for n in picture_of(RESEARCH, opened="none").nodes} >= {"join", "subgraph"}


def test_the_picture_needs_no_code() -> None:
    """A graph read from its JSON form has the same picture as the graph it was written from."""
    for graph in (SUPPORT, RESEARCH):
        assert picture_of(graph_from_json(graph.json)) == picture_of(graph)


def test_an_edge_says_when_and_what_and_how_often() -> None:
    """Guard, action and bound stand on it, and the edge behind it is the way out otherwise."""
    again, go_on = _edges(SUPPORT, "review")
    assert (again.guard, again.action, again.bound, again.otherwise) == ("score < 0.8", "rounds = rounds + 1", 3, False)
    assert (go_on.guard, go_on.otherwise) == ("", True)


def test_answers_and_errors_stand_on_their_edges() -> None:
    """An answer triggers its edge and is no guard; an error edge is marked as one, without the module of its type."""
    assert [(e.on, e.error, e.otherwise) for e in _edges(SUPPORT, "approve")] == [
        ("send", False, False),
        ("again", False, False),
        ("DeadlinePassed", True, False),
    ]
    node = Node(0, "a", "task", edges=(Edge(0, 0, 0, on_error="httpx.ReadTimeout"),))
    assert edge_of(Graph("g", FIELDS, (node,)), node.edges[0], "").on == "ReadTimeout"


def test_rules_are_numbered_where_several_compete() -> None:
    """Two guards for one outcome are numbered by their place; a lone guard and an unconditional edge are not."""
    node = Node(
        0,
        "a",
        "task",
        edges=(
            Edge(0, 0, 0, when=compared("score", ">", 1)),
            Edge(0, 0, 1, when=compared("score", ">", 0), at_most=2),
            Edge(0, 0, 2),
        ),
    )
    edges = [e for e in picture_of(Graph("g", FIELDS, (node,))).edges if e.source == "a"]
    assert [(e.number, e.otherwise) for e in edges] == [(1, False), (2, False), (None, True)]
    assert all(e.number is None for e in _edges(SUPPORT, "review"))


def test_forks_and_fan_outs_are_told_from_choices() -> None:
    """Edges of a fork are taken beside each other, so none of them is numbered or the way out otherwise."""
    assert [(e.fork, e.number, e.otherwise) for e in _edges(RESEARCH, "gather")] == [(True, None, False)] * 3
    (each,) = _edges(RESEARCH, "plan")
    assert (each.each, each.at_once, each.fork) == ("query in queries", 4, False)


def test_a_retry_policy_is_a_loop_at_its_node() -> None:
    """It names the errors and how often the attempt is repeated; a policy of one attempt is no loop."""
    (loop,) = [e for e in _edges(SUPPORT, "draft") if e.retry]
    assert (loop.target, loop.on, loop.bound) == ("draft", "TimeoutError", 2)
    once = Graph("g", FIELDS, (Node(0, "a", "task", retry=Retry(attempts=1)),))
    assert not [e for e in picture_of(once).edges if e.retry]


@pytest.mark.parametrize(
    ("opened", "frames"),
    [
        (None, {"publish"}),
        ("none", set[str]()),
        ("all", {"publish", "write"}),
        (["write"], {"write"}),
    ],
)
def test_nodes_with_a_graph_inside_open_and_close(opened: Opened, frames: set[str]) -> None:
    """Subgraphs are open and agents closed unless asked otherwise; an open one is a frame, a closed one a node."""
    picture = picture_of(RESEARCH, opened=opened)
    assert {c.id for c in picture.clusters} == frames
    assert {n.id for n in picture.nodes} >= {"publish", "write"} - frames
    for frame in frames:
        inside = [n.id for n in picture.nodes if n.cluster == frame]
        assert start_of(frame) in inside
        assert all(ident.startswith(f"{frame}/") for ident in inside)


def test_ids_cannot_collide() -> None:
    """A slash in a name is not taken for a step into a graph."""
    assert step_into("a", "b/c") != step_into("a/b", "c")
    assert step_into("", "a~1b") != step_into("", "a/b")


def test_the_headline_counts_what_is_drawn() -> None:
    """It holds the digest's beginning and the numbers of nodes and edges, without the start and the retry loops."""
    assert picture_of(SUPPORT).subtitle == f"sha {SUPPORT.digest[:7]} · 8 nodes · 12 edges"


def test_the_tooltip_tells_what_there_is_no_room_for() -> None:
    """Fields, question, answers, policies and texts stand in it, and long texts are cut."""
    tips = {n.id: n.tooltip for n in picture_of(SUPPORT).nodes}
    assert "writes: decision" in tips["approve"]
    assert "answers: send, again, drop" in tips["approve"]
    assert "deadline: 1 d" in tips["approve"]
    assert "retry: 3 attempts, first wait 1 s, then ×2, on TimeoutError" in tips["draft"]
    long = msgspec.structs.replace(SUPPORT.nodes[6], about={"doc": "x" * 5000})
    assert len(picture_of(Graph("g", FIELDS, (msgspec.structs.replace(long, index=0),))).nodes[1].tooltip) < 500


def _nested(inner: int) -> Graph:
    """Return a graph with a subgraph of so many nodes, and an agent with a graph, inside which is another subgraph."""
    deep = Graph("deep", FIELDS, (Node(0, "bottom", "task"),))
    chain = tuple(Node(i, f"n{i}", "task", edges=(Edge(i, i + 1, 0),) if i < inner - 1 else ()) for i in range(inner))
    loop = Graph("loop", FIELDS, (Node(0, "model", "subgraph", graph=deep),))
    return Graph(
        "outer",
        FIELDS,
        (
            Node(0, "many", "subgraph", graph=Graph("many", FIELDS, chain), edges=(Edge(0, 1, 0),)),
            Node(1, "agent", "agent", graph=loop),
        ),
    )


def test_subgraphs_are_closed_where_there_would_be_too_much_to_see() -> None:
    """Above three hundred nodes subgraphs are drawn closed, and the picture says how much is inside."""
    small, large = picture_of(_nested(298)), picture_of(_nested(299))
    assert [c.id for c in small.clusters] == ["many"]
    assert [n.name for n in large.nodes] == ["", "many", "agent"]
    assert large.subtitle.endswith("subgraphs closed: 299 nodes inside")
    assert [c.id for c in picture_of(_nested(299), opened="all").clusters] == ["many", "agent", "agent/model"]


def test_levels_are_opened_one_by_one() -> None:
    """A depth opens so many levels of subgraphs, and of agents if asked."""
    graph = _nested(2)
    assert opened_to(graph, 0) == ()
    assert opened_to(graph, 1) == ("many",)
    assert opened_to(graph, 1, agents=True) == ("many", "agent")
    assert opened_to(graph, 9, agents=True) == ("many", "agent", "agent/model")
