"""What values can a field have? From its type and its JSON schema: finitely many that stand for all.

A guard compares a value with constants. The constants cut the domain of the value into pieces on which every comparison
says the same; one value of each piece is enough to know what the guard can say. `values_for` gives such a set. If it
cannot give a complete one it gives nothing, and whoever asked must not conclude anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations, pairwise
from typing import Any, Final, cast, get_args

from pydantic import PlainValidator, WrapValidator

from graphrt import hints
from graphrt.fields import Field

MOST_VALUES: Final = 64
"""More representatives than that for one value are given up on."""
LONGEST: Final = 2_000
"""Lists and texts that would have to be longer are given up on."""


class _Present:
    """Stands for some value of which nothing matters but that it is not None."""

    def __repr__(self) -> str:
        return "…"


PRESENT: Final = _Present()


class Unknown(Exception):
    """Nothing complete can be said."""


@dataclass(slots=True)
class Asked:
    """What guards want to know about one value."""

    numbers: set[float] = field(default_factory=set[float])
    """Numbers it is compared with."""
    texts: set[str] = field(default_factory=set[str])
    """Texts it is compared with."""
    ordered: bool = False
    """Whether texts are compared by order, not only by equality."""
    modulus: int = 1
    """Least common multiple of what remainders are taken by."""
    sizes: set[int] = field(default_factory=set[int])
    """Lengths that its length is compared with."""
    size_modulus: int = 1
    items: list[Any] = field(default_factory=list[Any])
    """Items that are looked for in it."""
    inner: bool = False
    """Whether its size, items or order are asked for, and not only what it equals."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The type of a value: as a JSON schema, and as an annotation where that is known."""

    schema: Mapping[str, Any]
    defs: Mapping[str, Any]
    annotation: Any = None

    @classmethod
    def of_field(cls, of: Field) -> Kind:
        """Return the type of a field."""
        return cls(of.schema, of.schema.get("$defs", {}), of.annotation)

    def resolved(self) -> Kind:
        """Follow references."""
        schema = self.schema
        for _ in range(20):
            name = schema.get("$ref")
            if name is None:
                break
            schema = self.defs.get(str(name).rpartition("/")[2], {})
        return Kind(schema, self.defs, self.annotation)

    def members(self) -> list[Kind]:
        """Return the members of a union, None among them; of any other type the type itself."""
        plain = self.resolved()
        options = plain.schema.get("anyOf") or plain.schema.get("oneOf")
        if options is None:
            return [plain]
        parts = [p for p in hints.members(self.annotation) if p is not None] if self.annotation is not None else []
        if len(parts) != len(options):
            parts = [None] * len(options)
        return [m for o, p in zip(options, parts, strict=True) for m in Kind(o, self.defs, p).members()]

    @property
    def nullable(self) -> bool:
        """Whether None is one of its values, or may be."""
        return any(m.schema.get("type") == "null" or not m.schema for m in self.members())

    def attribute(self, name: str) -> Kind:
        """Return the type of an attribute.

        Raises:
            Unknown: it is not the attribute of exactly one model.
        """
        models = [m for m in self.members() if m.schema.get("type") != "null"]
        if len(models) != 1 or name not in models[0].schema.get("properties", {}):
            raise Unknown
        inside: dict[str, Any] = {}
        for part in hints.without_none(self.annotation) if self.annotation is not None else ():
            inside |= hints.inner(part)
        return Kind(models[0].schema["properties"][name], self.defs, inside.get(name))

    def item(self) -> Kind:
        """Return the type of an item of a list; anything, if that is not said."""
        arguments = get_args(hints.bare(self.annotation)) if self.annotation is not None else ()
        return Kind(self.schema.get("items", {}), self.defs, arguments[0] if arguments else None)

    def is_numeric(self) -> bool:
        """Tell whether all its values are numbers."""
        return all(m.schema.get("type") in {"integer", "number"} and "enum" not in m.schema for m in self.members())

    def is_whole(self) -> bool:
        """Tell whether all its values that are not None are whole numbers."""
        return all(m.schema.get("type") in {"integer", "null"} for m in self.members())


# --- representatives ------------------------------------------------------------------------------------------------


