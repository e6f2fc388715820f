"""A flow while it is frozen: what its names mean, what its expressions may read, and every mistake found so far.

Mistakes are collected, never raised one by one; each says what was found, where it was written, what was expected and
what to do. What cannot be understood is noted and left out, so that one mistake hides no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args, get_origin

import msgspec

from graphrt import hints, trees
from graphrt.drafts import Node, NodeDraft, Place
from graphrt.errors import DefinitionError, Mistake
from graphrt.expressions import Expression, Space, as_function, condition_of, did_you_mean, field_name, part_type
from graphrt.fields import Field, fields_of
from graphrt.guards import Change, Guard
from graphrt.items import is_listed
from graphrt.kinds import kinds_of, type_of
from graphrt.signatures import Parameter, Signature, fits, is_context, is_state, returned, signature_of, takes_view
from graphrt.tree_forms import constant_text, text_of
from graphrt.values import ValueRefused, brief

if TYPE_CHECKING:
    from pydantic import BaseModel

    from graphrt.reducers import Reducer

Params: TypeAlias = tuple[tuple[str, str], ...]
"""(parameter, field) in the order of the signature."""


class Seen(msgspec.Struct, frozen=True):
    """What a node reads: a field or a part of one, under the name by which the node knows it."""

    field: Field
    """With that name, and the type of what is read."""
    tree: trees.Tree

    @property
    def change(self) -> Change:
        """What it is, as an assignment to its name."""
        return Change(self.field.name, self.tree)


class Bound(msgspec.Struct, frozen=True):
    """What fills the parameters of a function."""

    params: Params
    """Those that whole fields fill."""
    parts: tuple[Change, ...] = ()
    """Those that parts of fields fill."""
    context: str | None = None
    whole: str | None = None
    """The parameter that receives the whole state."""


@lru_cache(maxsize=1024)
def _short(file: str) -> str:
    """Return a path relative to the working directory if it lies inside."""
    here = os.getcwd()  # noqa: PTH109 - text in, text out
    return os.path.relpath(file, here) if file.startswith(here + os.sep) else file


def place_text(place: Place) -> str:
    """Print a place as `file:line`."""
    return f"{_short(place[0])}:{place[1]}"


def listed(names: Iterable[object]) -> str:
    """Print names one after the other."""
    return ", ".join(repr(n) for n in names)


def is_nothing(value: object) -> bool:
    """Tell whether an author left something out; never asks an expression, which would refuse."""
    return value is None or (is_listed(value) and not value)


def all_of(value: object) -> Sequence[object]:
    """Return the members of a list or tuple, and anything else as the only one."""
    return value if is_listed(value) else (value,)


def _replaces(field: Field, reducer: Reducer, value: object) -> str:
    """Say that an assignment passes the reducer by, and how to add an item, if that is what was meant."""
    says = f"; it replaces the whole field, without its reducer {reducer.name!r}"
    if reducer.name != "append":
        return says
    try:
        field.encode(value)
    except ValueRefused:
        return says
    return f"{says}; to add an item write let({field.name}).take({value!r})"


class Definition:
    """What is known of a flow while it is frozen."""

    def __init__(
        self, name: str, state_type: type[BaseModel], space: Space, drafts: Sequence[NodeDraft], owner: object
    ) -> None:
        self.name = name
        self.state_type = state_type
        self.space = space
        self.drafts = drafts
        self.owner = owner
        self.fields, mistakes = fields_of(state_type)
        self.field = {f.name: f for f in self.fields}
        self.items: set[str] = set()
        """Fields that hold the item of a branch, where they are read in one; elsewhere they may be None."""
        self.mistakes: list[Mistake] = list(mistakes)

    def wrong(self, code: str, message: str, place: Place | None) -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(code, message, place_text(place) if place else None))

    def wrong_inside(self, where: str, wrong: DefinitionError, place: Place) -> None:
        """Note the mistakes of a flow inside this one."""
        self.mistakes += [
            Mistake(m.code, f"inside {where}: {m.message}", m.place or place_text(place)) for m in wrong.mistakes
        ]

    def own(self, value: object, what: str, place: Place) -> Field | None:
        """Return the field of this flow's state that an expression names."""
        name = field_name(value)
        if name is None:
            whole = "" if part_type(value) is None else "; a part of a field cannot stand here, so name the whole field"
            self.wrong("not-a-field", f"{what} must be a field of flow.state, got {value!r}{whole}", place)
            return None
        if cast("Expression", value).__spaces__ != (self.space,):
            self.wrong(
                "foreign-state",
                f"{what} is {name!r} of another flow's state; use the state of flow {self.name!r}",
                place,
            )
            return None
        return self.field[name]

    def seen(self, value: object, what: str, place: Place, name: str | None = None) -> Seen | None:
        """Return what a node reads: a field of this flow's state, or a part of one such as `s.plan.step`.

        A part is known by the last name that it is written with, unless another `name` is given.
        """
        kind = part_type(value)
        if kind is None:
            field = self.own(value, what, place)
            if field is None:
                return None
            named = field if name in {None, field.name} else Field(str(name), field.annotation)
            return Seen(named, trees.Read(field.name))
        part = cast("Expression", value)
        if part.__spaces__ != (self.space,):
            self.wrong("foreign-state", f"{what} is {part!r} of another flow's state", place)
            return None
        tree = part.__tree__
        last = tree.name if isinstance(tree, trees.Attribute) else getattr(tree, "key", None)
        known = name or (last if isinstance(last, str) and last.isidentifier() else None)
        if known is None:
            self.wrong(
                "not-a-field", f'{what} is {part!r}, which needs a name of its own: reads={{"name": s.{part!r}}}', place
            )
            return None
        return Seen(Field(known, kind), tree)

    def several(self, value: object, what: str, place: Place) -> tuple[Field, ...]:
        """Return the fields that one expression or several name."""
        found: dict[str, Field] = {}
        for each in all_of(value):
            field = self.own(each, what, place)
            if field is not None and field.name in found:
                self.wrong("named-twice", f"{what} names {field.name!r} twice", place)
            elif field is not None:
                found[field.name] = field
        return tuple(found.values())

    def index(self, value: object, what: str, place: Place) -> int | None:
        """Return the index of a node of this flow."""
        if isinstance(value, Node):
            if value.flow is self.owner:
                return value.index
            other = getattr(value.flow, "name", "?")
            self.wrong(
                "foreign-node",
                f"{what} is {value.name!r} of flow {other!r}; nodes belong to the flow that made them",
                place,
            )
            return None
        remedy = "give the node itself, as flow.task, flow.agent … returned it"
        if isinstance(value, str) and any(d.name == value for d in self.drafts):
            remedy = f"give the node itself, not its name {value!r}"
        elif any(d.fn is value for d in self.drafts if d.fn is not None):
            remedy = "this is the plain function; give what flow.task returned for it"
        self.wrong("not-a-node", f"{what} is {brief(value)}; {remedy}", place)
        return None

    def ends(self, value: object, what: str, place: Place) -> list[int]:
        """Return the indices of one node or several."""
        if isinstance(value, Node) and value.flow is self.owner:  # nearly always
            return [value.index]
        if is_nothing(value):
            self.wrong("no-node", f"{what} is missing; give a node", place)
            return []
        return [i for v in all_of(value) if (i := self.index(v, what, place)) is not None]

    def count(self, value: object, name: str, what: str, place: Place) -> int | None:
        """Return a number from 1 on, None for none."""
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.wrong("count", f"{what} has {name}={value!r}; it is a number from 1", place)
            return None
        return value

    def bound(self, signature: Signature, explicit: Mapping[str, Seen], where: str, place: Place) -> Bound:
        """Return what fills each parameter: those that are named in `explicit` by that, others by their own names."""
        params: list[tuple[str, str]] = []
        parts: list[Change] = []
        context = whole = None
        for p in signature.params:
            seen = explicit.get(p.name)
            if seen is None:
                if p.fixed:
                    continue
                if is_context(p.annotation):
                    context = p.name
                    continue
                if is_state(p.annotation, self.state_type):
                    whole = p.name
                    continue
                if p.name not in self.field:
                    if p.required:
                        self.wrong(
                            "unknown-field",
                            f"parameter {p.name!r} of {where} is not a field of {self.state_type.__name__}."
                            f"{did_you_mean(p.name, self.field) or f' Its fields are {listed(self.field)}'}",
                            place,
                        )
                    continue
                seen = Seen(self.field[p.name], trees.Read(p.name))
            self._check_parameter(p, seen, where, place)
            if isinstance(seen.tree, trees.Read):
                params.append((p.name, seen.tree.field))
            else:
                parts.append(Change(p.name, seen.tree))
        return Bound(tuple(params), tuple(parts), context, whole)

    def _check_parameter(self, parameter: Parameter, seen: Seen, where: str, place: Place) -> None:
        have, want = seen.field.annotation, parameter.annotation
        if not fits(have, want):
            sure = fits(hints.apart_from_none(have), want)
            if sure and isinstance(seen.tree, trees.Read) and seen.tree.field in self.items:
                return
            what = f"the field {seen.tree.field!r}" if isinstance(seen.tree, trees.Read) else text_of(seen.tree)
            self.wrong(
                "reads-type",
                f"parameter {parameter.name!r} of {where} is {hints.text_of(want)}, but {what} is {hints.text_of(have)}"
                + (f"; let it take None as well, or give {seen.field.name!r} a default of its type" if sure else ""),
                place,
            )

    def changes(
        self,
        given: object,
        what: str,
        place: Place,
        *,
        into: tuple[Mapping[str, Field], Space] | None = None,
        out_of: Space | None = None,
    ) -> tuple[Change, ...]:
        """Check assignments to the fields of one state by values read from another (or the same)."""
        fields, target = (self.field, self.space) if into is None else into
        source = self.space if out_of is None else out_of
        found: list[Change] = []
        for c in () if is_nothing(given) else all_of(given):
            if not isinstance(c, Change):
                self.wrong("not-a-change", f"{what} must be let(s.field).be(value), got {brief(c)}", place)
                continue
            if any(s is not target for s in c.spaces[0]) or any(s is not source for s in c.spaces[1]):
                self.wrong("foreign-state", f"{what}: {c.text} uses the state of another flow", place)
                continue
            if any(c.field == other.field and None in {c.reducer, other.reducer} for other in found):
                self.wrong("set-twice", f"{what} set {c.field!r} twice", place)
            # What a subgraph gives back is a write, taken by the reducer; what fills it is all that it begins with.
            writes = into is not None and target is self.space
            fills = into is not None and not writes
            if c.reducer is not None and not self._takes(fields[c.field], what, place, fills=fills):
                continue
            if isinstance(c.tree, trees.Constant):
                self._fitting(c, fields[c.field], what, place, writes=writes or c.reducer is not None)
            found.append(Change(c.field, c.tree, None if writes else c.reducer))
        return tuple(found)

    def _takes(self, field: Field, what: str, place: Place, *, fills: bool) -> bool:
        """Tell whether a field has a reducer that can take a value; note a mistake if not."""
        named = f"let({field.name}).take(…)"
        if fills:
            self.wrong(
                "no-reducer",
                f"{what}: {named} adds to what is there, but {field.name!r} is filled here;"
                f" write let({field.name}).be(…)",
                place,
            )
            return False
        if field.reducer is None:
            self.wrong(
                "no-reducer",
                f"{what}: {named} gives a value to a reducer, but {field.name!r} ({field.type_text}) has none;"
                f" write let({field.name}).be(…), or give the field a reducer (Annotated[…, append])",
                place,
            )
            return False
        return True

    def _fitting(self, change: Change, field: Field, what: str, place: Place, *, writes: bool) -> None:
        """See that a constant fits the field that it is assigned to, or what the field's reducer takes."""
        assert isinstance(change.tree, trees.Constant), "only constants are known now"
        value = change.tree.value
        try:
            (field.encode if writes else field.encode_whole)(value)
        except ValueRefused as refused:
            hint = "" if writes or field.reducer is None else _replaces(field, field.reducer, value)
            self.wrong("set-value", f"{what}: {change.text}, but {refused}{hint}", place)

    def guard(self, when: object, what: str, place: Place) -> Guard | None:
        """Return a guard, from a condition or a named function."""
        fn = as_function(when)
        if fn is not None:
            return self._predicate(fn, what, place)
        try:
            tree = condition_of(when)
        except TypeError as fault:
            self.wrong("not-a-guard", f"when= of {what}: {fault}", place)
            return None
        if any(s is not self.space for s in cast("Expression", when).__spaces__):
            self.wrong("foreign-state", f"when= of {what} reads the state of another flow: {when!r}", place)
            return None
        self._impossible(tree, what, place)
        return Guard(tree)

    def _predicate(self, fn: Callable[..., Any], what: str, place: Place) -> Guard | None:
        signature = signature_of(fn)
        if not signature.name:
            self.wrong(
                "lambda-guard",
                f"when= of {what} is a lambda, which has no name to print;"
                " give an expression over flow.state, or a named function",
                place,
            )
            return None
        where = f"guard {signature.name!r} of {what}"
        if signature.problem is not None or signature.is_async:
            problem = (
                signature.problem or "is async; a guard computes from the state alone, so make it a plain function"
            )
            self.wrong("guard-function", f"{where} {problem}", place)
            return None
        before = len(self.mistakes)
        bound = self.bound(signature, {}, where, place)
        if bound.context or bound.whole:
            self.wrong(
                "guard-function",
                f"{where} takes {bound.context or bound.whole!r}: a guard reads single fields, so that its verdict can"
                " show them; make each field a parameter",
                place,
            )
        if not fits(returned(signature), bool):
            self.wrong(
                "guard-function",
                f"{where} returns {hints.text_of(signature.returns)}, but a guard returns a bool",
                place,
            )
        if len(self.mistakes) > before:
            return None
        views = {p.name for p in signature.params if takes_view(p.annotation)}
        hands = tuple(self.field[f].hand if p in views else self.field[f].hand_list for p, f in bound.params)
        return Guard(trees.Predicate(signature.path, bound.params, fn, hands))

    def _impossible(self, tree: trees.Tree, what: str, place: Place) -> None:
        """Find comparisons with what can never be equal: with what a Literal field is never, or of another kind."""
        for node in trees.walk(tree):
            if isinstance(node, trees.OneOf):
                of, against = node.of, node.options
            elif isinstance(node, trees.Compare) and node.op in {"==", "!="}:
                of, against = node.left, (node.right,)
            elif isinstance(node, trees.Contains):
                self._never_inside(node, what, place)
                continue
            else:
                continue
            field = self.field[of.field] if isinstance(of, trees.Read) else None
            values = None if field is None else hints.literal_values(field.annotation)
            for option in against:
                if field is None or values is None:
                    self._never_equal(of, option, what, place)
                elif isinstance(option, trees.Constant) and option.value is not None and option.value not in values:
                    known = [str(v.value if isinstance(v, Enum) else v) for v in values]
                    self.wrong(
                        "never-equal",
                        f"when= of {what} compares {field.name!r} with {constant_text(option.value)},"
                        f" but it is {field.type_text}.{did_you_mean(str(option.value), known)}",
                        place,
                    )

    def _never_equal(self, of: trees.Tree, option: trees.Tree, what: str, place: Place) -> None:
        left, right = type_of(of, self.field), type_of(option, self.field)
        kinds, others = kinds_of(left), kinds_of(right)
        if kinds is None or others is None or kinds & others or "nothing" in kinds | others:
            return
        self.wrong(
            "never-equal",
            f"when= of {what} compares {text_of(of)}, which is {hints.text_of(left)}, with"
            f" {text_of(option)}, which is {hints.text_of(right)}: they are never equal",
            place,
        )

    def _never_inside(self, node: trees.Contains, what: str, place: Place) -> None:
        holder, item = type_of(node.of, self.field), type_of(node.item, self.field)
        whole, part = kinds_of(holder), kinds_of(item)
        if whole is None or part is None:
            return
        inside = whole
        (only,) = whole if len(whole) == 1 else ("",)
        if only == "list":
            arguments = get_args(holder)
            inside = (kinds_of(arguments[0]) if get_origin(holder) is list and arguments else None) or part
        elif only != "text":
            return
        if not inside & part:
            self.wrong(
                "never-equal",
                f"when= of {what} looks for {text_of(node.item)}, which is {hints.text_of(item)}, in"
                f" {text_of(node.of)}, which is {hints.text_of(holder)}: it is never there",
                place,
            )
