"""Large graphs: the work grows with the graph, not faster."""

from __future__ import annotations

import random
import sys
from typing import Any

from graphrt.checks import check
from graphrt.graph import Graph
from tests.driving import build, when


def large(nodes: int) -> Graph:
    """Return a graph with three edges a node: two guarded, some leading back, and one to the next."""
    chance = random.Random(1)
    names = [f"n{i}" for i in range(nodes)]
    edges: list[tuple[Any, ...]] = []
    for i in range(nodes - 1):
        for _ in range(2):
            forward = chance.random() < 0.85
            target = min(nodes - 1, i + 1 + chance.randrange(20)) if forward else max(1, i - chance.randrange(20))
            how: dict[str, Any] = {"when": when("n", chance.choice(("<", ">", "==")), chance.randrange(9))}
            edges.append((names[i], names[target], how if target > i else {**how, "at_most": 2}))
        edges.append((names[i], names[i + 1]))
    return build(edges, nodes={n: {"writes": ("n",) if chance.random() < 0.3 else ("log",)} for n in names})


def calls(graph: Graph) -> int:
    """Return how many Python functions are called while a graph is checked."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        check(graph)
    finally:
        sys.setprofile(before)
    return count


def test_twice_the_graph_is_about_twice_the_work() -> None:
    """From 250 to 500 nodes, and from 750 to 1,500 edges, the calls grow by a factor well below a square."""
    check(large(10))  # what is loaded once is loaded
    small, big = calls(large(250)), calls(large(500))
    assert big < 2.8 * small
