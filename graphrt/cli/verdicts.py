"""The edges of a visit as rows: which were tried, what each guard read, which was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from graphrt.cli.screen import line, table
from graphrt_viz.wording import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from graphrt.account import EdgeAccount
    from graphrt.cli.screen import Part


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
    from graphrt.account import value_text

    parts = [", ".join(f"{k} = {value_text(v)}" for k, v in edge.values.items())]
    if edge.count is not None and edge.edge.each is not None and edge.taken:
        parts.append("1 branch" if edge.count == 1 else f"{edge.count} branches")
    elif edge.count is not None and edge.taken:
        parts.append(f"crossing {edge.count + 1} of {edge.edge.at_most}")
    elif edge.count is not None:
        parts.append(f"{edge.count} of {edge.edge.at_most} used")
    return " · ".join(p for p in parts if p)
