"""Which writes does anybody read?

A field is *live* at a point if on some way from there it is read before it is replaced; where a branch ends, every
output of the run is. Solved backwards, until nothing changes. Only what surely replaces a field ends its life: a node
that writes it, unless it fails, and an assignment of an edge.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, get_origin

from graphrt.checks.elements import read_by
from graphrt.signatures import returned, signature_of

if TYPE_CHECKING:
    from graphrt.checks.subject import Subject
    from graphrt.graph import Edge, Node


class Liveness:
    """What is live in one graph."""

    def __init__(self, at: Subject) -> None:
        self.at = at
        fields = {f.name for f in at.graph.fields}
        self.outputs = frozenset(at.outputs if at.outputs is not None else fields)
        self.local = {
            name for n in at.nodes for e in n.edges for name in (*e.local, *((e.each.item,) if e.each else ()))
        }
        """Fields that branches have for themselves; their lives are not followed."""
        self._in: list[frozenset[str]] = [frozenset()] * len(at.nodes)
        todo = deque(reversed(range(len(at.nodes))))
        waiting = set(todo)
        while todo:
            i = todo.popleft()
            waiting.discard(i)
            now = self._before(at.nodes[i])
            if now != self._in[i]:
                self._in[i] = now
                todo += (p for p in dict.fromkeys(at.prior[i]) if p not in waiting)
                waiting.update(at.prior[i])

    def crossed(self, edge: Edge) -> frozenset[str]:
        """Return what is live where an edge is taken, before its assignments."""
        live = self._in[edge.target] - {c.field for c in edge.set if c.reducer is None}
        return live | frozenset(read_by(edge))

    def after(self, node: Node) -> frozenset[str]:
        """Return what is live where a node has completed."""
        leaving = [e for e in node.edges if e.on_error is None and self.at.is_open(e)]
        found = {name for e in leaving for name in self.crossed(e)}
        # The guards of edges that are not taken were asked as well.
        found |= {name for e in node.edges if e.when is not None for name in e.when.reads}
        return frozenset(found | self.local | (self.outputs if not leaving else set()))

    def set_on(self, edge: Edge) -> frozenset[str]:
        """Return what is live where an edge has been crossed."""
        return self._in[edge.target] | self.local

    def _before(self, node: Node) -> frozenset[str]:
        live = self.after(node) - {name for name in surely_written(node) if self.at.graph.field[name].reducer is None}
        for e in node.edges:
            if e.on_error is not None:
                live |= self.crossed(e)
        return frozenset(live | set(node.reads))


def surely_written(node: Node) -> tuple[str, ...]:
    """Return the fields that a node has written whenever it completes: a function may return some of several."""
    if len(node.writes) < 2 or node.work is None:
        return node.writes if len(node.writes) < 2 or node.work is not None or node.graph is not None else ()
    return node.writes if get_origin(returned(signature_of(node.work.fn))) is tuple else ()
