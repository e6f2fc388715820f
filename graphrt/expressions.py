"""How authors write expressions: `s.score < 0.8`, `size(s.facts) > 2`, `let(s.rounds).be(s.rounds + 1)`.

`flow.state` is a `Space`, typed as the state type: reading a field of it gives an `Expression`, which type checkers
take for the field's value. Operators build trees (`graphrt.guards`). Nothing is computed while a flow is being defined,
so whatever asks an expression for a value (`and`, `if`, `len`, `in`, an f-string) is refused on the spot, with the
spelling that works.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sized
from dataclasses import replace
from enum import Enum
from typing import Any, Final, Generic, LiteralString, NoReturn, TypeVar, cast, get_args, get_origin, overload

from graphrt import hints, trees
from graphrt.fields import Field
from graphrt.guards import Change
from graphrt.hints import UNSAID, is_mapping, is_set
from graphrt.items import is_listed
from graphrt.kinds import can_compute, computed, kinds_of
from graphrt.tree_forms import constant_json, text_of
from graphrt.trees import Tree

V = TypeVar("V")
E = TypeVar("E")  # item of a list field
L = TypeVar("L", bound=LiteralString | Enum | None)  # this bound keeps Literal["a", "b"] from being widened to str

UNKNOWN = object()
"""The type of an expression whose type is not known before it is evaluated."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'message'?`, or nothing if no known name is close."""
    import difflib  # noqa: PLC0415 - only who has made a mistake waits for it

    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


class Space:
    """The fields of a flow's state as expressions. One object per field, so that identity means sameness."""

    __slots__ = ("_expressions", "_fields", "_flow", "_type_name")

    _expressions: dict[str, Expression]
    _fields: Mapping[str, Field]
    _flow: str
    _type_name: str

    def __init__(self, flow: str, type_name: str, fields: Mapping[str, Field]) -> None:
        put = object.__setattr__
        put(self, "_flow", flow)
        put(self, "_type_name", type_name)
        put(self, "_fields", fields)
        put(self, "_expressions", {})

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - an Expression, or what is inherited
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        expressions = self._expressions
        found = expressions.get(name)
        if found is None:
            field = self._fields.get(name)
            if field is None:
                raise AttributeError(
                    f"state type {self._type_name} of flow {self._flow!r} has no field {name!r}."
                    f"{did_you_mean(name, self._fields)}",
                    name=name,
                )
            found = expressions[name] = Expression(
                trees.Read(name), UNKNOWN if field.annotation is None else field.annotation, (self,)
            )
        return found

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(
            f"fields change during a run only; on an edge write set=let(s.{name}).be(…), or return it from a task"
        )

    def __dir__(self) -> Iterable[str]:
        return list(self._fields)

    def __repr__(self) -> str:
        return f"<state of flow {self._flow!r}: {', '.join(self._fields)}>"


def fields_behind(space: Space) -> Mapping[str, Field]:
    """Return the fields that a space has as expressions; its own attributes are those."""
    fields: Mapping[str, Field] = object.__getattribute__(space, "_fields")
    return fields


