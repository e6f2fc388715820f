"""A question that a run waits with, and that offers other answers today."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.checks.wording import listed


@rule("GR603", "changed-question", "error", beside=("GR601",))
def changed_question(at: Subject) -> Finds:
    for r in at.runs:
        for a in r.asked:
            gone = [answer for answer in a.before if answer not in a.now]
            if a.now and (gone or not a.before):
                offered = listed(gone) if gone else "any answer"
                yield Found(
                    f"run {r.run} waits at visit {a.visit} ({a.node}) for an answer and offered {offered},"
                    f" which is none of {listed(a.now)} any more; answer it before the change, or keep the answer",
                    node=at.graph.by_name.get(a.node),
                )
