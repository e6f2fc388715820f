"""What the exit code of a command says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

OK: Final = 0
"""The run completed, or nothing was found."""
FOUND: Final = 1
"""The run failed, or a check found something."""
WRONG_USE: Final = 2
"""The command cannot be done as it was given; nothing was changed."""
SUSPENDED: Final = 3
"""The run waits for an answer."""
CANCELLED: Final = 4
"""The run was cancelled."""
INTERRUPTED: Final = 130
"""Ctrl-C."""
TERMINATED: Final = 143
"""The process was asked to end (SIGTERM)."""

OF_STATUS: Final[Mapping[str, int]] = {
    "completed": OK,
    "failed": FOUND,
    "suspended": SUSPENDED,
    "cancelled": CANCELLED,
}
"""The exit code of a command that drove a run, by the status it left."""
