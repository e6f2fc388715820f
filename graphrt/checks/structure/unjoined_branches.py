"""Branches of a fork that come together at a node which is no join."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.branching import beside
from graphrt.checks.rule import Finds, Found, Subject, rule

if TYPE_CHECKING:
    from graphrt.checks.branching import Branch


@rule("GR109", "unjoined-branches", "warning")
def unjoined_branches(at: Subject) -> Finds:
    for opener, branches in at.branches.items():
        fork = at.nodes[opener]
        told: set[int] = set()
        for one, other in beside(at, branches):
            if one is other or one.edge is None or other.edge is None:
                continue
            both = one.calm & other.calm
            for i in sorted(both - told):
                if at.nodes[i].kind == "end" or _goes_on(at, i, both, one, other) or _is_gathered(at, i, one):
                    continue
                told.add(i)
                ways = [at.path([b.edge.target], i.__eq__) for b in (one, other) if b.edge is not None]
                yield Found(
                    f"{at.nodes[i].name!r} is visited once by each branch of {fork.name!r}"
                    f" ({at.trail((opener, *ways[0]))} and {at.trail((opener, *ways[1]))}), and so is what follows;"
                    " put a join before it, if it is meant to run once",
                    node=at.nodes[i],
                    path=at.names((opener, *ways[0])),
                    nodes=at.names((opener, *ways[1])),
                )


def _goes_on(at: Subject, index: int, both: frozenset[int], one: Branch, other: Branch) -> bool:
    """Tell whether the branches have met before they come to a node."""
    starts = {b.edge.target for b in (one, other) if b.edge is not None}
    return index not in starts and all(p in both for p in at.prior[index])


def _is_gathered(at: Subject, index: int, branch: Branch) -> bool:
    """Tell whether the visits of a node are gathered later: then it is shared by the branches on purpose."""
    return bool(at.path([index], lambda i: i in branch.stops))
