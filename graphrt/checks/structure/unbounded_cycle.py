"""A cycle without a bound, where a model or an error decides whether it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.elements import assigned, is_model
from graphrt.checks.rule import Finds, Found, Subject, rule

if TYPE_CHECKING:
    from graphrt.graph import Edge


@rule("GR105", "unbounded-cycle", "warning")
def unbounded_cycle(at: Subject) -> Finds:
    if at.has_limits:
        return
    for part in at.unbounded:
        if any(at.nodes[i].kind == "ask" for i in part):
            continue
        exits = [e for e in at.edges() if e.source in part and e.target not in part]
        normal = [e for e in exits if e.on_error is None]
        if normal and all(_by_model(at, part, i) for i in sorted({e.source for e in normal})):
            decides = "only a model decides when it ends"
        elif exits and not normal:
            decides = "only an error ends it"
        else:
            continue
        first = at.nodes[(normal or exits)[0].source]
        cycle = at.cycle(first.index, part)
        yield Found(
            f"nothing bounds the cycle {at.trail(cycle)}: {decides}; give an edge of it at_most=…, or the flow"
            " Limits(visits=…)",
            node=first,
            edge=next((e for e in first.edges if e.target in part), None),
            path=at.names(cycle),
            nodes=at.names(sorted(part)),
        )
    for edge in at.edges():
        cycle = _beginning_anew(at, edge)
        if cycle:
            node = at.nodes[edge.source]
            yield Found(
                f"as long as {node.name!r} fails with {edge.on_error}, the run goes round {at.trail(cycle)}, and"
                " nothing bounds that; give the edge at_most=…, or leave it out and give the node retry=…",
                node=node,
                edge=edge,
                path=at.names(cycle),
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


def _beginning_anew(at: Subject, edge: Edge) -> tuple[int, ...]:
    """Return the cycle on which an error leads back to where it came from, without a choice on the way."""
    if edge.on_error is None or edge.when is not None or edge.at_most is not None:
        return ()
    if at.nodes[edge.source].kind in {"ask", "join"}:
        return ()  # asking again after a deadline is what people do
    way = [edge.source, edge.target]
    while way[-1] != edge.source:
        here = at.nodes[way[-1]]
        onwards = [e for e in here.edges if e.on_error is None and at.is_open(e)]
        if len(onwards) != 1 or onwards[0].when is not None or onwards[0].at_most is not None or here.kind == "ask":
            return ()
        if onwards[0].target in way[1:]:
            return ()
        way.append(onwards[0].target)
    return tuple(way)
