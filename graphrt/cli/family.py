"""The visits of a run as a tree: what runs inside a node stands below it, and each branch below the visit it left.

It is read from the ids of visits: `1.0.2` is the third visit on branch 0 of visit `1`, `2/0` the first inside visit
`2`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.told import Account, VisitAccount


@dataclass(slots=True)
class Twig:
    """A visit, or a branch of several visits, with what stands below it."""

    visit: VisitAccount | None = None
    branch: int = 0
    """Of a branch: its number among those beside it, counted from 1."""
    below: list[Twig] = field(default_factory=list["Twig"])


@dataclass(frozen=True, slots=True)
class Row:
    """A twig with the part of the tree that is drawn at its left."""

    twig: Twig
    drawn: str
    under: str
    """What is drawn at the left of further lines of it."""


def family(told: Account, depth: int | None = None) -> Iterator[Row]:
    """Yield the tree of a run from above; `depth` is how deep nodes with a graph inside are opened, None for all."""
    todo = [Row(twig, "", "") for twig in reversed(_grown(told, depth).below)]
    while todo:
        row = todo.pop()
        yield row
        last = len(row.twig.below) - 1
        todo += [
            Row(twig, row.under + ("└ " if k == last else "├ "), row.under + ("  " if k == last else "│ "))
            for k, twig in reversed(list(enumerate(row.twig.below)))
        ]


def _grown(told: Account, depth: int | None) -> Twig:
    """Return the run as a twig."""
    twigs = {"": Twig()} | {visit.id: Twig(visit) for visit in told.visits.values()}
    lines: dict[str, list[Twig]] = {}
    for visit in told.visits.values():
        if depth is None or visit.id.count("/") <= depth:
            lines.setdefault(_line_of(visit.id), []).append(twigs[visit.id])
    branches: dict[str, int] = {}
    for line, members in lines.items():
        above = _above(line)
        begins_a_graph = line.endswith("/")
        if not begins_a_graph:
            branches[above] = branches.get(above, 0) + 1
        if begins_a_graph or len(members) == 1:  # a lone visit needs no head above it
            twigs[above].below += members
        else:
            twigs[above].below.append(Twig(None, branches[above], members))
    return twigs[""]


def _line_of(visit: str) -> str:
    """Return the line that a visit is on: its id without the last number."""
    outer, _, own = visit.rpartition("/")
    return f"{outer}/{own.rpartition('.')[0]}"


def _above(line: str) -> str:
    """Return the visit that a line left, or is inside of; nothing for the main line of a run."""
    outer, _, own = line.rpartition("/")
    left = own.rpartition(".")[0]
    return f"{outer}/{left}" if outer and left else left or outer
