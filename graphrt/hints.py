"""What a type annotation says about its values: how it prints, whether they can change, whether they hold secrets.

Reads annotations only; validates nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from inspect import Parameter
from pathlib import PurePath
from typing import (
    Annotated,
    Any,
    Final,
    ForwardRef,
    Literal,
    TypeGuard,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from pydantic import BaseModel

UNSAID: Final = Parameter.empty
"""Stands for a type that is not known, as that of a parameter without an annotation."""

SCALARS: frozenset[Any] = frozenset({str, int, float, bool, type(None)})
"""Types whose values stand for themselves in JSON and never change."""

_IMMUTABLE: tuple[type, ...] = (
    str,
    int,
    float,
    bool,
    type(None),
    bytes,
    Enum,
    Decimal,
    UUID,
    PurePath,
    dt.date,
    dt.time,
    dt.timedelta,
    dt.tzinfo,
)


def bare(annotation: Any) -> Any:  # noqa: ANN401 - an annotation may be anything
    """Return the annotation without `Annotated` and without the name of a type alias (`type X = …`)."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def members(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as above
    """Return the members of a union, and of any other annotation the annotation itself."""
    if type(annotation) is type:  # a plain class, as nearly all are: freezing asks for each node
        return (annotation,)
    plain = bare(annotation)
    if get_origin(plain) in {Union, types.UnionType}:
        return tuple(m for part in get_args(plain) for m in members(part))
    return (plain,)


def is_constrained(annotation: Any) -> bool:  # noqa: ANN401 - as above
    """Tell whether an annotation, or a member of it if it is a union, carries more than its type (`Annotated`)."""
    if get_origin(annotation) is Annotated:
        return True
    if type(annotation).__name__ == "TypeAliasType":
        return is_constrained(annotation.__value__)
    return get_origin(annotation) in {Union, types.UnionType} and any(map(is_constrained, get_args(annotation)))


def without_none(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as above
    """Return the members of a union that are not None."""
    return tuple(m for m in members(annotation) if m is not None and m is not type(None))


def apart_from_none(annotation: Any) -> Any:  # noqa: ANN401 - as above
    """Return the annotation without None, where it is a member of a union; what else the annotation says stays."""
    if type(annotation).__name__ == "TypeAliasType":
        return apart_from_none(annotation.__value__)
    if get_origin(annotation) is Annotated:
        inside, *facts = get_args(annotation)
        return Annotated[apart_from_none(inside), *facts]
    if get_origin(annotation) in {Union, types.UnionType}:
        left = tuple(apart_from_none(a) for a in get_args(annotation) if a is not type(None))
        return Union[left] if left else annotation  # noqa: UP007 - of members that are known only here
    return annotation


def literal_values(annotation: Any) -> tuple[Any, ...] | None:  # noqa: ANN401 - as above
    """Return the values that a type of Literals, Enums and None admits, without None; None if it admits others."""
    values: list[Any] = []
    for member in members(annotation):
        if get_origin(member) is Literal:
            values += [v for v in get_args(member) if v is not None]
        elif isinstance(member, type) and issubclass(member, Enum):
            values += list(member)
        elif member is not None and member is not type(None):
            return None
    return tuple(values) or None


def text_of(annotation: Any) -> str:  # noqa: ANN401 - as above
    """Print an annotation as its author would: `list[str]`, `Literal["a", "b"] | None`, `Order`."""
    if get_origin(annotation) is Annotated:
        return text_of(get_args(annotation)[0])
    if annotation is None or annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        return " | ".join(text_of(a) for a in arguments)
    if origin is Literal:
        return f"Literal[{', '.join(_literal_text(v) for v in arguments)}]"
    if origin is not None and arguments:
        name = getattr(origin, "__name__", str(origin))
        return f"{name}[{', '.join(map(text_of, arguments))}]"
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    return getattr(annotation, "__name__", None) or str(annotation)


def _literal_text(value: object) -> str:
    if isinstance(value, str) and not isinstance(value, Enum):
        return json.dumps(value, ensure_ascii=False)
    return f"{type(value).__name__}.{value.name}" if isinstance(value, Enum) else repr(value)


def parts(annotation: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    """Yield every annotation inside, itself first: arguments of generics, fields of models, dataclasses, dicts."""
    todo: list[Any] = [annotation]
    seen: dict[int, Any] = {}
    while todo:
        part = bare(todo.pop())
        if id(part) in seen:
            continue
        seen[id(part)] = part  # kept, so that no other object takes over its id
        yield part
        if get_origin(part) is not Literal:
            todo += [a for a in get_args(part) if not isinstance(a, (list, str))]
        todo += inner(part).values()


def inner(annotation: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return the fields of a model, dataclass or typed dict by name; nothing for other types."""
    kind: Any = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return {}
    if is_model(kind):
        return {name: info.annotation for name, info in kind.model_fields.items()}
    if _has_fields(kind):
        try:
            return get_type_hints(kind)
        except (NameError, TypeError):
            return {}
    return {}


def is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    """Tell whether this is a class of pydantic models."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _has_fields(kind: Any) -> bool:  # noqa: ANN401 - a class
    # A typed dict, of `typing` or of `typing_extensions`, is a dict class that lists its required keys.
    listed = hasattr(cast("type[object]", kind), "__required_keys__")
    return dataclasses.is_dataclass(kind) or (listed and issubclass(kind, dict))


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Tell whether a value is a mapping."""
    return isinstance(value, Mapping)


def is_set(value: object) -> TypeGuard[set[Any] | frozenset[Any]]:
    """Tell whether a value is a set."""
    return isinstance(value, (set, frozenset))


def holds_list(annotation: Any) -> bool:  # noqa: ANN401 - as above
    """Tell whether a value of this type may be a list."""
    return any((get_origin(m) or m) in {list, Any} for m in members(annotation))


def is_secret(annotation: Any) -> bool:  # noqa: ANN401 - as above
    """Tell whether values of this type may hold a pydantic secret."""
    # Pydantic's own types are a tenth of what it loads; the first model brings them, importing graphrt need not.
    from pydantic import Secret, SecretBytes, SecretStr  # noqa: PLC0415

    for part in parts(annotation):
        kind = get_origin(part) or part
        if isinstance(kind, type) and issubclass(kind, (SecretStr, SecretBytes, Secret)):
            return True
    return False


def is_immutable(annotation: Any) -> bool:  # noqa: ANN401 - as above
    """Tell whether no value of this type, nor anything inside it, can be changed."""
    for part in parts(annotation):
        kind = get_origin(part) or part
        if kind in {Union, types.UnionType, Literal, None, Ellipsis, tuple, frozenset}:
            continue
        if not isinstance(kind, type):
            return False
        if issubclass(kind, _IMMUTABLE):
            continue
        if issubclass(kind, BaseModel) and _is_fixed(kind):
            continue
        if dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # set by dataclasses
            continue
        return False
    return True


def _is_fixed(kind: type[BaseModel]) -> bool:
    """Tell whether no attribute of a model can be set, nor be one that its type does not tell of."""
    config = kind.model_config
    return bool(config.get("frozen")) and config.get("extra") != "allow" and not kind.__private_attributes__