class Expression:
    """A value that will be known during a run. Its attributes are those of the model that it stands for, no others."""

    __slots__ = ("__spaces__", "__tree__", "__type__", "__weakref__")

    __tree__: Tree
    __type__: Any
    __spaces__: tuple[Space, ...]

    def __init__(self, tree: Tree, type_: Any = UNKNOWN, spaces: tuple[Space, ...] = ()) -> None:  # noqa: ANN401 - an annotation
        put = object.__setattr__
        put(self, "__tree__", tree)
        put(self, "__type__", type_)
        put(self, "__spaces__", spaces)

    # --- what is inside ---

    def __getattr__(self, name: str) -> Expression:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name)
        known: dict[str, Any] = {}
        for member in hints.without_none(self.__type__):
            known |= hints.inner(member)
        if name in known:
            return Expression(trees.Attribute(self.__tree__, name), known[name], self.__spaces__)
        text = text_of(self.__tree__)
        if known:
            raise AttributeError(
                f"{text} ({_type_text(self.__type__)}) has no field {name!r}.{did_you_mean(name, known)}", name=name
            )
        raise AttributeError(
            f"{text} is known during a run only, so {text}.{name} cannot be used here;"
            " put it into a named function whose parameters read fields, and give that as the guard",
            name=name,
        )

    def __getitem__(self, key: int | str) -> Expression:
        if type(key) is not int and type(key) is not str:
            raise TypeError(
                f"{self!r} takes a fixed int or text in […], got {key!r}; put anything else into a named function"
            )
        return Expression(trees.Index(self.__tree__, key), _item_type(self.__type__), self.__spaces__)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(
            f"fields change during a run only; a whole field is set by set=let(…).be(…) on an edge, not {self!r}.{name}"
        )

    # --- operators that build ---

    def __lt__(self, other: object) -> Expression:
        return _compare("<", self, other)

    def __le__(self, other: object) -> Expression:
        return _compare("<=", self, other)

    def __gt__(self, other: object) -> Expression:
        return _compare(">", self, other)

    def __ge__(self, other: object) -> Expression:
        return _compare(">=", self, other)

    # Comparing expressions makes an expression; that is what they are for.
    def __eq__(self, other: object) -> Expression:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return _compare("==", self, other)

    # Comparing expressions makes an expression; that is what they are for.
    def __ne__(self, other: object) -> Expression:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return _compare("!=", self, other)

    # Of identity: there is one expression per field, so expressions can be keys.
    __hash__ = object.__hash__

    def __add__(self, other: object) -> Expression:
        return _arithmetic("+", self, other)

    def __radd__(self, other: object) -> Expression:
        return _arithmetic("+", other, self)

    def __sub__(self, other: object) -> Expression:
        return _arithmetic("-", self, other)

    def __rsub__(self, other: object) -> Expression:
        return _arithmetic("-", other, self)

    def __mul__(self, other: object) -> Expression:
        return _arithmetic("*", self, other)

    def __rmul__(self, other: object) -> Expression:
        return _arithmetic("*", other, self)

    def __truediv__(self, other: object) -> Expression:
        return _arithmetic("/", self, other)

    def __rtruediv__(self, other: object) -> Expression:
        return _arithmetic("/", other, self)

    def __floordiv__(self, other: object) -> Expression:
        return _arithmetic("//", self, other)

    def __rfloordiv__(self, other: object) -> Expression:
        return _arithmetic("//", other, self)

    def __mod__(self, other: object) -> Expression:
        return _arithmetic("%", self, other)

    def __rmod__(self, other: object) -> Expression:
        return _arithmetic("%", other, self)

    def __neg__(self) -> Expression:
        kinds = _kinds_of(self)
        if kinds is not None and "number" not in kinds:
            raise TypeError(f"`-{self!r}` cannot be: {_says(self)} is no number")
        return Expression(trees.Negative(self.__tree__), self.__type__, self.__spaces__)

    def __and__(self, other: object) -> Expression:
        return _joined("&", trees.And, self, other)

    def __rand__(self, other: object) -> Expression:
        return _joined("&", trees.And, other, self)

    def __or__(self, other: object) -> Expression:
        return _joined("|", trees.Or, self, other)

    def __ror__(self, other: object) -> Expression:
        return _joined("|", trees.Or, other, self)

    # --- operators that would need a value now ---

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"`{self!r}` is an expression that is evaluated during a run, so it is neither true nor false here;"
            " write (a) & (b) for `and`, (a) | (b) for `or`, not_(a) for `not`, one_of(x, …) or contains(x, …) for"
            " `in`, and (a < b) & (b < c) for a chain"
        )

    def __invert__(self) -> NoReturn:
        raise TypeError(f"write not_({self!r}) for its negation; ~ changes the bits of a number")

    def __contains__(self, item: object) -> NoReturn:
        raise TypeError(
            f"`in` needs the value of {self!r}, which is known during a run only; write contains({self!r}, {item!r})"
        )

    def __iter__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} has items during a run only, so it cannot be iterated here;"
            f" use flow.each(…) for a branch per item, {self!r} + […] for a longer list, or a named function"
        )

    def __len__(self) -> NoReturn:
        raise TypeError(f"{self!r} has a length during a run only; write size({self!r})")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError(
            f"`{self!r}` is known during a run only, so no text can be made of it here;"
            " put what needs its value into a task or a named function"
        )

    def __repr__(self) -> str:
        return text_of(self.__tree__)


