"""What a person sees who prints what graphrt hands out: a line, however much is in it."""

from __future__ import annotations

import pytest

from graphrt.codec import decode_trace, encode_trace
from graphrt.trace import graph_of
from tests.cli import scenes


def test_a_trace_prints_as_a_line() -> None:
    """Which run it is, of which flow, and how many records it has; the records are there, and not printed."""
    trace = scenes.suspended()
    assert repr(trace) == f"Trace(run='desk', flow='support': {len(trace.records)} records)"
    assert repr(trace.header) == f"Header(run='desk', flow='support', digest={trace.header.digest!r})"
    assert decode_trace(encode_trace(trace)) == trace


def test_a_graph_prints_as_a_line() -> None:
    """Its name and how large it is; a node that holds one inside prints no page either."""
    graph = graph_of(scenes.researched())
    assert repr(graph).startswith("Graph('research': ")
    inside = next(node for node in graph.nodes if node.graph is not None)
    assert repr(inside.graph) in repr(inside)


@pytest.mark.parametrize("of", ["suspended", "failed", "resumed", "researched"])
def test_nothing_that_is_handed_out_prints_a_page(of: str) -> None:
    """Trace, header and graph stay within a line of a terminal, whatever the run did."""
    trace = getattr(scenes, of)()
    for thing in (trace, trace.header, graph_of(trace)):
        assert len(repr(thing)) < 120
        assert "\n" not in repr(thing)
