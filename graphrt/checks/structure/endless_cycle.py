"""A cycle that no edge leaves."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR103", "endless-cycle", "error", mistakes=("idle-cycle",))
def endless_cycle(at: Subject) -> Finds:
    for part in at.cycles:
        first = min(part)
        if first not in at.reachable or any(k not in part for i in part for k in at.after[i]):
            continue
        if part & at.ending:
            continue
        cycle = at.cycle(first, part)
        free = any(part & other for other in at.unbounded)
        then = "a run would go round for ever" if free else "a run fails with NoRoute when `at_most` is used up"
        yield Found(
            f"no edge leaves the cycle {at.trail(cycle)}: {then}; lead an edge from one of its nodes to an end",
            node=at.nodes[first],
            path=at.names(cycle),
            nodes=at.names(sorted(part)),
        )