def _type_text(annotation: Any) -> str:  # noqa: ANN401 - an annotation
    return "value" if annotation is UNKNOWN else hints.text_of(annotation)


def _item_type(annotation: Any) -> Any:  # noqa: ANN401 - an annotation
    """Return the type of what stands in a list or dict; UNKNOWN if the annotation does not tell."""
    some: tuple[Any, ...] = () if annotation is UNKNOWN else hints.without_none(annotation)
    if len(some) != 1:
        return UNKNOWN
    arguments = get_args(some[0])
    if get_origin(some[0]) is list and arguments:
        return arguments[0]
    return arguments[1] if get_origin(some[0]) is dict and arguments else UNKNOWN


# --- building trees -------------------------------------------------------------------------------------------------


def tree_of(value: object) -> Tree:
    """Return the tree of an expression, or of a list that holds some; any other value is a constant, kept as a copy.

    Raises:
        TypeError: the value has no JSON form, or is a function.
    """
    if isinstance(value, Expression):
        return value.__tree__
    if isinstance(value, Space):
        raise TypeError(f"{value!r} is the whole state; name a field of it")
    if inspect.isroutine(value) or isinstance(value, type):
        raise TypeError(f"{value!r} is not a value; call it, or put the whole expression into a named function")
    try:
        constant_json(value)
    except (ValueError, TypeError) as fault:
        if any(True for _ in _expressions_in(value)):
            if is_listed(value):
                return trees.ListOf(tuple(tree_of(part) for part in value))
            raise TypeError(
                f"{value!r} holds what is known during a run only; that can stand in a list,"
                f" but no {type(value).__name__} can be made of it here, so compute it in a task"
            ) from None
        raise TypeError(f"{value!r} cannot stand in an expression, because it has no JSON form: {fault}") from None
    return trees.Constant(copy.deepcopy(value))


def _expressions_in(value: object) -> Iterator[Expression]:
    """Yield the expressions in a value: itself, or what stands in lists, mappings and sets."""
    todo, seen = [value], set[int]()
    for part in todo:  # which grows
        if isinstance(part, Expression):
            yield part
        elif id(part) not in seen and (is_listed(part) or is_mapping(part) or is_set(part)):
            seen.add(id(part))
            todo += [*part, *part.values()] if is_mapping(part) else part


def spaces_of(*values: object) -> tuple[Space, ...]:
    """Return the spaces that expressions read, each once; also those in lists."""
    found: dict[int, Space] = {}
    for value in values:
        for expression in _expressions_in(value):
            found.update((id(s), s) for s in expression.__spaces__)
    return tuple(found.values())


def condition_of(value: object) -> Tree:
    """Return the tree of a condition.

    Raises:
        TypeError: it is none: a plain bool, a value, or no expression at all.
    """
    if isinstance(value, bool):
        raise TypeError(
            f"{value} is a plain bool, not a condition: Python has already computed it (`is`, `==` of constants);"
            " write is_none(x) for `x is None`, and compare fields of flow.state"
        )
    if not isinstance(value, Expression):
        raise TypeError(f"{value!r} is not a condition; compare a field of flow.state with something")
    if isinstance(value.__tree__, trees.CONDITIONS):
        return value.__tree__
    known = value.__type__
    if known is UNKNOWN or bool in (members := hints.members(known)) or Any in members:
        return trees.Holds(value.__tree__)
    raise TypeError(f"`{value!r}` is not a condition but a value ({_type_text(known)}); compare it with something")


def _expression(value: object, where: str) -> Expression:
    if not isinstance(value, Expression):
        raise TypeError(
            f"{where} takes an expression over the fields of flow.state, got {value!r} ({type(value).__name__})"
        )
    return value


_UNORDERED: Final = frozenset({"mapping", "nothing"})


