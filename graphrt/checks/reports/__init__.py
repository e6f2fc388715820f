"""How findings are handed on: as text for people, as JSON, SARIF and GitHub annotations for programs."""

from __future__ import annotations

from dataclasses import dataclass

from graphrt.checks.finding import Finding


@dataclass(frozen=True, slots=True)
class Checked:
    """A flow that was checked, under the name that a person gave it."""

    target: str
    findings: tuple[Finding, ...]


def place_parts(place: str | None) -> tuple[str, int] | None:
    """Split `file:line`; None if there is no place, or no file behind it."""
    file, _, number = (place or "").rpartition(":")
    return (file, int(number)) if file and number.isdigit() and not file.startswith(("<", "?")) else None
