"""Recorded runs that would go another way today."""

from __future__ import annotations

from graphrt.checks.rule import Finds, Found, Subject, rule
from graphrt.checks.settings import Recorded
from graphrt.checks.wording import runs_text


@rule("GR601", "other-path", "warning")
def other_path(at: Subject) -> Finds:
    by_node: dict[str | None, list[Recorded]] = {}
    for r in at.runs:
        if r.before or r.now:
            by_node.setdefault(r.node, []).append(r)
    for node, runs in by_node.items():
        first = runs[0]
        where = f"visit {first.visit} ({node})" if first.visit is not None else "its start"
        there = f"another way at {where}" if len(runs) == 1 else f"another way at {node or 'their start'}"
        shown = "" if len(runs) == 1 else f"{first.run} at {where}: "
        yield Found(
            f"{runs_text([r.run for r in runs])} would go {there}: {shown}recorded {first.before or 'nothing'};"
            f" now {first.now or 'nothing'}; if the change was not meant for runs like"
            f" {'it, it' if len(runs) == 1 else 'them, it'} shows there first",
            node=at.graph.by_name.get(node or ""),
        )
