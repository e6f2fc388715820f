"""From what an author wrote to a graph: every name looked up, every expression compiled, every mistake found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from graphrt.definition import Definition, place_text
from graphrt.drafts import EdgeDraft, NodeDraft, Place
from graphrt.errors import DefinitionError
from graphrt.expressions import field_name
from graphrt.freeze_edges import EdgeFreezer
from graphrt.freeze_nodes import NodeFreezer
from graphrt.graph import Edge, Graph, Node
from graphrt.openers import place_joins

if TYPE_CHECKING:
    from graphrt.inputs import Limits


def freeze(
    flow: Definition,
    edges: Sequence[EdgeDraft],
    start: tuple[object, Place] | None,
    limits: Limits | None,
) -> Graph:
    """Return the graph of a flow.

    Raises:
        DefinitionError: with every mistake that was found.
    """
    _check_names(flow)
    flow.items.update(name for draft in edges if draft.verb == "each" and (name := field_name(draft.item)) is not None)
    node_freezer = NodeFreezer(flow)
    made = [node_freezer.node(index, draft) for index, draft in enumerate(flow.drafts)]
    edge_freezer = EdgeFreezer(flow, made)
    before = len(flow.mistakes)
    for draft in edges:
        edge_freezer.edges(draft)
    edges_hold = len(flow.mistakes) == before
    edge_freezer.choices()
    # Where edges are missing, what cannot be reached or where to start would only repeat it.
    first = edge_freezer.start(start) if edges_hold and flow.drafts else None
    nodes = tuple(_finished(made, edge_freezer.out))
    if first is not None:
        nodes, more = place_joins(nodes, first)
        flow.mistakes += more
    if flow.mistakes or first is None:
        raise DefinitionError(flow.name, tuple(flow.mistakes))
    return Graph(flow.name, flow.fields, nodes, first, limits, flow.state_type)


def _finished(made: list[dict[str, Any]], out: list[list[Edge]]) -> Iterator[Node]:
    """Put nodes and their edges together, and let go of what each was made from: there may be many."""
    made.reverse()
    out.reverse()
    while made:
        yield Node(edges=tuple(out.pop()), **made.pop())


def _check_names(flow: Definition) -> None:
    if not flow.drafts:
        flow.wrong("no-nodes", f"flow {flow.name!r} has no nodes; add one with flow.task, flow.agent …", None)
    seen: dict[str, NodeDraft] = {}
    for draft in flow.drafts:
        name: object = draft.name
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            flow.wrong("node-name", f"this {draft.kind} has the name {name!r}; a name is a line of text", draft.place)
        elif name in seen:
            first = place_text(seen[name].place)
            flow.wrong(
                "duplicate-name",
                f"there are two nodes {name!r} (the other at {first}); give one of them another name=",
                draft.place,
            )
        else:
            seen[name] = draft
