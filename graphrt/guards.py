"""Expressions over the fields of a state: guards of edges, and the values that a crossing assigns.

A tree is compiled once to plain closures: no text is ever evaluated. A guard's verdict comes with the values that were
read on the way, by the text of each operand; operands behind a short circuit were not read and do not appear.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as part
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from graphrt.abbreviation import AS_IS, show
from graphrt.errors import UseError
from graphrt.hints import is_mapping
from graphrt.tree_forms import text_of, tree_from_json, tree_to_json
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
    reads_of,
)

if TYPE_CHECKING:
    from graphrt.inputs import Json

State: TypeAlias = Mapping[str, Any]
Seen: TypeAlias = dict[str, Any]
Compute: TypeAlias = Callable[[State, Seen], Any]

LONGEST_MATCHED = 10_000
"""`matches` refuses longer texts: a pattern can take exponential time."""


def _leaf(get: Callable[[State], Any], text: str, *, noting: bool) -> Compute:
    """Compile what is read from the state: note the value under the operand's text."""
    if not noting:
        return lambda state, _seen: get(state)

    def compute(state: State, seen: Seen) -> Any:  # noqa: ANN401 - a value of the state
        value = get(state)
        seen[text] = value if type(value) in AS_IS else show(value)
        return value

    return compute


def _getter(tree: Tree) -> Callable[[State], Any] | None:
    """Return what reads a field, or something inside a field, without noting it; None for other trees."""
    match tree:
        case Read():
            return operator.itemgetter(tree.field)
        case Attribute():
            of, name = _getter(tree.of), tree.name
            if of is None:
                return None
            inner = of

            def attribute(state: State) -> Any:  # noqa: ANN401 - a value of the state
                value = inner(state)
                return value[name] if is_mapping(value) else getattr(value, name)

            return attribute
        case Index():
            of, key = _getter(tree.of), tree.key
            if of is None:
                return None
            inner = of
            return lambda state: inner(state)[key]
        case _:
            return None


def compiled(tree: Tree, *, noting: bool = True) -> Compute:
    """Return a function of (state, seen) that computes a tree and, if `noting`, puts what it reads into `seen`."""
    get = _getter(tree)
    if get is not None:
        return _leaf(get, text_of(tree), noting=noting)

    def sub(inside: Tree) -> Compute:
        return compiled(inside, noting=noting)

    match tree:
        case Constant():
            value = tree.value
            return lambda _state, _seen: value
        case Size():
            inside = _getter(tree.of)
            if inside is not None:
                get_inside = inside
                return _leaf(lambda state: len(get_inside(state)), text_of(tree), noting=noting)
            of = sub(tree.of)
            return lambda state, seen: len(of(state, seen))
        case ListOf():
            parts = [sub(p) for p in tree.parts]
            return lambda state, seen: [p(state, seen) for p in parts]
        case Negative():
            of = sub(tree.of)
            return lambda state, seen: -of(state, seen)
        case Arithmetic() | Compare():
            return _binary(tree, sub)
        case OneOf():
            of, options = sub(tree.of), [sub(o) for o in tree.options]
            return lambda state, seen: _is_one_of(of(state, seen), options, state, seen)
        case Contains():
            of, item = sub(tree.of), sub(tree.item)
            return lambda state, seen: operator.contains(of(state, seen), item(state, seen))
        case IsNone():
            of = sub(tree.of)
            return lambda state, seen: of(state, seen) is None
        case Matches():
            of, search = sub(tree.of), re.compile(tree.pattern).search
            return lambda state, seen: search(_bounded(of(state, seen))) is not None
        case Holds():
            of, text = sub(tree.of), text_of(tree.of)
            return lambda state, seen: _truth(of(state, seen), text)
        case Not():
            of = sub(tree.of)
            return lambda state, seen: not of(state, seen)
        case And():
            parts = [sub(p) for p in tree.parts]
            return lambda state, seen: all(p(state, seen) for p in parts)
        case Or():
            parts = [sub(p) for p in tree.parts]
            return lambda state, seen: any(p(state, seen) for p in parts)
        case Predicate():
            return _predicate(tree, noting=noting)
        case _:
            raise TypeError(f"cannot compile {text_of(tree)}")


def _binary(tree: Arithmetic | Compare, sub: Callable[[Tree], Compute]) -> Compute:
    do = ARITHMETIC[tree.op] if isinstance(tree, Arithmetic) else COMPARISONS[tree.op]
    left = sub(tree.left)
    if isinstance(tree.right, Constant):
        value = tree.right.value
        return lambda state, seen: do(left(state, seen), value)
    right = sub(tree.right)
    return lambda state, seen: do(left(state, seen), right(state, seen))


def _is_one_of(value: object, options: list[Compute], state: State, seen: Seen) -> bool:
    return any(value == o(state, seen) for o in options)


