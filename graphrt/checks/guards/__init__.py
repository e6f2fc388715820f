"""GR2: the guards of edges. States in which none matches, edges that are never taken, guards that raise."""

from __future__ import annotations

from graphrt.checks.guards.guard_gap import guard_gap
from graphrt.checks.guards.impossible_guard import impossible_guard
from graphrt.checks.guards.impossible_trigger import impossible_trigger
from graphrt.checks.guards.needless_guard import needless_guard
from graphrt.checks.guards.no_otherwise import no_otherwise
from graphrt.checks.guards.raising_guard import raising_guard
from graphrt.checks.guards.shadowed_edge import shadowed_edge
from graphrt.checks.guards.unanswered_choice import unanswered_choice
from graphrt.checks.guards.unwritten_field import unwritten_field

RULES = (
    guard_gap,
    shadowed_edge,
    impossible_guard,
    needless_guard,
    raising_guard,
    no_otherwise,
    unwritten_field,
    impossible_trigger,
    unanswered_choice,
)
"""In the order of their codes."""
