"""The state schema: fields with their types and reducers, made from a pydantic model.

A field stands between three forms of a value: what a node returns (`encode` validates it and gives JSON), what a trace
holds (JSON), and what the state holds (`decode`, always from JSON, so that a live run and its replay see the same).
`hand` gives a node what it may look at without being able to change the state, `reduce` folds a write into the value.

A field read from a graph's JSON form knows no Python types: its values are JSON, built-in reducers work by their name.
Nothing here knows of nodes, edges or runs.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import partial
from inspect import Parameter, isroutine, signature
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints
from weakref import WeakKeyDictionary

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    PlainValidator,
    TypeAdapter,
    WrapValidator,
)
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from graphrt import hints
from graphrt.errors import Mistake
from graphrt.inputs import Json
from graphrt.items import Items, is_items, is_listed
from graphrt.reducers import BUILT_IN, NEEDS, Reducer, extend, reducer_named, union
from graphrt.values import UNTYPED, Convert, ValueRefused, brief, codec_of, same

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

S = TypeVar("S", bound=BaseModel)


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "MISSING"


MISSING: Final = Missing.MISSING
"""Stands where a field has no default."""


def _hand(value: Any) -> Any:  # noqa: ANN401 - any value of the state
    """Give a node a value that it may do anything with."""
    if value.__class__ in hints.SCALARS:
        return value
    return value.guarded() if is_items(value) else copy.deepcopy(value)


def _as_list(value: Any) -> Any:  # noqa: ANN401 - any value of the state
    """Give a node a list of its own, where its items cannot change."""
    return list(value) if is_items(value) else value


class Field:
    """One field of the state. The conversions are attributes that hold functions, for they are called at every step.

    Attributes:
        name: Its name in the state type; aliases are not used.
        type_text: Its type as its author would write it.
        annotation: Its type; None in a field read from JSON.
        reducer: How writes are folded in; None if a write replaces.
        default_json: JSON form of the default, or MISSING if there is none or a function makes it.
        required: Whether the initial state must give it.
        encode: Validate a value that a node wrote, and return its JSON form. Raises ValueRefused.
        decode: Read back the JSON form of a write. Raises ValueRefused.
        encode_whole: As `encode`, against the type of the field itself: a replacing write, the initial state.
        decode_whole: As `decode`, for the whole field.
        encode_state_value: JSON form of the field's present value.
        hand: What a node receives: what cannot change as it is, lists as immutable sequences, others as copies.
        hand_list: As `hand`, but a list is a new list, for whoever says that it wants one.
        reduce: Fold a decoded write into the present value.
    """

    __slots__ = (
        "__weakref__",
        "_schema",
        "annotation",
        "decode",
        "decode_whole",
        "default_json",
        "encode",
        "encode_state_value",
        "encode_whole",
        "hand",
        "hand_list",
        "name",
        "reduce",
        "reducer",
        "required",
        "type_text",
    )

    def __init__(
        self,
        name: str,
        annotation: Any = None,  # noqa: ANN401 - an annotation may be anything
        *,
        type_text: str | None = None,
        schema: Json = None,
        reducer: Reducer | None = None,
        default_json: Json = MISSING,
        required: bool = True,
    ) -> None:
        self.name = name
        self.annotation = annotation
        self.type_text = hints.text_of(annotation) if type_text is None else type_text
        self.reducer = reducer
        self.default_json = default_json
        self.required = required
        self._schema: Json = schema
        typed = annotation is not None
        whole = write = codec_of(annotation, name) if typed else UNTYPED
        if typed and reducer is not None and reducer.takes is not annotation:
            write = codec_of(reducer.takes, name)
        self.encode: Convert = write.encode
        self.decode: Convert = write.decode
        self.encode_whole: Convert = whole.encode
        self.decode_whole: Convert = whole.decode
        self.encode_state_value: Convert = whole.dump
        unchanging = typed and _unchanging(annotation)
        self.hand: Convert = same if unchanging else _hand
        self.hand_list: Convert = self.hand
        if not typed or hints.holds_list(annotation):
            self.hand_list = _as_list if unchanging else plain
        self.reduce: Callable[[Any, Any], Any] = self._reducing()

    def _reducing(self) -> Callable[[Any, Any], Any]:
        reducer = self.reducer
        if reducer is None:
            return _replace
        if reducer.own and self.annotation is not None:
            return partial(_reduce_by_own, reducer.fn, self)
        if reducer.name == "union" and self.annotation is None and self.schema.get("uniqueItems"):
            return _union_of_sets
        return reducer.fn

    @property
    def takes(self) -> Any:  # noqa: ANN401 - a type
        """The type of a write: the reducer's, else the field's own. None in a field read from JSON."""
        return self.annotation if self.reducer is None else self.reducer.takes

    @property
    def takes_text(self) -> str:
        """The type of a write, printed."""
        return self.type_text if self.takes is None else hints.text_of(self.takes)

    def stands_for(self, other: Field) -> bool:
        """Tell whether every value that this field can have in a state is one of the other as it stands.

        Both have the same type, and what a built-in reducer made of valid writes is valid as well.
        """
        if self.annotation is None or other.annotation is None:
            return self.annotation is other.annotation and self.schema == other.schema
        # Unions are equal in any order, and take a value for that of their first member that it fits.
        same_type = self.annotation == other.annotation and repr(self.annotation) == repr(other.annotation)
        return same_type and (self.reducer is None or self.reducer.own or self._holds_what_it_takes())

    def _holds_what_it_takes(self) -> bool:
        """Tell whether a built-in reducer leads from valid values to valid ones: there are no bounds to be left."""
        added = self.reducer is not None and self.reducer.name == "add"
        return not hints.is_constrained(self.annotation) and not (added and self.annotation is not int)

    @property
    def schema(self) -> Json:
        """JSON schema of the field's type.

        Raises:
            PydanticUserError: its values have no JSON form.
        """
        if self._schema is None:
            self._schema = _without_titles(TypeAdapter(self.annotation).json_schema())
        return self._schema

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form: name, type as text and as JSON schema, reducer by name, default."""
        out: dict[str, Json] = {"name": self.name, "type": self.type_text, "schema": self.schema}
        if self.reducer is not None:
            out["reducer"] = self.reducer.name
            if self.reducer.own:
                out["own_reducer"] = True
        if self.default_json is not MISSING:
            out["default"] = self.default_json
        elif not self.required:
            out["made"] = True
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Field:
        """Read the JSON form back: a field without Python types."""
        reducer = None
        if "reducer" in data:
            reducer = reducer_named(data["reducer"], data["name"], own=bool(data.get("own_reducer")))
        return cls(
            data["name"],
            type_text=data["type"],
            schema=data["schema"],
            reducer=reducer,
            default_json=data.get("default", MISSING),
            required="default" not in data and not data.get("made"),
        )

    def __repr__(self) -> str:
        reducer = f", {self.reducer.name}" if self.reducer else ""
        return f"Field({self.name!r}, {self.type_text}{reducer})"