def _type_of(value: object) -> Any:  # noqa: ANN401 - an annotation
    """Return the type of a value, or of what an expression stands for."""
    known = value.__type__ if isinstance(value, Expression) else type(value)
    return UNSAID if known is UNKNOWN else hints.bare(known)


def _kinds_of(value: object) -> frozenset[str] | None:
    """Return what a value can be; None if that is not known before it is there."""
    return kinds_of(_type_of(value))


def _says(value: object) -> str:
    """Return a value with its type, as an error names it."""
    kind = _type_text(value.__type__) if isinstance(value, Expression) else type(value).__name__
    return f"{value!r} ({kind})"


def _refuse_order(op: str, left: Expression, right: object) -> None:
    """Refuse an order between values that can have none, whatever they are."""
    kinds, others = _kinds_of(left), _kinds_of(right)
    if kinds is None or others is None or (kinds & others) - _UNORDERED:
        return
    length = isinstance(right, int) and not isinstance(right, bool) and kinds & {"text", "list", "mapping"}
    hint = f"; write size({left!r}) {op} {right!r} for its length" if length else ""
    raise TypeError(f"`{left!r} {op} {right!r}` cannot be: {_says(left)} and {_says(right)} have no order{hint}")


def _compare(op: str, left: Expression, right: object) -> Expression:
    if op not in {"==", "!="}:
        _refuse_order(op, left, right)
    return Expression(trees.Compare(op, left.__tree__, tree_of(right)), bool, spaces_of(left, right))


def _arithmetic(op: str, left: object, right: object) -> Expression:
    kinds, others = _kinds_of(left), _kinds_of(right)
    if kinds is not None and others is not None and not can_compute(op, kinds, others):
        raise TypeError(
            f"`{left!r} {op} {right!r}` cannot be: {op} is not for {_says(left)} and {_says(right)};"
            " compute it in a task, or in a named function"
        )
    kind = computed(op, _type_of(left), _type_of(right))
    known = UNKNOWN if kind is UNSAID else kind
    return Expression(trees.Arithmetic(op, tree_of(left), tree_of(right)), known, spaces_of(left, right))


def _joined(sign: str, kind: type[trees.And | trees.Or], left: object, right: object) -> Expression:
    try:
        trees = condition_of(left), condition_of(right)
    except TypeError as fault:
        raise TypeError(
            f"{left!r} {sign} {right!r}: {fault};"
            f" {sign} binds more tightly than comparisons, so write (a < 1) {sign} (b > 2)"
        ) from None
    parts: list[Tree] = []
    for tree in trees:
        parts += tree.parts if isinstance(tree, kind) else (tree,)
    return Expression(kind(tuple(parts)), bool, spaces_of(left, right))


# --- functions for what operators cannot say ------------------------------------------------------------------------
# Their static types are those of the values; what they return is an Expression.


def size(value: Sized, /) -> int:
    """How many items a collection has, or characters a text: `size(s.facts) > 2`."""
    of = _expression(value, "size()")
    kinds = _kinds_of(of)
    if kinds is not None and not kinds & {"text", "list", "mapping"}:
        raise TypeError(f"{_says(of)} has no length, so size({of!r}) cannot be; compare the value itself")
    return cast("int", Expression(trees.Size(of.__tree__), int, of.__spaces__))


def not_(guard: bool, /) -> bool:  # noqa: FBT001 - a condition, typed as what it will be
    """Whether a condition is false: `not_(s.urgent)`."""
    return cast("bool", Expression(trees.Not(condition_of(guard)), bool, spaces_of(guard)))


def is_none(value: object, /) -> bool:
    """Whether a value is None: `is_none(s.topic)`."""
    of = _expression(value, "is_none()")
    return cast("bool", Expression(trees.IsNone(of.__tree__), bool, of.__spaces__))


def one_of(value: V, /, *options: V) -> bool:
    """Whether a value equals one of the options: `one_of(s.topic, "billing", "bug")`."""
    of = _expression(value, "one_of()")
    if not options:
        raise TypeError(f"one_of({of!r}) needs at least one option")
    among = tuple(tree_of(o) for o in options)
    return cast("bool", Expression(trees.OneOf(of.__tree__, among), bool, spaces_of(of, *options)))


