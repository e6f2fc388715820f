"""Records that authors vary with `dataclasses.replace`: `replace(retry, attempts=5)`.

msgspec tells type checkers that its structs are dataclasses, so they accept this, and `asdict`, on every struct; at run
time a struct needs the fields of a dataclass for it. Those that authors make have them.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final, TypeVar

import msgspec

_FIELDS: Final = "__dataclass_fields__"
K = TypeVar("K", bound=type[msgspec.Struct])


def varied(kind: K) -> K:
    """Let the functions of `dataclasses` work on the instances of a struct whose fields all have fixed defaults."""
    defaults = zip(kind.__struct_fields__, kind.__struct_defaults__, strict=True)
    fields = [(name, kind.__annotations__[name], dataclasses.field(default=default)) for name, default in defaults]
    # Made by the library itself, so that nothing here depends on what such a field is made of.
    made: Any = dataclasses.make_dataclass(kind.__name__, fields)
    setattr(kind, _FIELDS, made.__dataclass_fields__)
    return kind
