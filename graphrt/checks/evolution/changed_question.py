"""Questions that runs wait with, and that offer other answers today."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.checks.wording import listed, runs_text


@rule("GR603", "changed-question", "error", beside=("GR601",))
def changed_question(at: Subject) -> Finds:
    waiting: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for r in at.runs:
        for a in r.asked:
            gone = [answer for answer in a.before if answer not in a.now]
            if a.now and (gone or not a.before):
                offered = listed(gone) if gone else "any answer"
                waiting.setdefault((a.node, offered, listed(a.now)), []).append((r.run, a.visit))
    for (node, offered, now), runs in waiting.items():
        where = f"at visit {runs[0][1]} ({node})" if len(runs) == 1 else f"at {node}"
        waits, it = ("waits", "it") if len(runs) == 1 else ("wait", "them")
        yield Found(
            f"{runs_text([run for run, _ in runs])} {waits} {where} for an answer and offered {offered}, which is none"
            f" of {now} any more; answer {it} before the change, or keep the answer",
            node=at.graph.by_name.get(node),
        )
