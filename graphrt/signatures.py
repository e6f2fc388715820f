"""What a Python function says about itself: its parameters, what it returns, whether and how it can be called.

Read once per function and kept. Nothing here knows of flows; `fits` compares two types as far as that is certain.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, ForwardRef, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from graphrt import hints
from graphrt.context import Context
from graphrt.hints import UNSAID
from graphrt.items import Items


class Parameter(msgspec.Struct, frozen=True):
    """A parameter that a flow may fill."""

    name: str
    annotation: Any
    required: bool
    fixed: bool
    """A `partial` has filled it already."""


class Signature(msgspec.Struct, frozen=True):
    """What a function says about itself."""

    name: str
    """Short name; empty for a lambda and for callables that have none."""
    path: str
    """Qualified name without the module: a file may be loaded under several names and must keep its digest."""
    params: tuple[Parameter, ...]
    returns: Any
    is_async: bool
    problem: str | None
    """Why it cannot be called with fields of a state; None if it can."""


_AWAITED: Final = frozenset({Awaitable, Coroutine, types.CoroutineType})
_known: dict[int, tuple[Any, Signature]] = {}
_MOST_KNOWN: Final = 10_000


def signature_of(fn: Callable[..., Any]) -> Signature:
    """Return what `fn` says about itself."""
    known = _known.get(id(fn))
    if known is not None and known[0] is fn:
        return known[1]
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    found = _read(fn)
    _known[id(fn)] = fn, found  # holds the function, so that no other one takes over its id
    return found


def _innermost(fn: Any) -> Any:  # noqa: ANN401 - any callable
    """Return the function that holds annotations and name: behind partials, methods and callable objects."""
    fn = _unfilled(fn)
    if not inspect.isroutine(fn) and not isinstance(fn, type) and callable(fn):
        fn = type(fn).__call__
    return fn


def _unfilled(fn: Any) -> Any:  # noqa: ANN401 - any callable
    """Return what a partial fills."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def _read(fn: Any) -> Signature:  # noqa: ANN401 - any callable
    inner = _innermost(fn)
    named = _unfilled(fn)
    name = getattr(named, "__name__", "") if inspect.isroutine(named) else type(named).__name__
    qualified = str(getattr(named, "__qualname__", type(named).__qualname__))
    path = qualified.rpartition("<locals>.")[2]
    name = "" if name == "<lambda>" else name
    try:
        found = inspect.signature(fn)
    except (TypeError, ValueError):
        return Signature(
            name,
            path,
            (),
            UNSAID,
            is_async=False,
            problem="does not tell its parameters; wrap it in a function that does",
        )
    given = frozenset(fn.keywords) if isinstance(fn, functools.partial) else frozenset[str]()
    resolved = _resolved(inner)
    params: list[Parameter] = []
    problem = None
    for p in found.parameters.values():
        if p.kind in {p.VAR_POSITIONAL, p.VAR_KEYWORD}:
            continue
        if p.kind is p.POSITIONAL_ONLY and p.default is not p.empty:
            continue
        if p.kind is p.POSITIONAL_ONLY:
            problem = f"has the positional-only parameter {p.name!r}, but fields are passed by name; remove the `/`"
        annotation = resolved.get(p.name, p.annotation)
        params.append(Parameter(p.name, annotation, p.default is p.empty, p.name in given))
    if isinstance(named, type):
        problem = "is a class, not a function; give a function that makes one"
    elif _is_unbound(named, params):
        problem = f"is an unbound method; pass a bound one, {qualified.rpartition('.')[0]}(…).{name}"
    elif inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        problem = "is a generator; return the value, and stream text with Context.emit"
    returns = resolved.get("return", found.return_annotation)
    is_async = inspect.iscoroutinefunction(inner) or get_origin(returns) in _AWAITED
    return Signature(name, path, tuple(params), returns, is_async, problem)


def _is_unbound(fn: object, params: list[Parameter]) -> bool:
    if not inspect.isfunction(fn) or not params or params[0].name not in {"self", "cls"}:
        return False
    holder = fn.__qualname__.rpartition(".")[0]
    return bool(holder) and not holder.endswith("<locals>")