def contains(value: Container[V], item: V, /) -> bool:
    """Whether a collection has an item, a dict a key, or a text a part: `contains(s.tags, "urgent")`."""
    of = _expression(value, "contains()")
    return cast("bool", Expression(trees.Contains(of.__tree__, tree_of(item)), bool, spaces_of(of, item)))


def matches(value: str | None, pattern: str, /) -> bool:
    """Whether a regular expression is found anywhere in a text of at most 10,000 characters; anchor it with ^ and $."""
    of = _expression(value, "matches()")
    kinds = _kinds_of(of)
    if kinds is not None and "text" not in kinds:
        raise TypeError(f"{_says(of)} is no text, so no pattern can be looked for in it; compare the value itself")
    try:
        re.compile(pattern)
    except (re.error, TypeError) as fault:
        raise TypeError(f"matches({of!r}, {pattern!r}): the pattern is not a regular expression: {fault}") from None
    return cast("bool", Expression(trees.Matches(of.__tree__, pattern), bool, of.__spaces__))


class Let(Generic[V]):
    """A field that is about to be set: `be` replaces its value, `take` gives one to its reducer."""

    __slots__ = ("_field", "_space")

    def __init__(self, field: object) -> None:
        if not isinstance(field, Expression) or not isinstance(field.__tree__, trees.Read):
            raise TypeError(
                f"let() takes a field of flow.state, got {field!r};"
                " a part of a field is set by replacing the whole field"
            )
        self._field = field.__tree__.field
        self._space = field.__spaces__

    def be(self, value: V, /) -> Change:
        """Assign a value: a constant, or an expression over the state as it is when the edge is crossed."""
        if inspect.isroutine(value):
            raise TypeError(
                f"let({self._field}).be() takes a value or an expression, not the function {value!r};"
                " compute it in a task"
            )
        return Change(self._field, tree_of(value), None, (self._space, spaces_of(value)))

    def take(self, value: V, /) -> Change:
        """Give a value to the field's reducer, as a node that writes the field does: `let(s.spent).take(0.5)` adds."""
        change = self.be(value)
        (space,) = self._space
        reducer = fields_behind(space)[self._field].reducer
        return replace(change, reducer="" if reducer is None else reducer.name)

    def __repr__(self) -> str:
        return f"let({self._field})"


class LetItems(Let[list[E]], Generic[E]):
    """A list field that is about to be set, or to be given an item."""

    __slots__ = ()

    def take(self, item: E | list[E], /) -> Change:
        """Give an item to the field's reducer, or a list if that is what it takes: `let(s.facts).take("late")`."""
        return super().take(cast("Any", item))


@overload
def let(field: L, /) -> Let[L]: ...
@overload
def let(field: list[E], /) -> LetItems[E]: ...
@overload
def let(field: V, /) -> Let[V]: ...
def let(field: Any, /) -> Let[Any]:
    """Set a field while an edge is crossed: `set=let(s.rounds).be(s.rounds + 1)`.

    `be` replaces the value, also that of a field with a reducer; `take` gives the reducer one, so that
    `let(s.facts).take("late")` appends. In `outputs=` of a subflow both are writes, which the field's reducer takes.
    """
    return LetItems[Any](field)


def field_name(value: object) -> str | None:
    """Return the name of the field that an expression reads as it is; None for anything else."""
    return value.__tree__.field if isinstance(value, Expression) and isinstance(value.__tree__, trees.Read) else None


def part_type(value: object) -> Any:  # noqa: ANN401 - an annotation
    """Return the type of a part of a field, `s.plan.step`, Any if it is not known; None for what is no such part."""
    if not isinstance(value, Expression) or not trees.is_part(value.__tree__):
        return None
    return Any if value.__type__ is UNKNOWN else value.__type__


def as_function(value: object) -> Callable[..., Any] | None:
    """Return a value that is a function (a named guard), None for expressions and all else."""
    return None if isinstance(value, (Expression, Space, bool, type)) or not callable(value) else value
