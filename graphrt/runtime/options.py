"""What may be said about a run from outside, and the refusal of what says nothing that a run would understand.

An option that is misspelled, or whose value cannot be meant, is refused before anything begins. Values are not changed
or consumed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, TypedDict, TypeGuard, cast

from pydantic import BaseModel

from graphrt.errors import UseError
from graphrt.expressions import did_you_mean
from graphrt.inputs import Limits
from graphrt.ports import Clock, Observer, Store
from graphrt.runtime.listeners import Listener
from graphrt.values import brief

OnEvent: TypeAlias = Listener | Sequence[Listener]


class Surroundings(TypedDict, total=False):
    """What a run may find around it; all by keyword."""

    resources: Iterable[object]
    """Clients and handles that nodes reach by `Context.resource`."""
    policies: Iterable[Any]
    """What wraps every model that is asked (see `graphrt.policies`), outermost first."""
    on_event: OnEvent
    """Called with each event and each text delta; a function or coroutine function, or several."""
    observers: Sequence[Observer]
    """Who looks deeper than listeners, at records and around attempts: `graphrt.telemetry.OpenTelemetry`, say."""
    clock: Clock
    """Tells the time."""
    stay_s: float
    """How long to wait, once only questions are open, for answers and deadlines; by default not at all."""


class Options(Surroundings, total=False):
    """What may be said about a new run; all by keyword."""

    store: Store | str | Path | None
    """Where the trace is kept: a store, or a text that `open_store` opens, for this run alone. By default in memory,
    and gone with the result."""
    limits: Limits | None
    """Bounds of the run instead of the graph's own."""
    run_id: str | None
    """1 to 64 letters, digits, `_`, `-`; by default made up."""
    seed: int | None
    """Seeds the jitter of retries; by default taken from the run's id."""
    target: str | None
    """Where the flow was loaded from, noted for whoever resumes the run."""


class ResumeOptions(Surroundings, total=False):
    """What may be said when a run is taken up again; all by keyword."""

    limits: Limits | None
    """New bounds; None keeps the old ones."""
    by: str | None
    """Who resumes it, for the record."""
    allow_changed: bool
    """Go on under another definition than the recorded one; the past is then as it was recorded."""


class ForkOptions(Surroundings, total=False):
    """What may be said when a run branches off from another; all by keyword."""

    change: Mapping[str, object] | None
    """Fields of the state that the visit sees, with other values."""
    new_id: str | None
    """The id of the new run: 1 to 64 letters, digits, `_`, `-`; by default made up."""
    target: str | None
    """Where the flow was loaded from; by default where the old run's was."""


def check_options(call: str, options: Mapping[str, object], kind: type) -> None:
    """See that `options` of `call` are among those of the TypedDict `kind`, and can be meant.

    Raises:
        UseError: an option is not known, or its value is of a wrong type; tells of the first.
    """
    known = cast("frozenset[str]", vars(kind)["__optional_keys__"])
    for name in options:
        if name not in known:
            listed = sorted(known)
            hint = did_you_mean(name, listed) or f" There are {', '.join(listed)}"
            raise UseError(f"{call}(…) has no option {name!r}.{hint}")
    check_values(options)


def check_values(options: Mapping[str, object]) -> None:
    """See that each value of what was said can be meant.

    Raises:
        UseError: one is of a wrong type; tells of the first.
    """
    for message in mistaken(options):
        raise UseError(message)


def check_store(value: object) -> None:
    """See that what a run is kept in, or is to be looked for in, can be meant as a store.

    Raises:
        UseError: it is neither a store nor a text.
    """
    if value is None:
        raise UseError("store=None is no store; give what open_store(…) returns, or a text that it opens")
    check_values({"store": value})


def mistaken(options: Mapping[str, object]) -> Iterator[str]:
    """Yield what is wrong with the values of options."""
    for name, value in options.items():
        check = _CHECKS.get(name)
        if check is not None:
            yield from check(value)


# -- one check for each option ----------------------------------------------------------------------------------------


def _store(value: object) -> Iterator[str]:
    if value is not None and not isinstance(value, (str, Path)) and not hasattr(value, "create"):
        yield f"store={brief(value)} is no store; give what open_store(…) returns, or a text that it opens"


def _limits(value: object) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, Limits):
        yield f"limits={brief(value)} are no limits; give Limits(visits=…, active_s=…, tokens=…, cost_usd=…)"
        return
    for name in value.__struct_fields__:
        bound: object = getattr(value, name)
        if bound is not None and not (_is_number(bound) and bound >= 0):
            yield f"limits= has {name}={brief(bound)}; it is a number from 0, or None for no bound"


def _resources(value: object) -> Iterator[str]:
    if not _is_several(value):
        yield f"resources={brief(value)} is no list; give the things that nodes use in one: resources=[…]"
        return
    for each in _looked_through(value):
        if isinstance(each, type):
            yield f"resources= has the class {each.__name__}; give an object of it, which Context.resource then finds"


def _policies(value: object) -> Iterator[str]:
    if not _is_several(value):
        yield f"policies={brief(value)} is no list; give them in one: policies=[…]; see graphrt.policies"
        return
    for each in _looked_through(value):
        if isinstance(each, type) or not hasattr(each, "wrap"):
            yield f"policies= has {brief(each)}, which is no policy; see graphrt.policies"


def _on_event(value: object) -> Iterator[str]:
    several = (
        cast("Sequence[object]", value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    )
    for each in several:
        if not callable(each):
            yield f"on_event={brief(each)} cannot be called; give a function, or a list of some"
            return


def _observers(value: object) -> Iterator[str]:
    if not _is_several(value):
        yield f"observers={brief(value)} is no list; give them in one: observers=[…]"


def _clock(value: object) -> Iterator[str]:
    if not hasattr(value, "monotonic"):
        yield f"clock={brief(value)} is no clock; see graphrt.ports.Clock"


def _stay_s(value: object) -> Iterator[str]:
    if not (_is_number(value) and value >= 0):
        yield f"stay_s={brief(value)}; it is a number of seconds from 0"


def _seed(value: object) -> Iterator[str]:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        yield f"seed={brief(value)}; it is a whole number, or None"


_CHECKS: Final[Mapping[str, Callable[[object], Iterator[str]]]] = {
    "store": _store,
    "limits": _limits,
    "resources": _resources,
    "policies": _policies,
    "on_event": _on_event,
    "observers": _observers,
    "clock": _clock,
    "stay_s": _stay_s,
    "seed": _seed,
}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_several(value: object) -> TypeGuard[Iterable[object]]:
    """Say whether a value is a list or the like; a model's fields and a text's letters are not meant."""
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, BaseModel))


def _looked_through(value: Iterable[object]) -> Iterable[object]:
    """Return what can be looked at without using it up."""
    return () if isinstance(value, Iterator) else value
