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


def wide(branches: int) -> Graph:
    """Return a fork into so many branches, which write what others read and meet at a join."""
    names = [f"n{i}" for i in range(branches)]
    edges: list[tuple[Any, ...]] = [("fork", n) for n in names] + [(n, "join") for n in names]
    writes: dict[str, dict[str, Any]] = {"fork": {"writes": ()}, **{n: {"writes": ("log",)} for n in names}}
    return build(edges, forks="fork", joins="join", nodes=writes)


def chosen(edges: int) -> Graph:
    """Return a node with so many edges, each for another number."""
    ways: list[tuple[Any, ...]] = [("first", f"n{i}", {"when": when("n", "==", i)}) for i in range(edges)]
    return build(ways, nodes={"first": {"writes": ("n",)}})


def test_twice_the_branches_are_about_twice_the_work() -> None:
    """A fork into hundreds of branches is no square of comparisons of each branch with each other."""
    check(wide(5))
    small, big = calls(wide(200)), calls(wide(400))
    assert big < 3 * small


def test_a_node_with_hundreds_of_guards_is_looked_at_within_bounds() -> None:
    """What is too much to decide is said not to be decided, and costs little to say."""
    check(chosen(5))
    small, big = calls(chosen(150)), calls(chosen(300))
    assert big < 3 * small
    assert "GR206" in {f.code for f in check(chosen(150))}


def test_branches_that_all_write_one_field_are_one_finding() -> None:
    """A hundred branches that write one plain field are one mistake, not five thousand."""
    names = [f"n{i}" for i in range(100)]
    edges: list[tuple[Any, ...]] = [("fork", n) for n in names] + [(n, "join") for n in names]
    writes: dict[str, dict[str, Any]] = {"fork": {"writes": ()}, **{n: {"writes": ("note",)} for n in names}}
    found = [f for f in check(build(edges, forks="fork", joins="join", nodes=writes)) if f.code == "GR304"]
    assert len(found) == 1
    assert found[0].message.startswith("'n0', 'n1' and 98 more write 'note' in branches of 'fork', side by side")
    assert set(found[0].nodes) == {"fork", *names}
