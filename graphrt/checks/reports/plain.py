"""Findings as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphrt.checks.reports import place_parts

if TYPE_CHECKING:
    from graphrt.checks.finding import Finding
    from graphrt.checks.reports import Checked
    from graphrt.inputs import Json


def plain(checked: Sequence[Checked]) -> list[Json]:
    """Return one object per flow: its target, and its findings in order."""
    return [{"target": c.target, "findings": [finding_json(f) for f in c.findings]} for c in checked]


def finding_json(finding: Finding) -> dict[str, Json]:
    """Return the JSON form of a finding; every key is always there."""
    place = place_parts(finding.place)
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "message": finding.message,
        "graph": finding.graph,
        "node": finding.node,
        "edge": finding.edge,
        "target": finding.target,
        "file": place[0] if place else None,
        "line": place[1] if place else None,
        "witness": dict(finding.witness) or None,
        "path": list(finding.path),
        "nodes": list(finding.nodes),
    }