def _bounded(text: str) -> str:
    if len(text) > LONGEST_MATCHED:
        raise ValueError(
            f"matches() looks at texts of at most {LONGEST_MATCHED:,} characters, this one has {len(text):,}"
        )
    return text


def _truth(value: object, text: str) -> bool:
    if type(value) is not bool:
        raise TypeError(
            f"{text} stands as a condition, so it must be a bool, but it is {value!r} ({type(value).__name__})"
        )
    return value


def _predicate(tree: Predicate, *, noting: bool) -> Compute:
    fn, name = tree.fn, text_of(tree)
    if fn is None:

        def refuse(_state: State, _seen: Seen) -> bool:
            raise UseError(
                f"guard {name} is a Python function, which a graph read from JSON does not have;"
                " load the flow itself to evaluate it",
                predicate=tree.name,
            )

        return refuse
    params = [(p, f, hand) for (p, f), hand in zip(tree.params, tree.hands, strict=True)]

    def call(state: State, seen: Seen) -> bool:
        if noting:
            for _, name_, _ in params:
                seen[name_] = show(state[name_])
        verdict = fn(**{p: hand(state[f]) for p, f, hand in params})
        if type(verdict) is not bool:
            raise TypeError(
                f"guard {name} must return True or False, but it returned {verdict!r} ({type(verdict).__name__})"
            )
        return verdict

    return call


def _field_against_constant(tree: Compare) -> Callable[[State], tuple[bool, Seen]] | None:
    """Compile the commonest guard, a field compared with a constant, in one closure."""
    if not (isinstance(tree.left, Read) and isinstance(tree.right, Constant)):
        return None
    name, value, do = tree.left.field, tree.right.value, COMPARISONS[tree.op]

    def evaluate(state: State) -> tuple[bool, Seen]:
        have = state[name]
        return do(have, value), {name: have if type(have) in AS_IS else show(have)}

    return evaluate


def _evaluation(tree: Tree) -> Callable[[State], tuple[bool, Seen]]:
    short = _field_against_constant(tree) if isinstance(tree, Compare) else None
    if short is not None:
        return short
    compute = compiled(tree)

    def evaluate(state: State) -> tuple[bool, Seen]:
        seen: Seen = {}
        return compute(state, seen), seen

    return evaluate


class Guard:
    """A condition on the state, compiled.

    Attributes:
        tree: What it computes.
        evaluate: Function of a state (field name to value); returns the verdict and the values read, by the text of
            each operand. Raises whatever the comparison raises.
    """

    __slots__ = ("evaluate", "reads", "text", "tree")

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.text = text_of(tree)
        self.reads = reads_of(tree)
        self.evaluate: Callable[[State], tuple[bool, Seen | None]] = _evaluation(tree)

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form of its tree."""
        return tree_to_json(self.tree)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Guard) and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Guard({self.text})"


def guard_from_json(data: Mapping[str, Json]) -> Guard:
    """Read a guard back; it evaluates as the original did, unless it calls a Python function.

    Raises:
        KeyError, TypeError, ValueError: `data` is not the JSON form of a guard.
    """
    return Guard(tree_from_json(data))


@dataclass(frozen=True)
class Change:
    """An assignment to a field: of an edge that is crossed, or between a subgraph and its surroundings."""

    field: str
    tree: Tree
    reducer: str | None = None
    """The reducer that takes the value; None if the value replaces what is there."""
    spaces: tuple[tuple[object, ...], tuple[object, ...]] = part(default=((), ()), compare=False, repr=False)
    """Whose states it was written with: that of `field`, and those that the value reads."""

    @cached_property
    def value(self) -> Callable[[State], Any]:
        """Function of a state that computes the value. Raises whatever the expression raises."""
        compute = compiled(self.tree, noting=False)
        return lambda state: compute(state, {})

    @property
    def text(self) -> str:
        """Print it as Python: `rounds = rounds + 1`, `append(facts, "late")`."""
        if self.reducer is not None:
            return f"{self.reducer}({self.field}, {text_of(self.tree)})"
        return f"{self.field} = {text_of(self.tree)}"

    @property
    def value_text(self) -> str:
        """Print the value as Python."""
        return text_of(self.tree)

    @property
    def reads(self) -> tuple[str, ...]:
        """Fields that the value reads."""
        return reads_of(self.tree)

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        taken = {} if self.reducer is None else {"reducer": self.reducer}
        return {"field": self.field, "value": tree_to_json(self.tree), **taken}


def change_from_json(data: Mapping[str, Json]) -> Change:
    """Read a change back.

    Raises:
        KeyError, TypeError, ValueError: `data` is not the JSON form of a change.
    """
    return Change(data["field"], tree_from_json(data["value"]), data.get("reducer"))
