"""A run that has not ended, and cannot be resumed under today's definition."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR602", "not-resumable", "error", beside=("GR601",))
def not_resumable(at: Subject) -> Finds:
    for r in at.runs:
        if r.lost is not None:
            yield Found(
                f"run {r.run} has not ended and could not be resumed: {r.lost}; keep the old name and order, or finish"
                " or cancel the run before the change"
            )
