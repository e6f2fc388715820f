"""`graphrt resume`: go on with a run after a crash, a question, a failure, a cancellation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphrt.cli.arguments import DEFAULT_STORE, OptionalStoredRun, OriginOption, StoreOption
from graphrt.cli.drive_options import (
    DepthOption,
    EventsOption,
    MaxCostOption,
    MaxSecondsOption,
    MaxTokensOption,
    MaxVisitsOption,
    ModelOption,
    QuietOption,
    ResultOption,
    WaitOption,
)
from graphrt.cli.otel import OtelOption

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from graphrt.cli.driving import Manner
    from graphrt.inputs import Limits
    from graphrt.ports import RunInfo, Store
    from graphrt.runtime import Result
    from graphrt.runtime.options import Surroundings
    from graphrt.trace import Trace

EXAMPLES = (
    "graphrt resume latest",
    "graphrt resume 4fz --target flows/support.py",
    "graphrt resume 4fz --max-tokens 20000",
    "graphrt resume --due",
)


def resume(
    run: OptionalStoredRun = None,
    target: OriginOption = None,
    due: Annotated[
        bool, typer.Option("--due", help="Go on with every run that waits and whose deadline has passed.")
    ] = False,
    allow_changed: Annotated[
        bool,
        typer.Option("--allow-changed", help="Go on though the flow has changed; the past stays as it is recorded."),
    ] = False,
    model: ModelOption = None,
    max_visits: MaxVisitsOption = None,
    max_seconds: MaxSecondsOption = None,
    max_tokens: MaxTokensOption = None,
    max_cost: MaxCostOption = None,
    wait: WaitOption = 0.0,
    otel: OtelOption = None,
    depth: DepthOption = 0,
    events: EventsOption = False,
    as_json: ResultOption = False,
    quiet: QuietOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Go on with a run that was cut off, waits, failed or was cancelled. What has a result is never done again.

    A failed node gets new attempts, with the code as it is now. An attempt that was cut off by a crash is in doubt: its
    effect may have taken place; on_crash of its node says whether it runs again. Limits are counted over the whole run.
    """
    from graphrt.cli.driving import Manner
    from graphrt.cli.otel import spans_to
    from graphrt.cli.which import opened, which_run
    from graphrt.errors import UseError

    if due == (run is not None):
        raise UseError("name the run to go on with, or say --due for all whose time has come")
    manner = Manner(store, events, as_json, quiet, depth, events or due, spans_to(otel), wait)
    way = _Way(target, allow_changed, model, (max_visits, max_seconds, max_tokens, max_cost))
    with opened(store) as open_:
        if run is not None:
            return way.go(open_, open_.info(which_run(open_, run)), manner)
        return _all_due(open_, way, manner)


class _Way:
    """How runs are to go on."""

    def __init__(
        self,
        target: str | None,
        allow_changed: bool,
        model: str | None,
        bounds: tuple[int | None, float | None, int | None, float | None],
    ) -> None:
        self.target = target
        self.allow_changed = allow_changed
        self.model = model
        self.bounds = bounds

    def go(self, store: Store, info: RunInfo, manner: Manner) -> int:
        """Go on with one run."""
        from graphrt.cli.driving import drive
        from graphrt.cli.origin import load_origin, unchanged
        from graphrt.cli.surroundings import find_around
        from graphrt.errors import UseError
        from graphrt.runtime import resume as resume_run

        _check(info, manner.store)
        loaded = load_origin(info, self.target)
        graph = loaded.graph()
        trace = store.trace(info.run)
        if not self.allow_changed:
            if graph.name != info.flow:
                raise UseError(f"run {info.run} is of flow {info.flow!r}, but {loaded.target} is flow {graph.name!r}")
            unchanged(trace, graph, self.target)
        around = find_around(loaded, graph, self.model)
        if not manner.quiet:
            around.tell(trace)
        limits = self._limits(trace)

        def go(watched: Store, surroundings: Surroundings) -> Coroutine[Any, Any, Result[Any]]:
            return resume_run(watched, info.run, graph, limits=limits, allow_changed=self.allow_changed, **surroundings)

        return drive(go, graph, store, around, manner)

    def _limits(self, trace: Trace) -> Limits | None:
        """Return the limits that the run has, changed as it was given; None if nothing was."""
        from graphrt.cli.drive_options import limited
        from graphrt.inputs import Resumed, Started

        if all(bound is None for bound in self.bounds):
            return None
        known: Limits | None = None
        for record in trace.records:
            if isinstance(record.input, (Started, Resumed)) and record.input.limits is not None:
                known = record.input.limits
        return limited(known, *self.bounds)


def _check(info: RunInfo, store: str) -> None:
    """Refuse a run with which nothing can be done, before any code is loaded."""
    from graphrt.cli.which import unrecorded
    from graphrt.errors import UseError

    if info.status == "completed":
        # Wrong use rather than success: whoever resumes expects that something goes on.
        raise UseError(
            f"run {info.run} has completed, nothing of it is left to be done; `graphrt show {info.run}` shows it",
            run=info.run,
        )
    if not info.records:
        raise UseError(unrecorded(info, store), run=info.run)


def _all_due(store: Store, way: _Way, manner: Manner) -> int:
    """Go on with every run whose time has come; return the gravest exit code."""
    import time

    from graphrt.cli import exits
    from graphrt.cli.screen import complain, say
    from graphrt.errors import GraphrtError, RunLocked

    found = store.runs(status="suspended", due_before=time.time())
    if not found and not manner.events and not manner.as_json:
        say("no run is due")
    codes: list[int] = []
    for info in found:
        try:
            codes.append(way.go(store, info, manner))
        except RunLocked:
            continue  # somebody else has taken it up meanwhile
        except GraphrtError as error:
            complain(error.message)
            codes.append(exits.WRONG_USE)
        if codes[-1] in {exits.INTERRUPTED, exits.TERMINATED}:
            break
    return _gravest(codes)


def _gravest(codes: Sequence[int]) -> int:
    from graphrt.cli import exits

    for code in (
        exits.INTERRUPTED,
        exits.TERMINATED,
        exits.FOUND,
        exits.WRONG_USE,
        exits.CANCELLED,
        exits.SUSPENDED,
    ):
        if code in codes:
            return code
    return exits.OK
