"""A join that does not wait for all branches, though only some of them write what is read behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.elements import assigned
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.openers import reached

if TYPE_CHECKING:
    from graphrt.checks.branching import Branch


@rule("GR110", "dropped-writes", "warning")
@each_node
def dropped_writes(at: Subject, node: Node) -> Finds:
    if node.kind != "join" or node.wait is None or node.opener not in at.branches:
        return
    racing = [b for b in at.branches[node.opener] if b.edge is not None and node.index in b.stops]
    if len(racing) <= node.wait:
        return
    written = [_written(at, b) for b in racing]
    behind = reached(at.after, at.after[node.index])
    for name in (f.name for f in at.graph.fields):
        reader = next((at.nodes[i] for i in sorted(behind) if name in at.reads(i)), None)
        some = [b for b, names in zip(racing, written, strict=True) if name in names]
        if reader is None or not some or len(some) == len(racing):
            continue
        begin = at.nodes[some[0].edge.target].name if some[0].edge is not None else node.name
        yield Found(
            f"{reader.name!r} reads {name!r}, which of the branches that race for join {node.name!r} only"
            f" the one by {begin!r} writes; when another wins, the write is dropped; let all of them write it, or"
            " wait for all",
            nodes=(reader.name, begin),
        )


def _written(at: Subject, branch: Branch) -> set[str]:
    """Return the fields that a branch writes, without those that it keeps to itself."""
    found = {name for i in branch.nodes for name in at.nodes[i].writes}
    for i in branch.nodes:
        for e in at.nodes[i].edges:
            found.update(assigned(e))
    if branch.edge is not None:
        found.update(assigned(branch.edge))
    return found - branch.local