def _replace(_old: object, new: Any) -> Any:  # noqa: ANN401 - a value of the field
    return new


def _union_of_sets(old: list[Json], new: list[Json]) -> Items[Json]:
    """Keep the order in which a typed field writes a set."""
    return Items(sorted(union(list(old), new), key=partial(json.dumps, sort_keys=True)))


def _reduce_by_own(fn: Callable[[Any, Any], Any], field: Field, old: Any, new: Any) -> Any:  # noqa: ANN401 - values
    """Reduce by the author's function, which may neither change what it is given nor return what does not fit."""
    return field.decode_whole(field.encode_whole(fn(field.hand(old), _hand(new))))


def _unchanging(annotation: Any) -> bool:  # noqa: ANN401 - an annotation may be anything
    """Tell whether values of this type can be handed out as they are: immutable ones, and lists of such (Items)."""
    return all(
        hints.is_immutable(get_args(m)[0]) if get_origin(m) is list else hints.is_immutable(m)
        for m in hints.members(annotation)
    )


def _without_titles(schema: Json) -> Json:
    """Drop the titles that pydantic derives from names: they say nothing new."""
    if hints.is_mapping(schema):
        return {k: _without_titles(v) for k, v in schema.items() if not (k == "title" and isinstance(v, str))}
    return [_without_titles(v) for v in schema] if is_listed(schema) else schema