def _resolved(fn: Any) -> dict[str, Any]:  # noqa: ANN401 - any function
    """Return the annotations as types; those whose names cannot be found stay text."""
    try:
        return get_type_hints(fn, include_extras=True)
    except Exception:  # noqa: BLE001 - an annotation may hold any expression
        raw: Mapping[str, Any] = getattr(fn, "__annotations__", {})
    found: dict[str, Any] = {}
    for name, annotation in raw.items():
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found[name] = get_type_hints(alone, globalns=getattr(fn, "__globals__", {}), include_extras=True)[name]
        except Exception:  # noqa: BLE001 - as above
            found[name] = annotation
    return found


def is_context(annotation: Any) -> bool:  # noqa: ANN401 - an annotation
    """Tell whether a parameter asks for the `Context`."""
    if isinstance(annotation, str):
        return annotation.strip("\"'").rpartition(".")[2] in {"Context", "Context | None"}
    return Context in hints.members(annotation)


def is_state(annotation: Any, state_type: type[Any]) -> bool:  # noqa: ANN401 - an annotation
    """Tell whether a parameter asks for the whole state."""
    if isinstance(annotation, str):
        return annotation.strip("\"'").rpartition(".")[2] == state_type.__name__
    return annotation is state_type


def takes_view(annotation: Any) -> bool:  # noqa: ANN401 - an annotation
    """Tell whether a parameter is content with a list that cannot be changed, as `Sequence[str]` is."""
    if isinstance(annotation, type):  # nearly always
        return annotation is not object and issubclass(Items, annotation)
    kinds = [get_origin(m) or m for m in hints.without_none(annotation)]
    return bool(kinds) and all(isinstance(k, type) and k is not object and issubclass(Items, k) for k in kinds)


def returned(signature: Signature) -> Any:  # noqa: ANN401 - an annotation
    """Return the type of the value that a call ends with: of what is awaited, if it is awaited."""
    annotation = signature.returns
    return get_args(annotation)[-1] if get_origin(annotation) in _AWAITED else annotation


# --- do two types fit? ----------------------------------------------------------------------------------------------

_NUMBERS: Final[dict[type, tuple[type, ...]]] = {float: (int,), complex: (int, float)}


def fits(have: Any, want: Any) -> bool:  # noqa: ANN401 - annotations
    """Tell whether a value of type `have` may be one of type `want`; False only where that is certainly not so."""
    if have is want or _is_open(have) or _is_open(want):
        return True
    wanted = hints.members(want)
    return all(any(_may_be(h, w) for w in wanted) for h in hints.members(have))


def _is_open(annotation: Any) -> bool:  # noqa: ANN401 - an annotation
    return (
        annotation is UNSAID
        or annotation is Any
        or isinstance(annotation, (str, TypeVar, ForwardRef))
        or annotation is object
    )


def _may_be(have: Any, want: Any) -> bool:  # noqa: ANN401 - annotations, no unions
    have, want = (type(None) if t is None else t for t in (have, want))
    if _is_open(have) or _is_open(want):
        return True
    if get_origin(have) is Literal:
        if get_origin(want) is Literal:
            return set(get_args(have)) <= set(get_args(want))
        return all(_may_be(type(v), want) for v in get_args(have))
    if get_origin(want) is Literal:
        return any(_may_be(have, type(v)) for v in get_args(want))
    own, other = get_origin(have) or have, get_origin(want) or want
    if not isinstance(own, type) or not isinstance(other, type):
        return True
    try:
        related = issubclass(own, other) or issubclass(other, own) or own in _NUMBERS.get(other, ())
    except TypeError:
        return True
    if not related or ((own is bool) != (other is bool) and {own, other} == {bool, int}):
        return False
    mine, theirs = get_args(have), get_args(want)
    if own is other and len(mine) == len(theirs):
        return all(
            a is b or fits(a, b) for a, b in zip(mine, theirs, strict=True) if a is not Ellipsis and b is not Ellipsis
        )
    return True
