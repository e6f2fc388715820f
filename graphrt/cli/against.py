"""Recorded runs tried against a definition: where they would go another way, and whether they could be resumed.

No model, tool or other work is called. What is found is handed to the rules of the checker, which put it into words.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from graphrt.checks.settings import Asked, Recorded
from graphrt.cli.arguments import DEFAULT_STORE
from graphrt.errors import GraphChanged, UseError
from graphrt.replay import fold, verify
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphrt.graph import Graph
    from graphrt.trace import Trace

_ENDED: Final = frozenset({"completed", "stopped"})
"""A run that has come to its end is never resumed."""
_LONG: Final = 160


def tried(trace: Trace, graph: Graph) -> Recorded:
    """Return what becomes of a recorded run under a definition.

    Raises:
        TraceInvalid: its records do not fit each other.
    """
    divergence = verify(trace, graph)
    before = fold(trace)
    lost, asked = None, tuple[Asked, ...]()
    if before.status not in _ENDED:
        try:
            now = fold(trace, graph)
        except GraphChanged as error:
            lost = error.message
        else:
            asked = tuple(
                Asked(visit=v, node=q.node, before=q.answers, now=now.questions[v].answers)
                for v, q in before.questions.items()
                if v in now.questions and now.questions[v].answers != q.answers
            )
    if divergence is None:
        return Recorded(run=trace.header.run, lost=lost, asked=asked)
    return Recorded(
        run=trace.header.run,
        visit=divergence.visit,
        node=divergence.node,
        before=_short(divergence.recorded),
        now=_short(divergence.now),
        lost=lost,
        asked=asked,
    )


def traces(path: str, flow: str) -> Iterator[Trace]:
    """Yield the runs of a flow that a store or a trace file holds, oldest first.

    Raises:
        UseError: it cannot be read.
        TraceInvalid: a trace is torn or altered.
    """
    from graphrt.cli.which import LATEST, opened

    if path == LATEST or not (Path(path).exists() or ":" in path or path.endswith("/")):
        raise UseError(
            f"--against {path}: there is no such store or trace file; give one, as in --against {DEFAULT_STORE}, or a"
            " single run as a file: graphrt export RUN -o run.jsonl"
        )
    if path.endswith(".jsonl") and Path(path).is_file():
        from graphrt.stores.trace_files import read_trace

        trace = read_trace(Path(path))
        if trace.header.flow == flow:
            yield trace
        return
    with opened(path) as store:
        for info in reversed(store.runs()):
            if info.flow == flow:
                yield store.trace(info.run)


def _short(lines: Sequence[str]) -> str:
    return shorten("; ".join(lines) or "nothing", _LONG)
