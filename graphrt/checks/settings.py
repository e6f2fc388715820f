"""What a check is asked to look for: which rules, and what only the author of a flow can know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from graphrt.errors import UseError
from graphrt.expressions import did_you_mean
from graphrt.hints import is_mapping
from graphrt.items import is_listed

if TYPE_CHECKING:
    from graphrt.inputs import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An open question of a recorded run, as it was put and as it would be put today."""

    visit: str
    node: str
    before: tuple[str, ...]
    """Answers that were offered; none where any answer was admitted."""
    now: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of trying a recorded run against today's definition; `graphrt check --against` finds it out."""

    run: str
    visit: str | None = None
    """Where it would go elsewhere; None if it goes as it went."""
    node: str | None = None
    before: str = ""
    """What was recorded there …"""
    now: str = ""
    """… and what would follow today."""
    lost: str | None = None
    """Why it cannot be resumed, if it has not ended; None if it can."""
    asked: tuple[Asked, ...] = ()
    """Its open questions, as far as they have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a check; on the command line they come from `[tool.graphrt.check]` of pyproject.toml and options."""

    select: tuple[str, ...] = ()
    """Codes or names of rules, or beginnings of codes (`GR2`), that are looked for; empty for all."""
    ignore: tuple[str, ...] = ()
    """Of these, codes, names or beginnings of codes that are left out."""
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Per graph, the fields of its final state that somebody looks at. Only the author knows; until said, all are."""
    max_visits: int | None = None
    """Budget of a run, in visits; None for none."""
    max_requests: int | None = None
    """Budget of a run, in requests to models; None for none."""
    against: tuple[Recorded, ...] = ()
    """Recorded runs that were tried against the definition."""
    reducers: bool = False
    """Whether reducers that the flow brings are called, on values of their types, to see whether they are sound."""
    items: int | None = None
    """How many items a list has at most whose type does not say it, where costs are bounded; None for any number."""


def settings_from(table: Mapping[str, Json], where: str) -> Settings:
    """Return the settings that a table of a configuration file gives; `where` names it in what is refused.

    Raises:
        UseError: a key is unknown, or a value is of the wrong kind.
    """
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            hint = did_you_mean(key, _KEYS) or f" There are {', '.join(_KEYS)}"
            raise UseError(f"{where}: there is no setting {key!r}.{hint}")
        read, expected = _KEYS[key]
        try:
            found[key.replace("-", "_")] = read(value)
        except TypeError:
            raise UseError(f"{where}: {key} = {value!r}; expected {expected}") from None
    return Settings(**found)


def _texts(value: Json) -> tuple[str, ...]:
    if not is_listed(value) or not all(isinstance(v, str) for v in value):
        raise TypeError
    return tuple(value)


def _count(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value


def _switch(value: Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _outputs(value: Json) -> dict[str, tuple[str, ...]]:
    if not is_mapping(value):
        raise TypeError
    return {str(name): _texts(fields) for name, fields in value.items()}


_KEYS: Final[dict[str, tuple[Callable[[Json], Any], str]]] = {
    "select": (_texts, "a list of codes or names of rules"),
    "ignore": (_texts, "a list of codes or names of rules"),
    "outputs": (_outputs, "a table of flows, each with a list of fields"),
    "max-visits": (_count, "a number from 0"),
    "max-requests": (_count, "a number from 0"),
    "items": (_count, "a number from 0"),
    "reducers": (_switch, "true or false"),
}
