"""The table of rules, in the order of their codes. A rule that does not stand here does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphrt.checks import cost, dataflow, effects, evolution, guards, structure
from graphrt.checks.mistakes import BY_CODE as MISTAKES
from graphrt.checks.unused_ignore import unused_ignore
from graphrt.errors import UseError
from graphrt.expressions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graphrt.checks.rule import Rule

FAMILIES: Final[dict[str, str]] = {
    "GR0": "The checker itself",
    "GR1": "Structure",
    "GR2": "Guards",
    "GR3": "Data flow",
    "GR4": "Agents and effects",
    "GR5": "Cost",
    "GR6": "Evolution",
}
"""What the first digit of a code says."""

RULES: Final[tuple[Rule, ...]] = (
    unused_ignore,
    *structure.RULES,
    *guards.RULES,
    *dataflow.RULES,
    *effects.RULES,
    *cost.RULES,
    *evolution.RULES,
)

BY_CODE: Final[dict[str, Rule]] = {r.code: r for r in RULES}
BY_MISTAKE: Final[dict[str, Rule]] = {m: r for r in RULES for m in r.mistakes}
"""The rule that stands for a mistake which freezing reports."""


def rule_named(text: str) -> Rule:
    """Return the rule of a code or a name.

    Raises:
        UseError: there is none.
    """
    for rule in RULES:
        if text.upper() == rule.code or text.lower() in {rule.name, *rule.mistakes}:
            return rule
    known = [*BY_CODE, *(r.name for r in RULES)]
    close = did_you_mean(text, [*known, *MISTAKES])
    raise UseError(f"there is no rule {text!r}.{close or ' `graphrt explain --list` lists them'}")


def rules_of(select: Iterable[str], ignore: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules that a selection names: codes, beginnings of codes, or names; everything if it is empty.

    Raises:
        UseError: an entry names no rule.
    """
    wanted = _named(select) or set(RULES)
    unwanted = _named(ignore)
    return tuple(r for r in RULES if r in wanted and r not in unwanted)


def _named(entries: Iterable[str]) -> set[Rule]:
    found: set[Rule] = set()
    for entry in entries:
        family = {r for r in RULES if entry and r.code.startswith(entry.upper())}
        found |= family or {rule_named(entry)}
    return found
