"""A guard over a field that nothing in the flow writes."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.checks.wording import edge_text


@rule("GR207", "unwritten-field", "warning")
def unwritten_field(at: Subject) -> Finds:
    if at.is_inside:
        return  # what surrounds a flow fills its fields
    for f in at.graph.fields:
        if at.writers[f.name] or (f.reducer is None and f.default_json is not None):
            continue
        for n in at.nodes:
            for e in n.edges:
                if e.when is None or f.name not in e.when.reads:
                    continue
                yield Found(
                    f"the guard of edge {e.index + 1} ({edge_text(at.graph, e)}) reads {f.name!r}, which nothing"
                    " writes; write it before, or guard by another field",
                    node=n,
                    edge=e,
                )
