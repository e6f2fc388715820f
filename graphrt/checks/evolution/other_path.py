"""A recorded run that would go another way today.

Its inputs were fed to today's definition, without any model or tool, and something else followed: another edge, another
verdict, another write. That may be what the change was for. It is not, if runs like it were meant to go on as before;
the finding names the first visit at which it shows. Looked for by `graphrt check --against RUNS`.

Recorded:
    class Essay(BaseModel):
        draft: str
        score: float = 0.0


    flow = Flow("essay", Essay)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(draft: str) -> float:
        return 0.85


    sent, refused = flow.end("sent"), flow.end("refused")
    flow.edge(grade, sent, when=s.score > 0.8)
    flow.edge(grade, refused)
    run = flow.run_sync(Essay(draft="A kettle is a vessel."), run_id="k3v9x2mq7p")

Example:
    class Essay(BaseModel):
        draft: str
        score: float = 0.0


    flow = Flow("essay", Essay)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(draft: str) -> float: ...


    sent, refused = flow.end("sent"), flow.end("refused")
    flow.edge(grade, sent, when=s.score > 0.9)
    flow.edge(grade, refused)

Instead:
    class Essay(BaseModel):
        draft: str
        score: float = 0.0


    flow = Flow("essay", Essay)
    s = flow.state


    @flow.task(writes=s.score)
    def grade(draft: str) -> float: ...


    sent, refused = flow.end("sent"), flow.end("refused")
    flow.edge(grade, sent, when=s.score > 0.8)
    flow.edge(grade, refused)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphrt.checks.finding import Found
from graphrt.checks.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphrt.checks.subject import Subject


def _find(at: Subject) -> Iterator[Found]:
    if at.is_inside:
        return
    for r in at.settings.against:
        if not r.before and not r.now:
            continue
        where = f"visit {r.visit} ({r.node})" if r.visit is not None else "its start"
        yield Found(
            message=f"run {r.run} would go another way at {where}: recorded {r.before or 'nothing'}; now"
            f" {r.now or 'nothing'}",
            node=at.graph.by_name.get(r.node or ""),
        )


RULE = Rule("GR601", "other-path", "warning", _find, __doc__)
