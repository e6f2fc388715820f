"""GR6: what a change of the definition means for runs that were recorded under the old one."""

from __future__ import annotations

from graphrt.checks.evolution.changed_question import changed_question
from graphrt.checks.evolution.not_resumable import not_resumable
from graphrt.checks.evolution.other_path import other_path

RULES = (
    other_path,
    not_resumable,
    changed_question,
)
"""In the order of their codes."""
