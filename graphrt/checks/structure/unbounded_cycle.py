"""A cycle that only a model decides to leave, without a bound."""

from __future__ import annotations

from graphrt.checks.elements import assigned, is_model
from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR105", "unbounded-cycle", "warning")
def unbounded_cycle(at: Subject) -> Finds:
    if at.has_limits:
        return
    for part in at.unbounded:
        if any(at.nodes[i].kind == "ask" for i in part):
            continue
        exits = [e for e in at.edges() if e.source in part and e.target not in part and e.on_error is None]
        if not exits or not all(_by_model(at, part, i) for i in sorted({e.source for e in exits})):
            continue
        first = at.nodes[exits[0].source]
        cycle = at.cycle(first.index, part)
        yield Found(
            f"nothing bounds the cycle {at.trail(cycle)}: only a model decides when it ends; give an edge of"
            " it at_most=…, or the flow Limits(visits=…)",
            node=first,
            edge=next((e for e in first.edges if e.target in part), None),
            path=at.names(cycle),
            nodes=at.names(sorted(part)),
        )


def _by_model(at: Subject, part: frozenset[int], index: int) -> bool:
    """Tell whether what decides at a node about leaving the cycle is a model's doing each time."""
    node = at.nodes[index]
    if any(e.on is not None for e in node.edges):
        return is_model(node)
    reads = {name for e in node.edges if e.when is not None for name in e.when.reads}
    if any(name in assigned(e) for i in part for e in at.nodes[i].edges for name in reads):
        return False  # a counter, most likely
    writers = [at.nodes[i] for name in reads for i in at.writers[name] if i in part]
    return bool(writers) and all(is_model(n) for n in writers)
