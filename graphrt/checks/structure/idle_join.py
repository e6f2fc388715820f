"""A join at which no two lines can meet."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR107", "idle-join", "warning")
def idle_join(at: Subject) -> Finds:
    gathering = {j for branches in at.branches.values() for b in branches for j in b.stops}
    for n in at.nodes:
        if n.kind != "join" or n.index in gathering or n.index not in at.reachable:
            continue
        if n.index == at.graph.start and n.splits:
            continue  # what a flow forks from where it begins
        why = "the branches of every fork before it have been gathered" if at.branches else "the graph has no fork"
        yield Found(
            f"join {n.name!r} never has more than one line to wait for: {why}; fork before it (flow.fork,"
            " flow.each), or remove it",
            node=n,
        )
