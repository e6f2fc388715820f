"""Counters: number fields that edges raise or lower by fixed steps, and what guards wait for of them.

`rounds < 3` on a way round a cycle on which `rounds = rounds + 1` bounds the cycle; the same guard where `rounds` falls
never stops it. A counter is taken to begin at its field's default.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphrt.checks.elements import assigned
from graphrt.fields import MISSING
from graphrt.trees import And, Arithmetic, Compare, Constant, Not, Read, Tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from graphrt.graph import Edge, Graph

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def step_of(edge: Edge, field: str) -> float:
    """Return by how much crossing an edge raises a field; 0 if it does not, or not by a fixed number."""
    for change in edge.set:
        tree = change.tree
        if change.field != field:
            continue
        if change.reducer == "add" and isinstance(tree, Constant):
            return _number(tree)
        if (
            change.reducer is None
            and isinstance(tree, Arithmetic)
            and tree.op in {"+", "-"}
            and tree.left == Read(field)
        ):
            by = _number(tree.right)
            return by if tree.op == "+" else -by
    return 0.0


def direction(graph: Graph, field: str, within: Collection[int]) -> int:
    """Return 1 if a field only ever grows in these nodes and on the edges between them, -1 if it only falls, else 0."""
    if any(field in graph.nodes[i].writes for i in within):
        return 0
    steps = [
        step_of(e, field) for i in within for e in graph.nodes[i].edges if e.target in within and field in assigned(e)
    ]
    if steps and all(s > 0 for s in steps):
        return 1
    return -1 if steps and all(s < 0 for s in steps) else 0


def conditions(edge: Edge, before: Collection[Edge]) -> Iterator[Tree]:
    """Yield what must hold where an edge is taken: the parts of its guard, and that those tried before it did not."""
    if edge.when is not None:
        yield from edge.when.tree.parts if isinstance(edge.when.tree, And) else (edge.when.tree,)
    for other in before:
        if other.when is not None and other.on_error is None and other.at_most is None and other.on in {None, edge.on}:
            yield Not(other.when.tree)


def bound_of(condition: Tree) -> tuple[str, str, float] | None:
    """Return a comparison of a field with a number as (field, operator, number); None for anything else."""
    if isinstance(condition, Not):
        inside = bound_of(condition.of)
        return None if inside is None else (inside[0], _OPPOSITE[inside[1]], inside[2])
    if not isinstance(condition, Compare) or condition.op not in _OPPOSITE:
        return None
    if not isinstance(condition.left, Read) or not isinstance(condition.right, Constant):
        return None
    value = condition.right.value
    return (condition.left.field, condition.op, value) if _is_number(value) else None


def most_crossings(graph: Graph, edge: Edge) -> int | None:
    """Return how often a line can cross an edge at most, because a counter in its guard runs out; None if none does."""
    found: list[int] = []
    for condition in conditions(edge, ()):
        bound = bound_of(condition)
        if bound is None:
            continue
        name, op, limit = bound
        field = graph.field[name]
        rises = direction(graph, name, range(len(graph.nodes)))
        if rises != (1 if op in {"<", "<="} else -1) or not _is_number(field.default_json):
            continue
        steps = [(e, abs(step_of(e, name))) for n in graph.nodes for e in n.edges if name in assigned(e)]
        if _comes_back_without(graph, edge, [e for e, _ in steps]):
            continue
        room = (limit - field.default_json) * rises
        smallest = min(step for _, step in steps)
        found.append(max(0, math.floor(room / smallest) + 1 if op in {"<=", ">="} else math.ceil(room / smallest)))
    return min(found, default=None)


def _comes_back_without(graph: Graph, edge: Edge, counting: Collection[Edge]) -> bool:
    """Tell whether a line can cross an edge again without crossing one of those that count."""
    if any(e is edge for e in counting):
        return False
    left = {(e.source, e.index) for e in counting}
    todo, seen = [edge.target], {edge.target}
    while todo:
        here = todo.pop()
        if here == edge.source:
            return True
        for e in graph.nodes[here].edges:
            if (e.source, e.index) not in left and e.target not in seen:
                seen.add(e.target)
                todo.append(e.target)
    return False


def _number(tree: Tree) -> float:
    return float(tree.value) if isinstance(tree, Constant) and _is_number(tree.value) else 0.0


def _is_number(value: object) -> bool:
    return value is not MISSING and isinstance(value, int | float) and not isinstance(value, bool)
