"""GR1: the shape of the graph. What cannot be reached or left, what runs twice, joins with nothing to gather."""

from __future__ import annotations

from graphrt.checks.structure.dropped_writes import dropped_writes
from graphrt.checks.structure.duplicate_edge import duplicate_edge
from graphrt.checks.structure.endless_cycle import endless_cycle
from graphrt.checks.structure.frozen_exit import frozen_exit
from graphrt.checks.structure.idle_join import idle_join
from graphrt.checks.structure.join_short import join_short
from graphrt.checks.structure.joins_wait import joins_wait
from graphrt.checks.structure.no_way_out import no_way_out
from graphrt.checks.structure.unbounded_cycle import unbounded_cycle
from graphrt.checks.structure.unjoined_branches import unjoined_branches
from graphrt.checks.structure.unreachable import unreachable_node

RULES = (
    unreachable_node,
    no_way_out,
    endless_cycle,
    frozen_exit,
    unbounded_cycle,
    duplicate_edge,
    idle_join,
    joins_wait,
    unjoined_branches,
    dropped_writes,
    join_short,
)
"""In the order of their codes."""
