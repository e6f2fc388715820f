"""Under which definition each record of a run was made, and when its drivers are last known to have lived.

A run may be driven by one process after another: its first may have died, or it waited for an answer, and it may go on
under a changed definition. Pictures draw one definition and one line of time, so they ask here what is true of each
record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphrt import inputs as inp
from graphrt.graph import graph_from_json
from graphrt.trace import graph_of
from graphrt_viz import story
from graphrt_viz.extract import edge_of
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.graph import Edge, Graph, Node
    from graphrt.trace import Record, Trace

_LONG_CONDITION: Final = 48


class Course:
    """Follows a run record by record; what it tells is of the record that it took last."""

    def __init__(self, trace: Trace) -> None:
        self.drawn: Graph = graph_of(trace)
        """The definition that is drawn: the last one."""
        self.graph = self.drawn
        """The definition of the record."""
        self.digest = trace.header.digest
        self.changed = any(_new_graph(r) is not None for r in trace.records)
        """Whether there was more than one definition."""
        if self.changed:
            self.graph = graph_from_json(trace.header.graph)
        self.changes: list[tuple[str, str]] = []
        """The digests of each change of the definition: the former one and the new one."""
        self.at: float | None = None
        self.stopped_at = 0.0
        """When the record before was made: a driver that is gone lived at least until then."""

    def take(self, record: Record) -> None:
        """Take the next record."""
        self.stopped_at = self.at if self.at is not None else record.at
        self.at = max(record.at, self.stopped_at)
        form = _new_graph(record)
        if form is not None:
            self.graph = graph_from_json(form)
            self.changes.append((self.digest, self.graph.digest))
            self.digest = self.graph.digest

    def node(self, path: Sequence[str], drawn: Node) -> Node:
        """Return a node as it was defined when the record was made; as it is drawn if it was not there."""
        if self.graph is self.drawn:
            return drawn
        graph: Graph | None = self.graph
        found: Node | None = None
        for name in path:
            found = graph.by_name.get(name) if graph is not None else None
            graph = found.graph if found is not None else None
        return found or drawn

    def graph_at(self, path: Sequence[str], drawn: Graph) -> Graph:
        """Return the graph inside the nodes of `path` as it was defined when the record was made."""
        if self.graph is self.drawn:
            return drawn
        graph: Graph | None = self.graph
        for name in path:
            node = graph.by_name.get(name) if graph is not None else None
            graph = node.graph if node is not None else None
        return graph or drawn

    def former(self, edge: Edge, before: Graph, now: Edge | None, after: Graph) -> str:
        """Return what an edge said, if what is drawn says something else; nothing if it says the same."""
        if self.graph is self.drawn or now is None:
            return ""
        was, says = (story.condition(edge_of(g, e, "")) for g, e in ((before, edge), (after, now)))
        if was == says:
            return ""
        return f"· then {shorten(was or 'always', _LONG_CONDITION)} (sha {self.digest[:7]})"


def counterpart(edge: Edge, before: Graph, node: Node, after: Graph) -> Edge | None:
    """Return the edge of the drawn definition that stands for one of a former; None if there is none.

    Where a run went is in both at the same place, else it could not have gone on; what it did not take may be gone.
    """
    same = [e for e in node.edges if _way(after, e) == _way(before, edge)]
    return next((e for e in same if e.index == edge.index), same[0] if same else None)


def _way(graph: Graph, edge: Edge) -> tuple[object, ...]:
    return graph.nodes[edge.target].name, edge.on, edge.on_error


def _new_graph(record: Record) -> dict[str, inp.Json] | None:
    return record.input.graph if isinstance(record.input, inp.Resumed) else None
