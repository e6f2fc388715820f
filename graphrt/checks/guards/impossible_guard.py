"""An edge whose guard holds in no state that can come to it."""

from __future__ import annotations

from graphrt import trees
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.wording import edge_text
from graphrt.tree_forms import text_of


@rule("GR203", "impossible-guard", "error", mistakes=("never-equal",))
@each_node
def impossible_guard(at: Subject, node: Node) -> Finds:
    never = at.decisions[node.index].never
    for e in node.edges:
        if e.when is None or never.get(e.index) != "guard":
            continue
        reads = set(e.when.reads)
        known = [text_of(f) for f in at.known.at_exit(node.index) if reads & set(trees.reads_of(f))]
        told = f" (known here: {'; '.join(known[:3])})" if known else ""
        yield Found(
            f"edge {e.index + 1} ({edge_text(at.graph, e)}) is never taken: its guard holds in no state that"
            f" can come here{told}{at.cut_off([e])}; mend the guard, or remove the edge",
            edge=e,
        )
