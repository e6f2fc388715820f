"""What single nodes and edges read, set and are."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from graphrt.definition import place_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.graph import Edge, Node


def assigned(edge: Edge) -> tuple[str, ...]:
    """Return the fields that crossing an edge sets."""
    item = (edge.each.item,) if edge.each is not None else ()
    return (*(c.field for c in edge.set), *item)


def read_by(edge: Edge) -> tuple[str, ...]:
    """Return the fields that are read where an edge is tried and crossed."""
    of = (edge.each.of,) if edge.each is not None else ()
    guard = edge.when.reads if edge.when is not None else ()
    return (*guard, *of, *(name for c in edge.set for name in c.reads))


def untriggered(node: Node) -> list[Edge]:
    """Return the error edges of a node for errors that it can never end with, or that an earlier edge always takes."""
    return [e for e in node.edges if covering(node, e) is not None or _never_fails_so(node, e)]


def covering(node: Node, edge: Edge) -> Edge | None:
    """Return an earlier error edge that takes every error which this one would take."""
    if edge.on_error is None:
        return None
    for other in node.edges[: edge.index]:
        if other.on_error in {edge.on_error, "Exception"} and other.when is None and other.at_most is None:
            return other
    return None


def _never_fails_so(node: Node, edge: Edge) -> bool:
    match edge.on_error:
        case "JoinShort":
            return node.kind == "ask" or (node.kind == "join" and node.wait is None)
        case "DeadlinePassed":
            return node.kind == "join" or (node.kind == "ask" and node.deadline_s is None)
        case _:
            return False


def inner_nodes(node: Node) -> Iterator[Node]:
    """Yield the nodes of an agent, of agents inside it too; none of a flow, whose nodes are checked themselves."""
    todo = [node] if is_model(node) else []
    while todo:
        graph = todo.pop().graph
        for inner in graph.nodes if graph is not None else ():
            yield inner
            todo.append(inner)


def is_model(node: Node) -> bool:
    """Tell whether a model decides what a node writes or answers."""
    return node.kind == "agent" or (node.kind == "router" and node.graph is not None)


def declared_at(state_type: type | None, name: str) -> str | None:
    """Return where a field of a state type is declared, if the source is at hand."""
    if state_type is None:
        return None
    try:
        lines, first = inspect.getsourcelines(state_type)
        file = inspect.getsourcefile(state_type)
    except (OSError, TypeError):
        return None
    for number, line in enumerate(lines, first):
        if re.match(rf"\s+{re.escape(name)}\s*:", line):
            return place_text((file or "?", number))
    return None
