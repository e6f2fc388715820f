"""What values are for the operators of expressions: numbers, texts, lists; and the types of what is computed from them.

Everything here is said before a run, from annotations; what they do not settle is not known, and nothing is refused
because of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

from graphrt import hints
from graphrt.fields import Field
from graphrt.hints import UNSAID
from graphrt.items import is_listed
from graphrt.trees import CONDITIONS, Arithmetic, Attribute, Constant, ListOf, Negative, Read, Size, Tree

_KINDS: Final[Mapping[type, str]] = {
    bool: "number",
    int: "number",
    float: "number",
    str: "text",
    list: "list",
    tuple: "list",
    dict: "mapping",
    type(None): "nothing",
}
"""A bool is a number, as in Python."""
_NUMBERS: Final[tuple[Any, ...]] = (int, float)
_TOGETHER: Final[Mapping[str, frozenset[tuple[str, str]]]] = {
    "+": frozenset({("number", "number"), ("text", "text"), ("list", "list")}),
    "*": frozenset(
        {("number", "number"), ("text", "number"), ("number", "text"), ("list", "number"), ("number", "list")}
    ),
    "%": frozenset({("number", "number"), *(("text", kind) for kind in _KINDS.values())}),
}
"""Which kinds an operator takes, left and right; those that are not here take numbers."""


def kinds_of(annotation: Any) -> frozenset[str] | None:  # noqa: ANN401 - an annotation
    """Return what values of a type can be; None if that is not known before they are there."""
    if annotation is UNSAID:
        return None
    found: set[str] = set()
    for member in hints.members(annotation):
        if get_origin(member) is Literal:
            found |= {_KINDS.get(type(v), "") for v in cast("tuple[object, ...]", get_args(member))}
        else:
            found.add(_KINDS.get(type(None) if member is None else get_origin(member) or member, ""))
    return None if "" in found else frozenset(found)


def can_compute(op: str, left: frozenset[str], right: frozenset[str]) -> bool:
    """Tell whether an operator can take some of these kinds."""
    known = _TOGETHER.get(op, frozenset({("number", "number")}))
    return any((a, b) in known for a in left for b in right)


def computed(op: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - annotations
    """Return the type of a sum, a product and the like; UNSAID if that is not certain."""
    if left in _NUMBERS and right in _NUMBERS:
        return float if op == "/" or float in {left, right} else int
    if op == "+" and left is str and right is str:
        return str
    if op == "+" and get_origin(left) is list and get_origin(right) is list:
        return list_of((*get_args(left), *get_args(right)))
    return UNSAID


def list_of(kinds: Iterable[Any]) -> Any:  # noqa: ANN401 - an annotation
    """Return the type of a list of items of these types; of those whose type is not certain it says nothing."""
    known = tuple(kind for kind in kinds if kind is not UNSAID)
    return list[Union[known]] if known else UNSAID  # type: ignore[valid-type]  # noqa: UP007 - known only here


def type_of(tree: Tree, fields: Mapping[str, Field]) -> Any:  # noqa: ANN401 - an annotation
    """Return the type of a value that is computed from these fields; UNSAID if that is not certain."""
    match tree:
        case Read():
            known = fields.get(tree.field)
            return UNSAID if known is None or known.annotation is None else hints.bare(known.annotation)
        case Attribute():
            of = type_of(tree.of, fields)
            members = () if of is UNSAID else hints.without_none(of)
            return hints.inner(members[0]).get(tree.name, UNSAID) if len(members) == 1 else UNSAID
        case Constant():
            return list_of(v.__class__ for v in tree.value) if is_listed(tree.value) else tree.value.__class__
        case Size():
            return int
        case Negative():
            return type_of(tree.of, fields)
        case Arithmetic():
            return computed(tree.op, type_of(tree.left, fields), type_of(tree.right, fields))
        case ListOf():
            return list_of(type_of(part, fields) for part in tree.parts)
        case _:
            return bool if isinstance(tree, CONDITIONS) else UNSAID
