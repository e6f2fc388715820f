"""A node that leads into a part of the graph from which no end can be reached."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule


@rule("GR102", "no-way-out", "error", beside=("GR103",))
@each_node
def no_way_out(at: Subject, node: Node) -> Finds:
    i = node.index
    if i in at.ending or i not in at.reachable or i in at.cycle_of:
        return
    if not any(p in at.ending for p in at.prior[i]):
        return
    caught = at.path([i], lambda k: k in at.cycle_of or not at.after[k])
    way = at.path([at.graph.start], i.__eq__)
    yield Found(
        f"from {node.name!r} on no end can be reached: it leads to {at.nodes[caught[-1]].name!r}, which is"
        " never left; lead an edge from there to an end",
        path=at.names((*way, *caught[1:])),
    )
