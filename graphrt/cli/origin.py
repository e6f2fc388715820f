"""The code behind a run: where its flow was loaded from is remembered in the trace, and can be said anew.

`replay --verify`, `answer`, `fork` and `resume` ask here, so that they find the same flow and tell the same mistakes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.errors import UseError

if TYPE_CHECKING:
    from graphrt.cli.target import Loaded
    from graphrt.ports import RunInfo
    from graphrt.trace import Header


def load_origin(of: Header | RunInfo, target: str | None = None) -> Loaded:
    """Return the flow of a run: the one that `target` names, else the one that the run began with.

    Raises:
        UseError: neither is said, or it cannot be loaded; names the run and what to do.
        DefinitionError: the file refuses its own flow while it is loaded.
    """
    from graphrt.cli.target import load

    if target is not None:
        return load(target)
    if of.target is None:
        raise UseError(f"run {of.run} does not say where its flow {of.flow!r} is; say it: --target file.py:name")
    try:
        return load(of.target)
    except UseError as error:
        message = f"run {of.run} began with {of.target}: {error.message}; if it is elsewhere now, add --target"
        raise UseError(message, **error.facts) from error
