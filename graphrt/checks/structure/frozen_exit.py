"""A cycle that can only be left by guards over fields which nothing in the cycle changes."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR104", "frozen-exit", "error")
def frozen_exit(at: Subject) -> Finds:
    for part in at.unbounded:
        exits = [e for e in at.edges() if e.source in part and e.target not in part]
        if not exits or any(e.on_error is not None for e in exits):
            continue
        deciding = [at.nodes[i] for i in sorted({e.source for e in exits})]
        if any(e.on is not None for n in deciding for e in n.edges):
            continue  # an answer is given anew each time
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
