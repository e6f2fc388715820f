"""A node that reads a field which on some way to it nobody has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt import hints
from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.checks.wording import value_text
from graphrt.openers import reached
from graphrt.signatures import signature_of

if TYPE_CHECKING:
    from graphrt.fields import Field
    from graphrt.graph import Node


@rule("GR301", "read-before-write", "warning")
def read_before_write(at: Subject) -> Finds:
    for f in at.graph.fields:
        if f.reducer is not None or f.required or f.name in at.filled or not _is_empty(f):
            continue
        readers = [n for n in at.nodes if n.index in at.reachable and _reads(n, f)]
        writers = at.writers[f.name]
        if not readers or not writers:
            continue
        ways = at.writing.unwritten(f.name)
        for n in readers:
            if n.index not in ways or _is_rewritten(at, n, f, writers) or _is_carried(at, n, writers):
                continue
            way = ways[n.index]
            earlier = any(n.index in reached(at.after, at.after[w]) for w in writers)
            on = f"on the way {at.trail(way)}" if len(way) > 1 else "at the start"
            remedy = (
                "write it on this way too, or let it be None and handle that"
                if earlier
                else f"it is written only later (by {at.nodes[writers[0]].name!r}); change the order"
            )
            yield Found(
                f"{n.name!r} reads {f.name!r}, which {on} nobody has written: it gets"
                f" {value_text(f.default_json)}; {remedy}",
                node=n,
                path=at.names(way),
                nodes=at.names(writers),
            )


def _is_empty(field: Field) -> bool:
    """Tell whether a field begins with nothing in it."""
    return field.default_json is None or field.default_json in ("", [], {})


def _reads(node: Node, field: Field) -> bool:
    """Tell whether a node counts on a field having been written."""
    if field.name not in node.reads or node.kind in {"subgraph", "join", "end"}:
        return False
    if node.work is None:
        return node.kind in {"agent", "ask"} or node.graph is not None
    params = {p.name: p.annotation for p in signature_of(node.work.fn).params}
    asked = [params[name] for name, read in node.work.params if read == field.name and name in params]
    return bool(asked) and not (field.default_json is None and all(_admits_none(annotation) for annotation in asked))


def _admits_none(annotation: object) -> bool:
    members = hints.members(annotation)
    return isinstance(annotation, str) or any(not isinstance(m, type) or m is type(None) for m in members)


def _is_rewritten(at: Subject, node: Node, field: Field, writers: list[int]) -> bool:
    """Tell whether a node works on what the caller gave: nobody else writes it, or the flow begins with it."""
    return writers == [node.index] or (node.index == at.graph.start and field.name in node.writes)


def _is_carried(at: Subject, node: Node, writers: list[int]) -> bool:
    """Tell whether every write comes behind the node: a loop brings it what its last round wrote."""
    behind = [w for w in writers if node.index in reached(at.after, at.after[w])]
    return bool(behind) and all(at.shape.dominates(node.index, w) for w in behind)