# --- from a state type to fields ------------------------------------------------------------------------------------

_CONTAINERS: Final[frozenset[Any]] = frozenset({list, dict, set, tuple, frozenset})
"""Default factories that always make the same."""

_VALIDATORS: dict[str, Any] = {
    "after": AfterValidator,
    "before": BeforeValidator,
    "wrap": WrapValidator,
    "plain": PlainValidator,
}

_known: WeakKeyDictionary[type[BaseModel], tuple[tuple[Field, ...], tuple[Mistake, ...]]] = WeakKeyDictionary()


def fields_of(state_type: type[BaseModel]) -> tuple[tuple[Field, ...], tuple[Mistake, ...]]:
    """Return the fields of a state type in their order, and what is wrong with them. Computed once per type."""
    known = _known.get(state_type)
    if known is None:
        mistakes: list[Mistake] = []
        fields = tuple(_field(state_type, name, info, mistakes) for name, info in state_type.model_fields.items())
        known = _known[state_type] = fields, tuple(mistakes)
    return known


def check_state_type(state_type: object) -> str | None:
    """Return why something cannot be a state type; None if it can."""
    if not hints.is_model(state_type):
        return f"the state type must be a pydantic model (derived from pydantic.BaseModel), got {brief(state_type)}"
    if state_type.__pydantic_root_model__:  # asked this way, pydantic need not load its models' machinery yet
        return f"the state type must have named fields; {state_type.__name__} is a RootModel"
    return None


def _field(state_type: type[BaseModel], name: str, info: FieldInfo, mistakes: list[Mistake]) -> Field:
    where = f"field {name!r} of {state_type.__name__}"

    def wrong(code: str, message: str) -> None:
        mistakes.append(Mistake(code, f"{where} {message}"))

    reducers: list[Any] = [m for m in info.metadata if isroutine(m)]
    constraints = [m for m in info.metadata if m not in reducers]
    annotation = info.annotation
    bare_type = annotation
    constraints += [
        _VALIDATORS[d.info.mode](d.func)
        for d in state_type.__pydantic_decorators__.field_validators.values()
        if name in d.info.fields or "*" in d.info.fields
    ]
    if info.discriminator is not None:
        constraints.append(_discriminator(info.discriminator))
    if constraints:
        # Annotated takes its parts as one tuple, which type checkers do not follow.
        annotation = Annotated[tuple([annotation, *constraints])]  # type: ignore[assignment]  # noqa: C409
    if len(reducers) > 1:
        wrong("two-reducers", "has more than one reducer; keep one")
    if hints.is_secret(annotation):
        wrong(
            "secret-in-state",
            f"has the type {hints.text_of(annotation)}: secrets never enter the state, because the state is recorded;"
            " hand in a client as a resource and read it by Context.resource",
        )
    reducer = _reducer(reducers[0], bare_type, wrong) if reducers else None
    field = Field(name, annotation, reducer=reducer, required=info.is_required())
    try:
        _ = field.schema
    except (PydanticInvalidForJsonSchema, PydanticUserError):
        wrong(
            "no-json-form",
            f"has the type {field.type_text}, whose values have no JSON form, so they cannot be recorded",
        )
        return field
    default = _default(info)
    if default is not MISSING:
        try:
            field.default_json = field.encode_whole(default)
        except ValueRefused as refused:
            wrong("bad-default", f"has a default that does not fit: takes {refused.expected}, got {refused.found}")
    return field


