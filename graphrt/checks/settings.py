"""What a check is asked to look for: which rules, and what only the author of a flow can know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    items: int | None = None
    """How many items a list has at most whose type does not say it, where costs are bounded; None for any number."""