def values_for(kind: Kind, asked: Asked) -> tuple[Any, ...]:
    """Return values of a type, simplest first, such that whatever is asked has one answer per value, and no other.

    Raises:
        Unknown: no complete set of a reasonable size is known.
    """
    _refuse_validators(kind.annotation)
    finite = None if kind.annotation is None else hints.literal_values(kind.annotation)
    found: list[Any] = []
    if finite is not None:
        found += [None] * kind.nullable
        found += finite
    else:
        for member in kind.members():
            found += _of_member(member, asked)
    distinct: list[Any] = []
    for value in found:
        if not any(type(value) is type(other) and value == other for other in distinct):
            distinct.append(value)
    if not distinct or len(distinct) > MOST_VALUES:
        raise Unknown
    return tuple(distinct)


def _refuse_validators(annotation: Any) -> None:  # noqa: ANN401 - an annotation
    """Give up where code of the author's decides what the values are."""
    if hints.is_constrained(annotation) and any(
        isinstance(a, (PlainValidator, WrapValidator)) for a in get_args(annotation)[1:]
    ):
        raise Unknown


def _of_member(kind: Kind, asked: Asked) -> Sequence[Any]:
    schema = kind.schema
    if "const" in schema or "enum" in schema:
        if kind.annotation is not None and hints.literal_values(kind.annotation) is None:
            raise Unknown  # members of an Enum that only the annotation could name
        return [schema["const"]] if "const" in schema else list(schema["enum"])
    match schema.get("type"):
        case "null":
            return [None]
        case "boolean":
            return [False, True]
        case "integer":
            return whole_numbers(*_bounds(schema, whole=True), asked.numbers, asked.modulus)
        case "number" if asked.modulus == 1:
            return real_numbers(*_bounds(schema, whole=False), asked.numbers)
        case "string" if not ({"format", "pattern", "contentMediaType"} & schema.keys()):
            return texts(asked, int(schema.get("minLength", 0)), schema.get("maxLength"))
        case "array":
            return lists(kind, asked)
        case "object" if not asked.inner:
            return [PRESENT]
        case _:
            raise Unknown


def _bounds(schema: Mapping[str, Any], *, whole: bool) -> tuple[float, float]:
    """Return the least and the greatest value, both included; what is excluded moves a step inside."""
    if "multipleOf" in schema:
        raise Unknown
    low, high = float(schema.get("minimum", -math.inf)), float(schema.get("maximum", math.inf))
    if "exclusiveMinimum" in schema:
        bound = float(schema["exclusiveMinimum"])
        low = max(low, math.floor(bound) + 1 if whole else math.nextafter(bound, math.inf))
    if "exclusiveMaximum" in schema:
        bound = float(schema["exclusiveMaximum"])
        high = min(high, math.ceil(bound) - 1 if whole else math.nextafter(bound, -math.inf))
    return low, high


def whole_numbers(low: float, high: float, points: Iterable[float], modulus: int = 1) -> list[int]:
    """Return whole numbers of an interval: each point, and between points as many in a row as there are remainders."""
    anchors = {k for p in points if math.isfinite(p) for k in (math.floor(p), math.ceil(p))}
    anchors |= {int(b) for b in (low, high) if math.isfinite(b)}
    anchors = anchors or {0}
    if modulus > MOST_VALUES:
        raise Unknown
    near = {k for a in anchors for k in range(a - modulus, a + modulus + 1)}
    return sorted((k for k in near if low <= k <= high), key=lambda k: (abs(k), k < 0))


def real_numbers(low: float, high: float, points: Iterable[float]) -> list[float]:
    """Return numbers of an interval: each point, one between each two, one below all and one above all."""
    cuts = sorted({p for p in (*points, low, high) if math.isfinite(p)})
    if not cuts:
        return [0.0]
    found = [float(c) for c in cuts]
    found += [between(a, b) for a, b in pairwise(cuts)]
    found += [float(math.floor(cuts[0]) - 1), float(math.ceil(cuts[-1]) + 1)]
    inside = [f for f in found if low <= f <= high]
    return sorted(dict.fromkeys(inside), key=lambda f: (len(repr(abs(f))), abs(f), f < 0))


def between(low: float, high: float) -> float:
    """Return a number between two others with as few digits as possible; one of them if there is none between."""
    middle = low + (high - low) / 2
    for digits in range(18):
        found = round(middle, digits)
        if low < found < high:
            return found
    return middle


