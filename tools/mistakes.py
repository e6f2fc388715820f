"""Makes the mistakes of `graphrt.checks.mistakes`, so that what is shown of them is what graphrt says."""

from __future__ import annotations

from typing import Any

from graphrt.checks.mistakes import SETUP
from graphrt.errors import DefinitionError, Mistake

FILE = "support.py"
"""The file that the examples are said to stand in."""


def reported(lines: str) -> tuple[Mistake, ...]:
    """Return what graphrt finds wrong with the flow after these lines, which are behind `SETUP`."""
    there: dict[str, Any] = {"__name__": "support"}
    try:
        exec(compile(SETUP + lines, FILE, "exec", dont_inherit=True), there)  # noqa: S102 - our own examples
        there["flow"].freeze()
    except DefinitionError as wrong:
        return wrong.mistakes
    return ()
