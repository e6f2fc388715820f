"""`graphrt show`: the steps of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from graphrt.cli.arguments import DEFAULT_STORE, JsonOption, RunArgument, StoreOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.text import Text

    from graphrt.cli.screen import Part
    from graphrt.inputs import Json
    from graphrt.ports import RunInfo
    from graphrt.told import Account, VisitAccount
    from graphrt.trace import Trace

EXAMPLES = (
    "graphrt show latest",
    "graphrt show 4fz --tree",
    "graphrt show 4fz --state",
    "graphrt show trace.jsonl --json",
)


_FEW_STEPS: Final = 3
_ROOMY: Final = 110
"""Cells from which on a terminal has room for models and costs; --json has them anywhere."""
_LONG: Final = 300
"""Characters of an error of a visit …"""
_LONG_END: Final = 600
"""… and of the one that ended the run; `graphrt why` and --json have all."""


def show(
    run: RunArgument,
    depth: Annotated[
        int | None,
        typer.Option("--depth", min=0, help="Open nodes with a graph inside so deep; 0 for none.", show_default="all"),
    ] = None,
    as_tree: Annotated[
        bool,
        typer.Option("--tree", help="Draw the visits as a tree: branch by branch, each below what it left."),
    ] = False,
    state: Annotated[bool, typer.Option("--state", help="Print the state that it ended with, or has now.")] = False,
    as_json: JsonOption = False,
    store: StoreOption = DEFAULT_STORE,
) -> int:
    """Show a run step by step: what was visited, what came of it, what it wrote, took and used.

    Visits stand in the order in which they began, those of nodes inside a node indented below it; with --tree each
    branch has its visits together. The code of the flow is not needed.

    A visit TOOK the time of its attempts, without the waits between them; one with a graph inside, the time from its
    start to its end, and its TOKENS and COST are those of all inside it; a question, the time until its answer. STEP is
    its number on pictures and in reports.
    """
    from graphrt.cli.screen import say, say_json
    from graphrt.cli.which import account_of, read_known, unrecorded

    trace, info = read_known(run, store)
    told = account_of(trace, info)
    if as_json:
        say_json(_as_json(trace, told, state=state))
    elif state:
        say_json(state_of(trace))
    else:
        rows = list(_tree_rows(told, depth) if as_tree else _list_rows(told, depth))
        _say(told, rows)
        if not trace.records:
            say("nothing is on record yet" if info is None else unrecorded(info, store))
            return 0
        say_next(told, run if info is None else told.run, store, stored=info)
    return 0


def state_of(trace: Trace) -> dict[str, Json]:
    """Return the state of the main line as the trace leaves it, as JSON."""
    from graphrt.replay import fold

    stepper = fold(trace)
    state = stepper.state if stepper.state is not None else stepper.partial
    return {name: stepper.graph.field[name].encode_state_value(value) for name, value in state.items()}


def _say(told: Account, rows: list[list[Part] | Part]) -> None:
    from graphrt.cli.screen import say

    say(heading(told), facts(told), "")
    heads = ("STEP", "VISIT", "NODE", "STATUS", "TOOK", "TOKENS", "COST", "MODEL", "WROTE")
    say_rows(heads, rows)


def say_rows(heads: tuple[str, ...], rows: list[list[Part] | Part]) -> None:
    """Print a table whose rows may have lines of their own between them."""
    from graphrt.cli.screen import console, say, table

    screen = console()
    cells = [r for r in rows if isinstance(r, list)]
    if not cells:
        return
    if screen.is_terminal and screen.width < _ROOMY:
        for listed in cells:
            listed[6:8] = ["", ""]
    heads = tuple(h if any(row[k] for row in cells) else "" for k, h in enumerate(heads))
    lines = iter(table(heads, cells, right=(4, 5, 6), width=screen.width if screen.is_terminal else None))
    screen.print(next(lines), soft_wrap=True)
    for row in rows:
        if isinstance(row, list):
            screen.print(next(lines), soft_wrap=True)
        else:
            say(row)


def heading(told: Account) -> Text:
    """Return which run it is and how it ended, or stands."""
    from graphrt.cli.screen import line
    from graphrt.cli.telling import status_text

    status = status_text(told.standing)
    end = f", by {told.cancelled_by}" if told.cancelled_by else ""
    if told.status == "completed" and told.ends:
        end = f" at {', '.join(told.ends)}"
    return line("run ", (told.run, "bold"), " of ", (told.flow, "bold"), "  ", status, end)


def facts(told: Account) -> Text:
    """Return when it ran and what it used."""
    from graphrt.cli.screen import line
    from graphrt.cli.telling import bill, moment, times
    from graphrt_viz.wording import plural

    totals = told.totals
    parts = [moment(told.started), *times(totals), plural(totals.visits, "visit")]
    if totals.retries:
        parts.append("1 retry" if totals.retries == 1 else f"{totals.retries} retries")
    parts += bill(told)
    if told.parent is not None:
        parts.append(f"fork of {told.parent} at visit {told.parent_visit}")
    return line((" · ".join(parts), "dim"))


def tree(told: Account) -> Iterator[tuple[VisitAccount, int]]:
    """Yield each visit with its depth: what is inside a node below it, siblings in the order of their starts."""
    inside: dict[str, list[VisitAccount]] = {}
    for visit in told.visits.values():
        inside.setdefault(visit.id.rpartition("/")[0], []).append(visit)
    todo = [(v, 0) for v in reversed(inside.get("", []))]
    while todo:
        visit, level = todo.pop()
        yield visit, level
        todo += [(v, level + 1) for v in reversed(inside.get(visit.id, []))]


def _list_rows(told: Account, depth: int | None) -> Iterator[list[Part] | Part]:
    """Yield the visits in the order in which they began."""
    for visit, level in tree(told):
        if depth is None or level <= depth:
            yield from _rows(visit, "  " * level, closed=level == depth)


def _tree_rows(told: Account, depth: int | None) -> Iterator[list[Part] | Part]:
    """Yield the visits branch by branch."""
    from graphrt.cli.family import family

    rows = list(family(told, depth))
    ids = [row.twig.visit.id for row in rows if row.twig.visit is not None]
    steps = [shown_steps(row.twig.visit) for row in rows if row.twig.visit is not None]
    # further lines go on with the tree, in the third column
    left = " " * (max(map(len, ["STEP", *steps])) + max(map(len, ["VISIT", *ids])) + 4)
    for row in rows:
        if row.twig.visit is None:
            yield ["", "", f"{row.drawn}branch {row.twig.branch}", *[""] * 6]
        else:
            visit = row.twig.visit
            yield from _rows(visit, row.drawn, left + row.under, closed=visit.id.count("/") == depth)


def shown_steps(visit: VisitAccount) -> str:
    """Return the steps of a visit: the one that led to it and its further attempts; of many, the first and the last."""
    steps = visit.steps
    return ", ".join(steps) if len(steps) <= _FEW_STEPS else f"{steps[0]} … {steps[-1]}"


def _model(visit: VisitAccount, *, closed: bool) -> str:
    """Return the model that a visit asked; of a node whose inside is not listed, those that were asked there."""
    said = visit.used if closed else visit.usage
    return (said.model or "") if said is not None else ""


def _rows(
    visit: VisitAccount, drawn: str, under: str | None = None, *, closed: bool = False
) -> Iterator[list[Part] | Part]:
    """Yield a visit, then what is to be said of it; `drawn` stands before its name, `under` before further lines.

    `closed` says that what is inside it is not listed.
    """
    from graphrt.cli.answers import what_about
    from graphrt.cli.screen import brief_json
    from graphrt.cli.telling import cost_of, fact_text, moment, tokens_of, took, visit_status, wrote_text
    from graphrt_viz.wording import shorten

    wrote = "" if visit.refused is not None else wrote_text(visit)
    if visit.item is not None and visit.agent is None:
        wrote = f"{brief_json(visit.item, 30)}: {wrote}".removesuffix(": ")
    yield [
        shown_steps(visit),
        (visit.id, "dim"),
        drawn + visit.name,
        visit_status(visit),
        took(visit.took_s),
        tokens_of(visit.spent),
        cost_of(visit.spent),
        _model(visit, closed=closed),
        wrote,
    ]
    indent = " " * 13 + drawn if under is None else under
    for attempt in visit.attempts:
        for mark in attempt.marks:
            yield f"{indent}{shorten(mark.text, _LONG)}", "cyan"
        if attempt.error is not None:
            after = f" after {took(attempt.duration_s)}" if attempt.duration_s else ""
            said = shorten(fact_text(attempt.error, caught=visit.caught is not None), _LONG)
            yield f"{indent}attempt {attempt.number} failed{after}: {said}", "red"
        elif attempt.lost:
            yield f"{indent}attempt {attempt.number} was cut off: whether its effect took place is in doubt", "yellow"
    if visit.error is not None and not any(a.error == visit.error for a in visit.attempts):
        yield f"{indent}{shorten(fact_text(visit.error, caught=visit.caught is not None), _LONG)}", "red"
    if visit.refused is not None:
        yield f"{indent}✗ told the model: {shorten(visit.refused.trouble, _LONG)}", "red"
    if visit.status == "waiting":
        answers = f" ({', '.join(visit.answers)})" if visit.answers else ""
        due = f", until {moment(visit.due)}" if visit.due is not None else ""
        yield f"{indent}{visit.question}{answers}{due}", "yellow"
        yield from what_about(visit, f"{indent}  ")
    elif visit.by is not None:
        yield f"{indent}answered by {visit.by}", "dim"
    elif visit.status == "cancelled" and visit.why is not None:
        yield f"{indent}because of the {visit.why}", "dim"


def say_next(told: Account, name: str, store: str, *, stored: RunInfo | None) -> None:
    """Say why a run stands where it stands, and what can be done about it; `name` is how it was called."""
    from graphrt.cli.screen import say

    lines = list(_next(told, name, store, stored))
    if lines:
        say("", *lines)


def _next(told: Account, name: str, store: str, stored: RunInfo | None) -> Iterator[Part]:
    from graphrt.cli.outcome import again
    from graphrt.cli.telling import can_go_on, error_text, where
    from graphrt_viz.wording import shorten

    if told.error is not None:
        at = f" at {where(told, told.failed_at)}" if told.failed_at else ""
        yield f"failed{at}: {shorten(error_text(told.error), _LONG_END)}", "red"
        yield f"why: {again(f'why {name}', store)}", "dim"
    if stored is None:
        return  # a file can be looked at, and no more
    for visit in told.questions:
        choice = "|".join(told.visits[visit].answers) or "VALUE"
        yield f"answer: {again(f'answer {name} {visit} {choice}', store)}", "dim"
    if can_go_on(told) or (told.status == "running" and not stored.live):
        yield f"go on: {again(f'resume {name}', store)}", "dim"


def _as_json(trace: Trace, told: Account, *, state: bool) -> dict[str, Json]:
    out: dict[str, Any] = {
        "run": told.run,
        "flow": told.flow,
        "digest": told.digest,
        "status": told.status,
        "cut_off": told.cut_off,
        "started": told.started,
        "ended": told.ended,
        "totals": _plain(told.totals),
        "parents": _plain(told.parents),
        "error": _plain(told.error),
        "failed_at": told.failed_at,
        "end": told.ends[0] if len(told.ends) == 1 else None,
        "ends": list(told.ends),
        "questions": list(told.questions),
        "parent": told.parent,
        "parent_visit": told.parent_visit,
        "visits": [visit_json(v) for v in told.visits.values()],
    }
    if state:
        out["state"] = state_of(trace)
    return out


def visit_json(visit: VisitAccount) -> dict[str, Json]:
    """Return all that is known of a visit."""
    return {
        "visit": visit.id,
        "node": visit.node.name,
        "path": list(visit.path),
        "number": visit.number,
        "steps": list(visit.steps),
        "kind": visit.node.kind,
        "status": visit.status,
        "outcome": visit.outcome,
        "causes": list(visit.causes),
        "started": visit.started,
        "ended": visit.ended,
        "took_s": visit.took_s,
        "usage": _plain(visit.used),
        "attempts": [_plain(a) for a in visit.attempts],
        "item": visit.item,
        "writes": visit.writes,
        "error": _plain(visit.error),
        "stuck": _plain(visit.stuck),
        "caught": visit.caught,
        "question": visit.question,
        "answers": list(visit.answers),
        "due": visit.due,
        "reads": visit.reads,
        "answer": visit.answer,
        "by": visit.by,
        "why": visit.why,
        "notes": visit.notes,
        "edges": [verdict_json(e) for e in visit.routed],
    }


def verdict_json(edge: Any) -> dict[str, Json]:  # noqa: ANN401 - an EdgeAccount; named here it would be imported
    """Return what became of an edge."""
    return {
        "to": edge.target,
        "trigger": edge.trigger,
        "result": edge.result,
        "values": edge.values,
        "count": edge.count,
        "step": edge.step or None,
        "at_most": edge.edge.at_most,
    }


def _plain(thing: Any) -> Json:  # noqa: ANN401 - a record or None
    import msgspec

    return msgspec.to_builtins(thing)
