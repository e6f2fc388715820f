"""The code behind a run: where its flow was loaded from is remembered in the trace, and can be said anew.

`replay --verify`, `answer`, `fork` and `resume` ask here, so that they find the same flow and tell the same mistakes.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from graphrt.errors import GraphChanged, UseError
from graphrt.inputs import Resumed

if TYPE_CHECKING:
    from graphrt.cli.target import Loaded
    from graphrt.graph import Graph
    from graphrt.ports import RunInfo
    from graphrt.trace import Header, Trace


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


def unchanged(trace: Trace, graph: Graph, target: str | None) -> Graph:
    """Return the flow of today, as `--target` or the run names it, if it is the one that a run was last driven under.

    Raises:
        GraphChanged: it is another; says what differs, and how to go on all the same.
    """
    what = changes_since(trace, graph)
    if what is not None:
        run, named = trace.header.run, "" if target is None else f" --target {shlex.quote(target)}"
        message = (
            f"{what}; see `graphrt replay {run} --verify{named}`;"
            f" `graphrt resume {run} --allow-changed{named}` goes on all the same"
        )
        raise GraphChanged(message, run=run, recorded=_driven_under(trace), now=graph.digest)
    return graph


def changes_since(trace: Trace, graph: Graph) -> str | None:
    """Say what has changed in a flow since a run was last driven under it; None if nothing has."""
    recorded = _driven_under(trace)
    if recorded == graph.digest:
        return None
    from graphrt.cli.changed import changes_between
    from graphrt.trace import graph_of

    since = f"flow {graph.name!r} has changed since run {trace.header.run}"
    return f"{since} (then {recorded[:7]}, now {graph.digest[:7]}): {changes_between(graph_of(trace), graph)}"


def _driven_under(trace: Trace) -> str:
    changed = [r.input.digest for r in trace.records if isinstance(r.input, Resumed) and r.input.digest is not None]
    return changed[-1] if changed else trace.header.digest
