"""A reducer of your own that is not associative, not pure, or does not give the type of its field."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from graphrt import hints
from graphrt.checks.elements import declared_at
from graphrt.checks.rule import Finds, Found, Settings, Subject, rule
from graphrt.errors import UseError
from graphrt.items import is_listed
from graphrt.values import ValueRefused

if TYPE_CHECKING:
    from graphrt.fields import Field
    from graphrt.inputs import Json

_TRIES: Final = 300
"""So many combinations of values are tried for each law."""


@rule("GR306", "unsound-reducer", "warning", settings=Settings(reducers=True))
def unsound_reducer(at: Subject) -> Finds:
    if not at.settings.reducers:
        return
    for field in at.graph.fields:
        if field.reducer is None or not field.reducer.own or field.annotation is None:
            continue
        said = _Trial(field).broken_law()
        if said is not None:
            yield Found(
                f"reducer {field.reducer.name} of field {field.name!r} {said}",
                place=declared_at(at.graph.state_type, field.name),
            )


class _Refuses(Exception):
    """The reducer raised, which it may do to refuse a write."""


class _Trial:
    """A reducer, called on values of its types."""

    def __init__(self, field: Field) -> None:
        assert field.reducer is not None, "only fields with a reducer are tried"
        self.field, self.fn, self.name = field, field.reducer.fn, field.reducer.name
        self.is_closed = field.takes == field.annotation
        """Whether a write is of the field's own type, so that writes can be folded with each other."""

    def broken_law(self) -> str | None:
        """Return which law it breaks, with the smallest values that show it; None if none was seen broken."""
        laws: list[tuple[int, Callable[[Sequence[Any]], str | None]]] = [(1, self._keeps_its_hands_off)]
        laws += [(1, self._is_of_the_type), (1, self._is_repeatable)]
        laws += [(2, self._is_associative)] if self.is_closed else []
        said = (self._first_said(writes, law) for writes, law in laws)
        return next((text for text in said if text is not None), None)

    # -- the laws -----------------------------------------------------------------------------------------------------

    def _keeps_its_hands_off(self, values: Sequence[Any]) -> str | None:
        mine = copy.deepcopy(list(values))
        self._call(*mine)
        if mine == list(values):
            return None
        return f"changes what it is given: {self._shown(*values)}; return a new value instead"

    def _is_of_the_type(self, values: Sequence[Any]) -> str | None:
        result = self._call(*copy.deepcopy(list(values)))
        try:
            self.field.encode_whole(result)
        except ValueRefused:
            return (
                f"does not give {self.field.type_text}: {self._shown(*values)} is {result!r}; the attempt that writes"
                " fails with WriteRefused"
            )
        return None

    def _is_repeatable(self, values: Sequence[Any]) -> str | None:
        first, second = (self._fold(*values) for _ in range(2))
        if _alike(first, second):
            return None
        return (
            f"is not pure: {self._shown(*values)} is {first!r} once and {second!r} the next time, so a replay ends"
            " elsewhere; let it depend on its two values alone"
        )

    def _is_associative(self, values: Sequence[Any]) -> str | None:
        a, b, c = values
        left, right = self._fold(self._fold(a, b), c), self._fold(a, self._fold(b, c))
        if _alike(left, right):
            return None
        return (
            f"is not associative: {self.name}({self._shown(a, b)}, {c!r}) is {left!r}, but {self.name}({a!r},"
            f" {self._shown(b, c)}) is {right!r}, so the result depends on how the work is cut into writes; gather the"
            " values (append) and compute from them, or keep what the computation needs in fields of its own"
        )

    # -- calling ------------------------------------------------------------------------------------------------------

    def _call(self, old: Any, write: Any) -> Any:  # noqa: ANN401 - values of the state
        try:
            return self.fn(old, write)
        except Exception as error:
            raise _Refuses from error

    def _fold(self, old: Any, write: Any) -> Any:  # noqa: ANN401 - as above
        """Fold a write in, as a run does; the JSON form of the result is read back."""
        result = self._call(copy.deepcopy(old), copy.deepcopy(write))
        try:
            return self.field.decode_whole(self.field.encode_whole(result))
        except ValueRefused as error:
            raise _Refuses from error

    def _shown(self, old: Any, write: Any) -> str:  # noqa: ANN401 - as above
        return f"{self.name}({old!r}, {write!r})"

    def _first_said(self, writes: int, law: Callable[[Sequence[Any]], str | None]) -> str | None:
        """Return what a law says of the smallest value of the field and writes that break it; None if none do."""
        try:
            from hypothesis import HealthCheck, Phase, find, settings  # noqa: PLC0415 - only on request
            from hypothesis import strategies as st  # noqa: PLC0415 - only on request
            from hypothesis.errors import Flaky, NoSuchExample, Unsatisfiable  # noqa: PLC0415 - only on request
        except ImportError as error:
            raise UseError("looking into reducers needs hypothesis: pip install hypothesis") from error
        whole, write = _values_of(self.field.annotation), _values_of(self.field.takes)
        said: list[str] = []

        def breaks(values: Sequence[Any]) -> bool:
            try:
                self.field.encode_whole(values[0])
                for value in values[1:]:
                    self.field.encode(value)
                said.extend([text] if (text := law(values)) is not None else [])
            except (ValueRefused, _Refuses):
                return False
            else:
                return text is not None

        how = settings(
            max_examples=_TRIES,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        try:
            find(st.tuples(whole, *[write] * writes), breaks, settings=how, random=Random(0))  # noqa: S311 - no secret
        except (NoSuchExample, Unsatisfiable):
            return None
        except Flaky:
            pass  # it breaks the law now and then: what it did the last time is as good as any
        return said[-1]


def _values_of(annotation: Any) -> Any:  # noqa: ANN401 - an annotation; a strategy, which is loaded late
    """Return a strategy for the values of a type: small ones, and of the fractions such as have no rounding."""
    from hypothesis import strategies as st  # noqa: PLC0415 - only on request

    special: dict[Any, Any] = {
        int: st.integers(-100, 100),
        float: st.integers(-64, 64).map(lambda quarters: quarters / 4),
        str: st.text("abc", max_size=3),
    }
    if annotation in special:
        return special[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is list and args:
        return st.lists(_values_of(args[0]), max_size=3)
    if origin is dict and len(args) == 2:
        return st.dictionaries(_values_of(args[0]), _values_of(args[1]), max_size=3)
    if origin in {set, frozenset} and args:
        return (st.sets if origin is set else st.frozensets)(_values_of(args[0]), max_size=3)
    members = hints.members(annotation)
    return st.one_of(*map(_values_of, members)) if len(members) > 1 else st.from_type(annotation)


def _alike(one: Json, other: Json) -> bool:
    """Compare two values; fractions may differ by rounding."""
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    if is_listed(one) and is_listed(other):
        return len(one) == len(other) and all(map(_alike, one, other))
    if hints.is_mapping(one) and hints.is_mapping(other):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    return bool(one == other)