def texts(asked: Asked, least: int, most: int | None) -> list[str]:
    """Return texts: each that is compared with, and others of each length, or place in the order, that matters."""
    known = sorted(asked.texts)
    if asked.ordered and asked.inner and asked.sizes:
        raise Unknown
    found = list(known)
    if asked.ordered:
        for text, above in zip(known, [*known[1:], None], strict=True):
            between_them = (text + more for more in ("a", " ", "\0"))
            found += [t for t in between_them if above is None or t < above][:1]
        found += [""] if known and known[0] else []
    else:
        for length in _lengths(asked, least, most):
            words = ("other", "another", "a third") if not asked.sizes and asked.size_modulus == 1 else ()
            padded = (f"{'x' * (length - 1)}{c}"[:length] for c in ("x", *"abcdefghijklmnopqrstuvw"))
            found += [t for t in chain(words, padded) if t not in known and least <= len(t)][:1]
    return [t for t in dict.fromkeys(found) if least <= len(t) and (most is None or len(t) <= most)]


def _lengths(asked: Asked, least: int, most: float | None) -> list[int]:
    high = math.inf if most is None else float(most)
    lengths = whole_numbers(float(least), high, asked.sizes, asked.size_modulus)
    if lengths and max(lengths) > LONGEST:
        raise Unknown
    return lengths


def lists(kind: Kind, asked: Asked) -> list[list[Any]]:
    """Return lists: of each length that matters, with and without each item that is looked for."""
    schema = kind.schema
    if len(asked.items) > 3 or "prefixItems" in schema:
        raise Unknown
    least, unique = int(schema.get("minItems", 0)), bool(schema.get("uniqueItems"))
    try:
        fill = _fillers(kind.item(), asked.items)
    except Unknown:
        if asked.items:
            raise
        # Its items do not matter, but what a list holds is needed to show one.
        fill = [PRESENT]
    wanted = [s for n in range(len(asked.items) + 1) for s in combinations(asked.items, n)]
    sized = asked.sizes or {least}
    spread = Asked(sizes={*sized, *(len(w) for w in wanted)}, size_modulus=asked.size_modulus)
    found: list[list[Any]] = []
    for length in _lengths(spread, least, schema.get("maxItems")):
        for some in wanted:
            more = length - len(some)
            if more < 0:
                continue
            padding = fill[:more] if unique else [(fill or list(some))[0]] * more if fill or some else []
            if len(padding) == more:
                found.append([*some, *padding])
    return found


def _fillers(kind: Kind, items: Sequence[Any]) -> list[Any]:
    """Return different items that are none of those looked for; nothing if the type has no others."""
    asked = Asked(
        numbers={i for i in items if isinstance(i, (int, float))}, texts={i for i in items if isinstance(i, str)}
    )
    return [v for v in values_for(kind, asked) if v not in items]


# --- samples: some value of a type, in JSON -------------------------------------------------------------------------


def sample(kind: Kind, depth: int = 6) -> Any:  # noqa: ANN401 - a JSON value
    """Return the JSON form of some value of a type.

    Raises:
        Unknown: none is known.
    """
    member = next((m for m in kind.members() if m.schema.get("type") == "null"), kind.members()[0])
    schema = member.schema
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if depth == 0:
        raise Unknown
    match schema.get("type"):
        case "null":
            return None
        case "boolean":
            return False
        case "integer":
            return whole_numbers(*_bounds(schema, whole=True), ())[0]
        case "number":
            return real_numbers(*_bounds(schema, whole=False), ())[0]
        case "string" if "format" not in schema and "pattern" not in schema:
            return "x" * int(schema.get("minLength", 0))
        case "array" if "prefixItems" not in schema:
            least = int(schema.get("minItems", 0))
            if least > 1 and schema.get("uniqueItems"):
                raise Unknown
            return [sample(member.item(), depth - 1) for _ in range(least)]
        case "object":
            properties = cast("Mapping[str, Any]", schema.get("properties", {}))
            return {
                name: sample(Kind(properties.get(name, {}), kind.defs), depth - 1)
                for name in schema.get("required", ())
            }
        case None if not schema:
            return None
        case _:
            raise Unknown
