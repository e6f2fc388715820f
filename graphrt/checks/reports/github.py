"""Findings as workflow commands of GitHub Actions, which shows them at the lines of a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphrt.checks.reports import place_parts

if TYPE_CHECKING:
    from graphrt.checks.finding import Finding
    from graphrt.checks.reports import Checked


def github(checked: Sequence[Checked]) -> str:
    """Return one command per finding; nothing if there is none."""
    return "".join(f"{_command(c.target, f)}\n" for c in checked for f in c.findings)


def _command(target: str, finding: Finding) -> str:
    place = place_parts(finding.place)
    title = finding.code if finding.name == finding.code else f"{finding.code} {finding.name}"
    properties = {"file": place[0], "line": str(place[1])} if place else {}
    properties["title"] = title
    given = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
    message = finding.message if place else f"{target}: {finding.message}"
    return f"::{finding.severity} {given}::{_escaped(message)}"


def _escaped(text: str, more: str = "") -> str:
    """Write what ends a command, a property or its value as a number; see GitHub's description of the commands."""
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{more}" else c for c in text)
