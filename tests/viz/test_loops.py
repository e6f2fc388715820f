"""Several loops at one node: each can be followed with the eye, and each label stands at its own."""

from __future__ import annotations

import itertools
import re
from math import hypot

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from graphrt_viz import render
from graphrt_viz.exporters import dot
from graphrt_viz.exporters.dot import Direction
from graphrt_viz.picture import EdgeMark, Failure, NodeKind, NodeMark, PCluster, PEdge, Picture, PNode
from graphrt_viz.room import shared_room
from graphrt_viz.settling import settled
from graphrt_viz.theme import LIGHT
from tests.viz.measure import measured

GUARDS = (
    "",
    "n < 3",
    "size(text) > 40 and not_(is_none(topic))",
    'contains(topics, "billing") and score < threshold and attempts_of_the_writer < 12 and draft != last_draft',
)


def looping(guards: list[str], kind: NodeKind = "task", *, framed: bool = False) -> Picture:
    """Return a flow with a node that retries and has a loop for each guard, and two ways on from there."""
    frame = "box" if framed else None
    nodes = (
        PNode("start", "start"),
        PNode("before", "task", "before"),
        PNode("turn", kind, "turn", cluster=frame),
        PNode("good", "task", "good", cluster=frame),
        PNode("bad", "task", "bad", cluster=frame),
    )
    edges = (
        PEdge("start", "before"),
        PEdge("before", "turn"),
        PEdge("turn", "turn", on="ConnectionError", bound=2, retry=True),
        *(PEdge("turn", "turn", guard=guard, bound=k, number=k) for k, guard in enumerate(guards, 1)),
        PEdge("turn", "bad", on="ValueError", error=True),
        PEdge("turn", "good", otherwise=True),
    )
    return Picture("loops", "a test", nodes, edges, (PCluster("box", "polish"),) if framed else ())


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("kind", ["task", "router", "ask", "agent"])
@settings(max_examples=6, deadline=None)
@given(guards=st.lists(st.sampled_from(GUARDS), max_size=4))
def test_no_label_lies_on_a_loop_or_on_another_label(
    guards: list[str], kind: NodeKind, direction: Direction, *, framed: bool
) -> None:
    """However many loops there are and whatever is said on them."""
    found = measured(looping(guards, kind, framed=framed), direction)
    loops = {f"e{k}" for k in range(3, 4 + len(guards))}
    assert [pair for pair in found.overlaps() if loops & set(pair)] == []
    assert [pair for pair in found.crossed_labels() if loops <= {pair[1]} or pair[0] in loops] == []


@settings(max_examples=20, deadline=None)
@given(guards=st.lists(st.sampled_from(GUARDS), min_size=1, max_size=4))
def test_loops_do_not_cross(guards: list[str]) -> None:
    """From the first to the last each lies wholly below the one before."""
    ways = measured(looping(guards)).ways
    heights = [[y for _, y in ways[f"e{k}"]] for k in range(3, 4 + len(guards))]
    assert all(min(upper) > max(lower) for upper, lower in itertools.pairwise(heights))


def test_room_is_kept_for_the_widest_label_alone() -> None:
    """A picture is as wide as its longest label needs, however many loops there are."""
    guard = GUARDS[2]
    boxes = [measured(looping([guard] * loops)) for loops in (1, 3)]
    few, many = (max(b.x1 for b in (*found.nodes, *found.labels)) for found in boxes)
    assert many < few + 10


def test_nothing_moves_between_pictures_that_share_their_room() -> None:
    """A run stands on the places of its definition, also where it says more on a loop."""
    flow = looping(["n < 3"])
    failed = NodeMark("good", visits=1, attempts=2, failures=(Failure(1, "ConnectionError: closed " * 4, 3, 0.5),))
    run = replace(
        flow,
        shows="run",
        nodes=tuple(replace(n, mark=failed) if n.id == "turn" else n for n in flow.nodes),
        edges=tuple(replace(e, mark=EdgeMark(taken=2, steps=("3", "4"))) if e.guard else e for e in flow.edges),
    )
    room = shared_room((flow, run))
    plans = [settled(picture, LIGHT, "TB", room).plan for picture in (flow, run)]
    # Ends of arrows differ by the width of their lines.
    places = [re.findall(r' (lp="[^"]*"|bb="[^"]*"|pos="[^"e][^"]*")', plan.text) for plan in plans]
    assert plans[0].engine == "nop2"
    assert len(places[0]) == len(flow.nodes) + 4
    assert places[0] == places[1]


def test_one_loop_is_left_to_graphviz() -> None:
    """Nothing is laid out twice where nothing gets in the way of anything."""
    flow = looping([])
    assert settled(flow, LIGHT).plan == dot.plan(flow, LIGHT)


def test_the_text_for_other_renderers_says_no_places() -> None:
    """DOT is for any Graphviz: it lays the picture out itself, with all labels."""
    text = render(looping(["n < 3", "n < 4"]), "dot")
    assert isinstance(text, str)
    assert " pos=" not in text
    assert "n &lt; 4" in text


def test_a_way_and_the_way_back_are_two_lines_in_a_frame() -> None:
    """Two nodes that lead to each other inside a frame are joined by two arrows, and not by a double one."""
    nodes = (
        PNode("start", "start"),
        PNode("dot", "start", cluster="box"),
        PNode("critic", "task", "critic", cluster="box"),
        PNode("grade", "task", "grade", cluster="box"),
        PNode("pack", "task", "pack", cluster="box"),
    )
    edges = (
        PEdge("start", "box"),
        PEdge("dot", "critic"),
        PEdge("critic", "grade"),
        PEdge("grade", "critic", guard="score < 0.8", bound=2),
        PEdge("grade", "pack", otherwise=True),
    )
    ways = measured(Picture("two ways", "", nodes, edges, (PCluster("box", "polish"),))).ways
    there, back = ways["e3"], ways["e4"]
    assert max(min(hypot(x - u, y - v) for u, v in back) for x, y in there) > 20


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("loops", [1, 2])
def test_a_loop_without_words_makes_no_node_smaller(loops: int, direction: Direction) -> None:
    """Room is kept for what is said on loops; where nothing is said, a node is as large as any other."""
    nodes = (PNode("a", "task", "a"), PNode("b", "task", "b"))
    found = measured(Picture("t", "", nodes, (*[PEdge("a", "a")] * loops, PEdge("a", "b"))), direction).nodes
    first, second = (((box.x1 - box.x0), (box.y1 - box.y0)) for box in found)
    assert first == pytest.approx(second, abs=0.1)
