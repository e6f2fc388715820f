"""The command line: run flows, look at runs, change them. `main` is the console script `graphrt`.

Each command is a file of `graphrt.cli.commands` and imports what it needs when it is called, so that `graphrt --help`
stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        args: what stands behind the name of the program; None for what this process was started with.
    """
    try:
        from graphrt.cli.app import invoke

        return invoke(args)
    except KeyboardInterrupt:  # while the program itself was being loaded
        return 130
