"""Two branches that run side by side and write one field which has no reducer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphrt.checks.branching import beside
from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.checks.wording import edge_text

if TYPE_CHECKING:
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


@rule("GR304", "parallel-write", "error")
def parallel_write(at: Subject) -> Finds:
    told: set[tuple[str, int, int]] = set()
    for index, branches in at.branches.items():
        fork = at.nodes[index]
        if any(n.kind == "join" and n.closes and n.opener == index and n.wait == 1 for n in at.nodes):
            continue  # only the winner's writes are kept
        written = [_writes(at, b) for b in branches]
        place = {id(b): k for k, b in enumerate(branches)}
        for one, other in beside(at, branches):
            mine, theirs = written[place[id(one)]], written[place[id(other)]]
            for name in (f.name for f in at.graph.fields):
                pair = _conflict(mine.get(name, []), theirs.get(name, []))
                if pair is None or name in one.local or name in other.local:
                    continue
                first, second = pair
                key = name, first.node.index, second.node.index
                if key in told:
                    continue
                told.add(key)
                yield _found(at, fork, name, (one, other), pair)


def _found(at: Subject, fork: Node, name: str, branches: tuple[Branch, Branch], pair: tuple[_Write, _Write]) -> Found:
    (one, other), (first, second) = branches, pair
    if one is other:
        of = one.edge.each.of if one.edge is not None and one.edge.each is not None else "items"
        who = f"{first.text(at)} writes {name!r} once per item of {of!r}"
    elif first.node is second.node and first.edge is second.edge:
        who = f"{first.text(at)} writes {name!r} in two branches of {fork.name!r}"
    else:
        who = f"{first.text(at)} and {second.text(at)} write {name!r} in two branches of {fork.name!r}"
    has = "replace" if at.graph.field[name].reducer is not None else "no reducer"
    why = "an assignment replaces the value" if has == "replace" else "it has no reducer"
    way = at.path([one.edge.target], first.node.index.__eq__) if one.edge is not None else ()
    return Found(
        f"{who}, side by side, and {why}: the run fails with WriteConflict where they meet; give it a reducer"
        " (Annotated[…, append]), write different fields, or make it local= to the branches",
        node=second.node,
        edge=second.edge,
        path=at.names((fork.index, *way)),
        nodes=(first.node.name, second.node.name),
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
                    found.setdefault(c.field, []).append(_Write(n, e, replaces=True))
    if branch.edge is not None:
        for c in branch.edge.set:
            found.setdefault(c.field, []).append(_Write(branch.opener, branch.edge, replaces=True))
    return found
