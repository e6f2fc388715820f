"""A node whose function changes what it was given, and lets the change go."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, get_origin

from graphrt import hints
from graphrt.checks.rule import Finds, Found, Node, Subject, each_node, rule
from graphrt.checks.sources import source_of
from graphrt.definition import place_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.sources import Function

_CHANGING: Final = frozenset(
    [
        "append",
        "extend",
        "insert",
        "remove",
        "pop",
        "popitem",
        "clear",
        "sort",
        "reverse",
        "add",
        "discard",
        "update",
        "setdefault",
    ]
)
"""Methods of lists, sets and dicts that change them."""


@rule("GR307", "lost-change", "warning")
@each_node
def lost_change(at: Subject, node: Node) -> Finds:
    source = source_of(node.work.fn) if node.work is not None else None
    if node.work is None or source is None:
        return
    file, function = source
    whole = [(node.work.whole, "")] if node.work.whole is not None else []
    for name, field in (*node.work.params, *whole):
        change = _lost(function, name)
        if change is None:
            continue
        what = f"field {field!r}" if field else "the state"
        if field and _is_list(at, field):
            then = "which is given as a sequence that cannot be changed, so it raises AttributeError"
        else:
            then = "which is a copy of its own, so nobody sees the change"
        yield Found(
            f"{node.name!r} changes {what} in place ({ast.unparse(change)}), {then}; return the new value, and say"
            " writes=",
            place=place_text((file, change.lineno)),
        )


def _is_list(at: Subject, field: str) -> bool:
    return all((get_origin(m) or m) is list for m in hints.without_none(at.graph.field[field].annotation))


def _lost(function: Function, name: str) -> ast.stmt | None:
    """Return the first statement that changes a parameter, if the function does nothing else with it."""
    changes = {id(base): s for s in ast.walk(function) if isinstance(s, ast.stmt) for base in _changed(s, name)}
    uses = [n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name]
    if not changes or any(id(n) not in changes for n in uses):
        return None  # it is read, given on, or another value by then
    return min(changes.values(), key=lambda s: s.lineno)


def _changed(statement: ast.stmt, name: str) -> Iterator[ast.Name]:
    """Yield where a name stands for the value that a statement changes."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=method) as called)) if method in _CHANGING:
            targets: list[ast.expr] = [called]
        case ast.Assign() | ast.Delete():
            targets = statement.targets
        case ast.AugAssign() | ast.AnnAssign():
            targets = [statement.target]
        case _:
            targets = []
    for target in targets:
        base: ast.expr = target
        while isinstance(base, (ast.Attribute, ast.Subscript)):
            base = base.value
        if base is not target and isinstance(base, ast.Name) and base.id == name:
            yield base
