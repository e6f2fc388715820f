"""`graphrt why`: every edge that was tried when a visit was left, with the values that its guard read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from graphrt.cli.arguments import DEFAULT_STORE, JsonOption, RunArgument, StoreOption, VisitArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.cli.screen import Part
    from graphrt.inputs import Json
    from graphrt.told import Account, VisitAccount

EXAMPLES = (
    "graphrt why latest",
    "graphrt why 4fz 'review #2'",
    "graphrt why 4fz draft --prompt",
    "graphrt why trace.jsonl 1.0.0 --json",
)


_STAYS: Final = frozenset({"running", "waiting", "paused", "lost", "cancelled"})
"""How a visit stands that no edge was asked about."""
_LONG: Final = 2_000
"""Characters of an error; --json has all."""


def why(
    run: RunArgument,
    visit: VisitArgument = None,
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Print what was sent to models in this visit, as it was sent.")
    ] = False,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Tell why a run went where it went: every edge tried, what its guard read, and the winner.

    With --prompt, tell what its models were sent instead: instructions, conversation, tools and settings of each
    request, to the last character. The code of the flow is not needed, and no model is asked.
    """
    from graphrt.cli.screen import console, say, say_json
    from graphrt.cli.which import account_of, looked_at, read_known, which_visit

    trace, info = read_known(run, store)
    told = account_of(trace, info)
    meant = looked_at if prompt else which_visit  # without --prompt the first line says which of several it is
    chosen = meant(told, visit) if visit is not None else _telling(told)
    failed_elsewhere = visit is None and told.status == "failed" and chosen.status != "failed" and chosen.stuck is None
    if prompt:
        from graphrt.cli.prompts import say_prompts

        say_prompts(trace, told, chosen, as_json=as_json)
    elif as_json:
        from graphrt.cli.commands.show import verdict_json, visit_json
        from graphrt.cli.verdicts import edges_not_asked

        others = [] if chosen.status in _STAYS else [verdict_json(e) for e in edges_not_asked(told, chosen)]
        said = visit_json(chosen)
        said["edges"] = [*said["edges"], *others]
        say_json({"run": told.run, **said, "next": [v.id for v in _after(told, chosen)]})
    else:
        screen = console()
        if failed_elsewhere:
            say(*_failure(told), "")
        say(*reasons(told, chosen, screen.width if screen.is_terminal else None))
    return 0


def _failure(told: Account) -> Iterator[Part]:
    """Yield how a run failed where no visit did."""
    from graphrt.cli.screen import line
    from graphrt.cli.telling import error_text, where

    at = f" at {where(told, told.failed_at)}" if told.failed_at in told.visits else ""
    yield line(("run ", ""), (told.run, "bold"), "  ", (f"✗ failed{at}", "red"))
    if told.error is not None:
        yield f"  {error_text(told.error)}", "red"


def _telling(told: Account) -> VisitAccount:
    """Return the visit that tells most: the first of two that conflict, or where the run failed or waits.

    If there is none, it is the last one that was left by an edge.
    """
    from graphrt.errors import UseError

    if told.error is not None and told.error.type == "WriteConflict":
        named = told.error.detail.get("visits")
        for visit in cast("list[str]", named) if isinstance(named, list) else ():
            if visit in told.visits:
                return told.visits[visit]
    if told.failed_at is not None and told.failed_at in told.visits:
        return told.visits[told.failed_at]
    if told.questions:
        return told.visits[told.questions[0]]
    routed = [v for v in told.visits.values() if v.routed]
    if routed:
        return max(routed, key=lambda v: v.ended or 0.0)
    if told.visits:
        return list(told.visits.values())[-1]
    raise UseError(f"run {told.run} has visited nothing yet")


def _after(told: Account, visit: VisitAccount) -> list[VisitAccount]:
    return [v for v in told.visits.values() if visit.id in v.causes]


def reasons(told: Account, visit: VisitAccount, width: int | None = None) -> Iterator[Part]:
    """Yield what came before a visit, what came of it, and the edges that were tried when it was left.

    Lines may be wider than `width`, where they can be wrapped; tables are not.
    """
    from graphrt.cli.commands.show import shown_steps
    from graphrt.cli.screen import line
    from graphrt.cli.telling import visit_status

    last = max((v.number for v in told.visits.values() if v.path == visit.path), default=1)
    step = f"step{'s' if len(visit.steps) > 1 else ''} {shown_steps(visit)}, " if visit.steps else ""
    which = f"{step}visit {visit.id}" + (f", {visit.number} of {last}" if last > 1 else "")
    yield line((visit.name, "bold"), f" ({which}) in run {told.run}  ", visit_status(visit))
    yield from _story(told, visit)
    yield ""
    yield from _edges(told, visit, width)
    for after in _after(told, visit):
        step = f"step {after.step}, " if after.step else ""
        yield line("  went on to ", (after.name, "bold"), f" ({step}visit {after.id})")


