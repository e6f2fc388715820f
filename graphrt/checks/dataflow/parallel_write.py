"""Two branches that run side by side and write one field which has no reducer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from graphrt.checks.branching import may_meet
from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.checks.wording import edge_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.checks.branching import Branch
    from graphrt.graph import Edge, Node


@dataclass(frozen=True, slots=True)
class _Write:
    """Something in a branch that writes a field."""

    node: Node
    edge: Edge | None
    """The edge that sets it; None if the node writes it."""
    replaces: bool

    def text(self, at: Subject) -> str:
        return repr(self.node.name) if self.edge is None else f"the edge {edge_text(at.graph, self.edge)}"


_Written: TypeAlias = "tuple[Branch, list[_Write]]"
"""A branch, and what in it writes a field."""


@rule("GR304", "parallel-write", "error")
def parallel_write(at: Subject) -> Finds:
    told: set[tuple[str, int, int]] = set()
    for index, branches in at.branches.items():
        if any(n.kind == "join" and n.closes and n.opener == index and n.wait == 1 for n in at.nodes):
            continue  # only the winner's writes are kept
        written: dict[str, list[_Written]] = {}
        for branch in branches:
            for name, writes in _writes(at, branch).items():
                if name not in branch.local:
                    written.setdefault(name, []).append((branch, writes))
        for name in (f.name for f in at.graph.fields):
            one, pairs = _conflicts(at, written.get(name, []))
            if one is None:
                continue
            first, second = pairs[0]
            key = name, first.node.index, second.node.index
            if key not in told:
                told.add(key)
                yield _found(at, name, one, pairs)


def _conflicts(at: Subject, written: Sequence[_Written]) -> tuple[Branch | None, list[tuple[_Write, _Write]]]:
    """Return the first branch whose write conflicts with others, and with which."""
    if any(w.replaces for _, writes in written for w in writes):
        for k, (one, mine) in enumerate(written):
            found = [
                pair
                for other, theirs in written[k:]
                if (pair := _conflict(mine, theirs)) is not None and may_meet(at, one, other)
            ]
            if found:
                return one, found
    return None, []


def _found(at: Subject, name: str, one: Branch, pairs: Sequence[tuple[_Write, _Write]]) -> Found:
    first, second = pairs[0]
    fork, more = one.opener, len(pairs) - 1
    if one.edge is not None and one.edge.each is not None and first is second:
        who = f"{first.text(at)} writes {name!r} once per item of {one.edge.each.of!r}"
    elif first.node is second.node and first.edge is second.edge:
        who = f"{first.text(at)} writes {name!r} in two branches of {fork.name!r}"
    elif more:
        who = f"{first.text(at)}, {second.text(at)} and {more} more write {name!r} in branches of {fork.name!r}"
    else:
        who = f"{first.text(at)} and {second.text(at)} write {name!r} in two branches of {fork.name!r}"
    reduced = at.graph.field[name].reducer is not None
    why = "an assignment replaces the value" if reduced else "it has no reducer"
    way = at.path([one.edge.target], first.node.index.__eq__) if one.edge is not None else ()
    return Found(
        f"{who}, side by side, and {why}: the run fails with WriteConflict where they meet; give it a reducer"
        " (Annotated[…, append]), write different fields, or make it local= to the branches",
        node=second.node,
        edge=second.edge,
        path=at.names((fork.index, *way)),
        nodes=(first.node.name, *(other.node.name for _, other in pairs)),
    )


def _conflict(mine: list[_Write], theirs: list[_Write]) -> tuple[_Write, _Write] | None:
    for one in mine:
        for other in theirs:
            if one.replaces or other.replaces:
                return one, other
    return None


def _writes(at: Subject, branch: Branch) -> dict[str, list[_Write]]:
    """Return what a branch writes that is seen outside of it."""
    hidden: dict[str, set[int]] = {}
    for i in branch.nodes:
        for inner in at.branches.get(i, ()):
            for name in inner.local:
                hidden.setdefault(name, set()).update(inner.nodes)
    found: dict[str, list[_Write]] = {}
    fields = at.graph.field
    for i in sorted(branch.nodes):
        n = at.nodes[i]
        for name in n.writes:
            if name in fields and i not in hidden.get(name, ()):
                found.setdefault(name, []).append(_Write(n, None, fields[name].reducer is None))
        for e in n.edges:
            for c in e.set if at.is_open(e) else ():
                if i not in hidden.get(c.field, ()):
                    found.setdefault(c.field, []).append(_Write(n, e, replaces=c.reducer is None))
    if branch.edge is not None:
        for c in branch.edge.set:
            found.setdefault(c.field, []).append(_Write(branch.opener, branch.edge, replaces=c.reducer is None))
    return found
