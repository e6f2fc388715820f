"""Which nodes play the same part: the same answer as looking at every edge in every round, in far less work."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphrt_viz.partition import parts_of

Graph = tuple[list[int], list[tuple[int, int]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Return the kinds of some nodes, and edges between them."""
    kinds = draw(st.lists(st.integers(0, 2), min_size=1, max_size=14))
    nodes = st.integers(0, len(kinds) - 1)
    return kinds, draw(st.lists(st.tuples(nodes, nodes), unique=True, max_size=40))


def _in_rounds(kinds: list[int], edges: list[tuple[int, int]]) -> list[int]:
    """Return the parts by the definition: refined until nothing changes."""
    part = kinds
    while True:
        seen: dict[object, int] = {}
        finer: list[int] = []
        for node in range(len(kinds)):
            into = frozenset(part[a] for a, b in edges if b == node)
            out = frozenset(part[b] for a, b in edges if a == node)
            finer.append(seen.setdefault((part[node], into, out), len(seen)))
        if len(seen) == len(set(part)):
            return finer
        part = finer


@given(graphs())
def test_nodes_are_in_one_part_as_the_definition_says(graph: Graph) -> None:
    """Whatever the graph: loops, two ways between two nodes, nodes without edges."""
    kinds, edges = graph
    found = parts_of(kinds, edges, len(kinds))
    assert found is not None
    seen: dict[int, int] = {}
    assert [seen.setdefault(part, len(seen)) for part in found] == _in_rounds(kinds, edges)


@given(graphs())
def test_too_many_parts_are_no_answer(graph: Graph) -> None:
    """Who can use no more than so many is told as soon as there are more, and only then."""
    kinds, edges = graph
    parts = len(set(_in_rounds(kinds, edges)))
    assert parts_of(kinds, edges, parts) is not None
    assert parts_of(kinds, edges, parts - 1) is None


def test_a_chain_of_pairs_is_found_whole() -> None:
    """A division that takes as many rounds as the graph is long: two equal chains of 5,000 become one."""
    length = 5_000
    edges = [(row * length + i, row * length + i + 1) for row in (0, 1) for i in range(length - 1)]
    found = parts_of([0] * (2 * length), edges, length)
    assert found is not None
    assert found[:length] == found[length:]
    assert len(set(found)) == length
