"""GR3: how values move through the state. What is read too early, lost, written twice at once, or of the wrong type."""

from __future__ import annotations

from graphrt.checks.dataflow.assignment_type import assignment_type
from graphrt.checks.dataflow.lost_change import lost_change
from graphrt.checks.dataflow.lost_write import lost_write
from graphrt.checks.dataflow.parallel_write import parallel_write
from graphrt.checks.dataflow.read_before_write import read_before_write
from graphrt.checks.dataflow.unsound_reducer import unsound_reducer
from graphrt.checks.dataflow.unused_field import unused_field

RULES = (
    read_before_write,
    lost_write,
    unused_field,
    parallel_write,
    assignment_type,
    unsound_reducer,
    lost_change,
)
"""In the order of their codes."""
