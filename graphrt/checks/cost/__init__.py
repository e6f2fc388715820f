"""GR5: what a run costs at most, against a budget that is given."""

from __future__ import annotations

from graphrt.checks.cost.over_budget import over_budget

RULES = (over_budget,)
"""In the order of their codes."""
