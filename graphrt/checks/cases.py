"""Every case that guards can tell apart.

Guards are taken to pieces: each comparison with a constant asks something about one value (`graphrt.checks.domains`
finds values that stand for all), a comparison of two values has three cases, and a condition that cannot be looked
into (a Python function, a pattern) may hold or not. A *case* gives each of these a value; guards are then computed on
every case. Where all is asked of single values the cases are complete: what holds in all of them holds in every state.

Conditions that cannot be looked into are taken to be independent of everything else, so there may be more cases than
states. What no case shows is impossible; a case that shows something proves nothing until a state shows it
(`Cases.state`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graphrt import trees
from graphrt.checks.domains import PRESENT, Asked, Kind, Unknown, sample, values_for
from graphrt.fields import MISSING
from graphrt.items import is_listed
from graphrt.tree_forms import constant_json, text_of
from graphrt.trees import (
    And,
    Arithmetic,
    Attribute,
    Compare,
    Constant,
    Contains,
    Holds,
    IsNone,
    Negative,
    Not,
    OneOf,
    Or,
    Read,
    Size,
    Tree,
)

if TYPE_CHECKING:
    from graphrt.graph import Graph

MOST_CASES: Final = 20_000
"""More cases than that are not looked at."""

Case: TypeAlias = Sequence[Any]
Holding: TypeAlias = Callable[[Case], Any]
"""Computes a condition, or a value, in a case; raises what the guard would raise."""


class TooMany(Exception):
    """There are more cases than are looked at."""


class Lost(Exception):
    """A value that is asked for lies inside one that is None."""


@dataclass(slots=True)
class _Part:
    """What a case gives a value to."""

    key: str
    tree: Tree | None = None
    """A value of the state that guards read; None for anything else."""
    kind: Kind | None = None
    asked: Asked = field(default_factory=Asked)
    values: tuple[Any, ...] = ()
    pair: tuple[Tree, Tree] | None = None
    """Two numbers of which a case says which is greater: -1, 0, 1."""


@dataclass(frozen=True, slots=True)
class _Linear:
    """`factor * leaf + more`, with whole numbers, of a value or of its length."""

    leaf: Tree
    sized: bool
    factor: int = 1
    more: float = 0
    modulus: int = 1


class Cases:
    """The cases of some conditions over the fields of a graph."""

    def __init__(self, graph: Graph, conditions: Sequence[Tree]) -> None:
        self.graph = graph
        self.parts: list[_Part] = []
        self._place: dict[str, int] = {}
        self._opaque: dict[str, int] = {}
        self._atoms = [a for c in conditions for a in _atoms(c)]
        self._kinds: dict[str, Kind | None] = {}
        for atom in self._atoms:
            self._ask(atom)
        self._settle()

    # -- what is asked ------------------------------------------------------------------------------------------------

    def kind(self, leaf: Tree) -> Kind | None:
        """Return the type of what a tree reads from the state; None if it is no such tree, or not known."""
        key = text_of(leaf)
        if key not in self._kinds:
            self._kinds[key] = self._kind(leaf)
        return self._kinds[key]

    def _kind(self, leaf: Tree) -> Kind | None:
        match leaf:
            case Read():
                known = self.graph.field.get(leaf.field)
                return None if known is None else Kind.of_field(known)
            case Attribute():
                of = self.kind(leaf.of)
                try:
                    return None if of is None else of.attribute(leaf.name)
                except Unknown:
                    return None
            case _:
                return None

    def _part(self, leaf: Tree) -> _Part | None:
        """Return the part for a value of the state, with parts for what it lies in, where that may be None."""
        kind = self.kind(leaf)
        if kind is None:
            return None
        key = text_of(leaf)
        if key not in self._place:
            if isinstance(leaf, Attribute):
                self._part(leaf.of)
            self._place[key] = len(self.parts)
            self.parts.append(_Part(key, leaf, kind))
        return self.parts[self._place[key]]

    def _ask(self, atom: Tree) -> None:
        if not self._understood(atom):
            self._opaque.setdefault(repr(atom), -1)

    def _understood(self, atom: Tree) -> bool:
        """Note what a comparison asks about which value; tell whether it can be looked into."""
        match atom:
            case Compare():
                return self._compare(atom)
            case OneOf() if all(isinstance(o, Constant) for o in atom.options):
                part = self._part(atom.of)
                return part is not None and all(
                    _note(part.asked, o.value) for o in atom.options if isinstance(o, Constant)
                )
            case Contains(item=Constant() as item):
                part = self._part(atom.of)
                if part is None or part.kind is None or not _is_list(part.kind):
                    return False
                part.asked.inner = True
                if item.value not in part.asked.items:
                    part.asked.items.append(item.value)
                return True
            case IsNone() | Holds():
                return self._part(atom.of) is not None
            case _:
                return False

    def _compare(self, atom: Compare) -> bool:
        left, right = self._linear(atom.left), self._linear(atom.right)
        if isinstance(left, _Linear) and isinstance(right, Constant):
            return self._against(atom.op, left, right.value) or self._pair(atom.left, atom.right)
        if isinstance(right, _Linear) and isinstance(left, Constant):
            return self._against(atom.op, right, left.value) or self._pair(atom.left, atom.right)
        if isinstance(left, Constant) and isinstance(right, Constant):
            return True
        if isinstance(left, _Linear) and isinstance(right, _Linear) and _same_source(left, right):
            return left.factor != right.factor and self._against(
                atom.op, _Linear(left.leaf, left.sized, left.factor - right.factor, left.more), right.more
            )
        return self._pair(atom.left, atom.right)

    def _pair(self, left: Tree, right: Tree) -> bool:
        """Compare two values that have an order: the first is less, equal or greater."""
        sorts = {self._sort(left), self._sort(right)}
        if len(sorts) != 1 or None in sorts:
            return False
        one, other = sorted((left, right), key=repr)
        key = _pair_key(one, other)
        if key not in self._place:
            self._place[key] = len(self.parts)
            self.parts.append(_Part(key, values=(-1, 0, 1), pair=(one, other)))
        return True

    def _sort(self, tree: Tree) -> str | None:
        """Return `number` or `text` for what can be nothing else, or None; whatever else it may be."""
        match tree:
            case Size():
                return "number"
            case Negative():
                return self._sort(tree.of)
            case Arithmetic():
                return "number" if self._sort(tree.left) == self._sort(tree.right) == "number" else None
            case Constant():
                value = tree.value
                is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
                return "number" if is_number else "text" if isinstance(value, str) else None
            case _:
                kind = self.kind(tree)
                types = {"null"} if kind is None else {str(m.schema.get("type")) for m in kind.members()}
                types -= {"null"}
                return "number" if types and types <= {"integer", "number"} else "text" if types == {"string"} else None

    def _against(self, op: str, side: _Linear, value: object) -> bool:
        part = self._part(side.leaf)
        if part is None or part.kind is None:
            return False
        plain = side.factor == 1 and side.more == 0 and side.modulus == 1
        if not side.sized and plain:
            part.asked.ordered |= op not in {"==", "!="}
            return _note(part.asked, value)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
            return False
        if not side.sized and not part.kind.is_whole():
            return False  # sums of fractions are rounded
        if side.modulus > 1:
            if side.sized:
                part.asked.size_modulus = math.lcm(part.asked.size_modulus, side.modulus)
            else:
                part.asked.modulus = math.lcm(part.asked.modulus, side.modulus)
            part.asked.inner |= side.sized
            return True
        point = (value - side.more) / side.factor
        if side.sized:
            part.asked.inner = True
            part.asked.sizes |= {math.floor(point), math.ceil(point)}
        else:
            part.asked.numbers.add(point)
        return True

    def _linear(self, tree: Tree) -> _Linear | Constant | None:
        """Read a tree as a sum over one value of the state."""
        match tree:
            case Constant():
                return tree
            case Read() | Attribute():
                return _Linear(tree, sized=False)
            case Size():
                return _Linear(tree.of, sized=True) if isinstance(tree.of, (Read, Attribute)) else None
            case Negative():
                of = self._linear(tree.of)
                return _scaled(of, -1) if isinstance(of, _Linear) else None
            case Arithmetic():
                return self._sum(tree)
            case _:
                return None

    def _sum(self, tree: Arithmetic) -> _Linear | None:
        left, right = self._linear(tree.left), self._linear(tree.right)
        if isinstance(left, Constant) and isinstance(right, _Linear) and tree.op in {"+", "*"}:
            left, right = right, left
        if isinstance(left, Constant) and isinstance(right, _Linear) and tree.op == "-":
            turned, number = _scaled(right, -1), _whole(left.value)
            return None if turned is None or number is None else _shifted(turned, number)
        if not isinstance(left, _Linear) or not isinstance(right, Constant):
            return None
        number = _whole(right.value)
        if number is None or left.modulus != 1:
            return None
        match tree.op:
            case "+":
                return _shifted(left, number)
            case "-":
                return _shifted(left, -number)
            case "*":
                return _scaled(left, number)
            case "%" if number > 0:
                return _Linear(left.leaf, left.sized, left.factor, left.more, number)
            case _:
                return None

    # -- cases --------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Find the values of every part; what has none is not looked into after all."""
        lost: set[str] = set()
        for part in self.parts:
            if part.kind is None:
                continue
            try:
                part.values = values_for(part.kind, part.asked)
            except Unknown:
                lost.add(part.key)
        if lost:
            for atom in self._atoms:
                if any(text_of(t) in lost for t in trees.walk(atom)):
                    self._opaque.setdefault(repr(atom), -1)
            self._drop(lost)
        for key in self._opaque:
            self._opaque[key] = len(self.parts)
            self.parts.append(_Part(key, values=(True, False)))

    def _drop(self, lost: set[str]) -> None:
        self.parts = [
            p
            for p in self.parts
            if p.key not in lost and (p.tree is None or not any(text_of(t) in lost for t in trees.walk(p.tree)))
        ]
        self._place = {p.key: i for i, p in enumerate(self.parts)}

    @property
    def is_exact(self) -> bool:
        """Whether every condition could be looked into."""
        return not self._opaque

    def add(self, key: str, values: tuple[Any, ...]) -> int:
        """Let something else differ from case to case; return its place in a case."""
        self.parts.append(_Part(key, values=values))
        return len(self.parts) - 1

    def place(self, field_name: str) -> int | None:
        """Return the place of a field in a case; None if nothing is asked about it."""
        return self._place.get(field_name)

    @property
    def count(self) -> int:
        """How many cases there are."""
        return math.prod(len(p.values) for p in self.parts)

    def all(self) -> Iterator[Case]:
        """Yield the cases, the simplest first.

        Raises:
            TooMany: there are more than are looked at.
        """
        if self.count > MOST_CASES:
            raise TooMany
        return product(*(p.values for p in self.parts))

    # -- computing ----------------------------------------------------------------------------------------------------

    def compiled(self, tree: Tree) -> Holding:
        """Return what computes one of the conditions in a case."""
        if (opaque := self._opaque.get(repr(tree), -1)) >= 0:
            return operator.itemgetter(opaque)
        match tree:
            case And():
                parts = [self.compiled(p) for p in tree.parts]
                return lambda case: all(p(case) for p in parts)
            case Or():
                parts = [self.compiled(p) for p in tree.parts]
                return lambda case: any(p(case) for p in parts)
            case Not():
                of = self.compiled(tree.of)
                return lambda case: not of(case)
            case Compare() if (pair := self._pair_of(tree)) is not None:
                place, turned = pair
                compare, sign = trees.COMPARISONS[tree.op], -1 if turned else 1
                return lambda case: compare(sign * case[place], 0)
            case Compare():
                compare, left, right = trees.COMPARISONS[tree.op], self._value(tree.left), self._value(tree.right)
                return lambda case: compare(left(case), right(case))
            case OneOf():
                of, options = self._value(tree.of), [o.value for o in tree.options if isinstance(o, Constant)]
                return lambda case: any(of(case) == o for o in options)
            case Contains():
                of, item = self._value(tree.of), self._value(tree.item)
                return lambda case: item(case) in of(case)
            case IsNone():
                of = self._value(tree.of)
                return lambda case: of(case) is None
            case Holds():
                of = self._value(tree.of)
                return lambda case: _truth(of(case))
            case _:
                raise TypeError(f"{text_of(tree)} is not one of the conditions")

    def _pair_of(self, tree: Compare) -> tuple[int, bool] | None:
        for key, turned in ((_pair_key(tree.left, tree.right), False), (_pair_key(tree.right, tree.left), True)):
            if key in self._place:
                return self._place[key], turned
        return None

    def _value(self, tree: Tree) -> Holding:
        match tree:
            case Constant():
                value = tree.value
                return lambda _case: value
            case Read():
                return operator.itemgetter(self._place[tree.field])
            case Attribute():
                around, place = self._value(tree.of), self._place[text_of(tree)]

                def inside(case: Case) -> Any:  # noqa: ANN401 - a value of the state
                    if around(case) is None:
                        raise Lost
                    return case[place]

                return inside
            case Size():
                of = self._value(tree.of)
                return lambda case: len(of(case))
            case Negative():
                of = self._value(tree.of)
                return lambda case: -of(case)
            case Arithmetic():
                compute, left, right = trees.ARITHMETIC[tree.op], self._value(tree.left), self._value(tree.right)
                return lambda case: compute(left(case), right(case))
            case _:
                raise TypeError(f"{text_of(tree)} is not a value that cases have")

    # -- states -------------------------------------------------------------------------------------------------------

    def state(self, case: Case) -> dict[str, Any] | None:
        """Return a state, in JSON, that a case stands for; None if none can be made."""
        try:
            return self._state(case)
        except (Unknown, ValueError, TypeError, KeyError):
            return None

    def _state(self, case: Case) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for f in self.graph.fields:
            state[f.name] = sample(Kind.of_field(f)) if f.default_json is MISSING else f.default_json
        inner: list[tuple[Attribute, Any]] = []
        for part, value in zip(self.parts, case, strict=True):
            if isinstance(part.tree, Read):
                known = self.graph.field[part.tree.field]
                if value is PRESENT:
                    if state[known.name] is None:
                        state[known.name] = self._some(part)
                else:
                    state[known.name] = known.encode_whole(self._filled(part, value))
            elif isinstance(part.tree, Attribute):
                inner.append((part.tree, value))
            elif part.pair is not None:
                self._order(state, part.pair, value)
        for tree, value in inner:
            self._put(state, tree, value)
        return state

    def _some(self, part: _Part) -> Any:  # noqa: ANN401 - a JSON value
        """Return some value that is not None."""
        assert part.kind is not None, "only values of the state are present"
        member = next((m for m in part.kind.members() if m.schema.get("type") != "null"), None)
        if member is None:
            raise Unknown
        return sample(member)

    def _filled(self, part: _Part, value: Any) -> Any:  # noqa: ANN401 - a value of the state
        """Put something in for items that do not matter."""
        if not is_listed(value) or not any(v is PRESENT for v in value):
            return value
        assert part.kind is not None, "only values of the state are lists"
        listed = next(m for m in part.kind.members() if m.schema.get("type") == "array")
        return [sample(listed.item()) if v is PRESENT else v for v in value]

    def _put(self, state: dict[str, Any], tree: Attribute, value: Any) -> None:  # noqa: ANN401 - a value of the state
        """Put a value into the model that it lies in; where that is None, the case has no such value."""
        names = [tree.name]
        of = tree.of
        while isinstance(of, Attribute):
            names.append(of.name)
            of = of.of
        if not isinstance(of, Read):
            raise Unknown
        holder = state[of.field]
        for name in reversed(names[1:]):
            holder = None if holder is None else holder[name]
        if holder is None:
            return
        if value is PRESENT:
            return
        holder[tree.name] = constant_json(value)

    def _order(self, state: dict[str, Any], pair: tuple[Tree, Tree], sign: int) -> None:
        one, other = pair
        if isinstance(one, Read) and isinstance(other, Read):
            if self._place.get(one.field) is None:
                state[one.field] = state[other.field] + sign
            elif self._place.get(other.field) is None:
                state[other.field] = state[one.field] - sign
        # With both given, the state is what it is; whoever asked looks whether it shows what the case did.


