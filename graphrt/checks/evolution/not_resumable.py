"""Runs that have not ended, and cannot be resumed under today's definition."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.checks.settings import Recorded
from graphrt.checks.wording import runs_text


@rule("GR602", "not-resumable", "error", beside=("GR601",))
def not_resumable(at: Subject) -> Finds:
    by_reason: dict[str, list[Recorded]] = {}
    for r in at.runs:
        if r.lost is not None:
            by_reason.setdefault(r.lost.replace(r.run, ""), []).append(r)
    for runs in by_reason.values():
        has, them = ("has", "the run") if len(runs) == 1 else ("have", "the runs")
        yield Found(
            f"{runs_text([r.run for r in runs])} {has} not ended and could not be resumed: {runs[0].lost}; keep the old"
            f" name and order, or finish or cancel {them} before the change"
        )
