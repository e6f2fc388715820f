"""Findings as lines for people: place first, as compilers do, then the rule, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from graphrt.checks.finding import Finding
    from graphrt.checks.reports import Checked

Styled: TypeAlias = tuple[str, str]
"""A piece of text, and the style that a terminal may give it."""

_COLOURS = {"error": "red", "warning": "yellow"}


def text(checked: Sequence[Checked]) -> str:
    """Return the report without any styles."""
    return "".join("".join(part for part, _ in line) + "\n" for line in lines(checked))


def lines(checked: Sequence[Checked]) -> list[list[Styled]]:
    """Return the lines of the report."""
    found = [line for one in checked for line in _of_flow(one)]
    if len(checked) > 1:
        wrong = sum(bool(c.findings) for c in checked)
        count = sum(len(c.findings) for c in checked)
        said = f"{_plural(count, 'finding')} in {wrong}" if wrong else "no findings"
        found += [[], [(f"{len(checked)} flows checked, {said}", "")]]
    return found


def _of_flow(checked: Checked) -> list[list[Styled]]:
    if not checked.findings:
        return [[("✓ ", "green"), (checked.target, "")]]
    head: list[Styled] = [("✗ ", "red"), (checked.target, "bold"), (f": {_count(checked.findings)}", "")]
    return [head, *(line_of(f) for f in checked.findings)]


def line_of(finding: Finding) -> list[Styled]:
    """Return the line of one finding."""
    where = f"{finding.place}: " if finding.place else ""
    name = f" [{finding.name}]" if finding.name != finding.code else ""
    return [
        (f"  {where}", "bold"),
        (finding.code, _COLOURS[finding.severity]),
        (f" {finding.message}", ""),
        (name, "dim"),
    ]


def _count(findings: Sequence[Finding]) -> str:
    parts = [_plural(sum(f.severity == s for f in findings), s) for s in ("error", "warning")]
    return ", ".join(p for p in parts if not p.startswith("0 "))


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