def _discriminator(given: Any) -> Any:  # noqa: ANN401 - naming its type loads what is kept from loading here
    """Return what tells the members of a union apart, as an annotation has it."""
    from pydantic import Discriminator  # noqa: PLC0415 - brings all of pydantic's own types, and few models need it

    return given if isinstance(given, Discriminator) else Discriminator(given)


def _default(info: FieldInfo) -> Any:  # noqa: ANN401 - a value of the field
    """Return the default if it is always the same; else MISSING, also where a function makes it."""
    factory: Any = info.default_factory
    if factory is not None:
        made: Any = MISSING
        if (get_origin(factory) or factory) in _CONTAINERS:  # `list`, and `list[str]` as strict type checkers want it
            made = factory()
        return made
    return MISSING if info.is_required() else info.default


# The annotation of a field may be anything.
def _reducer(fn: Callable[[Any, Any], Any], annotation: Any, wrong: Callable[[str, str], None]) -> Reducer | None:  # noqa: ANN401
    if fn in BUILT_IN:
        name, do = BUILT_IN[fn]
        some = hints.members(annotation)
        kinds, needed = NEEDS.get(name, ((), ""))
        if kinds and not (len(some) == 1 and (get_origin(some[0]) or some[0]) in kinds):
            wrong(
                "reducer-type",
                f"has the reducer {name}, which needs {needed}, but its type is {hints.text_of(annotation)}",
            )
            return None
        if name == "add" and (get_origin(some[0]) or some[0]) is list:
            name, do = "extend", extend
        takes = annotation
        if name == "append":
            takes = (get_args(some[0]) or (Any,))[0]
        return Reducer(name, do, takes=takes)
    name = getattr(fn, "__qualname__", "")
    if "<lambda>" in name or not name:
        wrong(
            "unnamed-reducer",
            "has a lambda as its reducer; give it a name (def), so that graphs and traces can say what it is",
        )
        return None
    takes = _second_parameter(fn, annotation, wrong)
    return Reducer(name.rpartition("<locals>.")[2], fn, own=True, takes=takes)


# The annotation of a field may be anything.
def _second_parameter(fn: Callable[[Any, Any], Any], annotation: Any, wrong: Callable[[str, str], None]) -> Any:  # noqa: ANN401
    try:
        named = [
            p
            for p in signature(fn).parameters.values()
            if p.kind in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
        ]
    except (TypeError, ValueError):
        return annotation
    if len(named) < 2:
        wrong(
            "reducer-parameters",
            f"has the reducer {fn.__name__}, which must take two values: the old one and what is written",
        )
        return annotation
    try:
        hints = get_type_hints(fn, include_extras=True)
    except (NameError, TypeError):
        hints = {}
    hint = hints.get(named[1].name, annotation)
    return annotation if isinstance(hint, TypeVar) or hint is Any else hint


# --- whole states ---------------------------------------------------------------------------------------------------


def encode_state(fields: Iterable[Field], state: object) -> dict[str, Json]:
    """Return the JSON form of an initial state, field by field.

    Raises:
        ValueRefused: a field does not fit its type (a model may be changed or built without validation).
    """
    return {f.name: f.encode_whole(getattr(state, f.name)) for f in fields}


def plain(value: Any) -> Any:  # noqa: ANN401 - any value of the state
    """Return a copy of a state value as its type says it: lists as lists. It shares nothing with the state."""
    if value.__class__ in hints.SCALARS:
        return value
    return copy.deepcopy(list(value) if is_items(value) else value)


def make_state(state_type: type[S], state: Mapping[str, Any]) -> S:
    """Return decoded field values as an instance of the state type, which shares nothing with the state."""
    return state_type.model_construct(**{name: plain(value) for name, value in state.items()})
