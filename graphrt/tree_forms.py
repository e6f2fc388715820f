"""Two forms of a tree: the text that a person would write, and JSON, from which it is read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic_core import to_jsonable_python

from graphrt.items import is_items
from graphrt.trees import (
    ARITHMETIC,
    COMPARISONS,
    And,
    Arithmetic,
    Attribute,
    Compare,
    Constant,
    Contains,
    Holds,
    Index,
    IsNone,
    ListOf,
    Matches,
    Negative,
    Not,
    OneOf,
    Or,
    Predicate,
    Read,
    Size,
    Tree,
    branches,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphrt.inputs import Json

# --- text -----------------------------------------------------------------------------------------------------------

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _ATOM = range(8)
_LEVEL: Final = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "//": _PRODUCT, "%": _PRODUCT}


def text_of(tree: Tree) -> str:
    """Print a tree as a person would write it."""
    return _text(tree)[0]


def _in(tree: Tree, level: int) -> str:
    """Print a tree, in parentheses if it binds less tightly than its place asks for."""
    text, own = _text(tree)
    return text if own >= level else f"({text})"


def _text(tree: Tree) -> tuple[str, int]:
    match tree:
        case Read():
            return tree.field, _ATOM
        case Constant():
            return constant_text(tree.value), _ATOM
        case Attribute():
            return f"{_in(tree.of, _ATOM)}.{tree.name}", _ATOM
        case Index():
            return f"{_in(tree.of, _ATOM)}[{constant_text(tree.key)}]", _ATOM
        case Size():
            return f"size({text_of(tree.of)})", _ATOM
        case ListOf():
            return f"[{', '.join(text_of(p) for p in tree.parts)}]", _ATOM
        case Negative():
            return f"-{_in(tree.of, _SIGN)}", _SIGN
        case Arithmetic():
            level = _LEVEL[tree.op]
            return f"{_in(tree.left, level)} {tree.op} {_in(tree.right, level + 1)}", level
        case Compare():
            return f"{_in(tree.left, _SUM)} {tree.op} {_in(tree.right, _SUM)}", _COMPARE
        case Holds():
            return _text(tree.of)
        case And():
            return " and ".join(_in(p, _AND + (i > 0)) for i, p in enumerate(tree.parts)), _AND
        case Or():
            return " or ".join(_in(p, _OR + (i > 0)) for i, p in enumerate(tree.parts)), _OR
        case Not(of=IsNone() | OneOf() | Contains() as of):
            return _relation(of, "not "), _COMPARE
        case Not():
            return f"not {_in(tree.of, _NOT)}", _NOT
        case Matches():
            return f"matches({text_of(tree.of)}, {constant_text(tree.pattern)})", _ATOM
        case Predicate():
            name = tree.name.rpartition(".")[2]
            return f"{name}({', '.join(f for _, f in tree.params)})", _ATOM
        case _:
            return _relation(tree, ""), _COMPARE


def _relation(tree: IsNone | OneOf | Contains, negation: str) -> str:
    match tree:
        case IsNone():
            return f"{_in(tree.of, _SUM)} is {negation}None"
        case OneOf():
            return f"{_in(tree.of, _SUM)} {negation}in ({', '.join(text_of(o) for o in tree.options)})"
        case Contains():
            return f"{_in(tree.item, _SUM)} {negation}in {_in(tree.of, _SUM)}"


def constant_text(value: object, most: int = 60) -> str:
    """Print a constant as Python, by its JSON form, so that it looks the same in a graph read from JSON."""
    plain = constant_json(value)
    text = json.dumps(plain, ensure_ascii=False) if isinstance(plain, str) else repr(plain)
    return text if len(text) <= most else f"{text[: most - 2]}…{text[-1]}"


def constant_json(value: object) -> Json:
    """Return the JSON form of a constant.

    Raises:
        ValueError: it has none.
    """
    if isinstance(value, float) and not (value - value == 0.0):
        raise ValueError(f"{value} has no JSON form")
    return to_jsonable_python(value, fallback=list_of_items)


def list_of_items(value: object) -> list[Any]:
    """Return an `Items` as a list, for pydantic, which does not know it.

    Raises:
        ValueError: it is none.
    """
    if is_items(value):
        return list(value)
    raise ValueError(f"a {type(value).__name__} has no JSON form")


# --- JSON -----------------------------------------------------------------------------------------------------------

_NAMED: Final[dict[str, type[Any]]] = {
    "size": Size,
    "list": ListOf,
    "negative": Negative,
    "one_of": OneOf,
    "contains": Contains,
    "is_none": IsNone,
    "matches": Matches,
    "holds": Holds,
    "not": Not,
    "and": And,
    "or": Or,
}
_OP_OF: Final = {kind: op for op, kind in _NAMED.items()}


def tree_to_json(tree: Tree) -> dict[str, Json]:
    """Return the JSON form: `{"field": …}`, `{"value": …}`, or `{"op": …, "args": […]}`."""
    match tree:
        case Read():
            return {"field": tree.field}
        case Constant():
            return {"value": constant_json(tree.value)}
        case Attribute():
            return {"attribute": tree.name, "args": [tree_to_json(tree.of)]}
        case Index():
            return {"index": tree.key, "args": [tree_to_json(tree.of)]}
        case Predicate():
            return {"predicate": tree.name, "params": [list(p) for p in tree.params]}
        case _:
            op = tree.op if isinstance(tree, (Compare, Arithmetic)) else _OP_OF[type(tree)]
            out: dict[str, Json] = {"op": op, "args": [tree_to_json(b) for b in branches(tree)]}
            if isinstance(tree, Matches):
                out["pattern"] = tree.pattern
            return out


def tree_from_json(data: Mapping[str, Json]) -> Tree:
    """Read a tree back.

    Raises:
        KeyError, TypeError, ValueError: `data` is not the JSON form of a tree.
    """
    if "field" in data:
        return Read(data["field"])
    if "value" in data:
        return Constant(data["value"])
    if "predicate" in data:
        return Predicate(data["predicate"], tuple((p, f) for p, f in data["params"]))
    args = [tree_from_json(a) for a in data["args"]]
    if "attribute" in data:
        return Attribute(args[0], data["attribute"])
    if "index" in data:
        return Index(args[0], data["index"])
    op = data["op"]
    if op in COMPARISONS:
        return Compare(op, *args)
    if op in ARITHMETIC:
        return Arithmetic(op, *args)
    kind = _NAMED[op]
    if kind in {And, Or, ListOf}:
        return cast("Tree", kind(tuple(args)))
    if kind is OneOf:
        return OneOf(args[0], tuple(args[1:]))
    if kind is Matches:
        return Matches(args[0], data["pattern"])
    return cast("Tree", kind(*args))
