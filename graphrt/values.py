"""Conversion between Python values of a type and their JSON form, validating; as fast as the type allows.

Scalars, Literals of texts and lists of these are checked by exact type in a few comparisons. All else goes through
pydantic, strictly: a value fits as it is or by its JSON form ("5" is no int, a tuple of texts is a list of texts, a
dict is a model). What `encode` gives, `decode` can read back; `decode` alone makes the values of the state.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin

import msgspec
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from graphrt import hints
from graphrt.hints import is_mapping, is_set
from graphrt.inputs import Json
from graphrt.items import Items, is_items, is_listed

Convert: TypeAlias = Callable[[Any], Any]


class ValueRefused(ValueError):
    """A value does not fit its field. Says the field, what it takes and what it got."""

    def __init__(self, field: str, expected: str, value: object, why: str = "") -> None:
        """Keep the value as abbreviated text: it may be long."""
        self.field = field
        self.expected = expected
        self.found = f"{brief(value)} ({type(value).__name__})"
        super().__init__(f"field {field!r} takes {expected}, got {self.found}{': ' if why else ''}{why}")

    @property
    def facts(self) -> dict[str, Json]:
        """What programs read: field, expected, found."""
        return {"field": self.field, "expected": self.expected, "found": self.found}


def brief(value: object, most: int = 80) -> str:
    """Print a value in at most about `most` characters."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a value that cannot be printed must not hide what is wrong with it
        text = f"<{type(value).__name__}>"
    return text if len(text) <= most else f"{text[: most - 1]}…"


class Codec(msgspec.Struct, frozen=True):
    """Conversion of values of one type."""

    encode: Convert
    """Validate a value and return its JSON form."""
    decode: Convert
    """Read a JSON form back; a list becomes Items."""
    dump: Convert
    """Return the JSON form of what `decode` gave."""


def codec_of(annotation: Any, field: str) -> Codec:  # noqa: ANN401 - an annotation may be anything
    """Return how values of a type are converted; `field` is named in what is refused (`ValueRefused`)."""
    slow = _Typed(annotation, field)
    check = _fast(annotation, slow)
    if check is not None:
        return Codec(check, check, same)
    if get_origin(annotation) is list:
        item = get_args(annotation)[0]
        inside = _fast(item, _Typed(item, field))
        if inside is not None:
            return _list_of(inside, slow)
    return Codec(slow.encode, slow.decode, slow.dump)


def same(value: Any) -> Any:  # noqa: ANN401 - identity
    """Return the value itself."""
    return value


def _thawed(value: Any) -> Any:  # noqa: ANN401 - any value
    return list(value) if is_items(value) else value


def _frozen(value: Any) -> Any:  # noqa: ANN401 - any value
    kind = value.__class__  # a name of its own, so that type checkers keep `Any`
    return Items(value) if kind is list else value


_STRICT_JSON: Final = json.JSONEncoder(allow_nan=False, check_circular=False)
"""Refuses what JSON has no number for. It runs in C, which a walk through the containers would not."""

UNTYPED: Final = Codec(_thawed, _frozen, _thawed)
"""Where no types are known, JSON stands for itself."""


# --- by pydantic ----------------------------------------------------------------------------------------------------


class _Typed:
    """Conversion by pydantic, for everything that has no faster way. The adapter is built when first needed."""

    def __init__(self, annotation: Any, field: str) -> None:  # noqa: ANN401 - an annotation may be anything
        self.annotation = annotation
        self.field = field
        self.expected = hints.text_of(annotation)
        self.is_set = any((get_origin(m) or m) in {set, frozenset} for m in hints.members(annotation))

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.annotation)

    def refused(self, value: object, cause: Exception | str) -> ValueRefused:
        if not isinstance(cause, ValidationError):
            return ValueRefused(self.field, self.expected, value, str(cause))
        errors = cause.errors(include_url=False, include_input=False, include_context=False)
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" if e["loc"] else e["msg"] for e in errors[:3]]
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        return ValueRefused(self.field, self.expected, value, "; ".join(lines) + more)

    def validated(self, value: object) -> Any:  # noqa: ANN401 - a value of the type
        plain = _thawed(value)
        try:
            return self.adapter.validate_python(plain, strict=True)
        except ValidationError as misfit:
            try:
                text = json.dumps(to_jsonable_python(plain, by_alias=False, fallback=_thawed_inside))
                return self.adapter.validate_json(text, strict=True, by_name=True, by_alias=True)
            except (ValueError, TypeError, RecursionError):
                raise self.refused(value, misfit) from None

    def encode(self, value: object) -> Json:
        good = self.validated(value)
        try:
            out = self.dump(good)
            odd = self._has_odd_float(good, out)
        except (ValueError, TypeError, RecursionError) as fault:
            raise self.refused(value, f"it has no JSON form ({fault})") from None
        if odd:
            raise self.refused(value, "inf and nan have no JSON form")
        self.decode(out)
        return out

    def decode(self, value: Json) -> Any:  # noqa: ANN401 - a value of the type
        try:
            return _frozen(self.adapter.validate_python(value, by_name=True, by_alias=False))
        except ValidationError as misfit:
            try:
                # A strict model takes text for a date in JSON only.
                return _frozen(self.adapter.validate_json(json.dumps(value), by_name=True, by_alias=False))
            except (ValueError, TypeError):
                raise self.refused(value, misfit) from None

    def _has_odd_float(self, good: object, out: Json) -> bool:
        """Tell whether a value holds a float that is not finite; `out` is its JSON form."""
        if type(out) is str:
            return False
        try:
            text = _STRICT_JSON.encode(out)
        except ValueError:  # also for an int of thousands of digits
            return _holds_odd_float(out)
        if "null" not in text:
            return False
        # JSON writes inf and nan as null where no type says float; then only the values themselves tell.
        values = self.adapter.dump_python(good, warnings=False)
        return _may_hold_odd_float(values) and _holds_odd_float(values)

    def dump(self, value: object) -> Json:
        out = self.adapter.dump_python(
            _thawed(value), mode="json", by_alias=False, warnings=False, fallback=_thawed_inside
        )
        # A set has no order of its own; a trace needs one that is the same in every process.
        return sorted(out, key=partial(json.dumps, sort_keys=True)) if self.is_set and is_listed(out) else out


