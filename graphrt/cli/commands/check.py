"""`graphrt check`: what is wrong with a flow, found without running it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from graphrt.cli.arguments import JsonOption, complete_targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphrt.checks import Finding, Rule, Settings
    from graphrt.checks.worst import Worst
    from graphrt.cli.checking import Looked
    from graphrt.cli.screen import Part
    from graphrt.errors import UseError
    from graphrt.inputs import Json

EXAMPLES = (
    "graphrt check flows/support.py",
    "graphrt check flows/ --picture",
    "graphrt check shop.flows:refunds --select GR2,GR301",
    "graphrt check flows/ --format sarif > findings.sarif",
    "graphrt check flows/support.py --cost --max-requests 20",
    "graphrt check flows/support.py --against .graphrt/runs.db",
)

_RulesHelp: Final = "by code (GR201), beginning of a code (GR2) or name (guard-gap); several with commas."


def check(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="file.py (every flow in it), file.py:name, package.module:name, or a folder (every flow below it).",
            autocompletion=complete_targets,
            show_default=False,
        ),
    ],
    select: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="RULES", help=f"Look for these only: {_RulesHelp}", show_default="all"),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="RULES", help="Leave these out.", show_default=False)
    ] = None,
    form: Annotated[
        Literal["text", "json", "sarif", "github"],
        typer.Option("--format", "-f", help="For people; for programs; for code hosts; for GitHub Actions."),
    ] = "text",
    as_json: JsonOption = False,
    picture: Annotated[
        bool, typer.Option("--picture", help="Draw below each finding the part of the flow that it is about.")
    ] = False,
    cost: Annotated[
        bool, typer.Option("--cost", help="Tell how many visits and requests to models a run makes at most.")
    ] = False,
    max_visits: Annotated[
        int | None, typer.Option("--max-visits", min=0, help="A run must not be able to make more.", show_default=False)
    ] = None,
    max_requests: Annotated[
        int | None,
        typer.Option("--max-requests", min=0, help="As --max-visits, for requests to models.", show_default=False),
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(
            "--items", min=0, help="How long a list is at most whose type does not say it.", show_default="any length"
        ),
    ] = None,
    reducers: Annotated[
        bool,
        typer.Option(
            "--reducers",
            help="Call the flows' own reducers on many values: are they associative, are they pure? Needs hypothesis.",
        ),
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="RUNS",
            help="A store or a trace file: would its runs go another way now, could they be resumed?",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Check flows without running them. Exit code 1 if anything is found, 2 if a target cannot be loaded.

    What cannot be run at all is told first; of what can, what would go wrong: ways that are never taken, states in
    which no way matches, fields that are read too early, branches that write the same, and more. `graphrt explain CODE`
    tells about a rule. Settings stand in [tool.graphrt.check] of pyproject.toml; options come before them, --ignore
    adds to them.
    """
    from dataclasses import replace

    from graphrt.checks.table import rules_of
    from graphrt.cli import exits
    from graphrt.cli.checking import look, project_settings
    from graphrt.cli.screen import complain

    given = project_settings()
    settings = replace(
        given,
        select=_names(select) or given.select,
        ignore=(*given.ignore, *_names(ignore)),
        max_visits=given.max_visits if max_visits is None else max_visits,
        max_requests=given.max_requests if max_requests is None else max_requests,
        items=given.items if items is None else items,
        reducers=given.reducers or reducers,
    )
    rules = rules_of(settings.select, settings.ignore)  # refuse what names no rule before anything is loaded
    _refuse_in_vain(rules, settings, against)
    looked, troubles = look(targets, settings, against)
    for trouble in troubles:
        complain(trouble.message)
    if form == "sarif" and not as_json:
        _say_sarif(looked, troubles)
    elif looked:
        _report(looked, "json" if as_json else form, picture=picture, cost=cost, items=settings.items)
    if troubles:
        return exits.WRONG_USE
    return exits.FOUND if any(one.checked.findings for one in looked) else exits.OK


def _refuse_in_vain(rules: Sequence[Rule], settings: Settings, against: str | None) -> None:
    """Refuse a selection of rules none of which can find anything without an option that is not given.

    Raises:
        UseError: with the option.
    """
    from graphrt.errors import UseError

    needs = [_need(rule, settings, against) for rule in rules]
    if needs and all(needs):
        names = ", ".join(rule.code for rule in rules)
        options = " and ".join(dict.fromkeys(need for need in needs if need is not None))
        raise UseError(f"{names}: nothing can be found without {options}; add it")


