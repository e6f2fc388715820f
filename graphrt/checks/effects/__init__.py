"""GR4: agents, tools and effects. What a model may do unasked, what is repeated, what has no bound."""

from __future__ import annotations

from graphrt.checks.effects.boundless_agent import boundless_agent
from graphrt.checks.effects.boundless_fan_out import boundless_fan_out
from graphrt.checks.effects.repeated_effect import repeated_effect
from graphrt.checks.effects.uncaught_deadline import uncaught_deadline
from graphrt.checks.effects.unfilled_instructions import unfilled_instructions
from graphrt.checks.effects.unguarded_tool import unguarded_tool
from graphrt.checks.effects.vague_output import vague_output

RULES = (
    unguarded_tool,
    repeated_effect,
    boundless_agent,
    boundless_fan_out,
    vague_output,
    unfilled_instructions,
    uncaught_deadline,
)
"""In the order of their codes."""
