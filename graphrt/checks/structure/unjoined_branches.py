"""Branches of a fork that come together at a node which is no join."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.branching import may_meet
from graphrt.checks.rule import Finds, Found, Subject, rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.checks.branching import Branch
    from graphrt.graph import Edge


@rule("GR109", "unjoined-branches", "warning")
def unjoined_branches(at: Subject) -> Finds:
    for opener, branches in at.branches.items():
        fork = at.nodes[opener]
        through: dict[int, list[tuple[Branch, Edge]]] = {}
        for branch, edge in ((b, b.edge) for b in branches if b.edge is not None):
            for i in branch.calm:
                through.setdefault(i, []).append((branch, edge))
        for i in sorted(through):
            ways = _meeting(at, i, through[i]) if at.nodes[i].kind != "end" else ()
            if ways:
                yield Found(
                    f"{at.nodes[i].name!r} is visited once by each branch of {fork.name!r}"
                    f" ({at.trail((opener, *ways[0]))} and {at.trail((opener, *ways[1]))}), and so is what follows;"
                    " put a join before it, if it is meant to run once",
                    node=at.nodes[i],
                    path=at.names((opener, *ways[0])),
                    nodes=at.names((opener, *ways[1])),
                )


def _meeting(at: Subject, index: int, branches: Sequence[tuple[Branch, Edge]]) -> tuple[tuple[int, ...], ...]:
    """Return the ways of two branches that come together at a node; nothing if they do not, or met before."""
    met = [index != e.target and all(p in b.calm for p in at.prior[index]) for b, e in branches]
    for k, (one, first) in enumerate(branches if not all(met) else ()):
        if _is_gathered(at, index, one):
            continue
        for (other, second), also in zip(branches[k + 1 :], met[k + 1 :], strict=True):
            if not (met[k] and also) and may_meet(at, one, other):
                return tuple(at.path([e.target], index.__eq__) for e in (first, second))
    return ()


def _is_gathered(at: Subject, index: int, branch: Branch) -> bool:
    """Tell whether the visits of a node are gathered later: then it is shared by the branches on purpose."""
    return bool(at.path([index], lambda i: i in branch.stops))
