"""Expressions over the fields of a state: guards of edges, and the values that a crossing assigns.

An expression is a small tree of frozen nodes (`Read`, `Compare`, `And` …). It prints as a person would write it, has a
JSON form, and is compiled once to plain closures: no text is ever evaluated. A guard's verdict comes with the values
that were read on the way, by the text of each operand; operands behind a short circuit were not read and do not appear.

Trees say what is computed; `graphrt.expressions` is how authors write them.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as part
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import msgspec
from pydantic_core import to_jsonable_python

from graphrt.errors import UseError
from graphrt.hints import is_mapping, is_set
from graphrt.items import is_items, is_listed

if TYPE_CHECKING:
    from graphrt.inputs import Json

State: TypeAlias = Mapping[str, Any]
Seen: TypeAlias = dict[str, Any]
Compute: TypeAlias = Callable[[State, Seen], Any]

LONG_TEXT = 120
"""Texts longer than this many characters are abbreviated in verdicts …"""
SHOWN_TEXT = 100
"""… to so many."""
LONG_COLLECTION = 8
"""Of longer collections a verdict shows so many items."""
ASKED_TEXT = 4_000
"""A question shows texts up to this many characters …"""
ASKED_COLLECTION = 100
"""… and so many items of a collection: who decides has to see what about."""
LONGEST_MATCHED = 10_000
"""`matches` refuses longer texts: a pattern can take exponential time."""


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


# --- the nodes of a tree --------------------------------------------------------------------------------------------


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
    return to_jsonable_python(value, fallback=_list_of_items)


def _list_of_items(value: object) -> list[Any]:
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


# --- what a verdict shows -------------------------------------------------------------------------------------------

_AS_IS: Final[frozenset[type]] = frozenset({int, float, bool, type(None)})


def show(
    value: Any,  # noqa: ANN401 - any value of a state
    depth: int = 3,
    *,
    long_text: int = LONG_TEXT,
    shown_text: int = SHOWN_TEXT,
    most: int = LONG_COLLECTION,
) -> Json:
    """Return a value in JSON, abbreviated if it is long: for people, not for reading back."""
    if type(value) in _AS_IS:
        return value
    if type(value) is str:
        return value if len(value) <= long_text else f"{value[:shown_text]}… ({len(value):,} characters)"

    def inside(part: Any) -> Json:  # noqa: ANN401 - as above
        return show(part, depth - 1, long_text=long_text, shown_text=shown_text, most=most)

    if is_set(value):
        value = sorted(value, key=repr)
    if is_listed(value) or is_items(value):
        size = len(value)
        if depth == 0:
            return f"… ({size:,} items)"
        out = [inside(v) for v in value[:most]]
        return out if size <= most else [*out, f"… ({size:,} items)"]
    if is_mapping(value):
        size = len(value)
        if depth == 0:
            return f"… ({size:,} items)"
        shown = {str(k): inside(v) for k, v in islice(value.items(), most)}
        return shown if size <= most else {**shown, "…": f"({size:,} items)"}
    try:
        plain = to_jsonable_python(value, fallback=_list_of_items)
    except (ValueError, TypeError, RecursionError):
        plain = repr(value)
    return show(plain, depth, long_text=long_text, shown_text=shown_text, most=most)


def show_asked(value: Any) -> Json:  # noqa: ANN401 - any value of a state
    """Return a value in JSON for somebody who has to decide about it: abbreviated only if it is very long."""
    return show(value, 12, long_text=ASKED_TEXT, shown_text=ASKED_TEXT, most=ASKED_COLLECTION)


# --- compilation ----------------------------------------------------------------------------------------------------


def _leaf(get: Callable[[State], Any], text: str, *, noting: bool) -> Compute:
    """Compile what is read from the state: note the value under the operand's text."""
    if not noting:
        return lambda state, _seen: get(state)

    def compute(state: State, seen: Seen) -> Any:  # noqa: ANN401 - a value of the state
        value = get(state)
        seen[text] = value if type(value) in _AS_IS else show(value)
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
        return do(have, value), {name: have if type(have) in _AS_IS else show(have)}

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
