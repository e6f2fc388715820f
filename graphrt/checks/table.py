"""The table of rules, in the order of their codes. A rule that does not stand here does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from graphrt.checks import unused_ignore
from graphrt.checks.cost import over_budget
from graphrt.checks.dataflow import (
    assignment_type,
    lost_write,
    parallel_write,
    read_before_write,
    unused_field,
)
from graphrt.checks.effects import (
    boundless_agent,
    boundless_fan_out,
    repeated_effect,
    uncaught_deadline,
    unfilled_instructions,
    unguarded_tool,
    vague_output,
)
from graphrt.checks.evolution import changed_question, not_resumable, other_path
from graphrt.checks.guards import (
    guard_gap,
    impossible_guard,
    impossible_trigger,
    needless_guard,
    no_otherwise,
    raising_guard,
    shadowed_edge,
    unanswered_choice,
    unwritten_field,
)
from graphrt.checks.structure import (
    dropped_writes,
    duplicate_edge,
    endless_cycle,
    frozen_exit,
    idle_join,
    join_short,
    joins_wait,
    no_way_out,
    unbounded_cycle,
    unjoined_branches,
    unreachable,
)
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
    unused_ignore.RULE,
    unreachable.RULE,
    no_way_out.RULE,
    endless_cycle.RULE,
    frozen_exit.RULE,
    unbounded_cycle.RULE,
    duplicate_edge.RULE,
    idle_join.RULE,
    joins_wait.RULE,
    unjoined_branches.RULE,
    dropped_writes.RULE,
    join_short.RULE,
    guard_gap.RULE,
    shadowed_edge.RULE,
    impossible_guard.RULE,
    needless_guard.RULE,
    raising_guard.RULE,
    no_otherwise.RULE,
    unwritten_field.RULE,
    impossible_trigger.RULE,
    unanswered_choice.RULE,
    read_before_write.RULE,
    lost_write.RULE,
    unused_field.RULE,
    parallel_write.RULE,
    assignment_type.RULE,
    unguarded_tool.RULE,
    repeated_effect.RULE,
    boundless_agent.RULE,
    boundless_fan_out.RULE,
    vague_output.RULE,
    unfilled_instructions.RULE,
    uncaught_deadline.RULE,
    over_budget.RULE,
    other_path.RULE,
    not_resumable.RULE,
    changed_question.RULE,
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
    raise UseError(f"there is no rule {text!r}.{did_you_mean(text, known) or ' `graphrt explain --list` lists them'}")


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