def _need(rule: Rule, settings: Settings, against: str | None) -> str | None:
    """Return the option without which a rule finds nothing; None if it needs none, or has it."""
    if rule.settings.reducers and not settings.reducers:
        return "--reducers"
    if rule.code.startswith("GR6") and against is None:
        return "--against RUNS"
    budgets = (rule.settings.max_visits, rule.settings.max_requests)
    if budgets != (None, None) and settings.max_visits is None and settings.max_requests is None:
        return "--max-visits or --max-requests"
    return None


def _names(given: list[str] | None) -> tuple[str, ...]:
    return tuple(name.strip() for text in given or () for name in text.split(",") if name.strip())


def _report(looked: list[Looked], form: str, *, picture: bool, cost: bool, items: int | None) -> None:
    from graphrt.cli.screen import say_json, write

    checked = [one.checked for one in looked]
    if form == "json":
        from graphrt.checks.reports.plain import plain

        found = plain(checked)
        if cost:
            for entry, one in zip(found, looked, strict=True):
                entry["worst"] = {what: _worst_json(bound) for what, bound in _worst(one, items)}
        say_json(found)
    elif form == "github":
        from graphrt.checks.reports.github import github

        write(github(checked))
    else:
        _say(looked, picture=picture, cost=cost, items=items)


def _say_sarif(looked: list[Looked], troubles: list[UseError]) -> None:
    from importlib.metadata import version

    from graphrt.checks.reports.sarif import sarif
    from graphrt.cli.screen import say_json

    say_json(sarif([one.checked for one in looked], version("graphrt"), [t.message for t in troubles]))


def _say(looked: list[Looked], *, picture: bool, cost: bool, items: int | None) -> None:
    from graphrt.checks.reports.text import lines
    from graphrt.cli.screen import line, say

    total = lines([one.checked for one in looked])[-2:] if len(looked) > 1 else []
    for one in looked:
        head, *rest = lines([one.checked])
        say(line(*head))
        if cost:
            say(*_cost(one, items))
        for row, finding in zip(rest, one.checked.findings, strict=True):
            say(line(*row))
            if picture:
                say(*_picture(one, finding))
    for row in total:
        say(line(*row))


def _picture(looked: Looked, finding: Finding) -> Iterator[Part]:
    """Draw the nodes that a finding is about, and the edges between them."""
    from msgspec.structs import replace

    from graphrt.checks.engine import parts_of
    from graphrt_viz import picture_of, render

    graphs = {part.name: part.graph for part in parts_of(looked.graph)} if looked.graph is not None else {}
    if finding.graph not in graphs or len(finding.nodes) < 2:
        return
    whole = picture_of(graphs[finding.graph])
    ids = set(finding.nodes)
    part = replace(
        whole,
        nodes=tuple(n for n in whole.nodes if n.id in ids),
        edges=tuple(e for e in whole.edges if e.source in ids and e.target in ids),
        clusters=(),
    )
    _, *body = str(render(part, "text")).rstrip().splitlines()
    yield from (f"      {text}" for text in body[:-2] if text.strip())


# -- cost -------------------------------------------------------------------------------------------------------------


def _worst(looked: Looked, items: int | None) -> list[tuple[str, Worst]]:
    from graphrt.checks.worst import worst

    if looked.graph is None:
        return []
    return [("visits", worst(looked.graph, "visits", items)), ("requests", worst(looked.graph, "requests", items))]


def _cost(looked: Looked, items: int | None) -> Iterator[Part]:
    from graphrt_viz.wording import plural

    for what, bound in _worst(looked, items):
        called = "visits" if what == "visits" else "requests to models"
        if math.isinf(bound.most):
            yield f"  any number of {called}: {'; '.join(bound.unbounded)}"
            continue
        loop = bound.loop
        rounds = plural(loop.rounds, "more round") if loop is not None else ""
        more = f"; {loop.cost:,.0f} in the loop {' → '.join(loop.nodes)}, with {rounds}" if loop is not None else ""
        yield f"  at most {bound.most:,.0f} {called}{more}"


def _worst_json(bound: Worst) -> dict[str, Json]:
    loop = bound.loop
    shown = None if loop is None else {"nodes": list(loop.nodes), "rounds": loop.rounds, "cost": _finite(loop.cost)}
    return {"most": _finite(bound.most), "loop": shown, "unbounded": list(bound.unbounded)}


def _finite(number: float) -> int | None:
    return None if math.isinf(number) else int(number)
