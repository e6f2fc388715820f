"""`graphrt answer`: answer the question of a run, and let it go on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from graphrt.cli.arguments import DEFAULT_STORE, OriginOption, StoredRun, StoreOption
from graphrt.cli.drive_options import DepthOption, EventsOption, ModelOption, QuietOption, ResultOption, WaitOption
from graphrt.cli.otel import OtelOption

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from graphrt.cli.driving import Manner
    from graphrt.cli.surroundings import Around
    from graphrt.graph import Graph
    from graphrt.inputs import Answered
    from graphrt.ports import RunInfo, Store
    from graphrt.runtime import Result
    from graphrt.runtime.options import Surroundings
    from graphrt.told import VisitAccount
    from graphrt.trace import Trace

EXAMPLES = (
    "graphrt answer latest send",
    "graphrt answer 4fz approve send --by ada",
    "graphrt answer 4fz 6 drop --no-resume",
    "graphrt answer 4fz",
)

_TAKEN_S: Final = 10.0
"""How long to wait until the process that drives a run has taken an answer."""
_LOOK_S: Final = 0.1


def _words(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    from graphrt.cli.arguments import line_of
    from graphrt.cli.completion import answers

    return answers(line_of(ctx), incomplete)


def answer(
    run: StoredRun,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[VISIT] [ANSWER]",
            help="The visit that asks (its id or its node) if several do; then the answer: one of the choices, text, "
            "or JSON. Without ANSWER it is asked for.",
            autocompletion=_words,
            show_default=False,
        ),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="WHO", help="Who answers, for the record.")] = None,
    no_resume: Annotated[
        bool, typer.Option("--no-resume", help="Only store the answer; `graphrt resume` lets the run go on.")
    ] = False,
    target: OriginOption = None,
    model: ModelOption = None,
    wait: WaitOption = 0.0,
    otel: OtelOption = None,
    depth: DepthOption = 0,
    events: EventsOption = False,
    as_json: ResultOption = False,
    quiet: QuietOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Answer what a run asks, then let it go on until it ends or asks again; the exit code says how it stands then.

    An answer that does not fit is refused, and the question stays open; so is a second answer that is not the first
    one again. A run that another process drives takes the answer there. With --no-resume, or where the code of the flow
    is not known, the answer is kept in the store until the run is resumed.
    """
    import asyncio

    from graphrt import runtime
    from graphrt.cli import answers, stopping
    from graphrt.cli.driving import Manner
    from graphrt.cli.otel import spans_to
    from graphrt.cli.outcome import again
    from graphrt.cli.screen import note
    from graphrt.cli.which import account_of, opened, stored_run

    spans = spans_to(otel)
    with opened(store) as open_:
        info = open_.info(stored_run(open_, run))
        trace = open_.trace(info.run)
        told = account_of(trace)
        visit, given = answers.which_question(told, words or ())
        if given is None:
            given = answers.ask(told, visit)
        answers.check(told, visit, given)
        ready = None if no_resume or info.live else _ready(trace, info, target, model)
        graph = ready[0] if ready is not None else None
        if ready is not None and not quiet:
            ready[1].tell(trace)
        begun = time.time()
        with stopping.told(f"`{again('runs', store)}` marks a run whose answer is stored"):
            stands = asyncio.run(runtime.answer(open_, info.run, visit.id, given, graph=graph, by=by))
        if stands.at is not None and stands.at < begun:
            note(f"{visit.name} (visit {visit.id}) has this answer already{_from(stands)}")
        if info.live:
            with stopping.told(f"the answer for {visit.name} (visit {visit.id}) is handed over"):
                return _handed_over(open_, info, visit, stands)
        if ready is None:
            return _kept(info, visit, store, no_resume=no_resume)
        kept = _stored(info, visit, store)
        manner = Manner(store, events, as_json, quiet, depth, events, spans, wait, kept)
        return _go_on(open_, info.run, *ready, manner)


def _ready(trace: Trace, info: RunInfo, target: str | None, model: str | None) -> tuple[Graph, Around] | None:
    """Return what the run needs to go on: its flow, and what is around it. None if the flow is not known.

    Raises:
        UseError: the flow cannot be loaded, has changed, or needs a model. Nothing is stored then.
    """
    from graphrt.cli.origin import load_origin, unchanged
    from graphrt.cli.surroundings import find_around
    from graphrt.errors import GraphrtError, UseError

    if target is None and info.target is None:
        return None
    try:
        loaded = load_origin(info, target)
        graph = unchanged(trace, loaded.graph(), target)
        return graph, find_around(loaded, graph, model)
    except GraphrtError as error:
        hint = "nothing was stored; --no-resume stores the answer all the same"
        raise UseError(f"{error.message}; {hint}") from error


def _kept(info: RunInfo, visit: VisitAccount, store: str, *, no_resume: bool) -> int:
    """Tell that an answer waits, when the run is not driven on from here."""
    from graphrt.cli import exits
    from graphrt.cli.screen import say

    say(_stored(info, visit, store))
    return exits.OK if no_resume else exits.SUSPENDED


def _stored(info: RunInfo, visit: VisitAccount, store: str) -> str:
    """Say that an answer waits, and how the run goes on with it."""
    from graphrt.cli.outcome import again

    where = "" if info.target is not None else " --target file.py:name"
    resume = again(f"resume {info.run}", store) + where
    return f"the answer for {visit.name} (visit {visit.id}) is stored; go on with: {resume}"


def _handed_over(store: Store, info: RunInfo, visit: VisitAccount, given: Answered) -> int:
    """Wait until the process that drives a run has taken an answer, and tell whether it was this one."""
    from graphrt.cli import exits
    from graphrt.cli.screen import complain, say
    from graphrt.inputs import Answered

    until = time.monotonic() + _TAKEN_S
    seen = 0
    while time.monotonic() < until:
        for record in store.records(info.run, max(seen, info.records)):
            seen = record.seq + 1
            found = record.input
            if not isinstance(found, Answered) or found.visit != visit.id:
                continue
            if found == given:
                say(f"answered {visit.name} (visit {visit.id}); the process that drives run {info.run} goes on")
                return exits.OK
            complain(f"{visit.name} (visit {visit.id}) was answered {found.answer!r} before{_from(found)}")
            return exits.WRONG_USE
        time.sleep(_LOOK_S)
    say(f"answered {visit.name} (visit {visit.id}); the process that drives run {info.run} has yet to take it")
    return exits.OK


def _from(given: Answered) -> str:
    """Return by whom an answer was given, and when, as far as that is known."""
    from graphrt.cli.telling import moment

    by = f" by {given.by}" if given.by is not None else ""
    return by + (f" at {moment(given.at)}" if given.at is not None else "")


def _go_on(open_: Store, run: str, graph: Graph, around: Around, manner: Manner) -> int:
    """Drive the run on, which takes the answer first."""
    from graphrt import runtime
    from graphrt.cli import exits
    from graphrt.cli.driving import drive
    from graphrt.cli.screen import say
    from graphrt.errors import RunLocked

    def go(watched: Store, surroundings: Surroundings) -> Coroutine[Any, Any, Result[Any]]:
        return runtime.resume(watched, run, graph, **surroundings)

    try:
        return drive(go, graph, open_, around, manner)
    except RunLocked:
        say(f"answered; the process that now drives run {run} takes it")
        return exits.OK
