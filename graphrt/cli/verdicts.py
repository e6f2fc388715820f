"""The edges of a visit as rows: which were tried, what each guard read, which was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from rich.cells import cell_len

from graphrt.cli.screen import line, table
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from graphrt.cli.screen import Part
    from graphrt.told import Account, EdgeAccount, VisitAccount


_LONG_NAME: Final = 50


def edge_rows(edges: Sequence[EdgeAccount], *, indent: int = 2, width: int | None = None) -> list[Text]:
    """Return a row for each edge in the order in which they were tried; several lines each if rows are too wide."""
    rows: list[list[Part]] = [
        [
            f"{'':{indent}}{e.edge.index + 1}",
            ("→ " + e.target, "bold" if e.taken else "dim"),
            e.trigger,
            (e.result, _style(e)),
            what_it_read(e),
        ]
        for e in edges
    ]
    out = table(("", "", "", "", ""), rows)
    if width is None or all(cell_len(row.plain) <= width for row in out):
        return out
    return [row for e in edges for row in _stacked(e, indent)]


def edges_not_asked(told: Account, visit: VisitAccount) -> list[EdgeAccount]:
    """Return the edges of a visit's node that were not tried, since they are for other outcomes or errors.

    There are none to tell of if the visit was left under another definition than the one that is shown.
    """
    from graphrt.told import EdgeAccount

    tried = {x.edge.index for x in visit.routed}
    edges = visit.node.edges
    if any(x.edge.index >= len(edges) or edges[x.edge.index] != x.edge for x in visit.routed):
        return []
    nodes = told.graph_around(visit).nodes
    result = _not_for(visit)
    return [EdgeAccount(edge, nodes[edge.target].name, result) for edge in edges if edge.index not in tried]


def _not_for(visit: VisitAccount) -> str:
    error = visit.caught or (visit.error.type if visit.error is not None else None)
    if error is not None:
        return f"not for this error ({error})"
    return f"not for this outcome ({visit.outcome})" if visit.outcome else "not for its completion"


def scores_of(told: Account, visit: VisitAccount) -> dict[str, float]:
    """Return the scores of the outcomes of a choice, the highest first; empty if none are on record."""
    inside = [v for v in told.visits.values() if f"{v.id}/".startswith(f"{visit.id}/")]
    noted = [cast("dict[str, float]", v.notes["scores"]) for v in inside if isinstance(v.notes.get("scores"), dict)]
    last = noted[-1] if visit.node.kind == "router" and noted else {}
    return dict(sorted(last.items(), key=lambda one: -one[1]))


def _stacked(edge: EdgeAccount, indent: int) -> Iterator[Text]:
    """Yield an edge with its guard and what that read below it."""
    style, verdict = "bold" if edge.taken else "dim", _style(edge)
    number = f"{edge.edge.index + 1}"
    target = shorten(edge.target, _LONG_NAME)
    yield line(f"{'':{indent}}{number}  ", ("→ " + target, style), "  ", (edge.result, verdict))
    for more in (edge.trigger, what_it_read(edge)):
        if more:
            yield line(f"{'':{indent + len(number) + 4}}{more}")


def _style(edge: EdgeAccount) -> str:
    return "green" if edge.taken else "red" if edge.result == "raised" else "dim"


def what_it_read(edge: EdgeAccount) -> str:
    """Return what the guard of an edge read, and how often it was crossed."""
    from graphrt.told import value_text

    parts = [", ".join(f"{k} = {value_text(v)}" for k, v in edge.values.items())]
    if edge.count is not None and edge.edge.each is not None and edge.taken:
        parts.append("1 branch" if edge.count == 1 else f"{edge.count} branches")
    elif edge.count is not None and edge.taken:
        parts.append(f"crossing {edge.count + 1} of {edge.edge.at_most}")
    elif edge.count is not None:
        parts.append(f"{edge.count} of {edge.edge.at_most} used")
    return " · ".join(p for p in parts if p)
