"""A cycle that can only be left by guards over fields which nothing in the cycle changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.counters import bound_of, conditions, direction
from graphrt.checks.rule import Finds, Found, Subject, rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphrt.graph import Edge


@rule("GR104", "frozen-exit", "error")
def frozen_exit(at: Subject) -> Finds:
    for part in at.unbounded:
        exits = [e for e in at.edges() if e.source in part and e.target not in part]
        if not exits or any(e.on_error is not None for e in exits):
            continue
        deciding = [at.nodes[i] for i in sorted({e.source for e in exits})]
        if any(e.on is not None for n in deciding for e in n.edges):
            continue  # an answer is given anew each time
        wrong = _wrong_way(at, part, exits)
        if wrong is not None:
            yield wrong
            continue
        reads = {name for n in deciding for e in n.edges if e.when is not None for name in e.when.reads}
        if not reads or reads & at.changed_in(part):
            continue
        first = deciding[0]
        cycle = at.cycle(first.index, part)
        fields = ", ".join(repr(f.name) for f in at.graph.fields if f.name in reads)
        yield Found(
            f"the cycle {at.trail(cycle)} is left by guards over {fields}, which nothing in it changes: a run"
            " leaves it in the first round or never; change the field in the cycle (set=, or a node that writes it)"
            " or bound an edge by at_most",
            node=first,
            edge=next(e for e in exits if e.source == first.index),
            path=at.names(cycle),
            nodes=at.names(sorted(part)),
        )


def _wrong_way(at: Subject, part: frozenset[int], exits: Sequence[Edge]) -> Found | None:
    """Return what is wrong with a cycle all of whose exits wait for a counter that runs away from them."""
    found: list[tuple[Edge, str, str]] = []
    for e in exits:
        node = at.nodes[e.source]
        before = () if node.fork else node.edges[: e.index]
        for condition in conditions(e, before):
            bound = bound_of(condition)
            if bound is None:
                continue
            name, op, limit = bound
            runs = direction(at.graph, name, part)
            if runs == (-1 if op in {">", ">="} else 1):
                found.append((e, f"{name} {op} {limit:g}", f"{name!r} only {'grows' if runs > 0 else 'falls'} in it"))
                break
        else:
            return None  # this exit may open
    if not found:
        return None
    edge, waits, runs_away = found[0]
    cycle = at.cycle(edge.source, part)
    return Found(
        f"the cycle {at.trail(cycle)} is left once {waits}, but {runs_away}: a run leaves it in the first round or"
        " never; count the other way, or bound an edge by at_most",
        node=at.nodes[edge.source],
        edge=edge,
        path=at.names(cycle),
        nodes=at.names(sorted(part)),
    )