def _item_of(told: Account, visit: VisitAccount) -> Json:
    """Return the item of the branch that a visit stands in: the first visit of the branch has it."""
    while visit.item is None and visit.causes and visit.joined is None:
        before = told.visits.get(visit.causes[0])
        if before is None:
            break
        visit = before
    return visit.item


def _story(told: Account, visit: VisitAccount) -> Iterator[Part]:
    """Yield how the visit came about and what came of it."""
    from graphrt.cli.answers import what_about
    from graphrt.cli.screen import brief_json
    from graphrt.cli.telling import call_text, calls_of, error_text, fact_text, is_kept_inside, moment, took, used
    from graphrt_viz.wording import shorten

    caught = visit.caught is not None
    came = ", ".join(f"{told.visits[c].name} (visit {c})" for c in visit.causes if c in told.visits)
    yield f"  came from   {came or 'the start'}"
    if visit.item is not None:
        yield f"  item        {brief_json(visit.item)}"
    if visit.node.sees:
        yield f"  reads       {', '.join(visit.node.sees)}"
    for name, value in visit.writes.items():
        if not is_kept_inside(visit, name):
            yield f"  wrote       {name} = {brief_json(value, 200)}"
    if visit.result is not None:
        yield f"  called      {call_text(_item_of(told, visit))}"
        sign, style = ("✗ ", "red") if visit.result.failed else ("", "")
        yield f"  told        {sign}the model: {shorten(visit.result.text, _LONG)}", style
    for call in calls_of(visit):
        yield f"  calls       {call_text(call)}"
    for attempt in visit.attempts:
        parts = [took(attempt.duration_s), *used(attempt.usage)]
        how = (
            f": {shorten(fact_text(attempt.error, caught=caught), _LONG)}"
            if attempt.error
            else ": cut off"
            if attempt.lost
            else ""
        )
        yield f"  attempt {attempt.number}   {', '.join(p for p in parts if p)}{how}", "red" if attempt.error else ""
        for sent in attempt.sent:
            yield f"  sent        a request to {sent.model} (--prompt tells all of it)"
        for mark in attempt.marks:
            facts = f" ({brief_json(mark.facts, _LONG)})" if mark.facts else ""
            yield f"  happened    {shorten(mark.text, _LONG)}{facts}"
    if visit.joined is not None:
        left = f"; left behind: {', '.join(visit.joined.dropped)}" if visit.joined.dropped else ""
        yield f"  gathered    {visit.joined.arrived} arrived{left}"
    if visit.question is not None:
        yield f"  asked       {visit.question}"
        yield from what_about(visit, "              ")
    if visit.answer is not None:
        yield f"  answered    {brief_json(visit.answer)}" + (f" by {visit.by}" if visit.by else "")
    if visit.due is not None:
        yield f"  deadline    {moment(visit.due)}"
    for name, value in visit.notes.items():
        yield f"  noted       {name} = {brief_json(value, 200)}"
    if visit.why is not None:
        yield f"  cancelled   because of the {visit.why}"
    if visit.error is not None and not any(a.error == visit.error for a in visit.attempts):
        yield f"  error       {shorten(fact_text(visit.error, caught=caught), _LONG)}", "red"
    if told.error is not None and f"{told.failed_at}/".startswith(f"{visit.id}/") and told.error != visit.error:
        yield f"  the run     {shorten(error_text(told.error), _LONG)}", "red"


def _edges(told: Account, visit: VisitAccount, width: int | None) -> Iterator[Part]:
    """Yield a row for each edge in the order in which they were tried."""
    from graphrt.cli.verdicts import edge_rows, edges_not_asked, scores_of

    others = [] if visit.status in _STAYS else edges_not_asked(told, visit)
    if not visit.routed:
        yield _no_edges(told, visit)
        yield from edge_rows(others, width=width)
        return
    outcome = visit.caught or visit.outcome
    if any(edge.result == "raised" for edge in visit.routed):
        yield "a guard raised, so it was left by no edge", "red"
    yield (
        "edges for "
        + (f"the outcome {outcome}" if outcome else "its completion")
        + ", in the order they were tried"
        + ("; then those for others:" if others else ":")
    )
    yield from edge_rows([*visit.routed, *others], width=width)
    if scores := scores_of(told, visit):
        yield f"  scores      {', '.join(f'{label} {score:.2f}' for label, score in scores.items())}"


def _no_edges(told: Account, visit: VisitAccount) -> str:
    from graphrt.cli.telling import where

    failed = told.failed_at or ""
    if failed.startswith(f"{visit.id}/"):
        return f"{where(told, failed)} failed inside it, and no edge of {visit.node.name} is for this error"
    if failed == visit.id and visit.status == "completed":
        return f"no edge of {visit.node.name} was taken: the run failed here"
    if visit.status in {"running", "waiting", "paused", "lost"}:
        return "it has not been left yet"
    if visit.status == "cancelled":
        return "it was not left by an edge: it was cancelled"
    if visit.status == "failed":
        return f"no edge of {visit.node.name} is for this error, so the run failed here"
    return f"{visit.node.name} has no edge for this outcome: its branch ended here"
