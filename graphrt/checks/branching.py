"""What runs beside what: the branches of every fork, how far each goes, and which of them are under way together.

A branch begins with an edge of a node that splits and goes as far as a join that gathers it; joins of forks inside it
are passed. The line that a partial join starts is a branch as well. Two branches are *beside* each other if visits of
the one may not be behind visits of the other. Everything here is "may": guards that exclude each other are taken into
account where that can be decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphrt.checks.subject import Subject
    from graphrt.graph import Edge, Node


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """One branch of a node that splits, or the line of a partial join."""

    opener: Node
    edge: Edge | None
    """The edge that starts it; None for the line of a partial join."""
    join: Node | None
    """The partial join that starts it."""
    nodes: frozenset[int]
    """Nodes that it may visit, up to the joins that gather it."""
    calm: frozenset[int]
    """As `nodes`, if nothing fails."""
    stops: frozenset[int]
    """Joins that gather it."""
    ends: bool
    """Whether it may end without having been gathered."""

    @property
    def local(self) -> frozenset[str]:
        """Fields that belong to it alone."""
        if self.edge is None:
            return frozenset()
        item = {self.edge.each.item} if self.edge.each is not None else set[str]()
        return frozenset(self.edge.local) | item


def branches_of(at: Subject, opener: Node) -> tuple[Branch, ...]:
    """Return the branches that a node may start, and the lines of its partial joins."""
    if not opener.splits:
        return ()
    starting = [e for e in opener.edges if at.is_open(e) and e.on_error is None and (opener.fork or e.each is not None)]
    found = [_branch(at, opener, e, None) for e in starting]
    partial = [n for n in at.nodes if n.kind == "join" and n.opener == opener.index and not n.closes]
    return (*found, *(_branch(at, opener, None, n) for n in partial))


def _branch(at: Subject, opener: Node, edge: Edge | None, join: Node | None) -> Branch:
    starts = [edge.target] if edge is not None else at.after[join.index] if join is not None else []
    nodes, stops, ends = _region(at, opener, starts, errors=True)
    calm, _, _ = _region(at, opener, starts, errors=False)
    return Branch(opener, edge, join, nodes, calm, stops, ends)


def _region(
    at: Subject, opener: Node, starts: list[int], *, errors: bool
) -> tuple[frozenset[int], frozenset[int], bool]:
    todo, seen, stops, ends = list(starts), set[int](), set[int](), False
    while todo:
        i = todo.pop()
        if i in seen or i in stops:
            continue
        node = at.nodes[i]
        if node.kind == "join" and not _is_inner(at, opener, node):
            stops.add(i)
            continue
        seen.add(i)
        ends = ends or not any(e.on_error is None for e in node.edges)
        todo += [e.target for e in node.edges if at.is_open(e) and (errors or e.on_error is None)]
    return frozenset(seen), frozenset(stops), ends


def _is_inner(at: Subject, opener: Node, join: Node) -> bool:
    """Tell whether a join belongs to a fork inside a branch of `opener`, so that the branch goes on behind it."""
    return join.opener is not None and join.opener != opener.index and at.shape.dominates(opener.index, join.opener)


def may_meet(at: Subject, one: Branch, other: Branch) -> bool:
    """Tell whether two branches of one opener may be under way together; a branch per item is beside itself."""
    if one is other:
        return one.edge is not None and one.edge.each is not None
    if one.edge is not None and other.edge is not None:
        return one.opener.fork and not at.exclude_each_other(one.edge, other.edge)
    if one.join is not None and other.join is not None:
        return one.join.index not in other.stops and other.join.index not in one.stops
    line, branch = (one, other) if one.join is not None else (other, one)
    # What a join has gathered is behind it; only what may go past the join can be beside the line it starts.
    assert line.join is not None, "one of the two is the line of a join"
    return branch.ends or bool(branch.stops - {line.join.index})
