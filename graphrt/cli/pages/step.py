"""All of a step: what was read and written, what changed, which edges were tried, what followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.cli.screen import wrapped
from graphrt.cli.step_lines import detail

if TYPE_CHECKING:
    from rich.text import Text

    from graphrt.cli.steps import Step, Walk


def lines(walk: Walk, step: Step, width: int) -> list[Text]:
    """Return all that a step tells."""
    return [row for part in detail(step, walk, width) for row in wrapped(part, width)]
