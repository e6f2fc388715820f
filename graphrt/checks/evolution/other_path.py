"""A recorded run that would go another way today."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule


@rule("GR601", "other-path", "warning")
def other_path(at: Subject) -> Finds:
    for r in at.runs:
        if not r.before and not r.now:
            continue
        where = f"visit {r.visit} ({r.node})" if r.visit is not None else "its start"
        yield Found(
            f"run {r.run} would go another way at {where}: recorded {r.before or 'nothing'}; now {r.now or 'nothing'};"
            " if the change was not meant for runs like it, it shows there first",
            node=at.graph.by_name.get(r.node or ""),
        )
