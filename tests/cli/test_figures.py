"""One figure, everywhere the same: what a visit took and used, in lists, pictures, statistics and traces of others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import pytest

from graphrt.account import account
from graphrt.cli.telling import took
from graphrt.inputs import Usage
from graphrt.stores.trace_files import read_trace
from graphrt.told import VisitAccount, total_usage
from graphrt.trace import Trace, graph_of
from graphrt_viz import chronicle_of, picture_of_run
from graphrt_viz.extract import step_into
from graphrt_viz.picture import PCluster, PNode
from graphrt_viz.views.heat import heat_of
from tests.cli import scenes
from tests.cli.calling import Program

RUNS: dict[str, Callable[[], Trace]] = {
    "suspended": scenes.suspended,
    "completed": scenes.completed,
    "failed": scenes.failed,
    "resumed": scenes.resumed,
    "researched": scenes.researched,
    "coding": lambda: read_trace(Path(__file__).parents[2] / "graphs/runs/coding.jsonl"),
    "magentic": lambda: read_trace(Path(__file__).parents[2] / "graphs/runs/magentic.jsonl"),
}
EACH = pytest.mark.parametrize("trace", [make() for make in RUNS.values()], ids=list(RUNS))


def tokens_of(usage: Usage | None) -> int | None:
    """Return the tokens that are known."""
    return None if usage is None else (usage.input_tokens or 0) + (usage.output_tokens or 0)


def by_place(trace: Trace) -> dict[str, list[VisitAccount]]:
    """Return the visits of each node, by its place in a picture."""
    found: dict[str, list[VisitAccount]] = {}
    for visit in account(trace).visits.values():
        place = ""
        for name in visit.path:
            place = step_into(place, name)
        found.setdefault(place, []).append(visit)
    return found


@EACH
@pytest.mark.parametrize("opened", ["none", "all"])
def test_a_picture_and_a_list_say_the_same_of_a_node(trace: Trace, opened: Literal["none", "all"]) -> None:
    """The time of a node, an agent or a frame is the sum of what `show` says its visits took; so are its tokens."""
    visits = by_place(trace)
    picture = picture_of_run(trace, opened=opened)
    parts: list[PNode | PCluster] = [*picture.nodes, *picture.clusters]
    marked = [(part.id, part.mark) for part in parts if part.mark is not None and part.id in visits]
    assert marked
    for place, mark in marked:
        if visits[place][0].node.kind != "ask" and all(v.ended is not None for v in visits[place]):
            assert mark.took_s == pytest.approx(sum(v.took_s or 0.0 for v in visits[place]), abs=1e-5)
        if mark.waited_s is not None and all(v.ended is not None for v in visits[place]):
            assert mark.waited_s == pytest.approx(sum(v.took_s or 0.0 for v in visits[place]), abs=1e-5)
        known = [t for v in visits[place] if (t := tokens_of(v.used)) is not None]
        assert mark.tokens == (sum(known) if known else None)


@EACH
def test_statistics_and_a_list_say_the_same_of_a_node(trace: Trace) -> None:
    """The percentiles of `stats` are those of what `show` says the visits took, and its tokens are theirs."""
    heat = heat_of([trace], graph_of(trace))
    for place, visits in by_place(trace).items():
        assert heat.nodes[place].seconds == [v.took_s for v in visits if v.took_s is not None]
        assert heat.nodes[place].spent.tokens == sum(tokens_of(v.used) or 0 for v in visits)


def inside(visits: Mapping[str, list[VisitAccount]], place: str) -> list[VisitAccount]:
    """Return the visits of a node and of all nodes inside it."""
    return [v for at, found in visits.items() if at == place or at.startswith(f"{place}/") for v in found]


@EACH
def test_all_count_the_same_visits_attempts_and_failures(trace: Trace) -> None:
    """The picture of a run, that of many and the steps of the report count what the account has, no more, no less."""
    visits, heat = by_place(trace), heat_of([trace], graph_of(trace))
    picture = picture_of_run(trace, opened="all")
    parts: list[PNode | PCluster] = [*picture.nodes, *picture.clusters]
    marks = {part.id: part.mark for part in parts if part.mark is not None and part.id in visits}
    assert set(marks) == set(visits)
    steps = chronicle_of(trace).steps
    for place, mark in marks.items():
        own, attempts = visits[place], [a for v in visits[place] for a in v.attempts]
        below = inside(visits, place)
        failed = sum(a.error is not None for v in below for a in v.attempts)
        again = sum(a.error is not None for v in below for a in v.attempts[:-1])
        assert (mark.visits, heat.nodes[place].visits) == (len(own), len(own))
        assert mark.attempts == max(len(attempts), len(own))
        assert heat.nodes[place].failed_attempts == failed
        assert len(mark.failures) == again
        assert mark.lost == sum(a.lost for v in below for a in v.attempts)
        assert sum(s.ident == place and s.what == "attempt" for s in steps) == len(attempts)


@EACH
def test_the_visits_of_a_run_use_what_the_run_used(trace: Trace) -> None:
    """Added up over the visits that lie in no other, tokens and cost are those of the run."""
    told = account(trace)
    outermost = total_usage([v.used for v in told.visits.values() if len(v.path) == 1])
    assert tokens_of(outermost) == tokens_of(told.totals.usage)


@EACH
def test_why_and_show_say_the_same_of_a_visit(program: Program, trace: Trace) -> None:
    """A visit with one attempt took as long in the list of `show` as its attempt in `why`."""
    file = program.file("run.jsonl", trace)
    told = account(trace)
    visit = next(v for v in told.visits.values() if len(v.attempts) == 1 and v.took_s is not None)
    assert f"attempt 1   {took(visit.took_s)}" in program("why", file, visit.id).out
    named = re.compile(rf"\S.* {re.escape(visit.id)} +{visit.node.name} ")
    (row,) = [line for line in program("show", file).out.splitlines() if named.match(line)]
    assert f"  {took(visit.took_s)}  " in row


def test_a_model_is_named_once_however_often_it_was_asked() -> None:
    """Usages of several models, added up one by one, name each model once."""
    total: Usage | None = None
    for model in ("small", "large", "small", "large"):
        total = total_usage([total, Usage(model, 1, 1)])
    assert total == Usage("small, large", 4, 4)
