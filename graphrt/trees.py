"""Expressions over the fields of a state, as trees of frozen nodes such as `Read`, `Compare` and `And`.

A tree says what is computed. `expressions` is how authors write one, `tree_forms` how it is printed and kept, `guards`
how it is evaluated.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as part
from typing import Any, Final, TypeAlias

import msgspec


def _divide(left: Any, right: Any) -> Any:  # noqa: ANN401 - numbers
    return left / right


def _divide_down(left: Any, right: Any) -> Any:  # noqa: ANN401 - numbers
    return left // right


ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "//": _divide_down,
    "%": operator.mod,
}
COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class Read(msgspec.Struct, frozen=True):
    """The value of a field."""

    field: str


class Constant(msgspec.Struct, frozen=True):
    """A value that the author wrote. Its JSON form is what is printed and stored."""

    value: Any


class Attribute(msgspec.Struct, frozen=True):
    """An attribute of a model (a key, where the state was read from JSON)."""

    of: Tree
    name: str


class Index(msgspec.Struct, frozen=True):
    """An item of a list or dict."""

    of: Tree
    key: int | str


class Size(msgspec.Struct, frozen=True):
    """How many items, or characters."""

    of: Tree


class ListOf(msgspec.Struct, frozen=True):
    """A list of values, at least one of which is not known before the run."""

    parts: tuple[Tree, ...]


class Negative(msgspec.Struct, frozen=True):
    """The number with its sign changed."""

    of: Tree


class Arithmetic(msgspec.Struct, frozen=True):
    """`left op right`, op one of + - * / // %."""

    op: str
    left: Tree
    right: Tree


class Compare(msgspec.Struct, frozen=True):
    """`left op right`, op one of < <= > >= == !=."""

    op: str
    left: Tree
    right: Tree


class OneOf(msgspec.Struct, frozen=True):
    """Whether the value equals one of the options."""

    of: Tree
    options: tuple[Tree, ...]


class Contains(msgspec.Struct, frozen=True):
    """Whether a collection has an item, or a text a part."""

    of: Tree
    item: Tree


class IsNone(msgspec.Struct, frozen=True):
    """Whether the value is None."""

    of: Tree


class Matches(msgspec.Struct, frozen=True):
    """Whether the pattern is found anywhere in a text of at most `LONGEST_MATCHED` characters; ^ and $ anchor it."""

    of: Tree
    pattern: str


class Holds(msgspec.Struct, frozen=True):
    """Whether a bool is true; any other value is an error."""

    of: Tree


class Not(msgspec.Struct, frozen=True):
    """Whether the condition is false."""

    of: Tree


class And(msgspec.Struct, frozen=True):
    """Whether all conditions hold; stops at the first that does not."""

    parts: tuple[Tree, ...]


class Or(msgspec.Struct, frozen=True):
    """Whether one of the conditions holds; stops at the first that does."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A named function of the author's, called with fields."""

    name: str
    """Qualified name without its module: part of the definition."""
    params: tuple[tuple[str, str], ...]
    """(parameter, field) in the order of the signature."""
    fn: Callable[..., Any] | None = part(default=None, compare=False)
    """None where the graph was read from JSON."""
    hands: tuple[Callable[[Any], Any], ...] = part(default=(), compare=False)
    """Per parameter, what protects the state's value."""


Tree: TypeAlias = (
    Read
    | Constant
    | Attribute
    | Index
    | Size
    | ListOf
    | Negative
    | Arithmetic
    | Compare
    | OneOf
    | Contains
    | IsNone
    | Matches
    | Holds
    | Not
    | And
    | Or
    | Predicate
)

CONDITIONS: Final = (Compare, OneOf, Contains, IsNone, Matches, Holds, Not, And, Or, Predicate)
"""The nodes that compute a truth value."""


def branches(tree: Tree) -> tuple[Tree, ...]:
    """Return the trees directly below a node, in the order in which they are evaluated."""
    match tree:
        case Read() | Constant() | Predicate():
            return ()
        case And() | Or() | ListOf():
            return tree.parts
        case OneOf():
            return (tree.of, *tree.options)
        case Contains():
            return (tree.of, tree.item)
        case Compare() | Arithmetic():
            return (tree.left, tree.right)
        case _:
            return (tree.of,)


def walk(tree: Tree) -> Iterator[Tree]:
    """Yield a tree and all below it, in the order in which they are written."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        todo += reversed(branches(node))


def reads_of(tree: Tree) -> tuple[str, ...]:
    """Return the fields that a tree may read, each once."""
    found: dict[str, None] = {}
    for node in walk(tree):
        if isinstance(node, Read):
            found[node.field] = None
        elif isinstance(node, Predicate):
            found.update(dict.fromkeys(name for _, name in node.params))
    return tuple(found)


def is_part(tree: Tree) -> bool:
    """Tell whether a tree reads a part of one field: `plan.step`, `steps[0].text`."""
    inside = tree
    while isinstance(inside, (Attribute, Index)):
        inside = inside.of
    return isinstance(inside, Read) and inside is not tree


def put_in(tree: Tree, trees: Mapping[str, Tree]) -> Tree:
    """Return a tree in which other trees stand where these fields are read."""
    match tree:
        case Read():
            return trees.get(tree.field, tree)
        case Constant() | Predicate():
            return tree
        case And() | Or() | ListOf():
            return msgspec.structs.replace(tree, parts=tuple(put_in(p, trees) for p in tree.parts))
        case OneOf():
            options = tuple(put_in(o, trees) for o in tree.options)
            return OneOf(put_in(tree.of, trees), options)
        case Contains():
            return Contains(put_in(tree.of, trees), put_in(tree.item, trees))
        case Compare() | Arithmetic():
            return msgspec.structs.replace(tree, left=put_in(tree.left, trees), right=put_in(tree.right, trees))
        case _:
            return msgspec.structs.replace(tree, of=put_in(tree.of, trees))