def _atoms(tree: Tree) -> Iterator[Tree]:
    """Yield the single conditions that a condition is put together from."""
    if isinstance(tree, (And, Or, Not)):
        for branch in trees.branches(tree):
            yield from _atoms(branch)
    else:
        yield tree


def _pair_key(one: Tree, other: Tree) -> str:
    return f"{one!r} ? {other!r}"


def _same_source(left: _Linear, right: _Linear) -> bool:
    return left.leaf == right.leaf and left.sized == right.sized and left.modulus == right.modulus == 1


def _note(asked: Asked, value: object) -> bool:
    """Note a constant that something is compared with; tell whether it is of a kind that can be looked into."""
    if value is None:
        return True
    if isinstance(value, str):
        asked.texts.add(value)
        return True
    if isinstance(value, (int, float)):
        asked.numbers.add(value)
        return math.isfinite(value)
    # Of a finite type all values are looked at; of others, equality with what is no scalar is not.
    return type(value).__module__ != "builtins" and hasattr(type(value), "__members__")


def _is_list(kind: Kind) -> bool:
    return all(m.schema.get("type") in {"array", "null"} for m in kind.members())


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _scaled(of: _Linear, factor: int) -> _Linear | None:
    if factor == 0 or of.modulus != 1:
        return None
    return _Linear(of.leaf, of.sized, of.factor * factor, of.more * factor)


def _shifted(of: _Linear, more: float) -> _Linear | None:
    return None if of.modulus != 1 else _Linear(of.leaf, of.sized, of.factor, of.more + more)


def _truth(value: object) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def decoded(graph: Graph, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as guards see it.

    Raises:
        ValueError: a value does not fit its field.
    """
    return {f.name: f.decode_whole(state[f.name]) for f in graph.fields}