def _thawed_inside(value: object) -> object:
    if is_items(value):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _may_hold_odd_float(value: object) -> bool:
    """Tell whether to look closer for a float that is not finite; what JSON has a form for is looked through in C."""
    try:
        _STRICT_JSON.encode(value)
    except (ValueError, TypeError, RecursionError):
        return True
    return False


def _holds_odd_float(value: object) -> bool:
    """Tell whether a value made of containers holds a float that is not finite."""
    todo: list[Any] = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, float):
            if not math.isfinite(part):
                return True
        elif is_mapping(part):
            todo += (*part.keys(), *part.values())
        elif is_listed(part) or is_set(part):
            todo += part
    return False


# --- by exact type --------------------------------------------------------------------------------------------------


def _fast(annotation: Any, slow: _Typed) -> Convert | None:  # noqa: ANN401 - an annotation may be anything
    """Return a check that needs no pydantic, if the type is a scalar, a Literal of texts, or one of these or None.

    Encoding and decoding are the same check, so a trace that does not fit today's types is noticed too.
    """
    if annotation is None or hints.is_constrained(annotation):
        return None
    some = hints.without_none(annotation)
    none = len(some) != len(hints.members(annotation))
    if len(some) == 1 and some[0] is float:
        return _float(none=none, slow=slow)
    if len(some) == 1 and some[0] in hints.SCALARS:
        return _exact(some[0], none=none, slow=slow)
    if some and all(get_origin(m) is Literal for m in some):
        values = [v for m in some for v in get_args(m)]
        if all(v is None or type(v) is str for v in values):
            return _choice(frozenset([*values, None] if none else values), slow)
    return None


def _exact(kind: type, *, none: bool, slow: _Typed) -> Convert:
    def check(value: Any) -> Any:  # noqa: ANN401 - checked here
        return value if type(value) is kind else slow.encode(value)

    def check_or_none(value: Any) -> Any:  # noqa: ANN401 - checked here
        return value if type(value) is kind or value is None else slow.encode(value)

    return check_or_none if none else check


def _float(*, none: bool, slow: _Typed) -> Convert:
    finite = math.isfinite

    def check(value: Any) -> Any:  # noqa: ANN401 - checked here
        if type(value) is float and finite(value):
            return value
        if none and value is None:
            return None
        # Also an int: pydantic makes it a float, or refuses one that is too large.
        return slow.encode(value)

    return check


def _choice(values: frozenset[str | None], slow: _Typed) -> Convert:
    def check(value: Any) -> Any:  # noqa: ANN401 - checked here
        # A member of a text enum equals a text and is another value; only exact types pass here.
        return value if (type(value) is str or value is None) and value in values else slow.encode(value)

    return check


def _list_of(check: Convert, slow: _Typed) -> Codec:
    def encode(value: Any) -> Json:  # noqa: ANN401 - checked here
        kind = value.__class__
        if kind is list or kind is tuple or kind is Items:
            try:
                return [check(v) for v in value]
            except ValueRefused:
                pass  # refused again below, saying which item it is
        return slow.encode(value)

    def decode(value: Json) -> Any:  # noqa: ANN401 - Items
        kind = value.__class__
        return Items([check(v) for v in value]) if kind is list else slow.decode(value)

    return Codec(encode, decode, list)
